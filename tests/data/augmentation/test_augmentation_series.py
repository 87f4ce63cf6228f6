"""Series jittered, scaled, warped and cropped: closed forms, what is missing, lengths, seeds."""

import math

import pytest
import torch
from torch.testing import assert_close

from engram.data.augmentation.seeding import generator_for
from engram.data.augmentation.series import SeriesAugmentation, augment_series
from engram.errors import ConfigError

T, B, F = 40, 6, 2
LENGTHS = [40, 1, 17, 33, 2, 25]
ALL = {"jitter": 0.1, "scale": 0.2, "warp": 0.5, "crop": 0.6}
EACH = {name: {name: value} for name, value in ALL.items()} | {"all": ALL}
by_kind = pytest.mark.parametrize("options", EACH.values(), ids=list(EACH))


def _augmented(x, lengths=None, seed=0, **options):
    return augment_series(x, lengths, SeriesAugmentation(**options), generator_for(seed, 0))


def _time(rows=B):
    """A series whose value is its own time."""
    return torch.arange(T, dtype=torch.float64).view(T, 1, 1).repeat(1, rows, 1)


def test_nothing_asked_for_changes_nothing():
    x = torch.randn(T, B, F)
    changed, lengths = _augmented(x, LENGTHS)
    assert lengths.tolist() == LENGTHS
    for row, length in enumerate(LENGTHS):
        assert torch.equal(changed[:length, row], x[:length, row])
        assert (changed[length:, row] == 0).all()
    assert torch.equal(_augmented(x)[0], x)


def test_jitter_is_noise_in_units_of_each_series():
    x = torch.randn(4000, 2, 2, dtype=torch.float64) * torch.tensor([[1.0, 100.0], [0.01, 7.0]])
    changed, _ = _augmented(x, jitter=0.3)
    noise = (changed - x) / x.std(dim=0, correction=0)
    assert_close(noise.std(dim=0), torch.full((2, 2), 0.3).double(), rtol=0.05, atol=0)
    assert noise.mean(dim=0).abs().max() < 5 * 0.3 / math.sqrt(4000)


def test_jitter_knows_the_steps_that_are_there():
    x = torch.randn(8000, 2, 1, dtype=torch.float64)
    changed, _ = _augmented(x, [8000, 1000], jitter=0.3)
    short = x[:1000, 1]
    noise = (changed[:1000, 1] - short).std() / short.std()
    assert_close(noise, torch.tensor(0.3).double(), rtol=0.1, atol=0)


def test_jitter_of_a_constant_series_is_nothing():
    x = torch.full((T, B, F), 3.0)
    assert_close(_augmented(x, jitter=0.5)[0], x)


def test_scale_is_one_positive_factor_for_each_series():
    x = torch.randn(T, 500, F, dtype=torch.float64)
    factors = _augmented(x, scale=0.2)[0] / x
    assert_close(factors, factors[:1].expand_as(factors))
    logs = factors[0].log()
    assert_close(logs.std(), torch.tensor(0.2).double(), rtol=0.1, atol=0)
    assert abs(logs.mean()) < 5 * 0.2 / math.sqrt(logs.numel())


def test_warped_time_runs_forward_from_the_first_step_to_the_last():
    warped, lengths = _augmented(_time(), LENGTHS, warp=0.5)
    assert lengths.tolist() == LENGTHS
    for row, length in enumerate(LENGTHS):
        times = warped[:length, row, 0]
        assert times[0] == 0
        assert_close(times[-1], torch.tensor(length - 1.0).double())
        assert (times.diff() > 0).all()
        if length > 10:
            assert (times - torch.arange(length)).abs().max() > 0.1, "time runs as before"


def test_the_speed_of_warped_time_is_smooth_and_as_wide_as_asked():
    warped, _ = _augmented(_time(2000), warp=0.3)
    speeds = warped[:, :, 0].diff(dim=0).log()
    assert_close((speeds - speeds.mean(0)).std(), torch.tensor(0.3).double(), rtol=0.1, atol=0)
    assert speeds.diff(dim=0).square().mean().sqrt() < 0.1, "no jumps from step to step"


