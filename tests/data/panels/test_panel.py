import numpy as np
import pytest

from engram.data.panels.panel import joined
from engram.errors import DataError
from helpers.making_panels import panel_of


def test_the_end_is_cut_off_each_series():
    cut = panel_of([1, 2, 3, 4], [5, 6, 7, 8, 9], ahead=[1, 0]).before(2)
    assert [own[:, 0].tolist() for own in cut.sequences] == [[1], [5, 6, 7]]
    assert cut.times.tolist() == [0, 0, 1, 2]
    assert cut.lengths.tolist() == [1, 3]


def test_steps_to_come_get_their_times():
    whole = panel_of([1, 2, 3], times=[np.array([4, 5, 6])]).with_ahead(2)
    assert whole.times.tolist() == [4, 5, 6, 7, 8]
    assert whole.lengths.tolist() == [3]
    assert np.isnan(whole.sequences[0][3:]).all()


def test_what_has_to_be_known_ahead_is_asked_for():
    given = np.array([[1, 10], [2, 20], [np.nan, 30]])
    panel = panel_of(given, ahead=[1])
    assert panel.with_ahead(1).sequences[0][2, 1] == 30
    with pytest.raises(
        DataError,
        match="'s0' ends with 1, but 'value 2' is missing for 1 of the 2 steps",
    ):
        panel.with_ahead(2)


def test_what_is_known_ahead_belongs_to_its_time():
    nan = np.nan
    rows = [[1, 10], [2, 20], [nan, 50], [nan, 30]]
    panel = panel_of(rows, times=[np.array([0, 1, 4, 2])], ahead=[2])
    late = panel_of(rows, times=[np.array([0, 1, 2, 4])], ahead=[2])
    np.testing.assert_array_equal(late.with_ahead(1).sequences[0][:, 1], [10, 20, 50])
    with pytest.raises(DataError, match=r"missing for 1 of the 3 steps after it: 3; add"):
        late.with_ahead(3)
    with pytest.raises(DataError, match=r"has rows to come for 2; remove them"):
        panel.with_ahead(3)  # a panel is in the order of time, which reading sees to
    between = panel_of(rows, times=[np.array([0, 1, 2.5, 3])], ahead=[2])
    with pytest.raises(
        DataError, match=r"one step per unit up to 1, then 2, but has rows to come for 2\.5"
    ):
        between.with_ahead(2)


def test_many_missing_times_are_cut():
    panel = panel_of([[1, 10], [2, 20]])
    with pytest.raises(DataError, match=r"for 9 of the 9 steps after it: 2, 3, 4, 5, …, 10;"):
        panel.with_ahead(9)


def test_rows_to_come_are_filled_too():
    rows = [[1, 10], [2, 20], [np.nan, 50]]
    filled = panel_of(rows, times=[np.array([0, 2, 5])], ahead=[1]).filled()
    assert filled.lengths.tolist() == [3]
    assert filled.times.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(DataError, match=r"for 2 of the 3 steps after it: 3, 4"):
        filled.with_ahead(3)
    assert panel_of(rows, times=[np.array([0, 1, 5])], ahead=[1]).irregular() == (0, "")


def test_steps_that_were_left_out_are_filled_in():
    panel = panel_of([1, 2, 5], times=[np.array([0, 1, 4])])
    assert panel.irregular() == (1, "before 4 in series 's0'")
    filled = panel.filled()
    np.testing.assert_array_equal(filled.sequences[0][:, 0], [1, 2, np.nan, np.nan, 5])
    assert filled.times.tolist() == [0, 1, 2, 3, 4]
    assert filled.irregular() == (0, "")
    with pytest.raises(DataError, match=r"a step at 1\.5, which does not fit one per unit"):
        panel_of([1, 2, 3], times=[np.array([0, 1.5, 3])]).filled()


def test_the_last_value_is_carried_on_within_a_series():
    nan = np.nan
    panel = panel_of([nan, 1, nan, nan, 2], [nan, 3])
    np.testing.assert_array_equal(panel.carried, [nan, 1, 1, 1, 2, nan, 3])


def test_series_go_on():
    old = panel_of([1, 2], [3, 4])
    new = panel_of([9], times=[np.array([2])], keys=["s1"])
    both = joined(old, new)
    assert [own[:, 0].tolist() for own in both.sequences] == [[1, 2], [3, 4, 9]]
    assert both.times.tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (panel_of([9], keys=["x"]), "series 'x' was not in the training data"),
        (panel_of([9], times=[np.array([1])]), "'s0' continues at 1, but was already read up to 1"),
        (panel_of([[9, 9]], times=[np.array([2])]), "2 columns, but had 1 before"),
    ],
)
def test_series_that_cannot_go_on(new, message):
    with pytest.raises(DataError, match=message):
        joined(panel_of([1, 2], [3, 4]), new)


def test_other_data_have_another_digest():
    one = panel_of([1, 2, 3]).digest()
    assert one == panel_of([1, 2, 3]).digest()
    others = [panel_of([1, 2, 4]), panel_of([1, 2, 3], keys=["t"]), panel_of([1, 2], [3])]
    assert one not in {panel.digest() for panel in others}
