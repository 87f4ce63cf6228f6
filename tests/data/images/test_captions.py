import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engram.data.images.captions import read_captions
from engram.errors import DataError, EngramError

Image = pytest.importorskip("PIL.Image")


def _write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def folder(tmp_path):
    """Two images: one of the size that is asked for, one larger and grey."""
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (20, 16), 128).save(tmp_path / "grey.png")
    return tmp_path


RECORDS = [
    {"image": "red.png", "caption": "a red one"},
    {"image": "grey.png", "caption": "a grey one"},
    {"image": "red.png", "caption": "it is red"},
]
TABLES = {
    "captions.csv": "image,caption\nred.png,a red one\ngrey.png,a grey one\nred.png,it is red\n",
    "named.csv": "\ufeffn,Text,File\r\n1,a red one,red.png\r\n2,a grey one,grey.png\r\n"
    "3,it is red,red.png\r\n",
    "captions.tsv": "caption\tpic\na red one\tred.png\na grey one\tgrey.png\nit is red\tred.png\n",
    "captions.jsonl": "\n".join(json.dumps(record) for record in RECORDS) + "\n\n",
    "records.json": json.dumps(RECORDS),
    "by_image.json": json.dumps({"red.png": ["a red one", "it is red"], "grey.png": "a grey one"}),
    "coco.json": json.dumps(
        {
            "images": [{"id": 7, "file_name": "red.png"}, {"id": 9, "file_name": "grey.png"}],
            "annotations": [
                {"image_id": 7, "caption": "a red one"},
                {"image_id": 9, "caption": "a grey one"},
                {"image_id": 7, "caption": "it is red"},
            ],
        }
    ),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("by_folder", [False, True])
def test_tables_of_every_kind(folder, name, by_folder):
    path = _write(folder, name, TABLES[name])
    read = read_captions(folder if by_folder else path, size=(8, 8))
    assert read.texts == [["a red one", "it is red"], ["a grey one"]]
    assert read.given.shape == (2, 3, 8, 8)
    assert read.given.dtype == np.uint8
    assert read.given[0, :, 0, 0].tolist() == [255, 0, 0]
    assert (read.given[1] == 128).all()


def test_grey_images(folder):
    path = _write(folder, "captions.csv", TABLES["captions.csv"])
    read = read_captions(path, size=(4, 6), channels=1)
    assert read.given.shape == (2, 1, 4, 6)
    assert (read.given[0] == 76).all()  # of red: 0.299 of white


def test_named_columns(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = _write(tmp_path, "t.csv", "left,right,says\nx.png,a.png,hello\n")
    read = read_captions(path, columns=["says", "right"], size=(8, 8))
    assert (read.texts, read.columns) == ([["hello"]], ("right", "says"))


def test_classes_and_numbers(tmp_path):
    path = _write(tmp_path, "t.csv", "caption,animal\nwoof,dog\nmeow,cat\nwuff,dog\n")
    read = read_captions(path, kind="classes")
    assert (read.given, read.texts) == (["dog", "cat"], [["woof", "wuff"], ["meow"]])
    path = _write(tmp_path, "n.csv", "a,b,caption\n1,2.5,up\n-1,0,down\n")
    read = read_captions(path, kind="numbers")
    assert read.given.tolist() == [[1.0, 2.5], [-1.0, 0.0]]
    assert read.columns == ("a", "b", "caption")


def test_take(tmp_path):
    path = _write(tmp_path, "t.csv", "caption,animal\nwoof,dog\nmeow,cat\n")
    assert read_captions(path, kind="classes").take([1]).texts == [["meow"]]


def test_long_cells(tmp_path):
    path = _write(tmp_path, "t.csv", "caption,animal\n" + "w" * 1_000_000 + ",dog\n")
    assert len(read_captions(path, kind="classes").texts[0][0]) == 1_000_000


def _refused(path, **options):
    with pytest.raises(DataError) as caught:
        read_captions(path, **options)
    return str(caught.value)


def test_broken_images_are_named_and_refused_or_skipped(folder):
    (folder / "red.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    path = _write(folder, "captions.csv", TABLES["captions.csv"])
    message = _refused(path, size=(8, 8))
    assert message.startswith(f"{path} line 2: {folder / 'red.png'} is")
    assert message.endswith("; or skip such images with --broken skip")
    read = read_captions(path, size=(8, 8), broken="skip")
    assert read.texts == [["a grey one"]]
    assert len(read.skipped) == 1
    assert f"{folder / 'red.png'}" in read.skipped[0]


def test_missing_and_cut_off_images(folder):
    whole = (folder / "grey.png").read_bytes()
    Image.effect_noise((64, 64), 50).save(folder / "noise.png")
    cut = (folder / "noise.png").read_bytes()[:900]
    (folder / "noise.png").write_bytes(cut)
    _write(folder, "c.csv", "image,caption\nnoise.png,noise\ngone.png,gone\ngrey.png,grey\n")
    read = read_captions(folder, size=(8, 8), broken="skip")
    assert len(whole) > 0
    assert read.texts == [["grey"]]
    assert "noise.png is a damaged image" in read.skipped[0]
    assert "gone.png: No such file" in read.skipped[1]
    _write(folder, "c.csv", "image,caption\ngone.png,gone\n")
    assert _refused(folder, broken="skip").startswith("no image could be read; the first: ")


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("t.txt", "x", {}, "{path} is not a table of captions; give a folder, or a file that ends"),
        ("t.csv", "image,caption\n", {}, "{path} contains a header but no rows"),
        ("t.csv", "image,caption\na.png\n", {}, "{path}: each row should have 2 cells, but line 2"),
        ("t.csv", 'image,caption\n"a","b"\na,"b\n', {}, "{path} line 3 has a quote that is never"),
        ("t.csv", "image,caption\na,\0\n", {}, "{path} line 2: 'caption' contains NUL"),
        ("t.csv", "a,a\nb,c\n", {}, "{path} has two columns named 'a'; rename one"),
        ("t.csv", "a,b,c\nd,e,f\n", {}, "{path} has columns a, b, c, but none is named caption"),
        (
            "t.csv",
            "a,b,caption\nd,e,f\n",
            {},
            "{path} has columns a, b, caption: which one contains the images is not clear; name it "
            "after the caption column, such as --columns caption a",
        ),
        (
            "t.csv",
            "image,caption\na.png,b\n",
            {"columns": ["captoin"]},
            "{path} has no column 'captoin': did you mean 'caption'?",
        ),
        ("t.csv", "image,caption\n,b\n", {}, "{path} line 2: 'image' is empty; fill it"),
        ("t.csv", "image,caption\na.png, \n", {}, "{path} line 2: 'caption' is ' '; a"),
        (
            "t.csv",
            "x,caption\ntwo,b\n",
            {"kind": "numbers"},
            "{path} line 2: 'x' holds 'two', but must be numeric",
        ),
        (
            "t.csv",
            "x,caption\ninf,b\n",
            {"kind": "numbers"},
            "{path} line 2: 'x' is infinite; give a finite number",
        ),
        ("t.json", "[1]", {}, "{path} row 1 is a int; it must be an object of names and values"),
        ("t.json", "3", {}, "{path} contains a int; it must be a list of records"),
        ("t.json", "{", {}, "{path} is not valid JSON: Expecting property name"),
        ("t.json", '{"a.png": [3]}', {}, "{path} row 1: 'caption' is 3; a caption must be"),
        ("t.json", '{"a.png": []}', {}, "{path} row 1: 'caption' is None; a caption"),
        ("t.jsonl", '{"a": 1}\n{\n', {}, "{path} line 2 is not valid JSON"),
        (
            "t.json",
            '{"images": [{"id": 1}], "annotations": []}',
            {},
            "{path}: images need 'id' and 'file_name', annotations need 'image_id' and 'caption', "
            "but one lacks 'file_name'; fix the file",
        ),
    ],
)
def test_bad_tables(tmp_path, name, content, options, message):
    path = _write(tmp_path, name, content)
    assert _refused(path, **options).startswith(message.format(path=path))


def test_a_table_that_is_not_there(tmp_path):
    path = tmp_path / "t.csv"
    message = f"{path} does not exist; give a table of captions, or its folder"
    assert _refused(path) == message


def test_folders_with_no_or_several_tables(tmp_path):
    assert "has 0 tables of captions (none)" in _refused(tmp_path)
    _write(tmp_path, "a.csv", "x")
    _write(tmp_path, "b.json", "x")
    assert "has 2 tables of captions (a.csv, b.json)" in _refused(tmp_path)


PIECES = [b"image", b"caption", b",", b"\n", b'"', b"a.png", b"x", b"{", b"}", b"[", b"]", b":"]
PIECES += [b"\xff", b"\0", b"\r", b"1", b"\xef\xbb\xbf"]


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    start=st.sampled_from([b"", b"image,caption\n", b'{"a.png": ', b'[{"image": "a.png", ']),
    pieces=st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    suffix=st.sampled_from(["csv", "tsv", "json", "jsonl"]),
    kind=st.sampled_from(["images", "classes", "numbers"]),
)
def test_damaged_tables_are_read_or_refused(tmp_path, start, pieces, suffix, kind):
    if not (tmp_path / "a.png").exists():
        Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    path = _write(tmp_path, f"t.{suffix}", start + pieces)
    try:
        read = read_captions(path, kind=kind, size=(4, 4), broken="skip")
    except EngramError:
        return
    assert len(read.given) == len(read.texts) > 0
    assert all(text.strip() for texts in read.texts for text in texts)
