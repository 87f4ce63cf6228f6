"""What ``engram data preview`` draws and prints: data, and what augmentation makes of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engram.cli.preview import KINDS, augmentation_from
from engram.cli.sheet import image_sheet, series_sheet
from engram.data.augmentation.images import augment_images
from engram.data.augmentation.seeding import generator_for
from engram.data.augmentation.series import augment_series
from engram.data.augmentation.tokens import TokenNoise
from engram.data.images.pictures import SUFFIXES, read_image
from engram.data.paths import Found
from engram.data.settings import ImageAugmentation, SeriesAugmentation, TokenAugmentation
from engram.data.tables.reading import is_table, read_table
from engram.data.tables.series import series_of
from engram.data.tables.table import listed
from engram.data.text.documents import read_text
from engram.data.text.tokens import END, Tokenizer, fit_tokenizer
from engram.errors import ConfigError, did_you_mean
from engram.files import cannot
from engram.settings import Settings

_MOST_IMAGES, _MOST_FEATURES = 6, 4
_DROPPED, _REPLACED = "□", "‹{}›"


def show(given: dict[str, Any]) -> None:
    """Print what was asked for, or draw it into a file.

    Args:
        given: What the flags of `preview.parser` say.
    """
    paths = [Path(path) for path in given["paths"]]
    kind = _kind(given["kind"], paths)
    settings = augmentation_from(kind, given)
    what = _described(settings)
    if isinstance(settings, TokenAugmentation):
        print_text(given, settings)
        return
    if isinstance(settings, ImageAugmentation):
        sheet = draw_images(paths, settings, given["variants"], given["seed"], what)
    elif isinstance(settings, SeriesAugmentation):
        sheet = draw_series(paths, settings, given["variants"], given["seed"], what)
    _save(sheet, Path(given["out"]))


def draw_images(
    paths: Sequence[Path], settings: ImageAugmentation, variants: int, seed: int, what: str
) -> Any:
    """A contact sheet of the first images, as a Pillow image."""
    files = [file for path in paths for file in _files(path) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise ConfigError(f"{paths[0]} contains no images; give PNG, JPEG or similar files")
    rows = []
    for number, file in enumerate(files[:_MOST_IMAGES]):
        image = read_image(file)
        copies = image.repeat(variants, 1, 1, 1)
        changed = augment_images(copies, settings, generator_for(seed, number))
        rows.append(torch.cat([image.unsqueeze(0), changed]))
    if len(files) > _MOST_IMAGES:
        print(f"the first {_MOST_IMAGES} of {len(files):,} images are shown")
    return image_sheet(rows, [file.name for file in files[:_MOST_IMAGES]], f"{what}, seed {seed}")


def draw_series(
    paths: Sequence[Path], settings: SeriesAugmentation, variants: int, seed: int, what: str
) -> Any:
    """Plots of the columns of a table, as a Pillow image."""
    if len(paths) > 1:
        raise ConfigError(f"{len(paths)} tables were given; a preview of series takes one")
    columns, values, skipped = series_of(read_table(paths[0]))
    if skipped:
        print(f"not numeric, left out: {listed(skipped)}")
    if len(columns) > _MOST_FEATURES:
        print(f"the first {_MOST_FEATURES} of {len(columns)} columns are shown")
    series = torch.from_numpy(np.array(values))
    copies = series.unsqueeze(1).repeat(1, variants, 1)
    changed, lengths = augment_series(copies, None, settings, generator_for(seed, 0))
    made = [changed[:length, row] for row, length in enumerate(lengths.tolist())]
    names = list(columns[:_MOST_FEATURES])
    return series_sheet(series, made, names, f"{paths[0].name}: {what}, seed {seed}")


def print_text(given: dict[str, Any], settings: TokenAugmentation) -> None:
    """Print the beginning of a text, as it is and as it would be read."""
    text = read_text(given["paths"], max_characters=200_000)
    tokenizer = fit_tokenizer(given["tokens"], text.documents, 10_000)
    ids = tokenizer.encode_documents(text.documents)
    noise = TokenNoise.make(settings, tokenizer, ids, given["seed"])
    assert noise is not None  # for settings that ask for none were refused
    shown = torch.from_numpy(ids[: given["length"] + 1]).long().unsqueeze(1)
    print(f"original   {_readable(shown, shown, tokenizer)}")
    for variant in range(given["variants"]):
        noisy = noise.apply(shown, variant)
        print(f"\nvariant {variant + 1}  {_readable(noisy, shown, tokenizer)}")
    print(
        f"\n{_DROPPED} is dropped, {_REPLACED.format('x')} replaces another; {tokenizer.unit} "
        f"of {text.files}, seed {given['seed']}. "
        "The targets stay as in the original."
    )


def _readable(noisy: torch.Tensor, original: torch.Tensor, tokenizer: Tokenizer) -> str:
    """A lane of tokens ``(W, 1)`` as text, with marks where they are not the original ones."""
    parts = []
    for read, true in zip(noisy.flatten().tolist(), original.flatten().tolist(), strict=True):
        piece = "" if read == END else tokenizer.decode([read]).replace("\n", "↵")
        if read != true:
            dropped = read == tokenizer.unknown
            whole = tokenizer.decode([true]) if dropped else piece
            blank = " " if whole.startswith(" ") and len(whole) > 1 else ""  # before a word
            mark = _DROPPED if dropped else _REPLACED.format(piece.removeprefix(blank))
            piece = blank + mark
        parts.append(piece)
    return "".join(parts)


def _kind(given: str | None, paths: Sequence[Path]) -> str:
    """What the files hold: as given, or as the names of the files tell."""
    if given is not None:
        if given not in KINDS:
            raise ConfigError(f"kind '{given}' is not known: {did_you_mean(given, KINDS)}")
        return given
    files = [file for path in paths for file in _files(path)]
    if any(file.suffix.lower() in SUFFIXES for file in files):
        return "images"
    return "series" if any(map(is_table, files)) else "text"


def _files(path: Path) -> list[Path]:
    """A file, or all files of a folder in the order of their names."""
    if path.is_dir():
        return sorted(Found().below(path))
    return [path]


def _described(settings: Settings) -> str:
    """What is asked for, in words: ``flip, rotate 15.0``."""
    plain = type(settings)().model_dump()
    asked = {name: value for name, value in settings.model_dump().items() if value != plain[name]}
    words = [name if value is True else f"{name} {value}" for name, value in asked.items()]
    return ", ".join(words).replace("_", " ")


def _save(sheet: Any, path: Path) -> None:
    """Write a picture in the format that its name tells."""
    try:
        sheet.save(path)
    except ValueError:
        raise ConfigError(
            f"--out {path} does not have the extension of an image; use {path.with_suffix('.png')}"
        ) from None
    except OSError as error:
        raise ConfigError(cannot("write", path, error)) from error
    print(f"{path}: {sheet.width} × {sheet.height}")
