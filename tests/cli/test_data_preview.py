"""engram data preview: pictures that show what they should, text with its marks, faults."""

import pytest
import torch
from PIL import Image

from engram.cli.main import main
from engram.data.images.pictures import read_image

WORDS = "the quick brown fox jumps over the lazy dog and runs away from it\n" * 5


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (40 + 10 * number, 30), (255, 80 * number, 0)).save(
            folder / f"{number}.png"
        )
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    rows = [f"{t}-01,{t % 7},{'' if t % 5 == 0 else t * t}" for t in range(40)]
    path.write_text("\n".join(["month,week,square", *rows]))
    return path


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(WORDS)
    return path


def _preview(*argv):
    return main(["data", "preview", *map(str, argv)])


def _fault(capsys, *argv):
    assert _preview(*argv) == 2
    return capsys.readouterr().err.removeprefix("engram: ").strip()


def test_images_become_a_contact_sheet(images, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    flags = ["--flip", "--rotate", "20", "--zoom", "1.3", "--variants", "2", "--out", out]
    assert _preview(images, *flags) == 0
    sheet = read_image(out)
    assert capsys.readouterr().out == f"{out}: {sheet.shape[2]} × {sheet.shape[1]}\n"
    for number in range(3):  # the colour of each image: the original and two variants
        colour = torch.tensor([255, 80 * number, 0]).view(3, 1, 1) / 255
        found = ((sheet - colour).abs() < 0.01).all(0).any(0).float()
        blocks = int((found.diff(prepend=torch.zeros(1)) == 1).sum())
        assert blocks == 3


def test_more_images_than_are_drawn(images, tmp_path, capsys):
    for number in range(3, 40):
        Image.new("L", (8, 8), number).save(images / f"{number}.png")
    assert _preview(images, "--flip", "--variants", "1", "--out", tmp_path / "sheet.png") == 0
    assert "the first 6 of 40 images are shown" in capsys.readouterr().out


def test_more_columns_than_are_drawn(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("a,b,c,d,e,f\n" + "1,2,3,4,5,\n,,,,,\n2,3,4,5,6,\n" * 9)
    assert _preview(path, "--jitter", "0.1", "--out", tmp_path / "sheet.png") == 0
    assert "not numeric, left out: f\nthe first 4 of 5 columns are shown" in capsys.readouterr().out


def test_the_same_seed_draws_the_same_sheet(images, tmp_path):
    pictures = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        out = tmp_path / f"{name}.png"
        _preview(images, "--rotate", 40, "--fill", "black", "--seed", seed, "--out", out)
        pictures.append(read_image(out)[:, 90:])  # without the title, which names the seed
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def test_series_become_plots(table, tmp_path, capsys):
    out = tmp_path / "plots.png"
    assert _preview(table, "--jitter", "0.2", "--crop", "0.7", "--out", out) == 0
    said = capsys.readouterr().out
    assert said.startswith("not numeric, left out: month\n")
    sheet = read_image(out)
    blue = ((sheet - torch.tensor([31, 107, 178]).view(3, 1, 1) / 255).abs() < 0.1).all(0)
    panels = (blue.any(0).float().diff(prepend=torch.zeros(1)) == 1).sum()
    assert panels >= 5, "the original and four variants"


def test_text_is_printed_with_its_marks(text, capsys):
    flags = ["--drop-tokens", "0.3", "--replace-tokens", "0.3", "--variants", "2"]
    assert _preview(text, *flags) == 0
    out = capsys.readouterr().out
    assert "original   the quick brown fox jumps over the lazy dog" in out
    variant = out.split("variant 2")[1].split("\n")[0]
    assert "□" in variant
    assert "‹" in variant
    assert "words of 1 file, seed 0" in out
    assert _preview(text, *flags) == 0
    assert capsys.readouterr().out == out


def test_characters_are_marked_too(text, capsys):
    assert _preview(text, "--drop-tokens", "0.5", "--tokens", "characters", "--length", "12") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("variant")]
    shown = [line.removeprefix(f"variant {n + 1}  ") for n, line in enumerate(lines)]
    assert all(len(each) == 12 for each in shown)
    for each in shown:
        assert all(a in (b, "□") for a, b in zip(each, WORDS, strict=False))


FAULTS = [
    (["PATH"], "no augmentation was given; try --drop-tokens 0.1 --replace-tokens 0.05"),
    (
        ["PATH", "--rotate", "10", "--drop-tokens", "2"],
        "--rotate applies to images, and this data is text; settings: drop_tokens is '2': input "
        "should be",
    ),
    (["PATH", "--kind", "txt"], "kind 'txt' is not known: did you mean 'text'? accepted: images,"),
    (
        ["PATH", "--kind", "images", "--flip"],
        "PATH contains no images; give PNG, JPEG or similar files",
    ),
    (["PATH", "--variants", "0"], "variants is 0; it must be a whole number of at least 1"),
    (["PATH", "--jiter", "1"], "'--jiter' is not a flag, did you mean '--jitter'?"),
    (
        ["PATH", "--tokens", "bytes", "--drop-tokens", "0.1"],
        "drop_tokens=0.1 needs an unknown token, but 'bytes' has none",
    ),
    (["NOWHERE.txt", "--drop-tokens", "0.1"], "NOWHERE.txt"),
]


@pytest.mark.parametrize(("argv", "said"), FAULTS, ids=[said[:30] for _, said in FAULTS])
def test_faults(argv, said, text, capsys):
    given = [str(text) if each == "PATH" else each for each in argv]
    assert _fault(capsys, *given).startswith(said.replace("PATH", str(text)))


def test_an_output_that_is_no_picture(images, tmp_path, capsys):
    out = tmp_path / "sheet.xyz"
    said = _fault(capsys, images, "--flip", "--out", out)
    fix = tmp_path / "sheet.png"
    assert said == f"--out {out} does not have the extension of an image; use {fix}"


def test_subcommands(capsys):
    assert main(["data"]) == 0
    assert "preview" in capsys.readouterr().out
    assert main(["data", "prevew"]) == 2
    assert "did you mean 'preview'?" in capsys.readouterr().err


def test_every_flag_is_explained(capsys):
    with pytest.raises(SystemExit):
        _preview("--help")
    out = capsys.readouterr().out
    for flag in ("--flip", "--zoom", "--warp", "--crop", "--drop-tokens", "--seed", "--out"):
        assert flag in out
