"""Byte pairs as tokens: frequent runs of bytes."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from engram.data.text.tokens.base import END, Ids, Tokenizer
from engram.errors import ConfigError

_LONGEST_WORD = 256  # bytes within which byte pairs are merged


class BytePairTokenizer(Tokenizer):
    """Byte-level byte-pair encoding by the tokenizers library; nothing is ever unknown."""

    kind, unit = "bpe", "tokens"

    def __init__(self, definition: str) -> None:
        from tokenizers import Tokenizer as Backend

        self._definition = definition
        self._backend = Backend.from_str(definition)

    @classmethod
    def fit(cls, documents: Iterable[str], vocabulary: int = 10_000) -> Self:
        """Merge the most frequent pairs until the vocabulary is full; at least 257 entries."""
        from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
        from tokenizers import Tokenizer as Backend

        if vocabulary < 257:
            raise ConfigError(
                f"vocabulary is {vocabulary}; byte pairs start from 257 entries (256 bytes, END)"
            )
        backend = Backend(models.BPE())
        # a text without blanks is one word, and the time for a word grows with its square
        short = pre_tokenizers.Split(Regex(f".{{1,{_LONGEST_WORD}}}"), "isolated")
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.ByteLevel(add_prefix_space=False), short]
        )
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=["<end>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend.train_from_iterator(map(_whole, documents), trainer)
        return cls(backend.to_str())

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return int(self._backend.get_vocab_size())

    def encode(self, text: str) -> Ids:
        """Numbers of a text; see `Tokenizer.encode`."""
        # A text that spells the name of the special token is text, and must not become END.
        ids: list[int] = []
        for i, part in enumerate(_whole(text).split("<end>")):
            if i:
                ids += self._backend.encode("<").ids + self._backend.encode("end>").ids
            ids += self._backend.encode(part).ids
        return np.array(ids, dtype=np.int32)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of numbers; see `Tokenizer.decode`."""
        return str(self._backend.decode([i for i in ids if i != END]))

    def numbers(self) -> dict[str, int]:
        """Number by run of bytes, as the tokenizers library writes it."""
        entries = self._backend.get_vocab()
        return {text: int(i) for text, i in entries.items() if i != END}

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": self.kind, "definition": json.loads(self._definition)}

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> Self:
        """From JSON values."""
        return cls(json.dumps(value["definition"]))


def _whole(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which UTF-8 has no bytes for."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
