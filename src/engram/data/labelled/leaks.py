"""Leaks: columns and texts that give away what is to be answered."""

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples

_LEAST = 10  # examples, below which all may be chance
_ALIKE = 0.9999  # correlation with the target from which a column is taken for it
_READ = 2000  # texts that are looked at


def leaks(examples: Examples) -> list[str]:
    """What gives the target away.

    - A column that is the same at every step of a series, and each of its values goes with one
      label alone.
    - A column whose last value of each series is the target, a number, in other units.
    - Texts that hold their own label, and no other, as a word.

    Returns:
        A sentence for each.
    """
    given, targets = examples.inputs, examples.targets
    if targets is None or len(given) < _LEAST:
        return []
    if not isinstance(given, Sequences):
        return _in_texts(examples) if isinstance(targets, list) else []
    if (given.lengths == 0).any():
        return []
    found = []
    for column, name in enumerate(given.columns):
        told = (
            _tells_label(given, column, targets)
            if isinstance(targets, list)
            else _is_target(given.values[given.offsets[1:] - 1, column], targets)
        )
        if told:
            found.append(
                f"the column '{name}' reveals the target: {told}; leave it out with --values, "
                "unless "
                "it is known when predictions are made"
            )
    return found


def _tells_label(given: Sequences, column: int, targets: list[str]) -> str:
    values = given.values[:, column]
    least = np.minimum.reduceat(values, given.offsets[:-1])
    if not np.array_equal(least, np.maximum.reduceat(values, given.offsets[:-1])):
        return ""
    pairs = set(zip(least.tolist(), targets, strict=True))
    known = {value for value, _ in pairs}
    if len(pairs) == len(known) and 1 < len(known) <= max(2, len(given) // 2):
        return "each of its values occurs with one target only"
    return ""


def _is_target(last: np.ndarray, targets: np.ndarray) -> str:
    there = np.isfinite(last)
    x, y = last[there].astype(np.float64), targets[there]
    if len(x) < _LEAST or x.std() == 0 or y.std() == 0:
        return ""
    if abs(float(np.corrcoef(x, y)[0, 1])) < _ALIKE:
        return ""
    return "its last value in a series is the target itself, or a copy of it"


def _in_texts(examples: Examples) -> list[str]:
    targets = examples.targets
    assert isinstance(targets, list)
    labels = {label.lower() for label in targets[:_READ]}
    if not 1 < len(labels) <= _READ // 10:
        return []
    for index in range(min(len(targets), _READ)):
        words = set(str(examples.inputs[index]).lower().split())
        if words & labels != {targets[index].lower()}:
            return []
    return [
        f"each text contains its own label as a word (such as '{targets[0]}' in "
        f"{examples.name(0)}); leave it out of the texts, unless it is known when predictions are "
        "made"
    ]
