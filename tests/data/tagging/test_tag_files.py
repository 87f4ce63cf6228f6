"""Files of tags: what is read of good ones, and what is said of bad ones."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engram.data.tagging.tag_files import TagReadingSettings, read_tagged
from engram.data.tagging.tagged import Lists, Tagged, split_tagged
from engram.data.tagging.word_features import SHAPES, UNKNOWN, WordEncoding, shape_of
from engram.errors import DataError, EngramError

CONLL = "John NNP B-PER\nleft VBD O\n. . O\n\nParis NNP B-LOC\n"
CONLL_U = (
    "# text = Vámonos al mar\n1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tVamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n"
    "2.1\tx\tx\tX\t_\t_\t_\t_\t_\t_\n\n# one\n1\tmar\tmar\tNOUN\t_\t_\t0\troot\t_\t_\n\n"
)
LINES = '{"tokens": ["John", "left"], "tags": ["B-PER", "O"]}\n{"tokens": ["x"], "tags": ["O"]}\n'


def _read(path, *, answered=True, **columns):
    reading = TagReadingSettings(data=[str(path)], **columns)
    return read_tagged(reading.data, reading, answered=answered)[0]


def _file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _lists(lists):
    return [lists[index] for index in range(len(lists))]


WORDS, NAMES = [["John", "left", "."], ["Paris"]], [["B-PER", "O", "O"], ["B-LOC"]]


@pytest.mark.parametrize(
    "content",
    [
        CONLL,
        CONLL.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + CONLL.encode(),
        CONLL.replace(" ", "\t"),
        CONLL.replace(" ", "   "),
        CONLL + "\n\n\n",
        "\n \n" + CONLL,
        "-DOCSTART- -X- O\n\n" + CONLL,
        "# a comment of many words\n" + CONLL,
    ],
)
def test_columns(tmp_path, content):
    found = _read(_file(tmp_path, "a.conll", content))
    assert (_lists(found.inputs), _lists(found.tags)) == (WORDS, NAMES)


def test_columns_by_number(tmp_path):
    path = _file(tmp_path, "a.txt", CONLL)
    assert _lists(_read(path, tags="2").tags)[0] == ["NNP", "VBD", "."]
    assert _lists(_read(path, words="2", tags="-1").inputs)[1] == ["NNP"]
    assert _read(path, answered=False).tags is None
    alone = _file(tmp_path, "b.txt", "John\nleft\n")
    assert _lists(_read(alone, answered=False).inputs) == [["John", "left"]]
    assert _read(path).name(1) == f"{path} line 5"


def test_a_word_that_is_a_hash_is_no_comment(tmp_path):
    path = _file(tmp_path, "a.txt", "a X\n# Y\n\n# Y\nb X\n")
    assert _lists(_read(path).inputs) == [["a", "#"], ["#", "b"]]


def test_universal_columns(tmp_path):
    path = _file(tmp_path, "a.conllu", CONLL_U)
    found = _read(path)
    assert _lists(found.inputs) == [["Vamos", "nos"], ["mar"]]
    assert _lists(found.tags) == [["VERB", "PRON"], ["NOUN"]]
    assert _lists(_read(path, words="lemma", tags="deprel").tags)[0] == ["root", "obj"]
    with pytest.raises(DataError, match=r"10 columns, but none is 'lema'.*one of id, form"):
        _read(path, words="lema")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_lists_in_cells(tmp_path, kind):
    path = _file(tmp_path, "a.jsonl", LINES)
    if kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        rows = [json.loads(line) for line in LINES.splitlines()]
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    found = _read(path)
    assert _lists(found.inputs) == [["John", "left"], ["x"]]
    assert _lists(found.tags) == [["B-PER", "O"], ["O"]]
    numbers = LINES.replace('"B-PER"', "3").replace('"O"', "0")
    assert _lists(_read(_file(tmp_path, "b.jsonl", numbers)).tags) == [["3", "0"], ["0"]]


def test_lines_of_a_million_characters(tmp_path):
    long = "w" * 1_000_000
    found = _read(_file(tmp_path, "a.conll", f"{long} X\n\nb Y\n"))
    assert _lists(found.inputs) == [[long], ["b"]]
    lines = json.dumps({"tokens": ["w"] * 300_000, "tags": ["X"] * 300_000})
    assert _read(_file(tmp_path, "a.jsonl", lines)).inputs.lengths.tolist() == [300_000]


def test_values_with_tags(tmp_path):
    lines = (
        '{"values": [[1, 2], [3, null]], "tags": ["a", "b"]}\n{"values": [[5, 6]], "tags": ["a"]}'
    )
    found = _read(_file(tmp_path, "a.jsonl", lines))
    np.testing.assert_array_equal(found.inputs[0], np.float32([[1, 2], [3, np.nan]]))
    assert found.inputs.lengths.tolist() == [2, 1]


def test_several_files(tmp_path):
    for name in "ab":
        _file(tmp_path, f"{name}.conll", CONLL)
    found = _read(tmp_path / "*.conll")
    assert _lists(found.inputs) == WORDS * 2
    assert found.name(2) == f"{tmp_path / 'b.conll'} line 1"
    _file(tmp_path, "c.conll", "")
    with pytest.raises(DataError, match=r"c.conll is empty"):
        _read(tmp_path / "*.conll")
    _file(tmp_path, "c.jsonl", '{"values": [1], "tags": ["a"]}')
    reading = TagReadingSettings(data=[str(tmp_path / "a.conll"), str(tmp_path / "c.jsonl")])
    with pytest.raises(DataError, match="some files contain words and others values"):
        read_tagged(reading.data, reading, answered=True)


FAULTS = [
    ("a.conll", "", "is empty"),
    ("a.conll", "# only\n\n", "is empty"),
    ("a.conll", "a B X\nb C\n", r"line 2 has 2 columns, but the first line has 3: 'b C'"),
    ("a.conll", "a\nb\n", r"line 1 has 1 column, so words and tags would be read from the same"),
    ("a.conll", "a\tX\nb\t\n", "line 2 has no tag"),
    ("a.conll", "a\tX\n\tX\n", "line 2 has no word"),
    ("a.conll", "a\tX\nb\0\tX\n", "line 2 contains NUL"),
    ("a.conll", b"a\tX\n\xe9\tX\n", "is not utf-8"),
    ("a.jsonl", "", "is empty"),
    ("a.jsonl", '{"tokens": ["a"]}', "no lists of tags among them"),
    ("a.jsonl", '{"tokens": "a", "tags": "b"}', "no lists of words among them"),
    ("a.jsonl", '{"tokens": ["a", "b"], "tags": ["x"]}', r"row 1 has 2 steps but 1 tags"),
    ("a.jsonl", LINES + '{"tokens": [], "tags": []}', r"row 3, 'tokens' has no steps"),
    ("a.jsonl", LINES + '{"tokens": "a", "tags": ["x"]}', "line 3: 'tokens' holds 'a'; write a"),
    ("a.jsonl", LINES + '{"tokens": ["a"], "tags": [null]}', "line 3: 'tags' holds 'None'"),
    ("a.jsonl", '{"values": [[1, "b"]], "tags": ["x"]}', r"row 1, 'values', step 1, holds 'b'"),
    (
        "a.jsonl",
        '{"tokens": ["a", 1.5], "tags": ["x", "y"]}',
        "line 1: 'tokens' holds '1.5' in its",
    ),
    ("a.jsonl", LINES + "{", "line 3 is not valid JSON"),
]


@pytest.mark.parametrize(("name", "content", "said"), FAULTS)
def test_faults_are_placed(tmp_path, name, content, said):
    path = _file(tmp_path, name, content)
    with pytest.raises(DataError, match=said) as fault:
        _read(path)
    assert str(path) in str(fault.value)


def test_columns_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        _read(tmp_path / "nothing")
    with pytest.raises(DataError, match="3 columns, but none is '4'; give a number from 1"):
        _read(_file(tmp_path, "a.conll", CONLL), tags="4")
    with pytest.raises(DataError, match="no column 'token': did you mean 'tokens'"):
        _read(_file(tmp_path, "a.jsonl", LINES), words="token")


DAMAGED = {".conll": CONLL.encode(), ".conllu": CONLL_U.encode(), ".jsonl": LINES.encode()}


@pytest.mark.parametrize("suffix", DAMAGED)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path, suffix, data):
    whole = DAMAGED[suffix]
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(len(whole), start + 12)))
    put = data.draw(
        st.one_of(st.binary(max_size=9), st.sampled_from([b"\t", b"\0", b"#", b"\n\n"]))
    )
    path = _file(tmp_path, f"a{suffix}", whole[:start] + put + whole[stop:])
    try:
        found = _read(path)
    except EngramError:
        return
    assert found.inputs.lengths.tolist() == found.tags.lengths.tolist()
    assert (found.inputs.lengths > 0).all()


def _tagged(*sentences):
    words = [sentence.split() for sentence in sentences]
    return Tagged(Lists.of(words), Lists.of([["x"] * len(each) for each in words]))


def test_a_share_is_taken_apart():
    tagged = _tagged(*(f"word {n}" for n in range(20)))
    stays, taken = split_tagged(tagged, 0.25, seed=1)
    assert (len(stays), len(taken)) == (15, 5)
    every = [*_lists(stays.inputs), *_lists(taken.inputs)]
    assert sorted(every, key=lambda words: int(words[1])) == _lists(tagged.inputs)
    assert split_tagged(tagged, 0.25, seed=1)[1].digest() == taken.digest()
    assert split_tagged(tagged, 0.25, seed=2)[1].digest() != taken.digest()
    assert split_tagged(tagged, 0.0, seed=0)[1] is None


@pytest.mark.parametrize("seed", range(5))
def test_every_tag_stays(seed):
    tags = [["x"]] * 8 + [["y"]] * 2
    tagged = Tagged(Lists.of([["a"]] * 10), Lists.of(tags))
    stays, taken = split_tagged(tagged, 0.8, seed=seed)
    assert set(stays.tags.texts) == {"x", "y"}
    assert len(taken) >= 7
    assert split_tagged(tagged.take(np.array([0, 9])), 0.5, seed=seed)[1] is None


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("word", "small"),
        ("Word", "capitalised"),
        ("A", "capitalised"),
        ("WORD", "capitals"),
        ("McDuck", "mixed"),
        ("3rd", "number"),
        ("...", "other"),
        ("", "other"),
    ],
)
def test_shapes(word, shape):
    assert shape_of(word) == shape
    assert shape in SHAPES


def test_words_and_their_features():
    tagged = _tagged("The cat sat", "the mat", "cat")
    encoding = WordEncoding.learnt(tagged.inputs, 100, 1)
    again = WordEncoding.from_plain(json.loads(json.dumps(encoding.plain())))
    found = again.encode(tagged)
    assert found.lengths.tolist() == [3, 2, 1]
    assert found[0][0, 0] == found[1][0, 0] != UNKNOWN
    assert found[0][0, 2] != found[1][0, 2]  # one begins with a capital
    unknown = encoding.encode(_tagged("COMBAT"))[0][0]
    assert unknown.tolist() == [UNKNOWN, UNKNOWN, SHAPES.index("capitals")]
    assert encoding.encode(_tagged("combcat"))[0][0, 1] == found[2][0, 1]
    assert WordEncoding.learnt(tagged.inputs, 100, 2).words == ["cat", "the"]
    assert WordEncoding.learnt(tagged.inputs, 1, 1).words == ["cat"]
    with pytest.raises(DataError, match="is damaged"):
        WordEncoding.from_plain({"words": [1], "endings": []})
