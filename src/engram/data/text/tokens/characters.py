"""Tokens that need no vocabulary of words: characters, and bytes."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from engram.data.text.tokens.base import END, UNKNOWN_TEXT, Ids, Tokenizer


class CharacterTokenizer(Tokenizer):
    """One number for each distinct character that was seen in fitting."""

    kind, unit, unknown = "characters", "characters", 1

    def __init__(self, characters: str) -> None:
        self.characters = characters
        codes = np.array([ord(c) for c in characters], dtype=np.int64)
        self._table = np.full(int(codes.max(initial=0)) + 2, self.unknown, dtype=np.int32)
        self._table[codes] = np.arange(2, 2 + len(characters), dtype=np.int32)
        self._texts = ["", UNKNOWN_TEXT, *characters]

    @classmethod
    def fit(cls, documents: Iterable[str], vocabulary: int = 0) -> Self:
        """Take every character there is, in code point order."""
        seen: set[str] = set()
        for document in documents:
            seen.update(document)
        return cls("".join(sorted(seen)))

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self._texts)

    def encode(self, text: str) -> Ids:
        """Numbers of a text; see `Tokenizer.encode`."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        return self._table[np.minimum(codes, len(self._table) - 1)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of numbers; see `Tokenizer.decode`."""
        return "".join(self._texts[i] for i in ids)

    def unknown_in(self, text: str) -> list[str]:
        """What the vocabulary lacks; see `Tokenizer.unknown_in`."""
        known = set(self.characters)
        return list(dict.fromkeys(c for c in text if c not in known))

    def numbers(self) -> dict[str, int]:
        """Number by character."""
        return {character: i for i, character in enumerate(self.characters, start=2)}

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": self.kind, "characters": self.characters}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> Self:
        """From JSON values."""
        return cls(value["characters"])


class ByteTokenizer(Tokenizer):
    """One number for each byte of the text in UTF-8; nothing is ever unknown."""

    kind, unit = "bytes", "bytes"

    @classmethod
    def fit(cls, documents: Iterable[str], vocabulary: int = 0) -> Self:
        """Nothing has to be learnt."""
        return cls()

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return 257

    def encode(self, text: str) -> Ids:
        """Numbers of a text; see `Tokenizer.encode`."""
        try:
            raw = text.encode("utf-8", "surrogateescape")  # bytes that are not text, as they were
        except UnicodeEncodeError:  # another half of a surrogate pair, as JSON may hold
            raw = text.encode("utf-8", "surrogatepass")
        return np.frombuffer(raw, dtype=np.uint8).astype(np.int32) + 1

    def decode(self, ids: Sequence[int]) -> str:
        """Text of numbers; see `Tokenizer.decode`."""
        return bytes(i - 1 for i in ids if i != END).decode("utf-8", "replace")

    def numbers(self) -> dict[str, int]:
        """Number by byte, written in two hexadecimal digits."""
        return {f"{byte:02x}": byte + 1 for byte in range(256)}

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": self.kind}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> Self:
        """From JSON values."""
        return cls()
