"""``engram data look``: how a table is read is shown before anything is trained."""

import pytest

from engram.cli.main import main

DAYS = [f"{day:02d}.01.2024" for day in range(1, 29)]
SALES = "Tag;Laden;Umsatz\n" + "".join(
    f"{day};{shop};1.{n:03d},5\n" for shop in "AB" for n, day in enumerate(DAYS)
)
MAIL = "v1,v2,\n" + "".join(f"{'spam' if n % 3 else 'ham'},the text {n},\n" for n in range(30))


def _look(tmp_path, capsys, content, *flags):
    path = tmp_path / "a.csv"
    path.write_text(content)
    status = main(["data", "look", str(path), *flags])
    said = capsys.readouterr()
    return status, " ".join((said.out + said.err).split())


def test_columns_and_how_they_are_written(tmp_path, capsys):
    status, shown = _look(tmp_path, capsys, SALES)
    assert status == 0
    for part in (
        *("separator semicolon", "rows 56", "dates (day-first)", "01.01.2024, 02.01.2024"),
        *("numbers (decimal comma", "Laden text A, A, A B", "--task forecast"),
    ):
        assert part in shown, part


def test_what_columns_are_for_in_a_forecast(tmp_path, capsys):
    status, shown = _look(tmp_path, capsys, SALES, "--task", "forecast")
    assert status == 0
    for part in (
        *("target 'Umsatz'; series 'Laden'; time 'Tag'", "2 series, one step per day"),
        *("A 2024-01-01: 1000.5", "2024-01-28: 1027.5", "times are unique only with it"),
    ):
        assert part in shown, part


def test_what_columns_are_for_in_a_classification(tmp_path, capsys):
    status, shown = _look(tmp_path, capsys, MAIL, "--task", "classify")
    assert status == 0
    for part in ("target 'v1'; text 'v2'", "30 examples of 2 classes", "column 3 nothing"):
        assert part in shown, part


@pytest.mark.parametrize(
    ("content", "flags", "status", "said"),
    [
        (SALES, ["--dates", "month-first"], 0, "Tag text"),
        ("day;v\n01.02.2024;1.234\n", [], 0, "dates, in two readings"),
        (
            "day;v\n01.02.2024;1.234\n",
            ["--task", "forecast"],
            2,
            "'1.234' may be 1234 or 1.234; say which",
        ),
        (SALES, ["--task", "forcast"], 2, "did you mean 'forecast'"),
        (SALES, ["--sep", "x"], 2, "'--sep' is not a flag"),
        (SALES, ["--separator", "two"], 2, "separator is 'two'; it takes"),
    ],
)
def test_choices_and_faults(tmp_path, capsys, content, flags, status, said):
    found, shown = _look(tmp_path, capsys, content, *flags)
    assert said in shown
    assert found == status
