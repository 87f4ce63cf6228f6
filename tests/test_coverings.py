"""Few rows that stand for a product of axes."""

from itertools import combinations, product

import pytest

from helpers.coverings import covering

AXES = ["abcd", range(3), [False, True], [None, [1, 2]], range(6)]


@pytest.mark.parametrize("together", [1, 2, 3, 5])
def test_any_values_of_so_many_axes_meet(together):
    rows = covering(*AXES, together=together)
    for axes in combinations(range(len(AXES)), together):
        for values in product(*(AXES[axis] for axis in axes)):
            assert any([row[axis] for axis in axes] == list(values) for row in rows)
    assert (len(rows) == len(list(product(*AXES)))) == (together == 5)


def test_rows_come_in_order_and_are_always_the_same():
    rows = covering("abc", "xy", "12")
    assert rows == sorted(rows)
    assert rows == covering("abc", "xy", "12")
    assert len(rows) == 6


def test_one_axis_alone_cannot_make_pairs():
    with pytest.raises(ValueError, match="2 axes cannot meet in a table of 1"):
        covering("abc")
