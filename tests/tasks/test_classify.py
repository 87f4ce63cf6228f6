"""Classification from files to answers: learnt, resumed, saved, told of when it cannot be."""

import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from engram.cli.main import main
from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples
from engram.errors import ConfigError, DataError, RunError
from engram.tasks import classify, fitting
from helpers.earlier import without_digests
from helpers.resuming import assert_resumed_is_uninterrupted

GOOD, BAD = ["fine", "great", "lovely"], ["poor", "awful", "dull"]


def _texts(count, seed=0):
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = int(draw.integers(2))
        words = draw.choice(["a", "the", "film", "plot", "is", "was"], draw.integers(2, 9)).tolist()
        words.insert(int(draw.integers(len(words))), str(draw.choice(GOOD if label else BAD)))
        texts.append(" ".join(words))
        labels.append("good" if label else "bad")
    return Examples(texts, labels)


def _series(count, seed=0):
    draw = np.random.default_rng(seed)
    arrays, labels = [], []
    for _ in range(count):
        steps, label = int(draw.integers(10, 30)), int(draw.integers(3))
        phase = draw.uniform(0, 6) + np.arange(steps) * (0.3, 0.8, 1.5)[label]
        arrays.append(100 + 10 * np.stack([np.sin(phase), draw.normal(size=steps)], axis=1))
        labels.append("abc"[label])
    return Examples(Sequences.of(arrays), labels)


def _settings(**changes):
    values = {"data": ["memory"], "hidden": 12, "epochs": 8, "batch": 16, "rate": 0.01}
    return classify.ClassifySettings.checked(values | changes)


@pytest.mark.slow
@pytest.mark.parametrize("make", [_texts, _series])
@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_is_learnt(make, pooling):
    settings = _settings(pooling=pooling)
    data = classify.make_data(settings, (make(300), make(60, 1), make(100, 2)))
    trained, outcome = fitting.fit(classify.TASK, settings, data)
    measures = classify.evaluate(trained, data.test).measures
    assert measures["accuracy"] >= 0.95
    assert outcome.best_loss < 0.3


@pytest.mark.parametrize("pooling", ["last", "attention", "max"])
def test_sequences_of_one_step_are_no_matter(pooling):
    arrays = [np.float32([[label], *[[label]] * (n % 3)]) for n in range(40) for label in (0, 1)]
    examples = Examples(Sequences.of(arrays), ["a", "b"] * 40)
    data = classify.make_data(_settings(pooling=pooling, epochs=20), (examples, None, examples))
    assert data.train.sequences.lengths.min() == 1
    trained, _ = fitting.fit(classify.TASK, _settings(pooling=pooling, epochs=20), data)
    assert classify.evaluate(trained, data.test).measures["accuracy"] == 1.0


def test_measures_are_scikit_learn_s():
    settings = _settings(epochs=1, max_updates=6)
    data = classify.make_data(settings, (_series(80), None, _series(50, 1)))
    trained, _ = fitting.fit(classify.TASK, settings, data)
    report = classify.evaluate(trained, data.test)
    answers = [row["label"] for row in classify.predict(trained, data.test.examples)]
    wanted = data.test.examples.targets
    assert report.measures["accuracy"] == pytest.approx(np.mean(np.array(answers) == wanted))
    assert report.measures["macro F1"] == pytest.approx(f1_score(wanted, answers, average="macro"))
    table = report.tables["confusion (rows: true labels)"]
    np.testing.assert_array_equal(
        [row[1:] for row in table.rows], confusion_matrix(wanted, answers)
    )


def test_answers_do_not_depend_on_their_neighbours():
    settings = _settings(epochs=1)
    data = classify.make_data(settings, (_series(40), None, None))
    trained, _ = fitting.fit(classify.TASK, settings, data)
    examples = _series(9, 5)
    together = [row["probability"] for row in classify.predict(trained, examples)]
    alone = [next(classify.predict(trained, examples.take([i])))["probability"] for i in range(9)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [5, 13, 19])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path, stop_at):
    changed = {"drop_tokens": 0.1, "replace_tokens": 0.1}
    settings = _settings(epochs=3, checkpoint_every=1, dropout_head=0.3, zoneout=0.1, **changed)
    data = classify.make_data(settings, (_texts(100), _texts(20, 1), None))
    assert_resumed_is_uninterrupted(classify.TASK, settings, data, tmp_path, stop_at)


def test_words_are_dropped_and_replaced_in_training_alone():
    settings = _settings(drop_tokens=0.3, replace_tokens=0.3)
    data = classify.make_data(settings, (_texts(40), _texts(20, 1), None))
    plain = list(classify.TASK.source(_settings(), data).batches(0))
    source = classify.TASK.source(settings, data)
    unknown = data.preprocess.encoding.tokenizer.unknown
    changed, dropped, count = 0, 0, 0
    for batch, given in zip(plain, source.batches(0), strict=True):
        inside = batch.inputs != 0  # behind the end of a text nothing is put
        assert (given.inputs[~inside] == 0).all()
        assert (given.targets == batch.targets).all()
        changed += int((given.inputs != batch.inputs)[inside].sum())
        dropped += int((given.inputs == unknown).sum())
        count += int(inside.sum())
    assert 0.2 < dropped / count < 0.4
    assert 0.4 < changed / count < 0.6
    again, other = (next(source.batches(epoch)).inputs for epoch in (0, 1))
    assert (next(source.batches(0)).inputs == again).all()
    assert again.shape != other.shape or (again != other).any()
    loss = classify.TASK.loss
    model = fitting.build(classify.TASK, settings, data.preprocess)
    assert loss(model, settings, data) == loss(model, _settings(), data)


