"""Fine-tuning: frozen is unchanged, regions begin in turn, and resumed is uninterrupted."""

import os
import signal

import pytest
import torch

from engram.errors import ConfigError, RunError
from engram.tasks import fitting
from engram.tasks import language_model as task
from engram.tasks.task import Trained
from engram.tasks.transfer import RATE_SHARE, Start, adopt, read_start, starting_values
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder

FIRST = "the quick brown fox jumps over the lazy dog. " * 30
OTHER = "A lazy DOG sleeps; the fox does not! " * 30
SMALL = {
    "hidden": 12,
    "lanes": 4,
    "steps": 10,
    "epochs": 1,
    "dropout": 0.2,
    "weight_drop": 0.1,
    "log_every": 5,
    "data": ["unused"],
}


@pytest.fixture(scope="module")
def start():
    return _train(task.LanguageModelSettings(**SMALL), FIRST)[0]


@pytest.fixture(scope="module")
def tied():
    return _train(task.LanguageModelSettings(**SMALL, tied=True), FIRST)[0]


def _train(settings, text, start=None, **options):
    begun = None if start is None else Start.of(start)
    known = task.kept_tokenizer(settings, begun)
    data = task.make_data(settings, [text], known=known)
    return fitting.fit(task.TASK, settings, data, start=begun, **options)


def _values(trained, settings=None):
    begun = Start.of(trained)
    values = starting_values(task.NAME, task.LanguageModelSettings, begun)
    return values | {"data": ["unused"], "start": None}


def _tuned(trained, **changes):
    return task.LanguageModelSettings(**(_values(trained) | changes))


def _begun(settings, vocabulary, start):
    """The weights before the first update."""
    model = fitting.build(task.TASK, settings, vocabulary)
    adopt(Start.of(start), model, vocabulary.plain())
    return model.state_dict()


class _At(Reporter):
    """Calls something after an update."""

    def __init__(self, at, action) -> None:
        self.at, self.action = at, action

    def update(self, update, loss):
        if update == self.at:
            self.action()


def _interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_defaults_are_those_of_the_run_but_for_rate_and_regions(start):
    before = start.settings.model_copy(
        update={"freeze": ["parietal"], "unfreeze_every": 3, "rates": {"temporal": 0.5}}
    )
    values = _values(Trained(start.task, start.model, start.preprocess, before))
    assert values["rate"] == before.rate * RATE_SHARE
    assert not {"freeze", "rates", "unfreeze_every"} & set(values)
    assert values["dropout"] == 0.2


@pytest.mark.parametrize("text", [FIRST, OTHER], ids=["known", "new characters"])
@pytest.mark.parametrize(
    ("freeze", "names"),
    [
        (["parietal"], {"embedding.weight"}),
        (["temporal"], {"head.weight", "head.bias"}),
        (["frontal", "parietal"], {"embedding.weight", "layers."}),
    ],
)
def test_frozen_regions_are_unchanged_bit_for_bit(start, freeze, names, text):
    settings = _tuned(start, freeze=freeze, l1=0.01, l2=0.01, weight_decay=0.1)
    seen = {}
    trained, _ = _train(settings, text, start, reporter=_At(3, lambda: seen.update(done=True)))
    before = _begun(settings, trained.preprocess, start)
    assert seen
    for name, value in trained.model.state_dict().items():
        frozen = any(name.startswith(part) for part in names)
        assert torch.equal(value, before[name]) == frozen, name
    assert all(p.requires_grad for p in trained.model.parameters())


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_a_frozen_tied_head_is_the_embedding(tied, optimizer):
    trained, _ = _train(_tuned(tied, freeze=["parietal"], optimizer=optimizer), FIRST, tied)
    before = tied.model.state_dict()
    assert torch.equal(trained.model.head.weight, before["embedding.weight"])
    assert not torch.equal(trained.model.head.bias, before["head.bias"])


@pytest.mark.parametrize("which", ["start", "tied"])
def test_a_new_vocabulary_keeps_the_rows_of_known_tokens(which, request):
    start = request.getfixturevalue(which)
    settings = _tuned(start)
    known = task.kept_tokenizer(settings, Start.of(start))
    vocabulary = task.make_data(settings, [OTHER], known=known).preprocess
    new = vocabulary.tokenizer
    assert new.size == 2 + len(set(OTHER))
    weights = _begun(settings, vocabulary, start)
    fresh = fitting.build(task.TASK, settings, vocabulary)
    for name in ("embedding.weight", "head.weight", "head.bias"):
        before, after = start.model.state_dict()[name], weights[name]
        for character in set(OTHER):
            row = after[new.encode(character)[0]]
            if character in FIRST:
                assert torch.equal(row, before[start.preprocess.tokenizer.encode(character)[0]])
            else:
                assert torch.equal(row, fresh.state_dict()[name][new.encode(character)[0]])
        assert torch.equal(after[0], before[0])


