"""Held-out parts: the same rows as ever for a seed, in every task, and settings that are clear."""

import json

import numpy as np
import pytest

from engram.cli.main import main
from engram.data.images.captions import Captions
from engram.data.labelled.examples import Examples, split_examples
from engram.data.labelled.pairs import Pairs
from engram.data.tagging.tagged import Lists, Tagged, split_tagged
from engram.errors import ConfigError
from engram.tasks.held_out import at_once, in_turn, split
from engram.tasks.outlines.split import SplitSettings
from engram.tasks.registry import OUTLINES

TEXTS = [str(number) for number in range(12)]


def _numbers(part):
    if part is None:
        return []
    inputs = next(getattr(part, n) for n in ("inputs", "sources", "given") if hasattr(part, n))
    return [int(row[0] if isinstance(row, list) else row) for row in inputs]


# As the first versions drew them: runs that are resumed must find the same parts.
DRAWN = {
    "examples": {
        0: ([2, 4, 5, 6, 7, 9, 11], [1, 3, 8], [0, 10]),
        7: ([0, 2, 4, 6, 7, 8, 10], [1, 9, 11], [3, 5]),
    },
    "tagged": {
        0: ([0, 1, 2, 4, 5, 7, 8], [3, 10, 11], [6, 9]),
        7: ([0, 4, 5, 7, 8, 9, 10], [2, 3, 6], [1, 11]),
    },
    "pairs": {
        0: ([2, 4, 5, 6, 8, 9], [0, 1, 7, 11], [3, 10]),
        7: ([1, 2, 3, 4, 5, 9], [6, 7, 10, 11], [0, 8]),
    },
}
DRAWN["captions"] = DRAWN["pairs"]
WHOLE = {
    "examples": Examples(TEXTS, ["ab"[number % 3 == 0] for number in range(12)]),
    "tagged": Tagged(
        Lists.of([[text] for text in TEXTS]), Lists.of([["ba"[n % 3 > 0]] for n in range(12)])
    ),
    "pairs": Pairs(TEXTS, TEXTS),
    "captions": Captions(TEXTS, [[text] for text in TEXTS]),
}
DRAWS = {
    "examples": in_turn(split_examples),
    "tagged": in_turn(split_tagged),
    "pairs": at_once,
    "captions": at_once,
}


def _no_files(files):
    raise AssertionError(files)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("kind", DRAWN)
def test_the_seed_draws_the_same_parts_as_ever(kind, seed):
    settings = SplitSettings(valid=0.3, test=0.2)
    parts = split(settings, seed, WHOLE[kind], _no_files, DRAWS[kind])
    assert tuple(map(_numbers, parts)) == DRAWN[kind][seed]


@pytest.mark.parametrize("kind", DRAWN)
def test_without_fractions_all_stays(kind):
    settings = SplitSettings(valid=0.0, test=0.0)
    train, valid, test = split(settings, 3, WHOLE[kind], _no_files, DRAWS[kind])
    assert _numbers(train) == list(range(12))
    assert valid is test is None


@pytest.mark.parametrize("kind", DRAWN)
def test_files_take_the_place_of_a_fraction(kind):
    settings = SplitSettings(valid=0.3, test_data=["a", "b"])
    given = WHOLE[kind].take(np.array([0, 1]))
    read = {("a", "b"): given}
    train, valid, test = split(settings, 0, WHOLE[kind], lambda f: read[tuple(f)], DRAWS[kind])
    assert test is given
    assert sorted(_numbers(train) + _numbers(valid)) == list(range(12))
    assert valid is not None


SPLITTING = [name for name, outline in OUTLINES.items() if "valid" in outline.settings.model_fields]
WITH_FILES = [name for name in SPLITTING if name != "language-model"]


@pytest.mark.parametrize("task", SPLITTING)
def test_fractions_leave_something_to_train_on(task):
    settings = OUTLINES[task].settings
    values = {"data": ["x"], "valid": 0.5, "test": 0.5}
    with pytest.raises(ConfigError, match=r"valid=0.5 and test=0.5 leave no data to train on"):
        settings.checked(values)
    assert settings.checked(values, stored=True).test == 0.5  # earlier versions took it


@pytest.mark.parametrize("task", WITH_FILES)
def test_a_fraction_or_files(task):
    settings = OUTLINES[task].settings
    both = {"data": ["x"], "valid": 0.2, "valid_data": ["y"]}
    with pytest.raises(ConfigError, match=r"valid=0.2 takes a fraction of --data, but valid_data"):
        settings.checked(both)
    settings.checked(both, stored=True)
    files = settings.checked(both | {"valid": 0.0, "test": 0.99})
    assert files.held_fraction("valid") == 0.0
    alone = settings.checked({"data": ["x"], "valid_data": ["y"]})
    assert settings.checked(alone.plain()) == alone  # as another training reads it


def test_captions_are_read_from_one_table_a_part():
    with pytest.raises(ConfigError, match="test_data names 2 files; caption reads one"):
        OUTLINES["caption"].settings.checked({"data": ["x"], "test_data": ["y", "z"]})


def test_a_run_with_validation_files_is_shown_resumed_and_asked(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"{'ab'[n % 2]} word,{'no' if n % 2 else 'yes'}\n" for n in range(24))
    for name in ("train.csv", "valid.csv"):
        (tmp_path / name).write_text("text,label\n" + lines)
    files = ["--data", "train.csv", "--valid-data", "valid.csv", "--hidden", "4", "--epochs", "1"]
    assert main(["train", "classify", *files, "--run-dir", "run"]) == 0
    (tmp_path / "run" / "records" / "result.json").unlink()
    assert main(["resume", "run"]) == 0
    assert main(["info", "run"]) == 0
    assert main(["predict", "run", "--data", "valid.csv", "--out", "a.jsonl"]) == 0
    assert (
        len([json.loads(line) for line in (tmp_path / "a.jsonl").read_text().split("\n")[:-1]])
        == 24
    )
    assert main(["finetune", "run", *files[:4], "--epochs", "1", "--run-dir", "tuned"]) == 0
    assert main(["train", "classify", "--config", "run/config.yaml", "--run-dir", "again"]) == 0
