"""Captions: images, classes or vectors from a table, and what was written about each."""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engram.data.images.pictures import SUFFIXES, pillow
from engram.data.text.documents import read_text
from engram.errors import DataError, did_you_mean
from engram.files import cannot

TABLES = (".csv", ".json", ".jsonl", ".tsv")
_IMAGE_NAMES = ("image", "file", "filename", "file_name", "path", "picture")
_CAPTION_NAMES = ("caption", "captions", "text", "sentence", "description", "title")


@dataclass(frozen=True)
class Entry:
    """One line of a table: what is written about, and what was written.

    Attributes:
        where: File and line, for messages.
        values: By column.
    """

    where: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Captions:
    """What is written about, and what was written about each.

    Attributes:
        given: Images ``(N, C, Y, X)`` uint8, numbers ``(N, F)`` float32, or names of classes.
        texts: One or more captions of each, N of them.
        columns: Which columns were taken: of what is given, and of the captions.
        skipped: Images that could not be read and were left out, with the reason.
    """

    given: np.ndarray | list[str]
    texts: list[list[str]]
    columns: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)

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
) -> Captions:
    """Read what is written about, and the captions.

    A table is CSV or TSV with a line of names, JSON with a list of records, JSON Lines, a JSON
    object of captions by image (a text or a list of texts each), or COCO's JSON with ``images``
    and ``annotations``. Images are named relative to its folder. An image with several captions
    has several lines, or a list.

    Args:
        path: The table, or a folder with one table in it beside the images.
        kind: What the captions are about: files of images, one class, or numbers.
        columns: Names of the column of captions, and of the column or columns it is about, in this
            order; those that are missing are guessed by their names.
        size: (Y, X) that images are brought to.
        channels: C, 3 for colour or 1 for grey.
        broken: What is done with an image that cannot be read: refuse all, or leave it out.
        encoding, errors: Of the table; see `read_text`.

    Raises:
        ConfigError: Where Pillow is not installed.
        DataError: For a table or image that cannot be used; file, line and column are named.
    """
    table = _table_of(Path(path))
    entries = list(_entries(table, encoding, errors))
    if not entries:
        raise DataError(f"{table} holds no captions; write at least one line under the names")
    caption, about = _roles(table, entries, kind, columns)
    texts: dict[tuple[Any, ...], list[str]] = {}
    first: list[str] = []  # where each is first named
    for entry in entries:
        key = _about(entry, about, kind)
        if key not in texts:
            first.append(entry.where)
        texts.setdefault(key, []).extend(_captions_of(entry, caption))
    taken = (*about, caption)
    if kind == "images":
        named = [(where, name, texts[name,]) for where, (name,) in zip(first, texts, strict=True)]
        return _with_images(table.parent, named, taken, size, channels, broken)
    given = [key[0] for key in texts] if kind == "classes" else np.array(list(texts), np.float32)
    return Captions(given, list(texts.values()), taken)


def load_image(path: str | os.PathLike[str], size: tuple[int, int], channels: int) -> np.ndarray:
    """Read an image and bring it to a size, ``(C, Y, X)`` uint8; upright, transparency dropped.

    Raises:
        ConfigError: Where Pillow is not installed.
        DataError: For a file that cannot be read or is no image.
    """
    from engram.data.images.pictures import read_image

    pixels = (read_image(path).numpy() * 255.0).round().astype(np.uint8)
    return fitted_image(pixels, size, channels)


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
    folder: Path,
    named: list[tuple[str, str, list[str]]],
    columns: tuple[str, ...],
    size: tuple[int, int],
    channels: int,
    broken: str,
) -> Captions:
    images, kept, skipped = [], [], []
    for where, name, captions in named:
        try:
            images.append(load_image(folder / name, size, channels))
            kept.append(captions)
        except DataError as error:
            if broken == "refuse":
                raise DataError(
                    f"{where}: {error}; or leave such images out with --broken skip"
                ) from None
            skipped.append(f"{where}: {error}")
    if not images:
        raise DataError(f"not one image could be read; the first: {skipped[0]}")
    return Captions(np.stack(images), kept, columns, skipped)


def _table_of(path: Path) -> Path:
    if not path.is_dir():
        if path.suffix.lower() not in TABLES:
            raise DataError(
                f"{path} is no table of captions; name a folder, or a file that ends in "
                f"{', '.join(TABLES)}"
            )
        if not path.exists():
            raise DataError(f"{path} does not exist; name a table of captions, or its folder")
        return path
    try:
        found = sorted(f for f in path.iterdir() if f.suffix.lower() in TABLES and f.is_file())
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    if len(found) != 1:
        names = ", ".join(f.name for f in found) or "none"
        raise DataError(
            f"{path} has {len(found)} tables of captions ({names}); name the one that is meant"
        )
    return found[0]


def _entries(table: Path, encoding: str, errors: str) -> Iterator[Entry]:
    text = read_text([table], encoding=encoding, errors=errors).documents[0]
    if "\0" in text:
        before = text.count("\n", 0, text.index("\0"))
        raise DataError(
            f"{table}, line {before + 1}: holds NUL, so it is damaged; restore the file"
        )
    suffix = table.suffix.lower()
    if suffix == ".json":
        yield from _from_json(table, text)
    elif suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield _record(f"{table}, line {number}", _parsed(line, f"{table}, line {number}"))
    else:
        yield from _from_csv(table, text, "\t" if suffix == ".tsv" else ",")


