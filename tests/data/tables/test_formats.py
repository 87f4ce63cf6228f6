"""How numbers and dates are written: found by all cells, asked about where two readings fit."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engram.data.settings import TextTableSettings
from engram.data.tables.checked import numbers_in, times_in
from engram.data.tables.dates import UnclearDatesError, compact_format, date_format
from engram.data.tables.numbers import (
    NumberFormat,
    UnclearNumbersError,
    column_numbers,
    number_format,
)
from engram.data.tables.reading import read_table
from engram.errors import DataError

# cells, what separates them in the file, and their numbers
NUMBERS = [
    (["1", "-2.5", "+3e4", " 7 ", ".5"], ",", [1, -2.5, 30000, 7, 0.5]),
    (["1,5", "2,25"], ";", [1.5, 2.25]),
    (["971,48", "1.229,60"], ";", [971.48, 1229.6]),
    (["10,128,845", "992"], ",", [10128845, 992]),
    (["98,478", "1,219"], ",", [98478, 1219]),
    (["1,021.75", "12.50"], ",", [1021.75, 12.5]),
    (["1.234.567", "2.000.000"], ";", [1234567, 2000000]),
    (["0.118", "-0.947"], ";", [0.118, -0.947]),
    (["0,118", "0,947"], None, [0.118, 0.947]),
    (["1 234,5", "12 345,5"], ";", [1234.5, 12345.5]),
    (["1\u202f234", "99"], ";", [1234, 99]),
    (["1'234.5", "2.5"], ",", [1234.5, 2.5]),
    (["$1,021.75", "$-3.5", "-$4"], ",", [1021.75, -3.5, -4]),
    (["34%", "41 %"], ",", [34, 41]),
    (["3 EUR", "€ 4", "(5)"], ",", [3, 4, -5]),
    (["−3", "4"], ",", [-3, 4]),
    (["1", "NA", "-", "", "#N/A", "<NA>", "null", "2"], ",", [1, *[np.nan] * 6, 2]),
]


@pytest.mark.parametrize(
    ("cells", "separator", "wanted"), NUMBERS, ids=[str(n[0]) for n in NUMBERS]
)
def test_numbers(cells, separator, wanted):
    form = number_format(cells, None, separator)
    assert form is not None
    np.testing.assert_array_equal([form.number(cell) for cell in cells], wanted)
    quick = column_numbers(pyarrow.array(cells, pyarrow.string()), form)
    if quick is not None:
        np.testing.assert_array_equal(quick, wanted)


@pytest.mark.parametrize(
    ("cells", "separator"), [(["2.765", "1.976"], ";"), (["98,478"], "\t"), (["98,478"], None)]
)
def test_numbers_of_two_readings_are_asked_about(cells, separator):
    with pytest.raises(UnclearNumbersError, match=r"may be .* --decimal point or --decimal comma"):
        number_format(cells, None, separator)
    whole, part = (number_format(cells, sign, separator) for sign in ("point", "comma"))
    values = {form.number(cells[0]) for form in (whole, part)}
    assert len(values) == 2
    assert min(values) * 1000 == max(values)


@pytest.mark.parametrize("cell", ["1,23,4", "12.34.5", "1_000", "infinity", "0x1F", "1,2,3", "x"])
@pytest.mark.parametrize(
    "form", [NumberFormat(), NumberFormat(".", ","), NumberFormat(",", ".", True)]
)
def test_what_is_no_number(form, cell):
    assert form.number(cell) is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    values=st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1),
    form=st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", ""), (".", "")]),
)
def test_numbers_come_back(values, form):
    decimal, thousands = form
    signs = str.maketrans({",": thousands, ".": decimal})
    cells = [f"{value:,.2f}".translate(signs) for value in values]
    found = number_format(cells, None, ";")
    assert found is not None
    assert [found.number(cell) for cell in cells] == [float(value) for value in values]


# how one day, or the first of a period, is written
DATES = [
    ("2024-02-29", "2024-02-29"),
    ("2024/2/9", "2024-02-09"),
    ("2024.02.09 7:05", "2024-02-09 07:05"),
    ("29.02.2024", "2024-02-29"),
    ("2/29/2024 12:30:00 AM", "2024-02-29 00:30"),
    ("29-02-24", "2024-02-29"),
    ("01-Jan-2022", "2022-01-01"),
    ("1 January 2022", "2022-01-01"),
    ("January 5th, 2022", "2022-01-05"),
    ("Jan-70", "1970-01-01"),
    ("2000M07", "2000-07-01"),
    ("2000Q3", "2000-07-01"),
    ("Q3 2000", "2000-07-01"),
    ("2020-W53", "2020-12-28"),
    ("2022-03-01 01:00:00+01:00", "2022-03-01 00:00"),
    ("2022-03-01T01:00:00.000Z", "2022-03-01 01:00"),
    ("2022-03-01 01:00:00.000000 +0000 UTC", "2022-03-01 01:00"),
    ("2022-03-01T24:00", "2022-03-02 00:00"),
]


def _moment(seconds):
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


@pytest.mark.parametrize(("cell", "wanted"), DATES)
def test_dates(cell, wanted):
    form = date_format([cell])
    assert form is not None
    assert _moment(form.seconds(cell)) == datetime.fromisoformat(wanted)


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("20240229", "2024-02-29"),
        ("202402", "2024-02-01"),
        ("2024022905", "2024-02-29 05:00"),
        ("202402290530", "2024-02-29 05:30"),
        ("1641000000", "2022-01-01 01:20"),
        ("1641000000250", "2022-01-01 01:20:00.250"),
        ("1641000000000000", "2022-01-01 01:20"),
        ("1641000000000000000", "2022-01-01 01:20"),
    ],
)
def test_dates_of_digits(cell, wanted):
    form = compact_format([cell])
    assert form is not None
    assert _moment(form.seconds(cell)) == datetime.fromisoformat(wanted)
    assert date_format([cell]) is None  # a number may look like one


@pytest.mark.parametrize(
    "cell",
    ["2022-02-30", "31.06.2022", "25:00", "12.5", "1949.083", "soon", "2020-W60", "49106012326000"],
)
def test_what_is_no_date(cell):
    assert date_format([cell]) is None
    assert compact_format([cell]) is None


def test_day_and_month_by_a_value_that_tells():
    cells = ["01/02/2024", "13/02/2024"]
    assert date_format(cells).name == "day-first"
    assert date_format([cell[3:6] + cell[:3] + cell[6:] for cell in cells]).name == "month-first"
    for cell in ("01/02/2024", "01.02.2024", "1-2-24"):
        with pytest.raises(UnclearDatesError, match="--dates day-first or --dates month-first"):
            date_format([cell])
        assert date_format([cell], "month-first").seconds(cell) == date_format(
            ["2024-01-02"]
        ).seconds("2024-01-02")
    assert date_format(["13/02/2024"], "month-first") is None


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    start=st.dates(date(1900, 1, 1), date(2090, 1, 1)),
    form=st.sampled_from(
        ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d %b %Y", "%d.%m.%Y %H:%M", "%Y%m%d"]
    ),
)
def test_forty_days_are_read_in_any_order_of_signs(start, form):
    days = [start + timedelta(n) for n in range(40)]
    cells = [day.strftime(form) for day in days]
    found = date_format(cells) or compact_format(cells)
    assert found is not None
    assert [_moment(found.seconds(cell)).date() for cell in cells] == days


def _table(path, content, **given):
    path.write_text(content)
    return read_table(path, given=TextTableSettings(**given))


def test_a_cell_unlike_the_others_is_a_fault_with_its_line(tmp_path):
    content = "day,v\n01.02.2024,1\n13.02.2024,2\n2024-02-14,3\n15.02.2024,x\n16.02.2024,4\n"
    table = _table(tmp_path / "a.csv", content)
    with pytest.raises(
        DataError, match=r"line 4: 'day' holds '2024-02-14', which is not .*day-first"
    ):
        times_in(table, "day", table.first, 0, None)
    with pytest.raises(DataError, match="line 5: 'v' holds 'x', but must be numeric"):
        numbers_in(table, "v", table.first, 0)


def test_two_readings_are_an_error_that_names_the_column(tmp_path):
    table = _table(tmp_path / "a.csv", "day;v\n01.02.2024;1.234\n02.02.2024;5.678\n")
    for read, name in ((numbers_in, "v"), (lambda *given: times_in(*given, None), "day")):
        with pytest.raises(DataError, match=f"a.csv, column '{name}': .* may "):
            read(table, name, table.first, 0)
    table = _table(
        tmp_path / "a.csv",
        "day;v\n01.02.2024;1.234\n02.02.2024;5.678\n",
        decimal="comma",
        dates="month-first",
    )
    assert numbers_in(table, "v", table.first, 0).tolist() == [1234, 5678]
    times, dated = times_in(table, "day", table.first, 0, None)
    assert dated
    assert [_moment(time).month for time in times] == [1, 2]
