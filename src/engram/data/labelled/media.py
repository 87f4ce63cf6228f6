"""Examples from files of sound or images: labelled by folder, table, or a part of their names."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from engram.data.images.pictures import SUFFIXES as IMAGES
from engram.data.images.rows import about as about_images
from engram.data.images.rows import read_images
from engram.data.labelled.examples import Examples, Medium
from engram.data.settings import ImageSettings, SoundSettings
from engram.data.sound.sound_files import SUFFIXES as SOUNDS
from engram.data.sound.sounds import about as about_sounds
from engram.data.sound.sounds import read_sounds
from engram.data.tables import cells
from engram.data.tables.table import Block, Table, listed
from engram.errors import DataError

Kind = type[SoundSettings] | type[ImageSettings]

NAMES: dict[Kind, str] = {SoundSettings: "sound", ImageSettings: "image"}


def kind_of(path: Path | str) -> Kind | None:
    """What a file is by its name: sound, image, or None for neither."""
    suffix = Path(path).suffix.lower()
    return SoundSettings if suffix in SOUNDS else ImageSettings if suffix in IMAGES else None


def about(medium: Medium) -> str:
    """What a step is, in words."""
    return about_sounds(medium) if isinstance(medium, SoundSettings) else about_images(medium)


def media_column(table: Table, first: Block) -> str | None:
    """The one column of a table whose cells all name files of one kind."""
    found = []
    for name in table.columns:
        kinds = {kind_of((text or "").strip()) for text in cells.texts(first[name])}
        if len(kinds) == 1 and None not in kinds:
            found.append(name)
    return found[0] if len(found) == 1 else None


def read_media(
    paths: Sequence[Path],
    labels: list[str] | None,
    media: Sequence[Medium],
    places: Sequence[str] = (),
) -> tuple[Examples, list[str]]:
    """Read files of sound, or images, as examples.

    Args:
        paths: One file per example.
        labels: Of each, or None.
        media: What a step is, of each kind; the defaults are taken for one that is not among them.
        places: Where each was named; see `read_sounds`.

    Returns:
        The examples, and what was converted, one sentence each.

    Raises:
        ConfigError, DataError: As `read_sounds` and `read_images`; and for files of several kinds.
    """
    kind = kind_of(paths[0])
    for path in paths:
        if kind_of(path) is not kind:
            assert kind is not None
            raise DataError(
                f"{paths[0]} is a file of the kind {NAMES[kind]}, but {path} is not; give files of "
                "one kind"
            )
    medium: Medium
    if kind is SoundSettings:
        sound = next((each for each in media if isinstance(each, SoundSettings)), SoundSettings())
        inputs, medium, notes = read_sounds(paths, sound, places)
    else:
        image = next((each for each in media if isinstance(each, ImageSettings)), ImageSettings())
        inputs, medium, notes = read_images(paths, image, places)
    return Examples(inputs, labels, [str(path) for path in paths], medium), notes


def named_in(
    table: Table, examples: Examples, media: Sequence[Medium]
) -> tuple[Examples, list[str]]:
    """The examples of a table whose texts are names of files, relative to its folder.

    Raises:
        ConfigError, DataError: As `read_media`; and for a cell that names no such file.
    """
    paths = []
    for place, text in enumerate(examples.inputs):
        assert isinstance(text, str)
        if kind_of(text.strip()) is None:
            raise DataError(
                f"{examples.name(place)}: '{text}' names neither a sound nor an image, as the "
                "first rows do; give a table of files of one kind"
            )
        paths.append(table.path.parent / text.strip())
    places = [examples.name(place) for place in range(len(paths))]
    made, notes = read_media(paths, None, media, places)
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