def test_warping_interpolates_between_steps():
    line = 5.0 - 2.0 * _time()
    times, _ = _augmented(_time(), warp=0.5)
    warped, _ = _augmented(line, warp=0.5)
    assert_close(warped, 5.0 - 2.0 * times)


def test_a_crop_is_a_window_of_the_row():
    rows = 400
    lengths = torch.arange(rows) % T + 1
    cropped, kept = _augmented(_time(rows), lengths, crop=0.6)
    assert ((kept >= (0.6 * lengths).round()) & (kept >= 1) & (kept <= lengths)).all()
    assert len(cropped) == kept.max()
    starts = []
    for row, (length, left) in enumerate(zip(lengths.tolist(), kept.tolist(), strict=True)):
        window = cropped[:left, row, 0]
        assert_close(window, window[0] + torch.arange(left).double())
        assert window[-1] <= length - 1
        assert (cropped[left:, row] == 0).all()
        starts.append((float(window[0]), length - left))
    assert any(start == 0 < room for start, room in starts)
    assert any(start == room > 3 for start, room in starts)


@by_kind
def test_missing_values_stay_missing_and_spoil_nothing(options):
    x = torch.randn(T, B, F, dtype=torch.float64)
    whole, lengths = _augmented(x, LENGTHS, **options)
    gone = torch.rand(T, B, F) < 0.2
    changed, same = _augmented(x.masked_fill(gone, torch.nan), LENGTHS, **options)
    assert torch.equal(lengths, same)
    missing = changed.isnan()
    inside = (torch.arange(len(changed)).unsqueeze(1) < lengths).unsqueeze(2)
    share = missing.sum() / inside.expand_as(missing).sum()
    assert abs(share - 0.2) < 0.1
    assert not (missing & ~inside).any()
    if set(options) <= {"scale", "crop"}:
        assert_close(changed[~missing], whole[~missing])
    if set(options) <= {"jitter", "scale"}:
        assert torch.equal(missing, gone & inside)


@by_kind
def test_padding_has_no_say(options):
    x = torch.randn(T, B, F)
    spoilt = x.clone()
    for row, length in enumerate(LENGTHS):
        spoilt[length:, row] = torch.nan
    expected = _augmented(x, LENGTHS, **options)
    assert_close(_augmented(spoilt, LENGTHS, **options), expected)
    assert expected[0].isfinite().all()


@by_kind
def test_the_same_seed_gives_the_same(options):
    x = torch.randn(T, B, F)
    before = x.clone()
    once = _augmented(x, LENGTHS, seed=1, **options)
    assert torch.equal(x, before), "what was given is left as it is"
    again = _augmented(x, LENGTHS, seed=1, **options)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    other = _augmented(x, LENGTHS, seed=2, **options)
    assert once[0].shape != other[0].shape or not torch.equal(once[0], other[0])


@by_kind
def test_dtype_and_shape_are_kept(options):
    x = torch.randn(T, B, F)
    changed, lengths = _augmented(x, **options)
    assert changed.dtype == torch.float32
    assert changed.shape[1:] == (B, F)
    assert lengths.dtype == torch.int64


FAULTS = [
    (torch.zeros(T, B), None, "series have shape (40, 6) and torch.float32; they must be"),
    (
        torch.zeros(T, B, F).long(),
        None,
        "series have shape (40, 6, 2) and torch.int64; they must be",
    ),
    (
        torch.zeros(T, 2, F),
        [0, 3],
        "lengths are [0, 3]; they must be 2 whole numbers from 1 to T=40",
    ),
    (torch.zeros(T, 2, F), [3], "lengths are [3]; they must be 2 whole numbers from 1 to T=40"),
]


@pytest.mark.parametrize(("x", "lengths", "text"), FAULTS, ids=[f[2][:30] for f in FAULTS])
def test_faults(x, lengths, text):
    with pytest.raises(ConfigError) as fault:
        _augmented(x, lengths)
    assert str(fault.value).startswith(text)
