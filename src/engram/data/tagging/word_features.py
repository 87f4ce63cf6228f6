"""Word features: what a tagger reads of a word in addition to its identity.

A word that training never had still has an ending and its capitals, as in Collobert et al. (2011),
"Natural Language Processing (Almost) from Scratch", section 6.1.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import blank
from engram.data.tagging.tagged import Lists, Tagged
from engram.errors import DataError

UNKNOWN = 0
SHAPES = ("small", "capitalised", "capitals", "mixed", "number", "other")
COLUMNS = ("word", "ending", "shape")
_ENDING = 3  # characters


def shape_of(word: str) -> str:
    """Which of `SHAPES` the letters of a word have."""
    if any(c.isdigit() for c in word):
        return "number"
    if not any(c.isalpha() for c in word):
        return "other"
    if word == word.lower():
        return "small"
    if len(word) > 1 and word == word.upper():
        return "capitals"
    if word[:1].isupper() and word[1:] == word[1:].lower():
        return "capitalised"
    return "mixed"


@dataclass(frozen=True)
class WordEncoding:
    """Words to three numbers each: the word in small letters, its last three letters, its shape.

    Attributes:
        words: Those with a number of their own, from 1 on; 0 is any other.
        endings: Likewise.
    """

    words: list[str]
    endings: list[str]

    @classmethod
    def learnt(cls, sentences: Lists, vocabulary: int, least: int) -> Self:
        """Learn the words of a training part.

        Args:
            sentences: All of it.
            vocabulary: Most words with a number of their own: the most frequent ones.
            least: Times that a word has to be there; rarer ones teach what any other means.
        """
        words: Counter[str] = Counter(word.lower() for word in sentences.texts)
        endings: Counter[str] = Counter()
        for word, count in words.items():
            endings[word[-_ENDING:]] += count
        return cls(_frequent(words, vocabulary, least), _frequent(endings, vocabulary, least))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many numbers each feature has."""
        return len(self.words) + 1, len(self.endings) + 1, len(SHAPES)

    def encode(self, tagged: Tagged) -> Sequences:
        """``(T, 3)`` int32 for each sentence.

        Raises:
            DataError: For values instead of words.
        """
        sentences = tagged.inputs
        if not isinstance(sentences, Lists):
            raise DataError("the model reads words, but the data contains numeric columns")
        known: dict[str, tuple[int, int, int]] = {}
        rows = blank(len(sentences.texts), np.int32, (3,))
        for place, word in enumerate(sentences.texts):
            found = known.get(word)
            if found is None:
                found = known[word] = self._numbers(word)
            rows[place] = found
        return Sequences(rows, sentences.offsets, COLUMNS)

    def unknown(self, sequences: Sequences) -> int:
        """How many words have no number of their own."""
        return int((sequences.values[:, 0] == UNKNOWN).sum())

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        return {"words": self.words, "endings": self.endings}

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """Undo `plain`.

        Raises:
            DataError: For anything else.
        """
        try:
            words, endings = list(value["words"]), list(value["endings"])
        except (KeyError, TypeError):
            words, endings = [None], []
        if not all(isinstance(each, str) for each in [*words, *endings]):
            raise DataError("the vocabulary of words is damaged; restore the model folder")
        return cls(words, endings)

    @cached_property
    def _word_numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=1)}

    @cached_property
    def _ending_numbers(self) -> dict[str, int]:
        return {ending: number for number, ending in enumerate(self.endings, start=1)}

    def _numbers(self, word: str) -> tuple[int, int, int]:
        small = word.lower()
        return (
            self._word_numbers.get(small, UNKNOWN),
            self._ending_numbers.get(small[-_ENDING:], UNKNOWN),
            SHAPES.index(shape_of(word)),
        )


def _frequent(counts: Counter[str], most: int, least: int) -> list[str]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [text for text, count in ranked[:most] if count >= least]


def sentences_of(texts: Iterable[str]) -> Lists:
    """Texts cut at their blanks."""
    return Lists.of(text.split() for text in texts)
