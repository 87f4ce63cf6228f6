"""The loop: what it learns, what it writes, how it stops, and that going on changes nothing."""

import json
import math
import os
import signal

import numpy as np
import pytest
import torch

from engram.data.batching.lanes import Lanes
from engram.errors import DataError, NumericsError, RunError
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.records import Logged
from engram.tasks import fitting
from engram.tasks import language_model as task
from engram.training.checkpoint import Checkpoint, save_checkpoint
from engram.training.loop import train
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder
from engram.training.settings import TrainingSettings
from engram.training.truncation import window_loss

TEXT = "the quick brown fox jumps over the lazy dog. " * 60


def _settings(**changes):
    base = {
        "hidden": 16,
        "lanes": 4,
        "steps": 10,
        "epochs": 2,
        "log_every": 7,
        "checkpoint_every": 9,
        "dropout": 0.2,
        "weight_drop": 0.1,
        "data": ["unused"],
    }
    return task.LanguageModelSettings(**(base | changes))


def _run(path, settings):
    return RunFolder.create(path, settings.plain(), ["test"])


class _StopAt(Reporter):
    """Sends this process a signal after an update, as Ctrl-C does."""

    def __init__(self, at: int) -> None:
        self.at = at

    def update(self, update, loss):
        if update == self.at:
            os.kill(os.getpid(), signal.SIGINT)


def _weights(path):
    return (path / "model" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_learns_a_repeated_sentence():
    settings = _settings(epochs=12, dropout=0.0, weight_drop=0.0, hidden=32, rate=0.02)
    corpus = task.make_data(settings, [TEXT])
    trained, outcome = fitting.fit(task.TASK, settings, corpus)
    assert outcome.best_loss < 0.1
    assert task.score(trained, [TEXT]).loss < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "exponential"])
def test_every_optimiser_and_schedule_lowers_the_loss(optimizer, schedule):
    rate = 1.0 if optimizer == "sgd" else 0.005
    epochs = 2 if schedule == "exponential" else 1  # it changes from epoch to epoch
    settings = _settings(
        optimizer=optimizer,
        schedule=schedule,
        rate=rate,
        epochs=epochs,
        dropout=0.0,
        weight_drop=0.0,
    )
    corpus = task.make_data(settings, [TEXT])
    _, outcome = fitting.fit(task.TASK, settings, corpus)
    assert outcome.best_loss < 0.95 * math.log(corpus.preprocess.tokenizer.size)


@pytest.mark.slow
@pytest.mark.parametrize("tokens", ["characters", "bytes", "words", "bpe"])
def test_every_tokenizer_trains(tokens):
    settings = _settings(tokens=tokens, vocabulary=300, steps=4, lanes=2, epochs=1)
    corpus = task.make_data(settings, [TEXT])
    _, outcome = fitting.fit(task.TASK, settings, corpus)
    assert math.isfinite(outcome.best_loss)


@pytest.fixture(scope="module", params=[None, 25, 3], ids="reach {}".format)
def whole(request, tmp_path_factory):
    """A run that nothing interrupted, its settings and its corpus."""
    settings = _settings(evaluate_every=13, reach=request.param, optimizer="rmsprop")
    corpus = task.make_data(settings, [TEXT, TEXT[:333]])
    run = _run(tmp_path_factory.mktemp("runs") / "whole", settings)
    fitting.fit(task.TASK, settings, corpus, run=run)
    return run, settings, corpus


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 8, 9, 33, 57])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path, whole, stop_at):
    whole, settings, corpus = whole
    parted = _run(tmp_path / "parted", settings)
    _, outcome = fitting.fit(task.TASK, settings, corpus, run=parted, reporter=_StopAt(stop_at))
    assert outcome.interrupted
    assert outcome.updates in (stop_at, stop_at + 1)
    _, outcome = fitting.fit(task.TASK, settings, corpus, run=parted, resume=True)
    assert not outcome.interrupted
    assert _weights(whole.path) == _weights(parted.path)
    assert whole.metrics.read_bytes() == parted.metrics.read_bytes()


def test_weights_that_a_kill_left_behind_are_written_when_a_run_goes_on(tmp_path):
    settings = _settings(epochs=1)
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, corpus, run=run)
    right = _weights(run.path)
    (run.model / "model.safetensors").unlink()  # a kill between checkpoint and weights
    fitting.fit(task.TASK, settings, corpus, run=run, resume=True)
    assert _weights(run.path) == right


