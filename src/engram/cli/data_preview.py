"""``engram data preview``: look at data, and at what augmentation makes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engram.cli.flags import Parser, add_settings, settings_from
from engram.cli.sheet import image_sheet, series_sheet
from engram.data.augmentation.images import ImageAugmentation, augment_images
from engram.data.augmentation.seeding import generator_for
from engram.data.augmentation.series import SeriesAugmentation, augment_series
from engram.data.augmentation.tokens import TokenAugmentation, TokenNoise
from engram.data.images.pictures import SUFFIXES, read_image
from engram.data.paths import Found
from engram.data.tables.reading import is_table, read_table
from engram.data.tables.series import series_of
from engram.data.tables.table import listed
from engram.data.text.documents import read_text
from engram.data.text.tokens import END, Tokenizer, fit_tokenizer
from engram.errors import ConfigError, did_you_mean
from engram.files import cannot
from engram.settings import Settings

KINDS: dict[str, tuple[type[Settings], str]] = {
    "images": (ImageAugmentation, "--flip --rotate 15 --zoom 1.2"),
    "series": (SeriesAugmentation, "--jitter 0.1 --warp 0.5"),
    "text": (TokenAugmentation, "--drop-tokens 0.1 --replace-tokens 0.05"),
}
_MOST_IMAGES, _MOST_FEATURES = 6, 4
_DROPPED, _REPLACED = "□", "‹{}›"


def parser() -> Parser:
    """The flags of ``engram data preview``."""
    made = Parser(
        prog="engram data preview",
        usage="engram data preview PATH … [augmentation flags] [--out FILE]",
        description=(
            "Show data as training would see them: the originals, and several variants of each.\n"
            "Images become a contact sheet, the columns of a CSV file become plots, both in one\n"
            "picture; text is printed. The same seed gives the same variants.\n\n"
            "  engram data preview photos/ --flip --rotate 15 --zoom 1.2 --out sheet.png\n"
            "  engram data preview readings.csv --jitter 0.1 --warp 0.5 --crop 0.8\n"
            "  engram data preview notes.txt --drop-tokens 0.1 --replace-tokens 0.05\n\n"
            "Augmentation is for training alone: validation and test data stay as they are."
        ),
    )
    made.add_argument("paths", nargs="+", metavar="PATH", help="files, or folders of images")
    made.add_argument(
        "--kind",
        metavar="|".join(KINDS),
        help="what the files hold; by default their names tell, and other files are text",
    )
    made.add_argument("--variants", type=int, default=4, metavar="N", help="how many of each (4)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="the same gives the same")
    made.add_argument(
        "--out", default="preview.png", metavar="FILE", help="the picture (preview.png)"
    )
    made.add_argument(
        "--tokens", default="words", metavar="characters|words|…", help="units of text (words)"
    )
    made.add_argument(
        "--length", type=int, default=60, metavar="N", help="tokens of text to show (60)"
    )
    for kind, (settings, _) in KINDS.items():
        add_settings(made, f"augmentation of {kind}", settings)
    return made


def main(argv: list[str]) -> int:
    """Run ``engram data preview``."""
    given = vars(parser().parse(argv))
    for name in ("variants", "length"):
        if given[name] < 1:
            raise ConfigError(f"{name} is {given[name]}, and takes a whole number from 1")
    paths = [Path(path) for path in given["paths"]]
    kind = _kind(given["kind"], paths)
    settings = _settings(kind, given)
    what = _described(settings)
    if isinstance(settings, TokenAugmentation):
        print_text(given, settings)
        return 0
    if isinstance(settings, ImageAugmentation):
        sheet = draw_images(paths, settings, given["variants"], given["seed"], what)
    elif isinstance(settings, SeriesAugmentation):
        sheet = draw_series(paths, settings, given["variants"], given["seed"], what)
    _save(sheet, Path(given["out"]))
    return 0


def draw_images(
    paths: Sequence[Path], settings: ImageAugmentation, variants: int, seed: int, what: str
) -> Any:
    """A contact sheet of the first images, as a Pillow image."""
    files = [file for path in paths for file in _files(path) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise ConfigError(f"{paths[0]} holds no images; name PNG, JPEG or the like")
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
        raise ConfigError(f"{len(paths)} tables were named; a preview of series takes one")
    columns, values, skipped = series_of(read_table(paths[0]))
    if skipped:
        print(f"no numbers, left out: {listed(skipped)}")
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
        f"\n{_DROPPED} is dropped, {_REPLACED.format('x')} is put in another's place; "
        f"{tokenizer.unit} of {text.files}, seed {given['seed']}. "
        "What the model is asked for stays as in the original."
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


def _settings(kind: str, given: dict[str, Any]) -> Settings:
    """The augmentation that was asked for; every fault is reported at once."""
    wanted, example = KINDS[kind]
    faults = []
    for other, (fields_of, _) in KINDS.items():
        flags = [f"--{name.replace('_', '-')}" for name in fields_of.model_fields if name in given]
        if other != kind and flags:
            faults.append(f"{', '.join(flags)} is for {other}, and this is {kind}")
    values = {name: given[name] for name in wanted.model_fields if name in given}
    try:
        settings = settings_from(wanted, values, None, faults)
    except ConfigError as error:
        raise ConfigError(f"{error}; 'engram data preview --help' shows what is accepted") from None
    if settings == wanted():
        raise ConfigError(f"no augmentation was asked for; try {example}")
    return settings


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
            f"--out {path} does not end like a picture; name it {path.with_suffix('.png')}"
        ) from None
    except OSError as error:
        raise ConfigError(cannot("write", path, error)) from error
    print(f"{path}: {sheet.width} × {sheet.height}")
