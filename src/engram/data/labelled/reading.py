"""Reading examples: files and folders of every kind that has one answer a text or series."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from engram.data.arrays import places
from engram.data.arrays.sequences import Sequences
from engram.data.builtin.digits import digits
from engram.data.builtin.reviews import reviews
from engram.data.builtin.sounds import RATE, sounds
from engram.data.labelled.class_folders import read_class_folders
from engram.data.labelled.examples import Examples, Medium
from engram.data.labelled.leaks import leaks
from engram.data.labelled.lines import read_labelled_lines
from engram.data.labelled.media import (
    NAMES,
    kind_of,
    labels_of,
    media_column,
    named_in,
    read_media,
)
from engram.data.labelled.media import about as describe
from engram.data.labelled.tables import examples_of
from engram.data.labelled.ts_files import read_ts
from engram.data.paths import expanded
from engram.data.settings import ReadingSettings, SoundSettings
from engram.data.sound.sounds import columns, features
from engram.data.tables.reading import is_table, read_table
from engram.data.tables.roles import find_roles
from engram.data.text.texts import Texts
from engram.errors import ConfigError, DataError
from engram.files import cannot


def _digits() -> Examples:
    """Each image as 8 steps, its rows from the top, and its digit."""
    images, labels = digits()
    columns = [f"pixel {place + 1}" for place in range(images.shape[2])]
    names = [f"digits image {place + 1}" for place in range(len(labels))]
    return Examples(Sequences.of(list(images), columns), labels, names)


def _sounds(media: Sequence[Medium]) -> Examples:
    medium = next((each for each in media if isinstance(each, SoundSettings)), SoundSettings())
    signals, labels = sounds()
    if medium.sample_rate not in (None, RATE):
        raise ConfigError(
            f"sample_rate is {medium.sample_rate:,}, but the built-in sounds are made at {RATE:,}; "
            "leave it out"
        )
    medium = medium.model_copy(update={"sample_rate": RATE})
    series = Sequences.of((features(signal, medium) for signal in signals), columns(medium))
    names = [f"sound {place + 1}" for place in range(len(labels))]
    return Examples(series, labels, names, medium)


def _reviews() -> Examples:
    texts, labels = reviews()
    return Examples(texts, labels, [f"review {place + 1}" for place in range(len(texts))])


# Examples that are made on this machine, by the name that is given instead of a path.
MADE: dict[str, Callable[[Sequence[Medium]], Examples]] = {
    "digits": lambda _: _digits(),
    "reviews": lambda _: _reviews(),
    "sounds": _sounds,
}


@dataclass(frozen=True)
class Found:
    """What was read.

    Attributes:
        examples: All of it.
        about: What it is, one line each.
        warnings: What a person should look at, one sentence each.
        roles: What columns are for, as settings; empty where there are no columns.
    """

    examples: Examples
    about: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    roles: dict[str, Any] = field(default_factory=dict)


def read_examples(
    paths: Sequence[str],
    settings: ReadingSettings,
    *,
    numbers: bool,
    answered: bool = True,
    labels: Collection[str] = (),
    media: Sequence[Medium] = (),
) -> Found:
    """Read examples from files, globs and folders of one kind.

    Args:
        paths: What is read, one after the other.
        settings: Encoding, and the roles of columns.
        numbers: Whether targets are numbers, not labels.
        answered: Whether there have to be targets; where not, those of columns that are named are
            read where they exist.
        labels: Of a classifier; lines that do not all begin with one are texts without labels.
        media: What a step of a sound or image is; see `read_media`.

    Raises:
        DataError: For what does not exist, or cannot be read as examples.
    """
    parts: list[Examples] = []
    about: dict[str, None] = {}
    used: dict[str, Any] = {}
    files, warnings = expanded(paths, "files, globs or a folder", MADE)
    single = [path for path in files if kind_of(path) and not path.is_dir()]
    later = set(single[1:])  # read with the first of them
    for path in (path for path in files if path not in later):
        suffix = path.suffix.lower()
        try:
            if str(path) in MADE and not path.exists():
                found = MADE[str(path)](media)
            elif single and path == single[0]:
                given = labels_of(single, settings.label_part) if answered else None
                found, notes = read_media(single, given, media)
                warnings += notes
            elif is_table(path):
                found, roles, columns, notes = _read_table(path, settings, numbers, answered, media)
                warnings += notes
                about[columns] = None
                used = roles
            elif suffix == ".ts":
                found = read_ts(path, numbers=numbers, answered=answered)
            elif path.is_dir():
                found, notes = read_class_folders(
                    path,
                    encoding=settings.encoding,
                    media=media,
                    part=settings.label_part,
                    answered=answered,
                )
                warnings += notes
            else:
                known = None if answered else labels
                found = read_labelled_lines(path, encoding=settings.encoding, labels=known)
        except OSError as error:
            raise DataError(cannot("read", path, error)) from error
        if numbers and answered and isinstance(found.targets, list):
            raise DataError(
                f"{path} has labels, but numeric targets are needed; give a table or a .ts file"
            )
        if settings.label_part is not None and answered:
            if is_table(path):
                warnings.append(f"label_part is not used for {path}, whose labels are in a column")
            elif found.medium is None:
                raise DataError(
                    f"label_part={settings.label_part} is for sounds and images, but {path} "
                    "contains none; leave it out"
                )
            used = {**used, "label_part": settings.label_part}
        parts.append(found)
        if found.medium is not None:
            media = [found.medium]  # the rate of the first sounds is that of all
    examples = _joined(parts)
    kind = "series" if isinstance(examples.inputs, Sequences) else "texts"
    if examples.medium is not None:
        kind = f"{NAMES[type(examples.medium)]}s"
        about[describe(examples.medium)] = None
    lines = [f"{len(examples):,} {kind} from {', '.join(paths)}", *about]
    return Found(examples, lines, [*warnings, *(leaks(examples) if answered else [])], used)


def _read_table(
    path: Path, settings: ReadingSettings, numbers: bool, answered: bool, media: Sequence[Medium]
) -> tuple[Examples, dict[str, Any], str, list[str]]:
    table = read_table(path, encoding=settings.encoding, given=settings)
    target, text = settings.target, settings.text
    files = media_column(table, table.first)
    if text is None and not settings.values:
        text = files
    if not answered and target not in table.columns:
        target = None
    roles = find_roles(
        table,
        target=target,
        text=text,
        values=settings.values,
        series=settings.series,
        time=settings.time,
        wide=settings.wide,
        answered=answered,
        numbers=numbers,
    )
    if not answered and settings.target is not None:
        roles = replace(roles, target=None)  # what is there is no matter, and may be missing
    examples, notes = examples_of(table, roles, numbers=numbers)
    if files is not None and roles.text == files:
        examples, notes = named_in(table, examples, media)
    known = {"encoding": settings.encoding, **table.formats.settings(), **roles.settings()}
    return examples, known, roles.about(), [*table.notes, *table.formats.notes(), *notes]


def _joined(parts: Sequence[Examples]) -> Examples:
    if len(parts) == 1:
        return parts[0]
    series = [part.inputs for part in parts if isinstance(part.inputs, Sequences)]
    if len(series) not in (0, len(parts)):
        raise DataError("some files contain texts and others series; give files of one kind")
    if len({part.medium for part in parts}) > 1:
        raise DataError(
            "some files are sounds or images and others are not; give files of one kind"
        )
    if len({each.columns for each in series}) > 1:
        raise DataError("the files have different columns; give files with the same columns")
    targets = [part.targets for part in parts if part.targets is not None]
    if len(targets) not in (0, len(parts)):
        raise DataError("some files have targets and others do not; give files of one kind")
    inputs: Sequence[str] | Sequences
    if series:
        inputs = Sequences.of(chain.from_iterable(series), series[0].columns)
    else:
        inputs = Texts.of(text for part in parts for text in part.inputs if isinstance(text, str))
    joined: list[str] | np.ndarray | None = None
    if targets and isinstance(targets[0], list):
        joined = [label for part in targets for label in part]
    elif targets:
        joined = np.concatenate([np.asarray(part) for part in targets])
    names = places.joined([part.names for part in parts])
    return Examples(inputs, joined, names, parts[0].medium)