def test_metrics_that_are_missing_are_told_and_not_made_up(tmp_path):
    settings = _settings(epochs=1)
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, corpus, run=run, reporter=_StopAt(20))
    whole = run.metrics.read_bytes()
    run.metrics.write_bytes(whole[: whole.index(b"\n") + 1])
    told = []
    listener = Reporter()
    listener.notice = told.append
    fitting.fit(task.TASK, settings, corpus, run=run, reporter=listener, resume=True)
    assert b"\0" not in run.metrics.read_bytes()
    assert "the lines between are missing" in told[0]
    assert run.read_metrics()


REMEDIES = {
    "clip": {"clip_percentile": 20.0, "clip_units": 0.1},
    "windows": {"steps_deviation": 4.0, "reach": 17},
    "ema": {"averaging": "ema", "averaging_decay": 0.9, "tied": True},
    "mean": {"averaging": "mean", "averaging_from": 20, "evaluate_every": None},
    "spectral": {"spectral_penalty": 0.1, "spectral_bound": 0.5, "orthogonal_penalty": 0.01},
    "activations": {"activation_penalty": 2.0, "temporal_penalty": 1.0, "norm_stabilizer": 5.0},
    "omega": {"cell": "elman", "omega": 0.5, "omega_schedule": "inverse", "reach": 15},
    "masks": {"zoneout": {"h": 0.1, "c": 0.3}, "recurrent_dropout": 0.2},
    "data": {"dropout_embedding": 0.2, "label_smoothing": 0.1},
}


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """A run without remedies, its settings and its corpus."""
    settings = _settings(evaluate_every=13, optimizer="rmsprop")
    corpus = task.make_data(settings, [TEXT, TEXT[:333]])
    run = _run(tmp_path_factory.mktemp("runs") / "without", settings)
    fitting.fit(task.TASK, settings, corpus, run=run)
    return run, settings, corpus


@pytest.mark.slow
@pytest.mark.parametrize("name", REMEDIES)
def test_remedies_go_on_bit_for_bit_and_change_training(tmp_path, without, name):
    without, base, corpus = without
    settings = base.model_copy(update=REMEDIES[name])
    runs = {}
    for kind in ("whole", "parted"):
        run = runs[kind] = _run(tmp_path / kind, settings)
        reporter = _StopAt(33) if kind == "parted" else None
        _, outcome = fitting.fit(task.TASK, settings, corpus, run=run, reporter=reporter)
    assert outcome.interrupted
    _, outcome = fitting.fit(task.TASK, settings, corpus, run=runs["parted"], resume=True)
    assert not outcome.interrupted
    assert _weights(runs["whole"].path) == _weights(runs["parted"].path)
    assert runs["whole"].metrics.read_bytes() == runs["parted"].metrics.read_bytes()
    assert _weights(runs["whole"].path) != _weights(without.path)


def test_penalties_are_logged(tmp_path):
    used = {"activation_penalty", "norm_stabilizer", "omega", "spectral_penalty"}
    settings = _settings(cell="elman", **dict.fromkeys(used, 0.1))
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, corpus, run=run)
    for line in run.read_metrics():
        if isinstance(line, Logged):
            assert set(line.penalties) == used
            assert all(value >= 0.0 and math.isfinite(value) for value in line.penalties.values())


@pytest.mark.parametrize("valid", [0.1, 0.0])
def test_averaged_weights_are_evaluated_and_kept(tmp_path, valid):
    settings = _settings(averaging="mean", averaging_from=10, valid=valid, dropout=0.0)
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    trained, outcome = fitting.fit(task.TASK, settings, corpus, run=run)
    checkpoint, _ = run.load()
    averaged, last = checkpoint.group("averaging"), checkpoint.group("model")
    assert int(averaged["n_averaged"]) == outcome.updates - 10
    weights = trained.model.state_dict()
    if valid:
        again = task.score_stream(trained, corpus.valid).loss
        assert again == pytest.approx(outcome.best_loss, abs=1e-6)
    else:
        for name, value in weights.items():
            assert torch.equal(value, averaged[f"module.{name}"])
            assert not torch.equal(value, last[name])
    stored = fitting.load(task.TASK, run.model).model.state_dict()
    assert all(torch.equal(stored[name], weights[name]) for name in weights)


@pytest.mark.slow
def test_labels_are_smoothed_in_training_alone(tmp_path):
    losses = {}
    for smoothing in (0.0, 0.4):
        settings = _settings(
            label_smoothing=smoothing, rate=1e-9, dropout=0.0, weight_drop=0.0, evaluate_every=1
        )
        corpus = task.make_data(settings, [TEXT])
        run = _run(tmp_path / str(smoothing), settings)
        fitting.fit(task.TASK, settings, corpus, run=run)
        lines = run.read_metrics()
        losses[smoothing] = [
            [line.loss for line in lines if line.kind == kind] for kind in ("train", "valid")
        ]
    (train, valid), (train_smoothed, valid_smoothed) = losses[0.0], losses[0.4]
    assert valid_smoothed == pytest.approx(valid, rel=1e-6)
    assert train_smoothed != pytest.approx(train, rel=1e-3)


