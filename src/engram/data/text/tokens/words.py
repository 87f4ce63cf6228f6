"""Words as tokens, cut at spaces and signs."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Self

import numpy as np

from engram.data.text.tokens.base import UNKNOWN_TEXT, Ids, Tokenizer

_LOOKED_AT = 100_000  # characters that tell how a language is written
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


@cache
def _words(version: int) -> re.Pattern[str]:
    """What a word is: version 1 cut words at combining marks, and old runs go on with it.

    From version 2 on a letter is followed by its marks, as in Bengali, Hindi, Thai, vocalised
    Arabic and decomposed text, and by the joiners that stand within words.
    """
    if version == 1:
        return re.compile(r" ?\w+| ?[^\w\s]+|\s")
    codes = [*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0)]
    marks = "".join(chr(code) for code in codes if unicodedata.category(chr(code))[0] == "M")
    return re.compile(rf" ?\w[\w{marks}\u200c\u200d]*| ?[^\w\s]+|\s")


class WordTokenizer(Tokenizer):
    """One number for each frequent word or run of signs, with the blank before it.

    Args:
        words: Those with a number of their own.
        version: Of what a word is.
    """

    kind, unit, unknown = "words", "words", 1
    _version = 2

    def __init__(self, words: Sequence[str], version: int = _version) -> None:
        self.words, self.version = list(words), version
        self._pattern = _words(version)
        self._ids = {word: i for i, word in enumerate(self.words, start=2)}
        self._texts = ["", UNKNOWN_TEXT, *self.words]

    @classmethod
    def fit(cls, documents: Iterable[str], vocabulary: int = 10_000) -> Self:
        """Take the most frequent words; ties in alphabetical order."""
        counts: Counter[str] = Counter()
        for document in documents:
            counts.update(_words(cls._version).findall(document))
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls([word for word, _ in ranked[: max(1, vocabulary - 2)]])

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self._texts)

    def encode(self, text: str) -> Ids:
        """Numbers of a text; see `Tokenizer.encode`."""
        ids = [self._ids.get(word, self.unknown) for word in self._pattern.findall(text)]
        return np.array(ids, dtype=np.int32)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of numbers; see `Tokenizer.decode`."""
        return "".join(self._texts[i] for i in ids)

    def unknown_in(self, text: str) -> list[str]:
        """What the vocabulary lacks; see `Tokenizer.unknown_in`."""
        found = self._pattern.findall(text)
        return list(dict.fromkeys(word for word in found if word not in self._ids))

    def prompt(self, text: str) -> str:
        """The text, with a blank before each word that is known with one alone."""
        found = self._pattern.findall(text)
        return "".join(
            f" {word}" if word not in self._ids and f" {word}" in self._ids else word
            for word in found
        )

    def numbers(self) -> dict[str, int]:
        """Number by word."""
        return dict(self._ids)

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": self.kind, "words": self.words, "version": self.version}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> Self:
        """From JSON values."""
        return cls(value["words"], int(value.get("version", 1)))


def cautions(tokenizer: Tokenizer, texts: Iterable[str], what: str = "text") -> list[str]:
    """Warnings about a choice of tokens for these texts, one sentence each.

    Args:
        tokenizer: Fitted on the texts.
        texts: Their beginning is looked at.
        what: What the texts are called.
    """
    if not isinstance(tokenizer, WordTokenizer):
        return []
    seen = spaceless = 0
    for text in texts:
        seen += sum(map(str.isalpha, text[:_LOOKED_AT]))
        spaceless += len(_SPACELESS.findall(text[:_LOOKED_AT]))
        if seen >= _LOOKED_AT:
            break
    if spaceless <= 0.3 * seen or not spaceless:
        return []
    return [
        f"much of the {what} is in a script without spaces between words, such as Chinese or Thai, "
        "so whole clauses become single words; use --tokens characters or bpe"
    ]
