"""Images through classify: folders, tables, rows and patches, changes, new images."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engram.cli.main import main
from engram.data.arrays.scaling import Scaling
from engram.data.augmentation.image_rows import ImageChanges
from engram.data.augmentation.images import augment_images
from engram.data.images.rows import to_images, to_steps
from engram.data.labelled.reading import read_examples
from engram.data.settings import ImageAugmentation, ImageSettings, ReadingSettings
from engram.errors import ConfigError, DataError, EngramWarning
from engram.tasks import classify, fitting
from engram.training.run_folder import RunFolder

SMALL = ["--hidden", "8", "--epochs", "12", "--batch", "8", "--rate", "0.02"]


def _read(path, **options):
    settings = ImageSettings(**options)
    chosen = ReadingSettings(data=[str(path)])
    return read_examples(chosen.data, chosen, numbers=False, media=[settings])


def _image(path, pixels, mode="L"):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).convert(mode).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Bright at the top, or at the bottom: 6 by 8 pixels, grey."""
    draw = np.random.default_rng(0)
    for place in range(16):
        pixels = draw.integers(0, 60, (6, 8))
        pixels[:3] += 180
        _image(tmp_path / "data" / "top" / f"{place:02}.png", pixels)
        _image(tmp_path / "data" / "bottom" / f"{place:02}.png", pixels[::-1])
    return tmp_path / "data"


def test_rows_are_steps(folder):
    found = _read(folder)
    examples = found.examples
    assert examples.targets == ["bottom"] * 16 + ["top"] * 16
    assert examples.medium == ImageSettings(height=6, width=8, grey=True)
    pixels = np.asarray(Image.open(folder / "top" / "03.png")) / 255
    np.testing.assert_allclose(examples.inputs[19], pixels, rtol=1e-6)
    assert found.about == [
        f"32 images from {folder}",
        "images: 6 by 8 pixels (height by width), grey, each row a step",
    ]
    assert not found.warnings


def test_patches_are_steps(folder):
    examples = _read(folder, patch=2).examples
    pixels = np.asarray(Image.open(folder / "top" / "03.png")) / 255
    assert examples.inputs[19].shape == (12, 4)
    np.testing.assert_allclose(examples.inputs[19][5], pixels[2:4, 2:4].ravel(), rtol=1e-6)
    with pytest.raises(ConfigError, match="patch=4 does not divide the size of 6 by 8"):
        _read(folder, patch=4, height=6, width=8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("patch", [0, 2])
def test_steps_become_images_again(channels, patch):
    images = np.random.default_rng(0).random((5, channels, 4, 6))
    steps = to_steps(images, patch)
    assert steps.shape == ((6, 5, 4 * channels) if patch else (4, 5, 6 * channels))
    np.testing.assert_array_equal(to_images(steps, (4, 6, channels), patch), images)


def test_sizes_and_colours_are_brought_together_and_told(folder):
    other = _image(folder / "top" / "colour.png", np.full((12, 16, 3), [255, 0, 0]), "RGB")
    found = _read(folder)
    assert found.examples.medium == ImageSettings(height=6, width=8, grey=False)
    assert found.warnings == [
        "1 of 33 images have another size than 6 by 8 pixels and were resized, such as "
        + str(other)
    ]
    np.testing.assert_allclose(found.examples.inputs[-1], np.tile([1.0] * 8 + [0.0] * 16, (6, 1)))
    assert "are in colour and were read in greyscale" in _read(folder, grey=True).warnings[1]


def test_large_images_are_made_smaller(tmp_path):
    for label in "ab":
        _image(tmp_path / "large" / label / "1.jpg", np.zeros((100, 200)))
    assert _read(tmp_path / "large").examples.medium == ImageSettings(
        height=32, width=64, grey=True
    )


def test_a_table_and_all_of_its_damaged_files(folder):
    table = folder / "images.csv"
    (folder / "top" / "00.png").write_bytes(b"nothing")
    table.write_text(
        "image,label\ntop/01.png,t\ntop/00.png,t\nbottom/gone.png,b\nbottom/01.png,b\n"
    )
    with pytest.raises(DataError) as caught:
        _read(table)
    assert str(caught.value).startswith(f"2 of 4 images cannot be read: {table} row 2: ")
    table.write_text("image,label\ntop/01.png,t\nbottom/01.png,b\n")
    examples = _read(table).examples
    assert examples.targets == ["t", "b"]
    assert examples.names == [str(folder / "top/01.png"), str(folder / "bottom/01.png")]


@pytest.mark.parametrize("patch", [0, 2])
def test_changes_are_those_of_images(patch):
    images = torch.rand(5, 3, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    steps = to_steps(images.numpy(), patch)
    width = steps.shape[2]
    scale = Scaling(np.linspace(0, 1, width), np.linspace(1, 2, width))
    settings = ImageAugmentation(flip=True, rotate=10, zoom=1.2)
    changes = ImageChanges(settings, ImageSettings(height=4, width=6, patch=patch), scale)
    x = torch.from_numpy(scale.apply(steps))
    made = changes.apply(x, torch.full((5,), len(steps)), torch.Generator().manual_seed(3))
    wanted = augment_images(images, settings, torch.Generator().manual_seed(3))
    again = to_images(scale.undo(made.numpy()), (4, 6, 3), patch)
    np.testing.assert_allclose(again, wanted.numpy(), atol=1e-5)
    assert made.dtype == torch.float32


def test_images_are_learnt_and_read_alike_afterwards(folder, tmp_path, capsys):
    run = str(tmp_path / "run")
    argv = ["train", "classify", "--data", str(folder), "--run-dir", run, *SMALL]
    assert main([*argv, "--patch", "2", "--flip", "--zoom", "1.1"]) == 0
    capsys.readouterr()
    large = np.zeros((12, 16))
    large[6:] = 200
    new = _image(tmp_path / "new.png", large)
    with pytest.warns(EngramWarning, match="1 of 1 images have another size than 6 by 8 pixels"):
        assert main(["predict", run, "--data", str(new)]) == 0
    shown = capsys.readouterr()
    (row,) = csv.DictReader(shown.out.splitlines())
    assert (row["name"], row["label"]) == (str(new), "bottom")
    trained = fitting.load(classify.TASK, RunFolder.open(Path(run)).model)
    medium = ImageSettings(height=6, width=8, grey=True, patch=2)
    assert trained.preprocess.encoding.medium == medium
    settings = trained.settings.model_copy(update={"noise_level": 0.1})
    data = classify.TASK.read(settings)
    with pytest.raises(ConfigError, match="noise_level apply to sounds"):
        classify.TASK.source(settings, data)
