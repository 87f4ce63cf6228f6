"""Dropped and replaced tokens: shares, what is never touched, and the same again from a seed."""

import math

import numpy as np
import pytest
import torch

from engram.data.augmentation.seeding import generator_for
from engram.data.augmentation.tokens import TokenAugmentation, TokenNoise
from engram.data.batching.lanes import Lanes, evaluation_windows
from engram.data.text.tokens import END, fit_tokenizer
from engram.errors import ConfigError
from engram.models.many_to_many import ManyToMany
from engram.tasks import fitting
from engram.tasks import language_model as task
from helpers.resuming import assert_resumed_is_uninterrupted

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
TOKENIZER = fit_tokenizer("characters", [TEXT], 100)
IDS = TOKENIZER.encode_documents([TEXT[:900], TEXT[900:1800]])


def _noise(drop=0.0, replace=0.0, seed=3, tokenizer=TOKENIZER, ids=IDS):
    settings = TokenAugmentation(drop_tokens=drop, replace_tokens=replace)
    return TokenNoise.make(settings, tokenizer, ids, seed)


def _inputs(steps=400, rows=50):
    return torch.from_numpy(np.resize(IDS, (rows, steps)).T.copy()).long()


def test_no_share_is_no_noise():
    assert _noise() is None


@pytest.mark.parametrize(("drop", "replace"), [(0.3, 0.0), (0.0, 0.3), (0.2, 0.5)])
def test_shares(drop, replace):
    inputs = _inputs()
    before = inputs.clone()
    noisy = _noise(drop, replace).apply(inputs, 0)
    assert torch.equal(inputs, before), "what was given is left as it is"
    text = inputs != END
    dropped = ((noisy == TOKENIZER.unknown) & text).sum() / text.sum()
    assert abs(dropped - drop) < 5 * math.sqrt(0.25 / text.sum())
    frequencies = np.bincount(IDS[IDS != END]) / (IDS != END).sum()
    by_chance = float((frequencies**2).sum())  # a token that is put in its own place
    changed = ((noisy != inputs) & (noisy != TOKENIZER.unknown)).sum() / text.sum()
    assert abs(changed - replace * (1 - by_chance)) < 5 * math.sqrt(0.25 / text.sum())


def test_everything_dropped_or_replaced():
    inputs = _inputs()
    noisy = _noise(drop=0.999999).apply(inputs, 0)
    assert set(noisy.unique().tolist()) == {END, TOKENIZER.unknown}


def test_what_is_put_in_place_follows_the_frequencies():
    noisy = _noise(replace=0.999999).apply(_inputs(1000, 50), 0)
    text = noisy[noisy != END]
    found = torch.bincount(text, minlength=TOKENIZER.size) / len(text)
    counts = np.bincount(IDS, minlength=TOKENIZER.size).astype(float)
    counts[END] = 0
    expected = torch.from_numpy(counts / counts.sum())
    assert (found - expected).abs().max() < 5 * math.sqrt(0.25 / len(text))
    assert found[TOKENIZER.unknown] == 0


@pytest.mark.parametrize(("drop", "replace"), [(0.9, 0.0), (0.0, 0.9), (0.4, 0.6)])
def test_the_beginning_of_a_document_is_never_touched_and_never_put_in(drop, replace):
    inputs = _inputs()
    noisy = _noise(drop, replace).apply(inputs, 0)
    assert torch.equal(noisy == END, inputs == END)


def test_the_same_seed_and_update_give_the_same():
    inputs, noise = _inputs(), _noise(0.2, 0.2)
    once = noise.apply(inputs, 7)
    torch.rand(5)  # the generator of everything else has no say
    assert torch.equal(noise.apply(inputs, 7), once)
    assert not torch.equal(noise.apply(inputs, 8), once)
    assert not torch.equal(_noise(0.2, 0.2, seed=4).apply(inputs, 7), once)


