"""Tagging from files to answers: learnt, resumed, saved, told of when it cannot be."""

import json

import numpy as np
import pytest
import torch

from engram.cli.main import main
from engram.data.arrays.sequences import Sequences
from engram.data.tagging.tagged import Lists, Tagged
from engram.errors import ConfigError, DataError, RunError
from engram.models.tagger import Tagger, TaggerSettings
from engram.tasks import fitting, tag
from helpers.earlier import without_digests
from helpers.resuming import assert_resumed_is_uninterrupted

NAMES = ["Anna Berg", "Tom Fox", "Maria de Lima", "Li Wei", "Omar Haddad"]
PLACES = ["Paris", "New York", "Oslo", "Cape Town"]


def _sentences(count, seed=0):
    """Who went where: a word alone does not tell its tag, since people are called like places."""
    draw = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(count):
        own, marks = [], []
        for part, kind in (
            (str(draw.choice(NAMES + PLACES)), "PER"),
            (str(draw.choice(["left", "saw", "likes"])), ""),
            (str(draw.choice(NAMES + PLACES)), "LOC"),
            (".", ""),
        ):
            own += part.split()
            inside = ["O"] if not kind else [f"B-{kind}", *[f"I-{kind}"] * part.count(" ")]
            marks += inside
        words.append(own)
        tags.append(marks)
    return Tagged(Lists.of(words), Lists.of(tags))


def _steps(count, seed=0):
    """Whether the step before was above the one two before."""
    draw = np.random.default_rng(seed)
    arrays = [draw.normal(5.0, 3.0, (int(draw.integers(4, 12)), 1)) for _ in range(count)]
    tags = [
        ["first", "first", *np.where(np.diff(a[:-1, 0]) > 0, "up", "down").tolist()] for a in arrays
    ]
    return Tagged(Sequences.of(arrays), Lists.of(tags))


def _settings(**changes):
    values = {"data": ["memory"], "hidden": 16, "embedding": 8, "epochs": 12, "rate": 0.02}
    return tag.TagSettings.checked(values | changes)


@pytest.mark.slow
@pytest.mark.parametrize("make", [_sentences, _steps])
def test_is_learnt(make):
    settings = _settings(batch=16)
    data = tag.make_data(settings, (make(300), make(60, 1), make(100, 2)))
    trained, _ = fitting.fit(tag.TASK, settings, data)
    measures = tag.evaluate(trained, data.test).measures
    assert measures["token accuracy"] >= 0.97
    assert measures.get("span F1", 1.0) >= 0.97


def test_measures_are_those_of_the_answers():
    settings = _settings(epochs=1, max_updates=8)
    data = tag.make_data(settings, (_sentences(80), None, _sentences(50, 1)))
    trained, _ = fitting.fit(tag.TASK, settings, data)
    report = tag.evaluate(trained, data.test)
    given = [row["tag"] for row in tag.predict(trained, data.test.tagged)]
    wanted = list(data.test.tagged.tags.texts)
    assert report.measures["token accuracy"] == np.mean(np.array(given) == wanted)
    assert report.measures["steps"] == len(wanted)
    assert [row[0] for row in report.tables["spans"].rows] == ["LOC", "PER"]


def test_padding_is_no_matter():
    """Loss, gradient and answers of a batch are those of its rows alone."""
    settings = _settings(epochs=1)
    data = tag.make_data(settings, (_sentences(40), None, None))
    model = fitting.build(tag.TASK, settings, data.preprocess)
    part, rows = data.train, np.arange(7)
    objective = tag.TASK.objective(settings, data)
    batch = tag.batch_of(part, rows)
    assert len(set(batch.lengths.tolist())) > 1
    together, _ = objective(model, batch, None)
    weight = model.embeddings[0].weight
    (gradient,) = torch.autograd.grad(together, weight)
    total, each = torch.zeros(()), torch.zeros_like(weight)
    for row in rows:
        one = tag.batch_of(part, np.array([row]))
        loss, _ = objective(model, one, None)
        total = total + loss.detach() * one.count
        each += torch.autograd.grad(loss, weight)[0] * one.count
    torch.testing.assert_close(together.detach(), total / batch.count)
    torch.testing.assert_close(gradient, each / batch.count, rtol=1e-4, atol=1e-6)


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    settings = _settings(epochs=3, checkpoint_every=1, dropout=0.2, dropout_embedding=0.2)
    data = tag.make_data(settings, (_sentences(100), _sentences(20, 1), None))
    assert_resumed_is_uninterrupted(tag.TASK, settings, data, tmp_path, 6)


