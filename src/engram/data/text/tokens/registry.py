"""The tokenizers by name: fitted, stored and read again."""

from collections.abc import Iterable
from typing import Any

from engram.data.text.tokens.base import END, Tokenizer
from engram.data.text.tokens.byte_pairs import BytePairTokenizer
from engram.data.text.tokens.characters import ByteTokenizer, CharacterTokenizer
from engram.data.text.tokens.words import WordTokenizer
from engram.errors import ConfigError, DataError, did_you_mean

TOKENIZERS: dict[str, type[Tokenizer]] = {
    tokenizer.kind: tokenizer
    for tokenizer in (CharacterTokenizer, ByteTokenizer, WordTokenizer, BytePairTokenizer)
}


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