def test_processes_together_draw_what_one_would():
    inputs, noise = _inputs(rows=6), _noise(0.2, 0.2)
    parts = [
        noise.apply(inputs[:, rows], 5, lanes=6, rows=rows) for rows in (slice(0, 3), slice(3, 6))
    ]
    assert torch.equal(torch.cat(parts, dim=1), noise.apply(inputs, 5))


def test_generators_of_updates_differ():
    firsts = {
        torch.rand(1, generator=generator_for(seed, update)).item()
        for seed in range(30)
        for update in range(30)
    }
    assert len(firsts) == 900


@pytest.mark.parametrize(("k1", "k2"), [(10, 10), (5, 12), (10, 4)])
def test_lanes_change_inputs_alone(k1, k2):
    plain = Lanes(IDS, 3, k1, k2, shift=True, seed=5)
    noisy = Lanes(IDS, 3, k1, k2, shift=True, seed=5, noise=_noise(0.3, 0.2))
    changed = 0
    for clean, window in zip(plain.batches(2), noisy.batches(2), strict=True):
        assert torch.equal(window.targets, clean.targets)
        assert (window.reset is None) == (clean.reset is None)
        assert window.reset is None or torch.equal(window.reset, clean.reset)
        changed += int((window.inputs != clean.inputs).sum())
    assert changed > 0


def test_lanes_that_go_on_draw_what_they_would_have_drawn():
    lanes = Lanes(IDS, 3, 10, 10, noise=_noise(0.3, 0.2))
    whole = list(lanes.batches(1))
    rest = list(lanes.batches(1, first=4))
    assert len(rest) == len(whole) - 4 > 0
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(whole[4:], rest, strict=True))
    other_epoch = list(lanes.batches(0))
    assert not torch.equal(other_epoch[0].inputs, whole[0].inputs)


FAULTS = [
    (
        {"drop": 0.7, "replace": 0.4},
        "drop_tokens=0.7 and replace_tokens=0.4 add up to more than 1; lower them",
    ),
    (
        {"drop": 0.1, "tokenizer": fit_tokenizer("bytes", [TEXT], 300)},
        "drop_tokens=0.1 needs an unknown token, but 'bytes' has none; use "
        "--replace-tokens, or --tokens characters or words",
    ),
]


@pytest.mark.parametrize(("options", "text"), FAULTS, ids=["above 1", "no unknown"])
def test_faults(options, text):
    with pytest.raises(ConfigError) as fault:
        _noise(**options)
    assert str(fault.value) == text


def _settings(**changes):
    base = {
        "hidden": 8,
        "lanes": 4,
        "steps": 10,
        "epochs": 2,
        "checkpoint_every": 9,
        "log_every": 7,
    }
    noise = {"drop_tokens": 0.1, "replace_tokens": 0.1}
    return task.LanguageModelSettings(**(base | noise | {"data": ["unused"]} | changes))


def _trained(settings, **options):
    corpus = task.make_data(settings, [TEXT])
    return fitting.fit(task.TASK, settings, corpus, **options)


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    settings = _settings()
    corpus = task.make_data(settings, [TEXT])
    assert_resumed_is_uninterrupted(task.TASK, settings, corpus, tmp_path, stop_at=33)


def test_training_reads_noise_and_nothing_else_does(monkeypatch):
    seen = {True: [], False: []}
    forward = ManyToMany.forward

    def watched(model, inputs, *args, **options):
        seen[model.training].append(inputs.clone())
        return forward(model, inputs, *args, **options)

    monkeypatch.setattr(ManyToMany, "forward", watched)
    settings = _settings(epochs=1, drop_tokens=0.5)
    corpus = task.make_data(settings, [TEXT])
    fitting.fit(task.TASK, settings, corpus)
    unknown = corpus.preprocess.tokenizer.unknown
    assert any((inputs == unknown).any() for inputs in seen[True])
    assert not any((inputs == unknown).any() for inputs in seen[False])
    expected = torch.cat([w.inputs for w in evaluation_windows(corpus.valid)])
    assert torch.equal(torch.cat(seen[False][: len(seen[False]) // 2 or 1]), expected)
