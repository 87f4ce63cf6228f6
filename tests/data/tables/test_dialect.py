"""How CSV files of many forms are cut: separators, quotes, and names of columns."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engram.data.settings import TextTableSettings
from engram.data.tables.reading import read_table
from engram.errors import DataError


def _read(path, content, encoding="utf-8", **given):
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return read_table(path, given=TextTableSettings(**given))


def _rows(table):
    blocks = [
        zip(*(column.to_pylist() for column in b.values()), strict=True) for b in table.blocks()
    ]
    return list(itertools.chain.from_iterable(blocks))


DAYS = [f"2024-01-{day:02d}" for day in range(1, 29)]


def _lines(first, form):
    """A first line, and one for each day; ``form`` writes it."""
    return "".join(f"{line}\n" for line in [*first, *(form(n, day) for n, day in enumerate(DAYS))])


# what the file is: its content of 28 rows, its columns (_ has no name), and the first row
FORMS = {
    "plain": (_lines(["day,v"], lambda n, d: f"{d},{n}.5"), "day v", (DAYS[0], "0.5")),
    "semicolons": (_lines(["Tag;W"], lambda n, d: f"{d};{n},5"), "Tag W", (DAYS[0], "0,5")),
    "tabs": (_lines(["day\tv"], lambda n, d: f"{d}\t{n}"), "day v", (DAYS[0], "0")),
    "bars": (_lines(["day|v"], lambda n, d: f"{d}|{n}"), "day v", (DAYS[0], "0")),
    "stores": (_lines(["day,101,102"], lambda n, d: f"{d},{n},7"), "day 101 102", None),
    "counted": (_lines(["0,1,2,y"], lambda n, _: f"{n}.5,1.5,2.5,{'ab'[n % 2]}"), "_ _ _ _", None),
    "index": (_lines([",v"], lambda n, _: f"{n},{n}.5"), "_ v", None),
    "no names": (_lines([], lambda n, _: f"{n}.1,{n}.2"), "_ _", ("0.1", "0.2")),
    "classes": (_lines([], lambda n, _: f"{n % 2},{n}.2,0.1"), "_ _ _", None),
    "examples": (_lines([], lambda n, _: f"{'ab'[n % 2]}\tbuy, {n}"), "_ _", ("a", "buy, 0")),
    "names of texts": (_lines(["y,text"], lambda n, _: f"{'ab'[n % 2]},word {n}"), "y text", None),
    "comments": (_lines(["# unit: kW", "#", "day,v"], lambda n, d: f"{d},{n}"), "day v", None),
    "Excel": (_lines(["sep=;", "day;v"], lambda n, d: f"{d};{n}"), "day v", None),
    "padded": (_lines(["day,v"], lambda n, d: f"{d},{n},"), "day v", (DAYS[0], "0")),
    "dates": (_lines(["p,2024-01-01"], lambda n, _: f"p{n},{n}"), "p 2024-01-01", None),
    "one column": (_lines(["v"], lambda n, _: "" if n == 3 else f"{n}"), "v", ("0",)),
    "breaks": (_lines(["t,y"], lambda n, _: f'"a, {n}\nb",{n % 2}'), "t y", ("a, 0\nb", "0")),
    "inner quotes": (_lines(["t\ty"], lambda n, _: f'said "no" {n}\t{n % 2}'), "t y", None),
    "missing": (_lines(["day,v"], lambda n, d: f"{d},{'-' if n % 3 else n}"), "day v", None),
    "bom": ("\ufeff" + _lines(["größe,v"], lambda n, d: f"{d},{n}"), "größe v", None),
    "Windows": (_lines(["day,v"], lambda n, d: f"{d},{n}\r"), "day v", (DAYS[0], "0")),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    content, columns, first = FORMS[form]
    table = _read(tmp_path / "a.csv", content)
    names = [name if name[0] != "_" else f"column {n}" for n, name in enumerate(columns.split(), 1)]
    assert table.columns == (["0", "1", "2", "y"] if form == "counted" else names)
    rows = _rows(table)
    assert len(rows) == 28
    assert first is None or rows[0] == first
    # the reading that was found reads the same without looking
    settings = {k: v for k, v in table.reading.items() if k in TextTableSettings.model_fields}
    again = _read(tmp_path / "a.csv", content, **settings)
    assert (again.columns, _rows(again)) == (table.columns, rows)


def test_utf_16_by_its_mark(tmp_path):
    content, *_ = FORMS["plain"]
    assert len(_rows(_read(tmp_path / "a.csv", content, "utf-16"))) == 28


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ('text,label\na "b,0\n"c d,1\ne,0\n', "line 3 has a quote that begins a cell"),
        ("ham,a b\nspam,c d\nham,e f\nspam,g h\n", "first line is read as data"),
        ("x,y\na,b\nc,d\n", "first line is read as names; --header-rows 0"),
        ("0,1,2\n0.5,0.5,0.25\n1.5,1.5,7.5\n", "first line is read as names that count"),
        ("# a\nx,y\n1,2\n", "1 comment lines"),
    ],
)
def test_choices_are_told(tmp_path, content, note):
    assert note in "; ".join(_read(tmp_path / "a.csv", content).notes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,A,A\n,x,y\nday,,\n" + "2024-01-01,1,2\n" * 9, "3 rows of names .*--header-rows 3"),
        ('a,b\n"x","y"\n"z","y"\n"open,3\n', "line 4 has a quote that is never closed"),
        ("a,b\n1,2\n3\n4,5,6\n", "line 3 has 1 cells: '3'; line 4 has 3 cells: '4,5,6'"),
        ("a,a\n1,2\n", "has two columns named 'a'"),
    ],
)
def test_faults(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        _rows(_read(tmp_path / "a.csv", content))


def test_several_rows_of_names_are_joined_if_asked(tmp_path):
    content = "a,A,A\n,x,y\nday,,\n" + "2024-01-01,1,2\n" * 9
    table = _read(tmp_path / "a.csv", content, header_rows=3)
    assert table.columns == ["a day", "A x", "A y"]
    assert len(_rows(table)) == 9


@pytest.mark.parametrize("place", [10, 60_000])
@pytest.mark.parametrize("stray", ['"a b', 'a" b', '"a" b'])
def test_a_stray_quote_anywhere_never_joins_rows(tmp_path, place, stray):
    lines = [f'"text, {n}",{n % 2}' for n in range(70_000)]
    lines[place] = f"{stray},1"
    path = tmp_path / "a.csv"
    if stray == 'a" b':  # a quote within a cell that has none around it is a character
        assert len(_rows(_read(path, "text,label\n" + "\n".join(lines)))) == 70_000
        return
    with pytest.raises(DataError, match="quote"):
        _rows(_read(path, "text,label\n" + "\n".join(lines)))


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\ufeff"), max_size=8)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(CELLS, st.integers(-999, 999)), min_size=2, max_size=12),
    separator=st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_is_quoted_comes_back(tmp_path_factory, rows, separator):
    quoted = [f'"{text.replace(chr(34), 2 * chr(34))}"{separator}{n}' for text, n in rows]
    path = tmp_path_factory.getbasetemp() / "quoted.csv"
    table = _read(path, "\n".join([f"words{separator}number", *quoted]) + "\n")
    assert table.columns == ["words", "number"]
    assert _rows(table) == [(text, str(n)) for text, n in rows]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(raw=st.binary(max_size=80) | st.text(max_size=40).map(str.encode), seed=st.integers(0, 9))
def test_anything_is_read_or_refused(tmp_path_factory, raw, seed):
    draw = random.Random(seed)
    form = FORMS[draw.choice(sorted(FORMS))][0].encode()
    place = draw.randrange(len(form))
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for content in (raw, form[:place] + raw + form[place:]):
        try:
            table = _read(path, content)
            rows = _rows(table)
        except DataError as fault:
            said = str(fault)
        else:
            said = str(path)
            assert all(len(row) == len(table.columns) for row in rows)
        assert str(path) in said
