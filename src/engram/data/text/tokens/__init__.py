"""Tokenizers: text to whole numbers and back, by characters, bytes, words or byte pairs."""

from engram.data.text.tokens.base import END, UNKNOWN_TEXT, Ids, Tokenizer
from engram.data.text.tokens.byte_pairs import BytePairTokenizer
from engram.data.text.tokens.characters import ByteTokenizer, CharacterTokenizer
from engram.data.text.tokens.registry import (
    TOKENIZERS,
    fit_tokenizer,
    shared_numbers,
    tokenizer_from_plain,
)
from engram.data.text.tokens.words import WordTokenizer, cautions

__all__ = [
    "END",
    "TOKENIZERS",
    "UNKNOWN_TEXT",
    "BytePairTokenizer",
    "ByteTokenizer",
    "CharacterTokenizer",
    "Ids",
    "Tokenizer",
    "WordTokenizer",
    "cautions",
    "fit_tokenizer",
    "shared_numbers",
    "tokenizer_from_plain",
]
