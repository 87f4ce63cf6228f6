"""Images from files: pixels, modes, turned cameras, and faults."""

import pytest
import torch
from PIL import Image

from engram.data.images.pictures import read_image
from engram.errors import ConfigError, DataError


def _pixels(height, width, channels):
    return torch.randint(256, (height, width, channels), dtype=torch.uint8)


def _saved(path, pixels, **options):
    height, width, channels = pixels.shape
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    Image.frombytes(mode, (width, height), bytes(pixels.flatten().tolist())).save(path, **options)
    return path


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_pixels_are_those_of_the_file(tmp_path, channels, suffix):
    pixels = _pixels(4, 6, channels)
    image = read_image(_saved(tmp_path / f"image{suffix}", pixels))
    assert image.shape == (channels, 4, 6)
    assert torch.equal((image * 255).round().to(torch.uint8), pixels.permute(2, 0, 1))


def test_transparency_is_dropped(tmp_path):
    pixels = _pixels(3, 5, 4)
    image = read_image(_saved(tmp_path / "image.png", pixels))
    assert torch.equal((image * 255).round().to(torch.uint8), pixels[..., :3].permute(2, 0, 1))


def test_a_turned_camera_is_turned_back(tmp_path):
    pixels, exif = _pixels(3, 5, 3), Image.Exif()
    exif[0x0112] = 6  # the top of the picture is at its right
    image = read_image(_saved(tmp_path / "image.png", pixels, exif=exif))
    expected = pixels.rot90(-1).permute(2, 0, 1)
    assert torch.equal((image * 255).round().to(torch.uint8), expected)


def test_faults(tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no image")
    with pytest.raises(DataError) as fault:
        read_image(text)
    assert str(fault.value) == f"{text} is not a readable image; give a PNG, JPEG or similar file"
    with pytest.raises(DataError, match=r"nothing\.png"):
        read_image(tmp_path / "nothing.png")
    whole = _saved(tmp_path / "whole.png", _pixels(40, 40, 3)).read_bytes()
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut.png is a damaged image: .*; restore it"):
        read_image(cut)


def test_without_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(
        ConfigError,
        match=r"images need Pillow; run pip install "
        r"'engram\[images\]'",
    ):
        read_image(tmp_path / "image.png")
