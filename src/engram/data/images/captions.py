"""Captions: images, classes or vectors from a table, and what was written about each."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engram.data.images.pictures import SUFFIXES, pillow, read_pixels
from engram.data.settings import TextTableSettings
from engram.data.tables import cells
from engram.data.tables.checked import numbered, numbers_in, refuse_nul, texts_in
from engram.data.tables.json_files import read_value, records_table
from engram.data.tables.names import first_named
from engram.data.tables.reading import READERS, is_table, read_table
from engram.data.tables.roles import require_columns
from engram.data.tables.table import Block, Table
from engram.errors import DataError
from engram.files import cannot

_IMAGE_NAMES = ("image", "file", "filename", "file_name", "path", "picture")
_CAPTION_NAMES = ("caption", "captions", "text", "sentence", "description", "title")

_OPEN = TextTableSettings()


@dataclass(frozen=True)
class Captions:
    """What is written about, and what was written about each.

    Attributes:
        given: Images ``(N, C, Y, X)`` uint8, numbers ``(N, F)`` float32, or names of classes.
        texts: One or more captions of each, N of them.
        columns: Which columns were taken: of what is given, and of the captions.
        skipped: Images that could not be read and were left out, with the reason.
        notes: Choices in how the table was read, one sentence each.
    """

    given: np.ndarray | list[str]
    texts: list[list[str]]
    columns: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | np.ndarray) -> "Captions":
        """Some of them, by place."""
        chosen = [int(row) for row in rows]
        given = self.given
        taken = given[chosen] if isinstance(given, np.ndarray) else [given[row] for row in chosen]
        return Captions(taken, [self.texts[row] for row in chosen], self.columns)


def read_captions(
    path: str | os.PathLike[str],
    *,
    kind: Literal["images", "classes", "numbers"] = "images",
    columns: Sequence[str] = (),
    size: tuple[int, int] = (32, 32),
    channels: int = 3,
    broken: Literal["refuse", "skip"] = "refuse",
    encoding: str = "utf-8",
    errors: str = "strict",
    given: TextTableSettings = _OPEN,
) -> Captions:
    """Read what is written about, and the captions.

    A table is any that `read_table` reads, a JSON object of captions by image (a text or a list of
    texts each), or COCO's JSON with ``images`` and ``annotations``. Images are
    named relative to its folder. An image with several captions has several lines, or a list.

    Args:
        path: The table, or a folder with one table in it beside the images.
        kind: What the captions are about: files of images, one class, or numbers.
        columns: Names of the column of captions, and of the column or columns it is about, in this
            order; those that are missing are guessed by their names.
        size: (Y, X) that images are brought to.
        channels: C, 3 for colour or 1 for grey.
        broken: What is done with an image that cannot be read: refuse all, or leave it out.
        encoding, errors: Of the table; see `read_text`.
        given: How a table is read, as far as it is known.

    Raises:
        ConfigError: If Pillow is not installed.
        DataError: For a table or image that cannot be used; file, line and column are named.
    """
    table = _table(_table_of(Path(path)), encoding, errors, given)
    first_block = table.first
    caption, about = _roles(table, first_block, kind, columns)
    texts: dict[tuple[Any, ...], list[str]] = {}
    rows: list[int] = []  # where each is first named
    for start, block in numbered(table):
        if kind == "numbers":
            about_each: list[Any] = [
                numbers_in(table, name, block, start, needed=True).tolist() for name in about
            ]
        else:
            about_each = [[text.strip() for text in texts_in(table, about[0], block, start)]]
        for place, (key, cell) in enumerate(
            zip(zip(*about_each, strict=True), cells.values(block[caption]), strict=True)
        ):
            if key not in texts:
                rows.append(start + place)
            own = _captions_of(table, start + place, caption, cell)
            texts.setdefault(key, []).extend(own)
    taken = (*about, caption)
    if kind == "images":
        named = [(row, name, texts[name,]) for row, (name,) in zip(rows, texts, strict=True)]
        return _with_images(table, named, taken, size, channels, broken)
    keys = list(texts)
    if kind == "classes":
        classes = [str(name) for (name,) in keys]
        return Captions(classes, list(texts.values()), taken, notes=table.notes)
    return Captions(np.array(keys, np.float32), list(texts.values()), taken, notes=table.notes)


def load_image(path: str | os.PathLike[str], size: tuple[int, int], channels: int) -> np.ndarray:
    """Read an image and bring it to a size, ``(C, Y, X)`` uint8; upright, transparency dropped.

    Raises:
        ConfigError: If Pillow is not installed.
        DataError: For a file that cannot be read or is no image.
    """
    return fitted_image(read_pixels(path), size, channels)


def fitted_image(pixels: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """Bring an image ``(C, Y, X)`` uint8 to a size and number of channels."""
    if pixels.shape == (channels, *size):
        return pixels
    image_module = pillow()
    image = image_module.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image = image.convert("L" if channels == 1 else "RGB").resize(size[::-1])
    made = np.asarray(image)
    return made[None] if channels == 1 else made.transpose(2, 0, 1)


def _with_images(
    table: Table,
    named: list[tuple[int, str, list[str]]],
    columns: tuple[str, ...],
    size: tuple[int, int],
    channels: int,
    broken: str,
) -> Captions:
    images, kept, skipped = [], [], []
    for row, name, captions in named:
        try:
            images.append(load_image(table.path.parent / name, size, channels))
            kept.append(captions)
        except DataError as error:
            if broken == "refuse":
                raise DataError(
                    f"{table.place(row)}: {error}; or skip such images with --broken skip"
                ) from None
            skipped.append(f"{table.name(row)}: {error}")
    if not images:
        raise DataError(f"no image could be read; the first: {skipped[0]}")
    return Captions(np.stack(images), kept, columns, skipped, table.notes)


def _table_of(path: Path) -> Path:
    if not path.is_dir():
        if not is_table(path):
            raise DataError(
                f"{path} is not a table of captions; give a folder, or a file that ends in "
                f"{', '.join(sorted(READERS))}"
            )
        if not path.exists():
            raise DataError(f"{path} does not exist; give a table of captions, or its folder")
        return path
    try:
        found = sorted(f for f in path.iterdir() if is_table(f) and f.is_file())
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    if len(found) != 1:
        names = ", ".join(f.name for f in found) or "none"
        raise DataError(f"{path} has {len(found)} tables of captions ({names}); give one of them")
    return found[0]


def _table(path: Path, encoding: str, errors: str, given: TextTableSettings) -> Table:
    """The file as a table; JSON may also be captions by image, or COCO's."""
    if path.suffix.lower() != ".json":
        return read_table(path, encoding=encoding, errors=errors, given=given)
    value = read_value(path, encoding, errors)
    if isinstance(value, dict) and "annotations" in value and "images" in value:
        value = _coco(path, value)
    if isinstance(value, dict):
        value = [{"image": name, "caption": captions} for name, captions in value.items()]
    return records_table(path, value)


