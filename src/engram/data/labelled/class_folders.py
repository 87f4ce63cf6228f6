"""A folder for each class: files of text, of columns of numbers, of sound, or images."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples, Medium
from engram.data.labelled.media import kind_of, labels_of, read_media
from engram.data.paths import Found
from engram.data.tables.reading import is_table, read_table
from engram.data.tables.series import series_of
from engram.data.tables.table import listed
from engram.data.text.documents import read_text
from engram.data.text.texts import Texts
from engram.errors import DataError


def read_class_folders(
    folder: Path,
    *,
    encoding: str,
    media: Sequence[Medium] = (),
    part: int | None = None,
    answered: bool = True,
) -> tuple[Examples, list[str]]:
    """Read ``folder/<label>/<file>``: a file is one example, a table one series.

    Hidden files and folders are left out. Sounds and images may also lie in the folder itself.

    Args:
        folder: The folder.
        encoding: Of texts and tables.
        media: What a step of a sound or image is; see `read_media`.
        part: Of the names of sounds and images that has the label; see `labels_of`.
        answered: Whether there have to be labels.

    Returns:
        The examples, and what was left out, one sentence each.

    Raises:
        DataError: For a folder without folders, a class without files, a mix of texts and tables,
            and files that cannot be read.
    """
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = Found()
    if not classes:
        flat = [path for path in found.below(folder) if kind_of(path)]
        if not flat:
            raise DataError(f"{folder} contains no folders; make one per class, named by its label")
        examples, notes = read_media(flat, labels_of(flat, part) if answered else None, media)
        return examples, [*found.notes(), *notes]
    paths: list[Path] = []
    labels: list[str] = []
    for each in classes:
        files = sorted(found.below(each))
        if not files:
            raise DataError(f"{each} is empty; put the files of class '{each.name}' there")
        paths += files
        labels += [each.name] * len(files)
    if any(kinds := [kind_of(path) for path in paths]):
        if None in kinds:
            other = paths[kinds.index(None)]
            one = next(path for path, kind in zip(paths, kinds, strict=True) if kind)
            raise DataError(
                f"{one} is a sound or image, but {other} is not; give files of one kind"
            )
        if part is not None:
            labels = labels_of(paths, part)
        examples, told = read_media(paths, labels, media)
        beside = sorted(p for p in folder.iterdir() if p.is_file() and kind_of(p))
        if beside:
            told.append(
                f"{len(beside):,} files are in no folder of a class and were left out, such as "
                f"{beside[0]}"
            )
        return examples, [*found.notes(), *told]
    tables = [is_table(path) for path in paths]
    names = [str(path) for path in paths]
    if not any(tables):
        texts = Texts.of(read_text([path], encoding=encoding).documents[0] for path in paths)
        return Examples(texts, labels, names), found.notes()
    if not all(tables):
        one, other = paths[tables.index(True)], paths[tables.index(False)]
        raise DataError(f"{one} is a table, but {other} is not; give files of one kind")
    columns: tuple[str, ...] = ()

    def arrays() -> Iterator[np.ndarray]:
        nonlocal columns
        for path in paths:
            own, values, _ = series_of(read_table(path, encoding=encoding))
            if columns and own != columns:
                raise DataError(
                    f"{path} has the columns {listed(own)}, but {paths[0]} has {listed(columns)}; "
                    "give all files the same columns"
                )
            columns = own
            yield values

    sequences = Sequences.of(arrays())
    return Examples(replace(sequences, columns=columns), labels, names), found.notes()
