import numpy as np
import pytest

from engram.data.panels.frequency import Frequency, phases
from engram.errors import DataError


def seconds(*dates):
    return np.array(dates, dtype="datetime64[s]").astype(np.float64)


def every(step, count, start="2023-01-01"):
    return np.arange(
        np.datetime64(start, "s"), count * step + np.datetime64(start, "s"), step
    ).astype(float)


MONTHS = (
    np.arange(np.datetime64("2019-11"), np.datetime64("2021-04"))
    .astype("datetime64[s]")
    .astype(float)
)
ENDS = (
    (np.arange(np.datetime64("2019-11"), np.datetime64("2021-04")).astype("datetime64[D]") - 1)
    .astype("datetime64[s]")
    .astype(float)
)
CASES = {
    "months": (MONTHS, True, "1 month", 12, ["2021-04", "2021-05"]),
    "ends of months": (ENDS, True, "1 month", 12, ["2021-03-31", "2021-04-30"]),
    "quarters": (MONTHS[::3], True, "3 months", 4, ["2021-05", "2021-08"]),
    "years": (
        seconds("2000-01-01", "2001-01-01", "2002-01-01"),
        True,
        "1 year",
        1,
        ["2003-01", "2004-01"],
    ),
    "days": (every(np.timedelta64(1, "D"), 9), True, "1 day", 7, ["2023-01-10", "2023-01-11"]),
    "weeks": (every(np.timedelta64(7, "D"), 9), True, "1 week", 52, ["2023-03-05", "2023-03-12"]),
    "hours": (
        every(np.timedelta64(1, "h"), 9),
        True,
        "1 hour",
        24,
        ["2023-01-01 09:00:00", "2023-01-01 10:00:00"],
    ),
    "quarters of hours": (
        every(np.timedelta64(15, "m"), 9),
        True,
        "15 minutes",
        96,
        ["2023-01-01 02:15:00", "2023-01-01 02:30:00"],
    ),
    "odd seconds": (
        every(np.timedelta64(7, "s"), 9),
        True,
        "7 seconds",
        1,
        ["2023-01-01 00:01:03", "2023-01-01 00:01:10"],
    ),
    "numbers": (np.arange(1700.0, 1720), False, "1", 1, ["1720", "1721"]),
    "twos": (np.arange(0.0, 9, 2), False, "2", 1, ["10", "12"]),
    "one step": (np.array([5.0]), False, "1", 1, ["6", "7"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_steps_tell(case):
    times, dates, name, season, following = CASES[case]
    found = Frequency.of(times, np.array([0, len(times)]), dates=dates)
    assert (found.name, found.season) == (name, season)
    np.testing.assert_allclose(found.steps(times), 1.0, atol=0.01)
    assert found.written(found.after(times[-1], 2)) == following
    assert Frequency.from_plain(found.plain()) == found


@pytest.mark.parametrize("value", [None, {}, {"unit": "fortnight", "count": 1}, {"unit": "month"}])
def test_what_is_no_frequency(value):
    with pytest.raises(DataError, match="damaged"):
        Frequency.from_plain(value)


def test_most_series_say_the_step():
    times = np.concatenate([np.arange(5.0), np.arange(0.0, 20, 4), np.arange(5.0)])
    assert Frequency.of(times, np.array([0, 5, 10, 15]), dates=False).count == 1


def test_phases_go_round():
    days = every(np.timedelta64(1, "D"), 15)
    found = phases(days, ["week"])
    assert found.shape == (15, 2)
    np.testing.assert_allclose(found[0], found[14], atol=1e-5)
    np.testing.assert_allclose((found**2).sum(axis=1), 1.0, atol=1e-5)
    assert phases(days, []).shape == (15, 0)


@pytest.mark.parametrize(
    ("step", "cycles"),
    [
        ("1 month", ["year"]),
        ("1 day", ["year", "week"]),
        ("1 hour", ["year", "week", "day"]),
        ("1", []),
    ],
)
def test_cycles_that_a_step_sees(step, cycles):
    made = {
        "1 month": Frequency("month"),
        "1 day": Frequency("second", 86_400),
        "1 hour": Frequency("second", 3_600),
        "1": Frequency(),
    }
    assert made[step].cycles == cycles
