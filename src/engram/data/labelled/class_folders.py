"""A folder for each class: files of text, of columns of numbers, or of sound."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples, Medium
from engram.data.labelled.media import is_medium, labels_of, read_media
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
    medium: Medium | None = None,
    part: int | None = None,
    answered: bool = True,
) -> tuple[Examples, list[str]]:
    """Read ``folder/<label>/<file>``: a file is one example, a table one series.

    Hidden files and folders are left out. Sounds may also lie in the folder itself.

    Args:
        folder: The folder.
        encoding: Of texts and tables.
        medium: What a step of a sound is; see `read_media`.
        part: Of the names of sounds, where these have their labels; see `labels_of`.
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
        flat = [path for path in found.below(folder) if is_medium(path)]
        if not flat:
            raise DataError(f"{folder} contains no folders; make one per class, named by its label")
        examples, notes = read_media(flat, labels_of(flat, part) if answered else None, medium)
        return examples, [*found.notes(), *notes]
    paths: list[Path] = []
    labels: list[str] = []
    for each in classes:
        files = sorted(found.below(each))
        if not files:
            raise DataError(f"{each} is empty; put the files of class '{each.name}' there")
        paths += files
        labels += [each.name] * len(files)
    if any(media := [is_medium(path) for path in paths]):
        if not all(media):
            one, other = paths[media.index(True)], paths[media.index(False)]
            raise DataError(f"{one} is a sound, but {other} is not; give files of one kind")
        if part is not None:
            labels = labels_of(paths, part)
        examples, notes = read_media(paths, labels, medium)
        return examples, [*found.notes(), *notes]
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