def test_the_rate_follows_the_length_of_the_window(monkeypatch):
    """With plain SGD from the same weights, a window's step is its length's share of the rate."""
    rates, lengths = [], []
    real = torch.optim.SGD.step

    def step(self, closure=None):
        rates.append(self.param_groups[0]["lr"])
        return real(self, closure)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    settings = _settings(
        optimizer="sgd", schedule="constant", rate=0.5, steps=20, steps_deviation=5.0, epochs=3
    )
    corpus = task.make_data(settings, [TEXT])
    lanes = task.TASK.source(settings, corpus)
    fitting.fit(task.TASK, settings, corpus)
    for epoch in range(3):
        lengths += [w.counted for w in lanes.batches(epoch)]
    assert len(set(lengths)) > 5
    assert rates == pytest.approx([0.5 * length / 20 for length in lengths])


@pytest.mark.slow
def test_resuming_with_other_random_numbers_would_be_seen(tmp_path):
    """Planted fault: dropout that goes on from another place changes the weights."""
    settings = _settings()
    corpus = task.make_data(settings, [TEXT])
    whole = _run(tmp_path / "whole", settings)
    fitting.fit(task.TASK, settings, corpus, run=whole)
    parted = _run(tmp_path / "parted", settings)
    fitting.fit(task.TASK, settings, corpus, run=parted, reporter=_StopAt(20))
    checkpoint, _ = parted.load()
    checkpoint.tensors["random"] = torch.Generator().manual_seed(9).get_state().unsqueeze(0)
    parted.save(checkpoint)
    fitting.fit(task.TASK, settings, corpus, run=parted, resume=True)
    assert _weights(whole.path) != _weights(parted.path)


def test_early_stopping_restores_the_best():
    settings = _settings(patience=2, evaluate_every=5, epochs=50, rate=0.3, clip_norm=None)
    corpus = task.make_data(settings, [TEXT])
    trained, outcome = fitting.fit(task.TASK, settings, corpus)
    assert outcome.stopped_early
    assert outcome.updates == outcome.best_update + 2 * 5
    again = task.score_stream(trained, corpus.valid).loss
    assert again == pytest.approx(outcome.best_loss, abs=1e-6)


def test_metrics_hold_nothing_of_the_clock(tmp_path):
    settings = _settings(epochs=1)
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, corpus, run=run)
    for line in run.metrics.read_text().splitlines():
        assert not set(json.loads(line)) & {"seconds", "tokens_per_second", "time"}
    assert run.read_timings()


def test_changed_data_are_refused(tmp_path):
    settings = _settings(epochs=1)
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, task.make_data(settings, [TEXT]), run=run)
    other = task.make_data(settings, [TEXT.replace("fox", "cat")])
    with pytest.raises(RunError, match="have changed since the run was started"):
        fitting.fit(task.TASK, settings, other, run=run, resume=True)


def test_metrics_that_were_changed_are_told(tmp_path):
    settings = _settings(epochs=1)
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, corpus, run=run, reporter=_StopAt(9))
    content = bytearray(run.metrics.read_bytes())
    content[content.index(b'"loss": ') + 8] ^= 1
    run.metrics.write_bytes(content)
    notices = []
    reporter = _StopAt(0)
    reporter.notice = notices.append
    fitting.fit(task.TASK, settings, corpus, run=run, reporter=reporter, resume=True)
    assert "metrics.jsonl was changed since the last checkpoint" in notices[0]


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    run = _run(tmp_path / "run", _settings())
    run.model.mkdir()
    for path in (run.path, run.model):
        (path / ".model.safetensors.123.tmp").touch()
    (run.path / "notes").mkdir()
    foreign = run.path / "notes" / ".mine.tmp"
    foreign.touch()
    with run.held():
        assert sorted(path.name for path in run.path.rglob("*.tmp")) == [foreign.name]