@pytest.mark.parametrize(
    ("changes", "text", "kept"),
    [
        ({}, FIRST[:600], True),
        ({}, OTHER, False),
        ({"tokens": "words"}, FIRST, False),
        ({"vocabulary": 50}, FIRST, False),
    ],
)
def test_when_the_tokenizer_is_kept(start, changes, text, kept):
    settings = _tuned(start, **changes)
    known = task.kept_tokenizer(settings, Start.of(start))
    data = task.make_data(settings, [text], known=known)
    assert (data.preprocess.tokenizer is known) == kept


def test_regions_begin_one_after_the_other(start):
    settings = _tuned(start, unfreeze_every=10, dropout=0.0, weight_drop=0.0, valid=0.0)
    before = _begun(settings, start.preprocess, start)

    def moved(updates):
        trained, _ = _train(settings.model_copy(update={"max_updates": updates}), FIRST, start)
        return {n for n, v in trained.model.state_dict().items() if not torch.equal(v, before[n])}

    head = {"head.weight", "head.bias"}
    assert moved(21) == set(before)
    frontal = {name for name in before if name.startswith("layers.")}
    with pytest.raises(ConfigError, match="would unfreeze parietal after update 20"):
        moved(20)
    settings = settings.model_copy(update={"freeze": ["parietal"]})
    assert moved(11) == head | frontal


def test_a_region_with_a_lower_rate_moves_less(start):
    def change(rates):
        settings = _tuned(start, rates=rates, optimizer="sgd", rate=0.5, clip_norm=None)
        trained, _ = _train(settings.model_copy(update={"max_updates": 1}), FIRST, start)
        return trained.model.head.weight - start.model.head.weight

    torch.testing.assert_close(change({"temporal": 0.1}), 0.1 * change({}), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("stop_at", [4, 10, 15, 22])
def test_interrupted_and_resumed_is_uninterrupted(start, tmp_path, stop_at):
    settings = _tuned(
        start,
        unfreeze_every=10,
        rate_decay=2.0,
        l1=1e-4,
        weight_decay=0.1,
        start=str(tmp_path / "gone"),
        evaluate_every=7,
    )
    runs = []
    for name in ("whole", "parted"):
        runs.append(RunFolder.create(tmp_path / name, settings.plain(), ["test"]))
    whole, parted = runs
    _train(settings, OTHER, start, run=whole)
    _, outcome = _train(settings, OTHER, start, run=parted, reporter=_At(stop_at, _interrupt))
    assert outcome.interrupted
    _, outcome = _train(settings, OTHER, start, run=parted, resume=True)
    assert not outcome.interrupted
    weights = [(run.model / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]
    assert whole.metrics.read_bytes() == parted.metrics.read_bytes()


def test_a_start_that_is_gone(tmp_path):
    with pytest.raises(RunError, match=r"gone does not exist; give the folder"):
        read_start(str(tmp_path / "gone"))


def test_training_from_scratch_with_a_frozen_reservoir():
    settings = task.LanguageModelSettings(**SMALL, freeze=["frontal"])
    trained, _ = _train(settings, FIRST)
    before = fitting.build(task.TASK, settings, trained.preprocess).state_dict()
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("layers.")


REMEDIES = [
    {"omega": 1.0},
    {"norm_stabilizer": 1.0, "temporal_penalty": 1.0, "activation_penalty": 1.0},
    {"spectral_penalty": 1.0, "orthogonal_penalty": 1.0},
    {"averaging": "ema", "averaging_decay": 0.9},
    {"averaging": "mean", "averaging_from": 5},
    {"clip_units": 0.01, "clip_percentile": 10.0},
    {"steps": 20, "steps_deviation": 3.0, "label_smoothing": 0.1, "dropout_embedding": 0.1},
]


@pytest.fixture(scope="module")
def elman():
    settings = task.LanguageModelSettings(**(SMALL | {"cell": "elman", "lanes": 2}))
    return _train(settings, FIRST)[0]


@pytest.mark.slow
@pytest.mark.parametrize("freeze", ["parietal", "frontal", "temporal"])
@pytest.mark.parametrize("remedies", REMEDIES, ids=str)
def test_frozen_is_unchanged_under_other_remedies(elman, remedies, freeze):
    settings = _tuned(elman, **remedies, freeze=[freeze], unfreeze_every=4)
    trained, _ = _train(settings, FIRST, elman)
    part = {"parietal": "embedding.", "frontal": "layers.", "temporal": "head."}[freeze]
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, elman.model.state_dict()[name]) == name.startswith(part), name
