"""From times to calendars, and on from there."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engram.data.arrays import spool
from engram.data.panels.calendars.calendar import days_of, phases
from engram.data.panels.calendars.even import Even
from engram.data.panels.calendars.finding import calendar_from_plain, find_calendar
from engram.data.panels.calendars.months import Months, first_of, lengths_of, months_of
from engram.data.panels.calendars.weekly import Weekly
from engram.errors import DataError
from helpers.making_panels import panel_of

WORKING = Weekly((0, 1, 2, 3, 4))
SESSION = Weekly((0, 1, 2, 3, 4), tuple(34_200.0 + 1800 * bar for bar in range(13)))
NIGHT = Weekly((0, 1, 2, 3, 4, 5, 6), tuple(64_800.0 + 3600 * hour for hour in range(9)))
NOON_BREAK = Weekly((0, 1, 2, 3, 4), (32_400.0, 36_000.0, 46_800.0, 50_400.0, 54_000.0))


def seconds(*dates):
    return np.array(dates, dtype="datetime64[us]").astype(np.float64) / 1e6


def every(step, count, start="2023-01-01"):
    begin = np.datetime64(start, "s")
    return np.arange(begin, begin + count * np.timedelta64(*step), np.timedelta64(*step)).astype(
        np.float64
    )


def days(first, last, kept=lambda day: True):
    """Days of a span, Monday is 0, 2023-01-02 one."""
    found = np.arange(np.datetime64(first), np.datetime64(last))
    weekday = (found.astype(np.int64) + 3) % 7
    return seconds(*found[[bool(kept(day)) for day in weekday]])


def at(dates, *hours):
    return (dates[:, None] + 3600 * np.array(hours)).reshape(-1)


MONTHS = seconds(*np.arange(np.datetime64("2019-11"), np.datetime64("2021-04")))
ENDS = seconds(
    *(np.arange(np.datetime64("2019-11"), np.datetime64("2021-04")).astype("datetime64[D]") - 1)
)
FUND = seconds("2010-01-29", "2010-02-26", "2010-03-31", "2010-04-30", "2010-05-28", "2010-06-30",
               "2010-07-30", "2010-08-31", "2010-09-30", "2010-10-29")  # fmt: skip
WEEKDAYS = days("2023-01-02", "2023-03-04", lambda day: day < 5)
HOLIDAYS = np.delete(WEEKDAYS, [7, 20])
BARS = at(WEEKDAYS, *np.arange(9.5, 16, 0.5))
CASES = {
    "months": (MONTHS, "month", 12, ["2021-04", "2021-05"]),
    "ends of months": (ENDS, "month end", 12, ["2021-03-31", "2021-04-30"]),
    "the 30th": (
        seconds("2023-10-30", "2023-11-30", "2023-12-30", "2024-01-30", "2024-02-29"),
        "month",
        12,
        ["2024-03-30", "2024-04-30"],
    ),
    "last working days": (
        FUND,
        "last working day of a month",
        12,
        ["2010-11-30", "2010-12-31"],
    ),
    "first working days": (
        seconds("2010-01-01", "2010-02-01", "2010-03-01", "2010-04-01", "2010-05-03", "2010-06-01",
                "2010-07-01", "2010-08-02"),
        "first working day of a month",
        12,
        ["2010-09-01", "2010-10-01"],
    ),
    "third Fridays": (
        seconds("2023-01-20", "2023-02-17", "2023-03-17", "2023-04-21", "2023-05-19", "2023-06-16",
                "2023-07-21", "2023-08-18"),
        "month",
        12,
        ["2023-09-18", "2023-10-18"],
    ),
    "quarters": (MONTHS[::3], "quarter", 4, ["2021-05", "2021-08"]),
    "ends of quarters": (ENDS[2::3], "quarter end", 4, ["2021-03-31", "2021-06-30"]),
    "half-years": (MONTHS[::6], "half-year", 2, ["2021-05", "2021-11"]),
    "years": (
        seconds("2000-01-01", "2001-01-01", "2002-01-01"),
        "year",
        1,
        ["2003-01", "2004-01"],
    ),
    "days": (every((1, "D"), 9), "day", 7, ["2023-01-10", "2023-01-11"]),
    "a week of days without a weekend": (WEEKDAYS[:5], "day", 7, ["2023-01-07", "2023-01-08"]),
    "working days": (WEEKDAYS, "working day", 5, ["2023-03-06", "2023-03-07"]),
    "two weeks of them": (WEEKDAYS[:10], "working day", 5, ["2023-01-16", "2023-01-17"]),
    "with holidays": (HOLIDAYS, "working day", 5, ["2023-03-06", "2023-03-07"]),
    "at five o'clock": (
        at(WEEKDAYS, 17),
        "working day",
        5,
        ["2023-03-06 17:00:00", "2023-03-07 17:00:00"],
    ),
    "six days a week": (
        days("2023-01-02", "2023-02-05", lambda day: day < 6),
        "day from Monday to Saturday",
        6,
        ["2023-02-06", "2023-02-07"],
    ),
    "a weekend on Friday": (
        days("2023-01-01", "2023-02-10", lambda day: day not in (4, 5)),
        "day (Monday, Tuesday, Wednesday, Thursday, Sunday)",
        5,
        ["2023-02-12", "2023-02-13"],
    ),
    "Mondays and Thursdays": (
        days("2023-01-02", "2023-02-10", lambda day: day in (0, 3)),
        "day (Monday, Thursday)",
        2,
        ["2023-02-13", "2023-02-16"],
    ),
    "weeks": (every((7, "D"), 9), "week", 52, ["2023-03-05", "2023-03-12"]),
    "four weeks": (every((28, "D"), 9), "4 weeks", 1, ["2023-09-10", "2023-10-08"]),
    "hours": (
        every((1, "h"), 90),
        "hour",
        24,
        ["2023-01-04 18:00:00", "2023-01-04 19:00:00"],
    ),
    "hours with an outage": (
        np.delete(every((1, "h"), 90), slice(30, 40)),
        "hour",
        24,
        ["2023-01-04 18:00:00", "2023-01-04 19:00:00"],
    ),
    "hours of two days and a bit": (
        every((1, "h"), 45, "2023-01-01T18"),
        "hour",
        24,
        ["2023-01-03 15:00:00", "2023-01-03 16:00:00"],
    ),
    "a session": (
        BARS,
        "half-hour bar of a session 09:30 to 15:30 on working days",
        13,
        ["2023-03-06 09:30:00", "2023-03-06 10:00:00"],
    ),
    "within a session": (
        BARS[:-3],
        "half-hour bar of a session 09:30 to 15:30 on working days",
        13,
        ["2023-03-03 14:30:00", "2023-03-03 15:00:00"],
    ),
    "a session every day": (
        at(every((1, "D"), 20), *range(8, 20)),
        "hour bar of a session 08:00 to 19:00 on all days",
        12,
        ["2023-01-21 08:00:00", "2023-01-21 09:00:00"],
    ),
    "a session over midnight": (
        at(WEEKDAYS, *range(20, 27)),
        "hour bar of a session 20:00 to 02:00 on working days",
        7,
        ["2023-03-06 20:00:00", "2023-03-06 21:00:00"],
    ),
    "a session with a break": (
        at(WEEKDAYS, 9, 10, 11, 13, 14, 15),
        "hour bar of a session 09:00 to 15:00, with breaks (6 a day), on working days",
        6,
        ["2023-03-06 09:00:00", "2023-03-06 10:00:00"],
    ),
    "hours of working days": (
        at(WEEKDAYS, *range(24)),
        "hour on working days",
        24,
        ["2023-03-06 00:00:00", "2023-03-06 01:00:00"],
    ),
    "three times a day": (
        at(every((1, "D"), 20), 6, 12, 22),
        "reading at 06:00, 12:00, 22:00 on all days",
        3,
        ["2023-01-21 06:00:00", "2023-01-21 12:00:00"],
    ),
    "quarters of hours": (
        every((15, "m"), 9),
        "15 minutes",
        96,
        ["2023-01-01 02:15:00", "2023-01-01 02:30:00"],
    ),
    "odd seconds": (
        every((7, "s"), 9),
        "7 seconds",
        1,
        ["2023-01-01 00:01:03", "2023-01-01 00:01:10"],
    ),
    "50 Hz": (
        seconds("2023-01-01T10:00:00") + 0.02 * np.arange(9),
        "0.02 seconds",
        1,
        ["2023-01-01 10:00:00.180", "2023-01-01 10:00:00.200"],
    ),
    "microseconds": (
        seconds("2023-01-01T10:00:00") + 25e-5 * np.arange(9),
        "0.00025 seconds",
        1,
        ["2023-01-01 10:00:00.002250", "2023-01-01 10:00:00.002500"],
    ),
}  # fmt: skip
NUMBERS = {
    "years as numbers": (np.arange(1700.0, 1720), "unit", ["1720", "1721"]),
    "twos": (np.arange(0.0, 9, 2), "2 units", ["10", "12"]),
    "milliseconds": (1641029940000.0 + 100 * np.arange(5), "100 units", None),
    "one step": (np.array([5.0]), "unit", ["6", "7"]),
}


def found(times, *more, dates=True):
    offsets = np.cumsum([0, len(times), *map(len, more)])
    return find_calendar(np.concatenate([times, *more]), offsets, dates=dates)


@pytest.mark.parametrize("stretch", [1 << 20, 7])
@pytest.mark.parametrize("case", CASES)
def test_what_times_tell(case, stretch, monkeypatch):
    monkeypatch.setattr(spool, "STRETCH", stretch)
    times, name, season, following = CASES[case]
    calendar = found(times)
    assert (calendar.name, calendar.season) == (name, season)
    assert calendar.written(calendar.after(times[-1], 2)) == following
    assert calendar_from_plain(calendar.plain()) == calendar


@pytest.mark.parametrize("case", NUMBERS)
def test_what_numbers_tell(case):
    times, name, following = NUMBERS[case]
    calendar = found(times, dates=False)
    assert (calendar.name, calendar.season, calendar.cycles) == (name, 1, [])
    if following is not None:
        assert calendar.written(calendar.after(times[-1], 2)) == following
    assert calendar.written(times)[-1] == str(int(times[-1]))


def test_missing_steps_are_the_only_gaps():
    assert (WORKING.steps(WEEKDAYS) == 1).all()
    assert sorted(WORKING.steps(HOLIDAYS))[-3:] == [1, 2, 2]
    assert (found(BARS).steps(BARS) == 1).all()


def test_a_time_off_the_calendar_lies_between_its_steps():
    friday, saturday, sunday, monday = days("2023-01-06", "2023-01-10")
    np.testing.assert_allclose(
        WORKING.positions(np.array([friday, saturday, sunday, monday])) - WORKING.positions(friday),
        [0, 1 / 3, 2 / 3, 1],
    )
    assert WORKING.stray(np.array([friday, saturday])).tolist() == [False, True]
    early = seconds("2023-01-06T09:00", "2023-01-06T09:45", "2023-01-07T12:00")
    assert SESSION.stray(early).all()
    assert (np.diff(SESSION.positions(early)) > 0).all()


def test_most_series_decide():
    daily = days("2023-01-02", "2023-03-04")
    assert found(WEEKDAYS, HOLIDAYS, daily).name == "working day"
    assert found(WEEKDAYS, daily, daily + 86_400).name == "day"
    short = [WEEKDAYS[start : start + 4] for start in range(20)]  # only some of them see a weekend
    assert found(*short).name == "working day"
    assert found(np.arange(5.0), np.arange(0.0, 20, 4), np.arange(5.0), dates=False).count == 1


def test_a_few_gaps_are_no_rule():
    daily = every((1, "D"), 21)
    assert found(np.delete(daily, [3, 10])).name == "day"  # the same day of the week twice
    assert found(np.delete(daily, [3, 10, 17])).name != "day"


OLD = {
    "days": ({"unit": "second", "count": 86_400.0, "ends": False}, Even("second", 86_400.0)),
    "numbers": ({"unit": "number", "count": 2, "ends": False}, Even("number", 2.0)),
    "months": ({"unit": "month", "count": 3.0, "ends": False}, Months(3)),
    "ends": ({"unit": "month", "count": 1.0, "ends": True}, Months(1, "day", 31)),
}


@pytest.mark.parametrize("case", OLD)
def test_what_older_models_stored(case):
    stored, calendar = OLD[case]
    assert calendar_from_plain(stored) == calendar


def test_months_of_older_models_keep_the_day_of_a_series():
    calendar = calendar_from_plain({"unit": "month", "count": 1.0, "ends": False})
    last = seconds("2023-01-15T06:00")[0]
    assert calendar.written(calendar.after(last, 2)) == [
        "2023-02-15 06:00:00",
        "2023-03-15 06:00:00",
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"unit": "fortnight", "count": 1},
        {"unit": "month"},
        {"unit": "second", "count": 0},
        {"unit": "month", "count": 1, "anchor": "middle"},
        {"unit": "week", "days": [], "slots": [0]},
        {"unit": "week", "days": [4, 3], "slots": [0]},
        {"unit": "week", "days": [7], "slots": [0]},
        {"unit": "week", "days": [1], "slots": ["x"]},
    ],
)
def test_what_is_no_calendar(value):
    with pytest.raises(DataError, match="damaged"):
        calendar_from_plain(value)


CALENDARS = st.one_of(
    st.builds(Even, st.just("second"), st.sampled_from([1.0, 60.0, 3600.0, 86_400.0, 604_800.0])),
    st.builds(Months, st.sampled_from([1, 3, 12]), st.just("day"), st.integers(1, 31)),
    st.builds(Months, st.sampled_from([1, 3]), st.sampled_from(["first", "last"])),
    st.builds(
        lambda days, slots: Weekly(tuple(sorted(days)), tuple(sorted(slots))),
        st.sets(st.integers(0, 6), min_size=1),
        st.sets(st.integers(0, 1439).map(lambda minute: 60.0 * minute), min_size=1, max_size=9),
    ),
    st.sampled_from([WORKING, SESSION, NIGHT, NOON_BREAK]),
)
MOMENTS = st.integers(-(10**9), 4 * 10**9).map(float)


def begin(calendar, moment):
    """A time of the calendar near a moment."""
    if isinstance(calendar, Months) and calendar.anchor == "day":
        month = months_of(days_of(np.array([moment])))
        day = np.minimum(calendar.day, lengths_of(month)) - 1
        return float((first_of(month) + day)[0]) * 86_400 + moment % 86_400
    return calendar.after(moment, 1)[0]


@given(CALENDARS, MOMENTS, st.integers(1, 60))
def test_what_comes_after_goes_on_by_one(calendar, moment, steps):
    last = begin(calendar, moment)
    times = calendar.after(last, steps)
    moved = calendar.positions(np.concatenate([[last], times])) - calendar.positions(last)
    np.testing.assert_allclose(moved, np.arange(steps + 1), atol=1e-6)
    assert (np.diff(times) > 0).all()
    assert not calendar.stray(times).any()
    assert calendar_from_plain(calendar.plain()) == calendar


@given(CALENDARS, MOMENTS, st.lists(st.integers(0, 10**8), min_size=2, max_size=20, unique=True))
def test_positions_keep_the_order_of_times(calendar, moment, later):
    assume(not isinstance(calendar, Months))  # all days of a month have one position
    times = moment + np.sort(np.array(later, dtype=np.float64))
    assert (np.diff(calendar.positions(times)) > 0).all()


@given(CALENDARS, MOMENTS, st.sets(st.integers(1, 38), max_size=20))
def test_exactly_what_is_missing_is_filled_in(calendar, moment, missing):
    whole = calendar.after(begin(calendar, moment), 40)
    kept = np.setdiff1d(np.arange(40), list(missing))
    panel = panel_of(kept + 1.0, times=[whole[kept]], calendar=calendar).filled()
    np.testing.assert_allclose(panel.times, whole)
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(panel.target(0))), kept)
    np.testing.assert_array_equal(panel.target(0)[kept], kept + 1)


@pytest.mark.parametrize(
    ("calendar", "cycles"),
    [
        (Months(), ["year"]),
        (Even("second", 86_400), ["year", "week"]),
        (Even("second", 3_600), ["year", "week", "day"]),
        (WORKING, ["year", "week"]),
        (SESSION, ["year", "week", "day"]),
        (Even(), []),
    ],
)
def test_cycles_that_a_step_sees(calendar, cycles):
    assert calendar.cycles == cycles


def test_phases_go_round():
    times = every((1, "D"), 15)
    turns = phases(Even("second", 86_400), times, ["week"])
    assert turns.shape == (15, 2)
    np.testing.assert_allclose(turns[0], turns[14], atol=1e-5)
    np.testing.assert_allclose((turns**2).sum(axis=1), 1.0, atol=1e-5)
    assert phases(Even(), times, []).shape == (15, 0)


def test_phases_follow_working_days_and_sessions():
    shares = WORKING.shares(WEEKDAYS[:6], "week")
    np.testing.assert_allclose(shares, [0, 0.2, 0.4, 0.6, 0.8, 0.0], atol=1e-9)
    bars = SESSION.shares(BARS[:14].reshape(2, 7), "day")
    np.testing.assert_allclose(bars.reshape(-1), [*np.arange(13) / 13, 0], atol=1e-9)
    np.testing.assert_allclose(
        SESSION.shares(BARS[:66:13], "week"), [0, 0.2, 0.4, 0.6, 0.8, 0.0], atol=1e-9
    )