def test_words_of_values_cannot_be_dropped():
    data = classify.make_data(_settings(), (_series(40), None, None))
    with pytest.raises(ConfigError, match="drop_tokens and replace_tokens apply to texts"):
        fitting.prepare(classify.TASK, _settings(drop_tokens=0.1), data)


def test_a_saved_model_gives_the_same_answers(tmp_path):
    settings = _settings(epochs=1)
    data = classify.make_data(settings, (_texts(50), None, None))
    trained, _ = fitting.fit(classify.TASK, settings, data)
    fitting.save(tmp_path, trained)
    again = fitting.load(classify.TASK, tmp_path)
    new = _texts(7, 9)
    assert list(classify.predict(again, new)) == list(classify.predict(trained, new))
    without_digests(tmp_path)
    (tmp_path / "preprocess.json").write_text('{"inputs": {}}')
    with pytest.raises(RunError, match="classes is damaged"):
        fitting.load(classify.TASK, tmp_path)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Examples([], []), None, None), "training data contains no examples"),
        ((Examples(["a", "b"]), None, None), "no labels"),
        ((Examples(["a", "b"], ["x", "x"]), None, None), "all 2 examples have the label 'x'"),
        (
            (_texts(20), None, Examples(["a"], ["odd"], ["t.csv row 1"])),
            "t.csv row 1: the label 'odd' occurs only in the examples to test",
        ),
        ((_texts(20), Examples(["a"]), None), "to validate have no labels"),
    ],
)
def test_data_that_cannot_be_learnt(parts, said):
    with pytest.raises(DataError, match=said):
        classify.make_data(_settings(), parts)


def test_settings_that_contradict_each_other():
    with pytest.raises(ConfigError, match=r"state 'k' of LSTM.*valid=0.2 takes a fraction"):
        _settings(valid=0.2, valid_data=["v.csv"], zoneout={"k": 0.5})
    settings = _settings(patience=3)
    data = classify.make_data(settings, (_texts(20), None, None))
    with pytest.raises(ConfigError, match="patience=3 needs a validation set"):
        fitting.prepare(classify.TASK, settings, data)


def _write(path, examples):
    rows = zip(examples.inputs, examples.targets, strict=True)
    path.write_text("review,verdict\n" + "".join(f"{text},{label}\n" for text, label in rows))


@pytest.mark.slow
def test_from_a_file_to_answers_by_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "train.csv", _texts(200))
    _write(tmp_path / "test.csv", _texts(40, 1))
    command = "train classify --data train.csv --test-data test.csv --run-dir run --hidden 12"
    assert main([*command.split(), "--epochs", "8", "--rate", "0.01", "--batch", "8"]) == 0
    said = capsys.readouterr().out
    assert "columns: target 'verdict'; text 'review'" in said
    assert "test part: accuracy" in said
    (tmp_path / "new.csv").write_text("review\nthe film is lovely\nan awful plot\n")
    assert main(["predict", "run", "--data", "new.csv", "--out", "answers.csv"]) == 0
    lines = (tmp_path / "answers.csv").read_text().splitlines()
    assert lines[0] == "name,label,probability,p(bad),p(good)"
    assert [line.split(",")[1] for line in lines[1:]] == ["good", "bad"]
    assert main(["predict", "run", "--data", "new.csv", "--out", "answers.jsonl"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert rows[0]["label"] == "good"
    assert main(["eval", "run", "--data", "test.csv", "--json", "figures.json"]) == 0
    result = json.loads((tmp_path / "run/records/result.json").read_text())
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == result["reports"]["test"]["measures"]
    assert main(["resume", "run"]) == 0
    assert main(["info", "run"]) == 0
    assert "finished" in capsys.readouterr().out
    assert main(["predict", "run", "--data", "new.csv", "--out", "answers.xls"]) == 2
    assert main(["predict", "run"]) == 2
    assert "'data' is missing" in capsys.readouterr().err


def test_shown_settings_train_again(tmp_path, capsys):
    command = "train classify --data a.csv --hidden 7 --zoneout c=0.2 --print-config"
    assert main(command.split()) == 0
    path = tmp_path / "config.yaml"
    path.write_text("task: classify\n" + (shown := capsys.readouterr().out))
    assert main(["train", "classify", "--config", str(path), "--print-config"]) == 0
    assert capsys.readouterr().out == shown
    assert main(["train", "language-model", "--config", str(path), "--print-config"]) == 2
    assert "is for task 'classify'" in capsys.readouterr().err