def _coco(table: Path, value: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        names = {image["id"]: image["file_name"] for image in value["images"]}
        return [
            {"image": names[note["image_id"]], "caption": note["caption"]}
            for note in value["annotations"]
        ]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{table}: images need 'id' and 'file_name', annotations need 'image_id' and "
            f"'caption', but one lacks {error}; fix the file"
        ) from None


def _roles(
    table: Table, first: Block, kind: str, columns: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """The column of captions, and the columns of what they are about."""
    names = table.columns
    require_columns(table, columns)
    caption = columns[0] if columns else first_named(_CAPTION_NAMES, names)
    if caption is None:
        others = [n for n in names if n not in _IMAGE_NAMES]
        caption = others[0] if len(others) == 1 else None
    if caption is None:
        raise DataError(
            f"{table.path} has columns {table.shown()}, but none is named caption; name it with "
            "--columns"
        )
    left = [name for name in names if name != caption]
    about = list(columns[1:])
    if not about and kind == "images":
        guessed = first_named(_IMAGE_NAMES, left) or _with_suffixes(first, left)
        about = [guessed] if guessed else left
    elif not about:
        about = left
    if not about or (kind != "numbers" and len(about) != 1):
        raise DataError(
            f"{table.path} has columns {table.shown()}: which one contains the {kind} is not "
            f"clear; name it after the caption column, such as --columns {caption} "
            f"{(left or ['image'])[0]}"
        )
    return caption, tuple(about)


def _with_suffixes(first: Block, names: list[str]) -> str | None:
    """The one column whose first cell is named as images are."""
    starts = {name: str(next(iter(cells.values(first[name][:1])), "")) for name in names}
    found = [name for name in names if Path(starts[name]).suffix.lower() in SUFFIXES]
    return found[0] if len(found) == 1 else None


def _captions_of(table: Table, row: int, column: str, cell: Any) -> list[str]:
    kept = []
    for text in (cell if isinstance(cell, list) else [cell]) or [None]:
        if not isinstance(text, str) or not text.strip():
            raise DataError(
                f"{table.place(row)}: '{column}' is {text!r}; a caption must be a text that is "
                "not empty"
            )
        refuse_nul(text, table, row, column)
        kept.append(text.strip())
    return kept
