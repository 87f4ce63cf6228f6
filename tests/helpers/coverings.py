"""Few rows of a table of cases in which all values still meet, in place of the whole product."""

from collections.abc import Sequence
from itertools import combinations, product


def covering(*axes: Sequence, together: int = 2) -> list[tuple]:
    """Rows with a value of each axis, such that any values of any ``together`` axes meet in one.

    Args:
        axes: The values of each axis.
        together: How many axes at once take every combination of their values: 2 is every pair.

    Returns:
        The rows, in the order of the product; always the same ones.

    Example:
        >>> len(covering("abcd", range(3), [False, True], [False, True]))
        12
    """
    if len(axes) < together:
        raise ValueError(f"{together} axes cannot meet in a table of {len(axes)} axis or axes")
    rows = list(product(*(range(len(axis)) for axis in axes)))
    met = {row: frozenset(combinations(enumerate(row), together)) for row in rows}
    missing, chosen = set().union(*met.values()), []
    while missing:
        chosen.append(max(rows, key=lambda row: len(met[row] & missing)))
        missing -= met[chosen[-1]]
    return [tuple(axis[at] for axis, at in zip(axes, row, strict=True)) for row in sorted(chosen)]
