"""Paths: one rule for files, folders and globs, whatever links there are."""

import pytest

from engram.data.labelled.reading import ReadingSettings, read_examples
from engram.data.paths import expanded
from engram.data.text.documents import read_text


@pytest.fixture
def folder(tmp_path):
    """Two files, a link to a folder beside, one up (a loop), a dead one, one to a file."""
    inside = tmp_path / "in"
    (inside / "deep").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    (inside / "a.txt").write_text("1 one")
    (inside / "deep" / "b.txt").write_text("2 two")
    (tmp_path / "beside" / "c.txt").write_text("3 three")
    (inside / "beside").symlink_to(tmp_path / "beside")
    (inside / "deep" / "up").symlink_to(inside)
    (inside / "dead.txt").symlink_to(tmp_path / "nothing")
    (inside / "same.txt").symlink_to(inside / "a.txt")
    return inside


NOTES = ["1 links are broken", "2 links to folders were not followed", "1 files are given or"]


def _begins(notes):
    return [note[: len(start)] for note, start in zip(notes, NOTES, strict=True)]


@pytest.mark.parametrize("pattern", ["", "/**/*.txt", "/**"])
def test_folders_and_globs_alike(folder, pattern):
    text = read_text([f"{folder}{pattern}"])
    assert sorted(text.documents) == ["1 one", "2 two"]
    assert _begins(text.notes) == NOTES


def test_links_that_are_named_or_matched_are_followed(folder):
    assert read_text([folder / "beside"]).documents == ["3 three"]
    assert sorted(read_text([f"{folder}/*/*.txt"]).documents) == ["2 two", "3 three"]


def test_what_is_left_out_is_told_by_tasks(folder):
    settings = ReadingSettings(data=[f"{folder}/**/*.txt"])
    found = read_examples(settings.data, settings, numbers=False)
    assert sorted(found.examples.targets) == ["1", "2"]
    assert _begins(found.warnings) == NOTES


def test_hidden_files_are_left_out(tmp_path):
    (tmp_path / ".git").mkdir()
    for name in (".git/a.txt", ".b.txt", "c.txt"):
        (tmp_path / name).write_text("x y")
    assert expanded([f"{tmp_path}/**/*.txt"], "files")[0] == [tmp_path / "c.txt"]
    assert read_text([tmp_path]).names == [str(tmp_path / "c.txt")]


def test_a_name_anywhere_below(folder, monkeypatch):
    assert read_text([f"{folder}/**/b.txt"]).documents == ["2 two"]
    monkeypatch.chdir(folder)
    assert read_text(["**/b.txt"]).names == ["deep/b.txt"]
