"""Images flipped, rotated and zoomed: closed forms, frames that change alike, seeds."""

import sys

import pytest
import torch
from torch.testing import assert_close

from engram.data.augmentation import images as module
from engram.data.augmentation.images import ImageAugmentation, augment_images
from engram.data.augmentation.seeding import generator_for
from engram.errors import ConfigError

ALL = {"flip": True, "flip_vertical": True, "rotate": 30.0, "zoom": 1.5}


def _augmented(images, seed=0, **options):
    return augment_images(images, ImageAugmentation(**options), generator_for(seed, 0))


def test_nothing_asked_for_changes_nothing():
    images = torch.rand(5, 3, 8, 6)
    assert torch.equal(_augmented(images), images)


@pytest.mark.parametrize(("option", "axis"), [("flip", -1), ("flip_vertical", -2)])
def test_every_other_image_is_mirrored(option, axis):
    images = torch.rand(400, 1, 5, 4)
    changed = _augmented(images, **{option: True})
    mirrored = (changed == images.flip(axis)).flatten(1).all(1)
    kept = (changed == images).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 150 < int(mirrored.sum()) < 250


def test_a_quarter_turn_by_hand():
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 8] = 1.0
    turned = module._turned(image, torch.tensor([90.0]), torch.ones(1), "zeros")
    expected = torch.zeros(1, 1, 9, 9)
    expected[0, 0, 0, 4] = 1.0  # what was at the right is at the top: against the clock
    assert_close(turned, expected, atol=1e-5, rtol=0)


def test_a_zoom_by_hand():
    """A ramp from the middle keeps its middle, and becomes as much flatter as it grows."""
    ramp = (torch.arange(9.0) - 4).expand(1, 1, 9, 9)
    grown = module._turned(ramp, torch.zeros(1), torch.tensor([2.0]), "border")
    assert_close(grown, ramp / 2, atol=1e-5, rtol=0)


def test_turns_and_zooms_lie_within_what_was_asked():
    """Seen on two ramps, across and down: the change of a plane is read off its slopes."""
    across = (torch.arange(21.0, dtype=torch.float64) - 10).expand(21, 21)
    planes = torch.stack([across, across.T]).repeat(300, 1, 1, 1)
    changed = _augmented(planes, rotate=20.0, zoom=1.5)[:, :, 9:12, 9:12]
    slope = (changed[:, 0, 1, 2] - changed[:, 0, 1, 0]) / 2
    rise = (changed[:, 1, 1, 2] - changed[:, 1, 1, 0]) / 2
    angles = torch.rad2deg(torch.atan2(rise, slope))
    factors = 1 / torch.hypot(slope, rise)
    assert_close(changed[:, :, 1, 1], torch.zeros(300, 2).double(), atol=1e-5, rtol=0)
    for values, low, high in ((angles, -20, 20), (factors.log() / torch.tensor(1.5).log(), -1, 1)):
        assert low - 1e-4 <= values.min() < 0.9 * low
        assert 0.9 * high < values.max() <= high + 1e-4


def test_what_comes_in_from_outside():
    white = torch.ones(50, 1, 16, 16)
    assert_close(_augmented(white, rotate=45.0, zoom=2.0), white)
    black = _augmented(white, rotate=45.0, zoom=2.0, fill="black")
    assert (black.amin(dim=(1, 2, 3)) < 0.01).any()


def test_all_frames_of_a_row_change_alike():
    frame = torch.rand(1, 3, 2, 12, 10)
    frames = frame.expand(4, 3, 2, 12, 10)
    changed = _augmented(frames, **ALL)
    assert_close(changed, changed[:1].expand_as(changed))
    assert_close(changed[0], _augmented(frame[0], **ALL))
    assert not torch.equal(changed[0, 0], changed[0, 1])


@pytest.mark.parametrize("options", [{k: v} for k, v in ALL.items()] + [ALL], ids=[*ALL, "all"])
def test_the_same_seed_gives_the_same(options):
    images = torch.rand(20, 3, 8, 6)
    before = images.clone()
    once = _augmented(images, seed=1, **options)
    assert torch.equal(images, before), "what was given is left as it is"
    assert torch.equal(_augmented(images, seed=1, **options), once)
    assert not torch.equal(_augmented(images, seed=2, **options), once)
    assert once.shape == images.shape
    assert once.dtype == images.dtype


def test_one_setting_does_not_change_the_draw_of_another():
    images = torch.rand(20, 1, 8, 6)
    flipped = _augmented(images, flip=True)
    both = _augmented(images, flip=True, rotate=1e-4)
    assert_close(both, flipped, atol=1e-3, rtol=0)


def test_without_kornia(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia.geometry.transform", None)
    assert _augmented(torch.rand(2, 1, 4, 4), flip=True).shape == (2, 1, 4, 4)
    with pytest.raises(ConfigError) as fault:
        _augmented(torch.rand(2, 1, 4, 4), rotate=5.0)
    assert str(fault.value) == (
        "rotating and zooming images needs kornia; run pip install 'engram[images]'"
    )


@pytest.mark.parametrize("wrong", [torch.zeros(3, 4, 4), torch.zeros(1, 1, 4, 4).byte()])
def test_faults(wrong):
    with pytest.raises(
        ConfigError,
        match=r"they must be floating-point of shape \(B, C, Y, X\) "
        r"or \(T, B, C",
    ):
        _augmented(wrong, flip=True)