def _from_csv(table: Path, text: str, separator: str) -> Iterator[Entry]:
    before = csv.field_size_limit(max(1, len(text)))  # no cell is longer than the file
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        names: list[str] = []
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise DataError(f"{table}, line {line}: {error}; mend the line") from None
            if row is None:
                return
            if not names:
                names = [name.strip() for name in row]
                doubled = sorted({n for n in names if names.count(n) > 1})
                if doubled:
                    raise DataError(
                        f"{table}, line 1: the column '{doubled[0]}' is there twice; rename one"
                    )
                continue
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(names):
                raise DataError(
                    f"{table}, line {line}: has {len(row)} cells, and {len(names)} columns are "
                    "named in line 1; put a cell that holds a comma in quotes"
                )
            yield Entry(f"{table}, line {line}", dict(zip(names, row, strict=True)))
    finally:
        csv.field_size_limit(before)


def _from_json(table: Path, text: str) -> Iterator[Entry]:
    value = _parsed(text, str(table))
    if isinstance(value, dict) and "annotations" in value and "images" in value:
        value = _coco(table, value)
    if isinstance(value, dict):
        value = [{"image": name, "caption": captions} for name, captions in value.items()]
    if not isinstance(value, list):
        raise DataError(
            f"{table} holds a {type(value).__name__}; it takes a list of records, or captions by "
            "image"
        )
    for number, record in enumerate(value, start=1):
        yield _record(f"{table}, record {number}", record)


def _coco(table: Path, value: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        names = {image["id"]: image["file_name"] for image in value["images"]}
        return [
            {"image": names[note["image_id"]], "caption": note["caption"]}
            for note in value["annotations"]
        ]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{table}: images take 'id' and 'file_name', annotations 'image_id' and 'caption', and "
            f"one lacks {error}; mend the file"
        ) from None


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is no JSON ({error}); mend it") from None


def _record(where: str, value: Any) -> Entry:
    if not isinstance(value, dict):
        raise DataError(f"{where}: is a {type(value).__name__}; it takes names and values")
    return Entry(where, value)


def _roles(
    table: Path, entries: list[Entry], kind: str, columns: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """The column of captions, and the columns of what they are about."""
    names = list(entries[0].values)
    for name in columns:
        if name not in names:
            raise DataError(f"{table} has no column '{name}': {did_you_mean(name, names)}")
    caption = columns[0] if columns else _guess(names, _CAPTION_NAMES)
    if caption is None:
        others = [n for n in names if n not in _IMAGE_NAMES]
        caption = others[0] if len(others) == 1 else None
    if caption is None:
        raise DataError(
            f"{table} has columns {', '.join(names)}, and none is called caption; name it with "
            "--columns"
        )
    left = [name for name in names if name != caption]
    about = list(columns[1:])
    if not about and kind == "images":
        guessed = _guess(left, _IMAGE_NAMES) or _with_suffixes(entries, left)
        about = [guessed] if guessed else left
    elif not about:
        about = left
    if not about or (kind != "numbers" and len(about) != 1):
        raise DataError(
            f"{table} has columns {', '.join(names)}: which one is about the {kind} is not clear; "
            f"name it after the captions, such as --columns {caption} {(left or ['image'])[0]}"
        )
    return caption, tuple(about)


def _guess(names: Sequence[str], usual: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in names}
    return next((lower[name] for name in usual if name in lower), None)


def _with_suffixes(entries: list[Entry], names: list[str]) -> str | None:
    """The one column whose first cell is named as images are."""
    first = entries[0].values
    found = [n for n in names if Path(str(first.get(n, ""))).suffix.lower() in SUFFIXES]
    return found[0] if len(found) == 1 else None


def _about(entry: Entry, columns: tuple[str, ...], kind: str) -> tuple[Any, ...]:
    cells = [entry.values.get(name) for name in columns]
    for name, cell in zip(columns, cells, strict=True):
        if cell is None or not str(cell).strip():
            raise DataError(f"{entry.where}: column '{name}' is empty; fill it, or drop the line")
    if kind != "numbers":
        return (str(cells[0]).strip(),)
    numbers = []
    for name, cell in zip(columns, cells, strict=True):
        try:
            number = float(str(cell))
        except ValueError:
            number = float("nan")
        if not abs(number) <= float(np.finfo(np.float32).max):
            raise DataError(f"{entry.where}: column '{name}' is {cell!r}; it takes a finite number")
        numbers.append(number)
    return tuple(numbers)


def _captions_of(entry: Entry, column: str) -> list[str]:
    value = entry.values.get(column)
    kept = []
    for text in (value if isinstance(value, list) else [value]) or [None]:
        if not isinstance(text, str) or not text.strip():
            raise DataError(
                f"{entry.where}: column '{column}' is {text!r}; a caption is a text that is not "
                "empty"
            )
        kept.append(text.strip())
    return kept
