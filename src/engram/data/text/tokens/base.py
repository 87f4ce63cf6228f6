"""Tokenizer: text to whole numbers and back.

Number 0 is END, which stands before, between and after documents in every tokenizer: the model
reads it to begin a document and writes it to end one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

END = 0
UNKNOWN_TEXT = "\ufffd"
Ids = NDArray[np.int32]


class Tokenizer(ABC):
    """Text to whole numbers and back.

    Attributes:
        kind: Its name in settings.
        unit: What one token is called in messages, in the plural.
        unknown: The number of what is not in the vocabulary, or None where nothing can be unknown.
    """

    kind: ClassVar[str]
    unit: ClassVar[str]
    unknown: ClassVar[int | None] = None

    @classmethod
    @abstractmethod
    def fit(cls, documents: Iterable[str], vocabulary: int) -> Self:
        """Learn a vocabulary of at most this size (if its kind has a choice)."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many numbers there are, END and unknown among them."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Numbers of a text, ``(N,)`` int32."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Text of numbers; END is nothing, and what is unknown or incomplete is U+FFFD."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """All that is needed to make it again, as JSON values."""

    @classmethod
    @abstractmethod
    def from_plain(cls, value: dict[str, Any]) -> Self:
        """Make it again from `plain`."""

    def encode_documents(self, documents: Sequence[str]) -> Ids:
        """One stream, ``(N,)`` int32: END, first document, END, second document, …, END."""
        end = np.array([END], dtype=np.int32)
        parts = [end]
        for document in documents:
            parts += [self.encode(document), end]
        return np.concatenate(parts)

    def unknown_in(self, text: str) -> list[str]:
        """What the vocabulary lacks of a text, each once, in order; nothing where all is known."""
        return []

    def prompt(self, text: str) -> str:
        """The text in the form in which the vocabulary knows it, where it does."""
        return text

    @abstractmethod
    def numbers(self) -> dict[str, int]:
        """The number of every entry, but for END and unknown."""
