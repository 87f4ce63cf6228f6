"""Tokenizers: text to whole numbers and back, by characters, bytes, words or byte pairs.

Number 0 is END, which stands before, between and after documents in every tokenizer: the model
reads it to begin a document and writes it to end one.
"""

import json
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from engram.errors import ConfigError, DataError, did_you_mean

END = 0
_LONGEST_WORD = 256  # bytes within which byte pairs are merged
_LOOKED_AT = 100_000  # characters that tell how a language is written
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
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


TOKENIZERS: dict[str, type[Tokenizer]] = {
    tokenizer.kind: tokenizer
    for tokenizer in (CharacterTokenizer, ByteTokenizer, WordTokenizer, BytePairTokenizer)
}


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


def fit_tokenizer(kind: str, documents: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn a tokenizer of a kind in `TOKENIZERS`.

    Raises:
        ConfigError: For an unknown kind.
    """
    if kind not in TOKENIZERS:
        raise ConfigError(f"tokens '{kind}' is not known: {did_you_mean(kind, TOKENIZERS)}")
    return TOKENIZERS[kind].fit(documents, vocabulary)


def shared_numbers(old: Tokenizer, new: Tokenizer) -> dict[int, int]:
    """Numbers of the new tokenizer by those of the old one, for what stands in both.

    Entries of different kinds are different things, so that such tokenizers share END alone.
    """
    shared = {END: END}
    if old.kind != new.kind:
        return shared
    if old.unknown is not None and new.unknown is not None:
        shared[old.unknown] = new.unknown
    before = old.numbers()
    return shared | {before[e]: number for e, number in new.numbers().items() if e in before}


def tokenizer_from_plain(value: Any) -> Tokenizer:
    """Make a tokenizer again from what its `plain` gave.

    Raises:
        DataError: For a value that no tokenizer wrote.
    """
    try:
        return TOKENIZERS[value["kind"]].from_plain(value)
    except Exception as error:  # the tokenizers library raises nothing more precise
        raise DataError(
            f"the stored tokenizer is damaged ({error!r}); restore preprocess.json"
        ) from None
