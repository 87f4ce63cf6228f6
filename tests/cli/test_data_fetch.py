import hashlib

import pytest

from engram.cli import data_fetch
from engram.cli.main import main
from engram.data.fetching.catalogue import SETS, PublicSet, Remote


def test_the_sets_are_listed(capsys):
    assert main(["data", "fetch"]) == 0
    said = capsys.readouterr().out
    for name, chosen in SETS.items():
        assert f"{name} ({chosen.task}, " in said
        assert f"licence: {chosen.licence}" in said


@pytest.fixture
def small(monkeypatch):
    content = b"good film"
    file = Remote("https://127.0.0.1:9/a.txt", len(content), hashlib.sha256(content).hexdigest())
    chosen = PublicSet("small", "a text", "classify", "here", "MIT", (file,), "do {folder}")
    monkeypatch.setitem(SETS, "small", chosen)
    return content


def test_a_set_that_is_there(tmp_path, capsys, small, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/small").mkdir(parents=True)
    (tmp_path / "data/small/a.txt").write_bytes(small)
    assert main(["data", "fetch", "small"]) == 0
    said = capsys.readouterr().out
    assert "licence: MIT" in said
    assert "data/small/a.txt exists" in said
    assert said.endswith("for example:\n  do data/small\n")


def test_no_network(tmp_path, capsys, small):
    assert main(["data", "fetch", "small", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "cannot reach 127.0.0.1:9" in said
    assert f"put it into {tmp_path} as a.txt" in said


def test_a_name_that_is_not_there(capsys):
    assert main(["data", "fetch", "sst"]) == 2
    assert "'sst' is not a public data set" in capsys.readouterr().err


@pytest.mark.parametrize("shown", [data_fetch.LinesOfBytes, data_fetch.BarOfBytes])
def test_progress(shown, capsys, monkeypatch):
    monkeypatch.setattr(data_fetch, "_SECONDS_BETWEEN_LINES", 0.0)
    made = shown()
    with made:
        for done in (0, 500, 1000):
            made.show("a.bin", done, 1000)
        made.tell("a.bin: there")
    said = capsys.readouterr().out
    assert "a.bin" in said
    assert "there" in said