@pytest.mark.parametrize("make", [_sentences, _steps])
def test_a_saved_model_gives_the_same_answers(tmp_path, make):
    settings = _settings(epochs=1)
    data = tag.make_data(settings, (make(50), None, None))
    trained, _ = fitting.fit(tag.TASK, settings, data)
    fitting.save(tmp_path, trained)
    again = fitting.load(tag.TASK, tmp_path)
    new = make(7, 9)
    assert list(tag.predict(again, new)) == list(tag.predict(trained, new))
    without_digests(tmp_path)
    for damaged, said in (
        ('{"inputs": {}}', "list of tags is damaged"),
        ('{"inputs": {"words": 3}, "tags": ["a", "b"]}', "vocabulary of words is damaged"),
        ('{"inputs": {}, "tags": ["a", "b"]}', "encoding of inputs is damaged"),
    ):
        (tmp_path / "preprocess.json").write_text(damaged)
        with pytest.raises(RunError, match=said):
            fitting.load(tag.TASK, tmp_path)


def _tagged(words, tags):
    return Tagged(Lists.of([words]), None if tags is None else Lists.of([tags]), ["a.conll line 1"])


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((_tagged(["a"], None), None, None), "have no tags"),
        ((_tagged(["a", "b"], ["O", "O"]), None, None), "all 2 steps have the tag 'O'"),
        (
            (_sentences(9), _tagged(["a"], ["B-X"]), None),
            "a.conll line 1: the tag 'B-X' does not occur in the training data",
        ),
        ((_sentences(9), None, _tagged(["a"], None)), "to test have no tags"),
        ((_sentences(9), _steps(3), None), "reads words, but the data contains numeric columns"),
        ((_steps(9), _sentences(3), None), "reads numeric columns, but the data contains words"),
    ],
)
def test_data_that_cannot_be_learnt(parts, said):
    with pytest.raises(DataError, match=said):
        tag.make_data(_settings(), parts)


def test_one_direction_reads_no_later_step():
    model = Tagger((9, 5, 6), 3, TaggerSettings(hidden=4, bidirectional=False))
    x = torch.randint(5, (6, 2, 3))
    scores = model(x)
    changed = x.clone()
    changed[4:] = 0
    torch.testing.assert_close(model(changed)[:4], scores[:4])
    both = Tagger((9, 5, 6), 3, TaggerSettings(hidden=4))
    assert not torch.allclose(both(changed)[:4], both(x)[:4])


def _write(path, tagged):
    lines = []
    for index in range(len(tagged)):
        pairs = zip(tagged.inputs[index], tagged.tags[index], strict=True)
        lines += [f"{word} {mark}" for word, mark in pairs] + [""]
    path.write_text("\n".join(lines))


@pytest.mark.slow
def test_from_a_file_to_answers_by_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "train.conll", _sentences(200))
    _write(tmp_path / "test.conll", _sentences(40, 1))
    command = "train tag --data train.conll --test-data test.conll --run-dir run --hidden 16"
    assert main([*command.split(), "--epochs", "8", "--rate", "0.02", "--batch", "8"]) == 0
    assert "test part: token accuracy" in capsys.readouterr().out
    assert main(["predict", "run", "--text", "Oslo left Anna Berg ."]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "name,step,word,tag,probability"
    tags = [line.split(",")[3] for line in said[1:]]
    assert tags == ["B-PER", "O", "B-LOC", "I-LOC", "O"]
    (tmp_path / "new.conll").write_text("Oslo\nleft\nParis\n.\n")
    assert main(["predict", "run", "--data", "new.conll", "--out", "answers.jsonl"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [row["tag"] for row in rows] == ["B-PER", "O", "B-LOC", "O"]
    assert main(["eval", "run", "--data", "test.conll", "--json", "figures.json"]) == 0
    result = json.loads((tmp_path / "run/records/result.json").read_text())
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == result["reports"]["test"]["measures"]
    assert main(["info", "run"]) == 0
    assert main(["predict", "run", "--data", "new.conll", "--text", "both"]) == 2
    assert "give either files with --data or sentences" in capsys.readouterr().err


def test_settings_that_contradict_each_other():
    with pytest.raises(ConfigError, match=r"valid=0.2 takes a fraction"):
        _settings(valid=0.2, valid_data=["v.conll"])
