"""A folder for each class: files of text, or of columns of numbers, named by where they lie."""

from pathlib import Path

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.columns import read_columns
from engram.data.labelled.examples import Examples
from engram.data.tables.table import SUFFIXES
from engram.data.text.documents import read_text
from engram.data.text.texts import Texts
from engram.errors import DataError


def read_class_folders(folder: Path, *, encoding: str) -> Examples:
    """Read ``folder/<label>/<file>``: a file is one example, a CSV or TSV file one series.

    Hidden files and folders are left out.

    Raises:
        DataError: For a folder without folders, a class without files, a mix of texts and tables,
            and files that cannot be read.
    """
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise DataError(f"{folder} holds no folders; make one for each class, named by its label")
    paths: list[Path] = []
    labels: list[str] = []
    for each in classes:
        files = sorted(p for p in each.rglob("*") if p.is_file() and not p.name.startswith("."))
        if not files:
            raise DataError(f"{each} is empty; put the files of class '{each.name}' there")
        paths += files
        labels += [each.name] * len(files)
    tables = [SUFFIXES.get(path.suffix.lower()) == "csv" for path in paths]
    names = [str(path) for path in paths]
    if not any(tables):
        texts = Texts.of(read_text([path], encoding=encoding).documents[0] for path in paths)
        return Examples(texts, labels, names)
    if not all(tables):
        one, other = paths[tables.index(True)], paths[tables.index(False)]
        raise DataError(f"{one} is a table and {other} is not; give files of one kind")
    arrays, columns = [], None
    for path in paths:
        found = read_columns(path)
        if columns is not None and found.names != columns:
            raise DataError(
                f"{path} has the columns {', '.join(found.names)}, and {paths[0]} has "
                f"{', '.join(columns)}; give all the same"
            )
        columns = found.names
        arrays.append(np.asarray(found.values))
    return Examples(Sequences.of(arrays, columns or []), labels, names)
