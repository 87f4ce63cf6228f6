"""Numbers as people write them: decimal comma, thousands, currency and percent signs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engram.data.tables.kinds import MISSING, Kind, kind_of

Decimal = Literal["point", "comma"]

# what float() accepts beyond this (underscores, "infinity") is text to a person
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf", re.ASCII | re.IGNORECASE)
_AFFIX = re.compile(r"[$€£¥₹%‰;]|USD|EUR|GBP|CHF", re.IGNORECASE)
_SPACES = "\u00a0\u202f "
_GROUPED = re.compile(rf"[+-]?\d{{1,3}}([.,'{_SPACES}])\d{{3}}(\1\d{{3}})*(?!\d)")


@dataclass(frozen=True)
class NumberFormat:
    """How numbers of a column are written.

    Attributes:
        decimal: The decimal sign.
        thousands: What stands between groups of three digits; empty for nothing.
        affixed: Whether signs stand beside them, as of currencies or percent, which are dropped.
    """

    decimal: str = "."
    thousands: str = ""
    affixed: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether numbers are as programs write them."""
        return self == NumberFormat()

    def number(self, text: str) -> float | None:
        """The number of a cell, NaN where it is missing, None where it is something else."""
        plain = text.strip()
        if plain.lower() in MISSING:
            return float("nan")
        plain = plain.replace("−", "-")
        if self.affixed:
            plain = _AFFIX.sub("", plain).strip()
            if plain.startswith("(") and plain.endswith(")"):  # as accountants write losses
                plain = f"-{plain[1:-1]}"
            plain = re.sub(r"([+-])\s+", r"\1", plain)
        if self.thousands and self.thousands in plain:
            if not _GROUPED.match(plain):
                return None
            plain = plain.replace(self.thousands, "")
        if self.decimal == ",":
            if "." in plain:
                return None
            plain = plain.replace(",", ".")
        return float(plain) if _PLAIN.fullmatch(plain) else None

    def about(self) -> str:
        """What is special about it; empty for nothing."""
        said = ["decimal comma"] if self.decimal == "," else []
        if self.thousands:
            sign = "blank" if self.thousands in _SPACES else f"'{self.thousands}'"
            said.append(f"{sign} between thousands")
        if self.affixed:
            said.append("signs beside them dropped, as of currencies")
        return ", ".join(said)


class UnclearNumbersError(ValueError):
    """Numbers of a column can be read in two ways."""


def number_format(
    cells: Iterable[str], decimal: Decimal | None = None, separator: str | None = None
) -> NumberFormat | None:
    """How the numbers of a column are written; None where no cell is one.

    Args:
        cells: Some cells.
        decimal: The decimal sign, where a person said it.
        separator: Between cells: beside commas ``98,478`` has thousands, as nobody who writes a
            decimal comma separates cells by it; beside semicolons ``2.765`` may have some.

    Raises:
        UnclearNumbersError: Where all digits can be those behind a decimal sign, or thousands.
    """
    european = separator == ";"
    found = list(dict.fromkeys(c.strip() for c in cells if kind_of(c) is Kind.NUMBER))
    if not found:
        return None
    affixed = any(_AFFIX.search(cell) or cell.startswith("(") for cell in found)
    bare = [_AFFIX.sub("", cell).strip(" ()") for cell in found] if affixed else found
    signs = {sign for cell in bare for sign in ".,'" + _SPACES if sign in cell}
    if not signs - {"."} and decimal is None and not european:
        many = any(cell.count(".") > 1 for cell in bare)
        return NumberFormat(",", ".", affixed) if many else NumberFormat(affixed=affixed)
    if decimal is not None:
        return _with_decimal("." if decimal == "point" else ",", bare, affixed)
    return _by_evidence(bare, affixed, separator)


def _with_decimal(sign: str, bare: Sequence[str], affixed: bool) -> NumberFormat:
    other = "," if sign == "." else "."
    spaced = next((space for space in "'" + _SPACES if any(space in cell for cell in bare)), "")
    grouped = other if any(other in cell for cell in bare) else spaced
    return NumberFormat(sign, grouped, affixed)


def _by_evidence(bare: Sequence[str], affixed: bool, separator: str | None) -> NumberFormat:
    votes = {sign for cell in bare if (sign := _decimal_of(cell)) is not None}
    if len(votes) == 1:
        return _with_decimal(votes.pop(), bare, affixed)
    if len(votes) > 1:  # cells contradict each other: those that do not fit are told when read
        return _with_decimal(".", bare, affixed)
    used = [sign for sign in ".," if any(sign in cell for cell in bare)]
    point = used == ["."] and separator != ";"
    thousands = used == [","] and separator == ","
    if not used or point or thousands:
        return _with_decimal(".", bare, affixed)
    example = next(cell for cell in bare if used[0] in cell)
    raise UnclearNumbersError(
        f"'{example}' may be {example.replace(used[0], '')} or {example.replace(',', '.')}; say "
        "which with --decimal point or --decimal comma"
    )


def _decimal_of(cell: str) -> str | None:
    """The decimal sign that a number shows beyond doubt."""
    dots, commas = cell.count("."), cell.count(",")
    if dots and commas:
        return "." if cell.rindex(".") > cell.rindex(",") else ","
    if not dots and not commas:
        return None
    sign, other = (".", ",") if dots else (",", ".")
    if cell.count(sign) > 1:
        return other  # 1.234.567
    whole, part = cell.split(sign)
    whole = re.sub(r"\D", "", whole)
    digits = re.match(r"\d*", part)
    assert digits is not None
    shaped = len(digits[0]) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
    return None if shaped and "e" not in part.lower() else sign


def column_numbers(column: Any, form: NumberFormat) -> np.ndarray | None:
    """A column of texts as numbers, ``(n,)`` float64, where arrow reads all its cells as such."""
    import pyarrow
    from pyarrow import compute

    if not pyarrow.types.is_string(column.type) and not pyarrow.types.is_large_string(column.type):
        return None
    found = compute.utf8_trim_whitespace(column)
    if form.affixed or form.thousands:
        return None  # cell by cell, where each is checked
    if form.decimal == ",":
        if compute.any(compute.match_substring(found, ".")).as_py():
            return None
        found = compute.replace_substring(found, ",", ".")
    missing = compute.is_in(
        compute.utf8_lower(found), value_set=pyarrow.array(sorted(MISSING), pyarrow.string())
    )
    try:
        cast = compute.if_else(missing, None, found).cast(pyarrow.float64())
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        return None
    values: np.ndarray = cast.to_numpy(zero_copy_only=False)
    return values
