"""Examples from files of sound: labelled by their folder, a table, or a part of their names."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from engram.data.labelled.examples import Examples, Medium
from engram.data.settings import SoundSettings
from engram.data.sound.sound_files import SUFFIXES as SOUNDS
from engram.data.sound.sounds import read_sounds
from engram.data.tables import cells
from engram.data.tables.table import Block, Table, listed
from engram.errors import DataError


def is_medium(path: Path | str) -> bool:
    """Whether a file is named as sounds are."""
    return Path(path).suffix.lower() in SOUNDS


def media_column(table: Table, first: Block) -> str | None:
    """The one column of a table whose cells all name files of sound."""
    found = []
    for name in table.columns:
        texts = cells.texts(first[name])
        if texts and all(text is not None and is_medium(text.strip()) for text in texts):
            found.append(name)
    return found[0] if len(found) == 1 else None


def read_media(
    paths: Sequence[Path],
    labels: list[str] | None,
    medium: Medium | None,
    places: Sequence[str] = (),
) -> tuple[Examples, list[str]]:
    """Read files of sound as examples.

    Args:
        paths: One file per example.
        labels: Of each, or None.
        medium: What a step is; None for the defaults.
        places: Where each was named; see `read_sounds`.

    Returns:
        The examples, and what was converted, one sentence each.

    Raises:
        ConfigError, DataError: As `read_sounds`.
    """
    inputs, medium, notes = read_sounds(paths, medium or SoundSettings(), places)
    return Examples(inputs, labels, [str(path) for path in paths], medium), notes


def named_in(table: Table, examples: Examples, medium: Medium | None) -> tuple[Examples, list[str]]:
    """The examples of a table whose texts are names of files, relative to its folder.

    Raises:
        ConfigError, DataError: As `read_media`; and for a cell that names no file of sound.
    """
    paths = []
    for place, text in enumerate(examples.inputs):
        assert isinstance(text, str)
        if not is_medium(text.strip()):
            raise DataError(
                f"{examples.name(place)}: '{text}' does not end in {', '.join(sorted(SOUNDS))}, as "
                "the first rows do; give a table of files of one kind"
            )
        paths.append(table.path.parent / text.strip())
    places = [examples.name(place) for place in range(len(paths))]
    made, notes = read_media(paths, None, medium, places)
    return Examples(made.inputs, examples.targets, made.names, made.medium), notes


def labels_of(paths: Sequence[Path], part: int | None) -> list[str]:
    """The labels of files that lie together, from their names.

    Args:
        paths: Such as ``7_jackson_32.wav``.
        part: Which part of the name, from 1; parts are separated by ``_``, ``-`` or spaces.

    Raises:
        DataError: If it is not given, with what each part would be; or if a name has no such part.
    """
    parts = [re.split(r"[_\-\s]+", path.stem) for path in paths]
    if part is None:
        raise DataError(
            f"{paths[0].parent} has no folder per class, so the labels of {paths[0].name} and "
            f"{len(paths) - 1:,} other files are not known; make one folder per class, give a "
            f"table of files and labels, or name the part of the file name with --label-part"
            f"{_choices(parts)}"
        )
    for path, found in zip(paths, parts, strict=True):
        if len(found) < part or not found[part - 1]:
            raise DataError(
                f"{path} has {len(found)} parts in its name, so --label-part {part} is not there; "
                "rename it, or choose another part"
            )
    return [found[part - 1] for found in parts]


def _choices(parts: Sequence[Sequence[str]]) -> str:
    """What each part of the names would be as a label."""
    said = []
    for number in range(min(len(each) for each in parts)):
        values = Counter(each[number] for each in parts)
        if 1 < len(values) <= len(parts) // 2:
            shown = listed(tuple(sorted(values)[:3])) + (", …" if len(values) > 3 else "")
            said.append(f"{number + 1} has {len(values):,} values ({shown})")
    return f": {'; '.join(said)}" if said else ""
