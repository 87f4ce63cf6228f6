"""Kinds: what a cell seems to be by its characters alone."""

import re
from enum import Enum
from functools import lru_cache

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-", "--", "#n/a", "#na", "<na>"})
"""What stands for a missing value, in small letters."""

_DIGITS = r"(\d+([.,\u00a0\u202f' ]\d+)*[.,]?|[.,]\d+)"
_MONEY = r"[$€£¥₹]|USD|EUR|GBP|CHF"
_NUMBER = re.compile(
    rf"\(?[+\-−]?\s?({_MONEY})?\s?[+\-−]?{_DIGITS}([eE][+-]?\d+)?\s?({_MONEY}|%|‰|;)?\)?|[+-]?inf",
    re.IGNORECASE,
)
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_ZONE = r"(\s?(Z|UTC|GMT|[+-]\d{2}:?\d{2}))*"
_TIME = r"([T ,]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s?([ap]\.?m\.?)?)?"
_DAYS = (
    *(r"\d{4}[-/]\d{1,2}([-/]\d{1,2})?", r"\d{4}\.\d{1,2}\.\d{1,2}"),
    *(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}", r"\d{4}-?[QMW]\d{1,2}(-\d)?", r"Q[1-4][- /]\d{4}"),
    *(rf"\d{{1,2}}[- /.]{_MONTH}[- /,.]+\d{{2,4}}", rf"{_MONTH}[- /]\d{{2,4}}"),
    *(rf"{_MONTH} \d{{1,2}}(st|nd|rd|th)?,? \d{{4}}", rf"\d{{4}}[- /]{_MONTH}"),
)
_DATE = re.compile(rf"({'|'.join(_DAYS)}){_TIME}{_ZONE}", re.IGNORECASE)


class Kind(Enum):
    """What a cell seems to be."""

    EMPTY = "empty"
    NUMBER = "number"
    DATE = "date"
    TEXT = "text"


@lru_cache(maxsize=1 << 16)
def kind_of(cell: str) -> Kind:
    """What a cell seems to be; ``2022.01`` is a number, and ``2022-01`` a date."""
    plain = cell.strip()
    if plain.lower() in MISSING:
        return Kind.EMPTY
    if _DATE.fullmatch(plain):
        return Kind.DATE
    return Kind.NUMBER if _NUMBER.fullmatch(plain) else Kind.TEXT
