"""Spans: what tags such as ``B-PER I-PER O`` mark, and how well they are found.

Tags name a span's kind after ``B-`` (its begin), ``I-`` (inside), and where used ``E-`` or ``L-``
(its end) and ``S-`` or ``U-`` (one step alone); ``O`` is outside. As the shared task of CoNLL 2000
scores it, an ``I-`` that continues nothing of its kind begins a span.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MARKS = ("B", "I", "E", "L", "S", "U")
_ENDS, _ALONE = ("E", "L"), ("S", "U")

Span = tuple[str, int, int]
"""Kind, first step, and the step after the last."""


def are_spans(tags: Iterable[str]) -> bool:
    """Whether a set of tags marks spans."""
    others = [tag for tag in tags if tag != "O"]
    return bool(others) and all(
        tag[:1] in _MARKS and tag[1:2] == "-" and len(tag) > 2 for tag in others
    )


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans that the tags of a sequence mark."""
    found: list[Span] = []
    kind, begin = "", 0
    for step, tag in enumerate([*tags, "O"]):
        mark, _, own = tag.partition("-")
        starts = mark in ("B", *_ALONE) or own != kind
        if kind and (tag == "O" or starts):
            found.append((kind, begin, step))
            kind = ""
        if tag != "O" and starts:
            kind, begin = own, step
        if mark in (*_ENDS, *_ALONE) and tag != "O":
            found.append((kind, begin, step + 1))
            kind = ""
    return found


@dataclass(frozen=True)
class Found:
    """How many spans of a kind there are, were predicted, and both."""

    asked: int
    answered: int
    right: int

    @property
    def precision(self) -> float:
        """Share of what was predicted that is right."""
        return self.right / max(1, self.answered)

    @property
    def recall(self) -> float:
        """Share of what is there that was found."""
        return self.right / max(1, self.asked)

    @property
    def f1(self) -> float:
        """Harmonic mean of both, 2·TP / (2·TP + FP + FN)."""
        return 2 * self.right / max(1, self.asked + self.answered)


def compare(
    wanted: Iterable[Sequence[str]], given: Iterable[Sequence[str]]
) -> tuple[Found, dict[str, Found]]:
    """Count spans whose kind, begin and end are all right: together, and by kind."""
    asked: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for true, guess in zip(wanted, given, strict=True):
        ours, theirs = set(spans_of(guess)), set(spans_of(true))
        asked.update(kind for kind, _, _ in theirs)
        answered.update(kind for kind, _, _ in ours)
        right.update(kind for kind, _, _ in ours & theirs)
    kinds = sorted(asked | answered)
    each = {kind: Found(asked[kind], answered[kind], right[kind]) for kind in kinds}
    return Found(asked.total(), answered.total(), right.total()), each