@pytest.mark.parametrize(
    "line", ["[1]", "{}", '{"kind": "train"}', '{"kind": "valid", "loss": "x"}', "{", "[" * 99_999]
)
def test_a_damaged_line_of_metrics_is_named(tmp_path, line):
    run = _run(tmp_path / "run", _settings())
    run.append_metrics(Logged(1, 1, 0.5, 1.0, 0.0, 0.1, 9.0, {"omega": 0.2}))
    assert run.read_metrics() == [Logged(1, 1, 0.5, 1.0, 0.0, 0.1, None, {"omega": 0.2})]
    with run.metrics.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunError, match=r"line 2 of .*metrics\.jsonl is damaged"):
        run.read_metrics()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rate": 0.5}, "rate was 0.002 and is 0.5"),
        ({"hidden": 8}, "hidden was 16 and is 8"),
        ({"dropout": 0.0, "seed": 4}, "dropout was 0.2 and is 0.0; seed was 0 and is 4"),
    ],
)
def test_settings_that_were_edited_are_told(tmp_path, changes, text):
    settings = _settings(epochs=1)
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, corpus, run=run, reporter=_StopAt(9))
    before = _weights(run.path)
    with pytest.raises(RunError, match=r"config\.yaml was edited after training started") as caught:
        fitting.fit(task.TASK, _settings(epochs=1, **changes), corpus, run=run, resume=True)
    assert text in str(caught.value)
    assert _weights(run.path) == before
    fitting.fit(task.TASK, settings.model_copy(update={"threads": 1}), corpus, run=run, resume=True)


@pytest.mark.parametrize("name", ["cursor", "sums", "stopping", "metrics_bytes"])
def test_a_checkpoint_of_another_version_is_told(tmp_path, name):
    settings = _settings(epochs=1)
    corpus = task.make_data(settings, [TEXT])
    run = _run(tmp_path / "run", settings)
    fitting.fit(task.TASK, settings, corpus, run=run, reporter=_StopAt(9))
    checkpoint, _ = run.load()
    facts = {key: value for key, value in checkpoint.facts.items() if key != name}
    save_checkpoint(run.last, Checkpoint(checkpoint.tensors, facts))
    with pytest.raises(RunError, match="another version of Engram"):
        fitting.fit(task.TASK, settings, corpus, run=run, resume=True)


def test_short_text_is_refused():
    settings = _settings(lanes=500)
    with pytest.raises(DataError, match=r"500 lanes of 10 steps need 5,001.*--lanes"):
        fitting.fit(task.TASK, settings, task.make_data(settings, [TEXT]))


class _Spoiled(ManyToMany):
    """Gives NaN from its head once it has been called often enough."""

    calls = 0

    def forward(self, *args, **kwargs):
        self.calls += self.training
        if self.calls == 12:
            with torch.no_grad():
                self.head.bias[0] = torch.nan
        return super().forward(*args, **kwargs)


def test_nan_stops_names_the_tensor_and_keeps_the_checkpoint(tmp_path):
    torch.manual_seed(0)
    model = _Spoiled(9, ModelSettings(hidden=8))
    ids = np.random.default_rng(0).integers(1, 9, 1000).astype(np.int32)
    settings = TrainingSettings(checkpoint_every=4)
    run = RunFolder.create(tmp_path / "run", settings.plain(), ["test"])
    with pytest.raises(NumericsError, match=r"update 12: loss is nan.*'head.bias'.*update 8 is k"):
        train(model, Lanes(ids, 4, 10, 10), settings, objective=window_loss, run=run)
    checkpoint, notice = run.load()
    assert checkpoint.facts["cursor"]["update"] == 8
    assert notice is None
    assert all(torch.isfinite(v.float()).all() for v in checkpoint.tensors.values())


def test_divergence_by_a_huge_rate_is_reported(tmp_path):
    settings = _settings(cell="elman-relu", optimizer="sgd", rate=1e30, clip_norm=None)
    corpus = task.make_data(settings, [TEXT])
    with pytest.raises(NumericsError, match=r"lower --rate"):
        fitting.fit(task.TASK, settings, corpus, run=_run(tmp_path / "run", settings))


@pytest.mark.slow
def test_full_disk_is_reported_and_the_run_goes_on_later(tmp_path, monkeypatch):
    settings = _settings()
    corpus = task.make_data(settings, [TEXT])
    whole = _run(tmp_path / "whole", settings)
    fitting.fit(task.TASK, settings, corpus, run=whole)

    run = _run(tmp_path / "run", settings)
    real = os.fsync
    left = [12]

    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device; free some space"):
        fitting.fit(task.TASK, settings, corpus, run=run)
    monkeypatch.setattr(os, "fsync", real)
    fitting.fit(task.TASK, settings, corpus, run=run, resume=True)
    assert _weights(whole.path) == _weights(run.path)
    assert whole.metrics.read_bytes() == run.metrics.read_bytes()
