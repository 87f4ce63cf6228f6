"""Sampling: repeatable, within its limits, and never what the model cannot write."""

import itertools
import math

import pytest
import torch
from torch import nn

from engram.data.text.tokens import (
    END,
    UNKNOWN_TEXT,
    ByteTokenizer,
    CharacterTokenizer,
    fit_tokenizer,
)
from engram.errors import ConfigError, DataError
from engram.tasks import sampling
from engram.tasks.language_model import LanguageModelSettings, Vocabulary, build
from engram.tasks.sampling import stream_sample
from engram.tasks.task import Trained

TEXT = "the quick brown fox jumps over the lazy dog"


def _trained(kind="characters", seed=0):
    settings = LanguageModelSettings(hidden=24, tokens=kind, seed=seed)
    vocabulary = Vocabulary(fit_tokenizer(kind, [TEXT], 300))
    torch.manual_seed(seed)
    model = build(settings, vocabulary).eval()
    with torch.no_grad():
        model.head.weight.mul_(6.0)  # so that it prefers something
    return Trained("language-model", model, vocabulary, settings)


class _Scripted(nn.Module):
    """Gives all its score to the tokens of a script, one after the other, or fixed scores."""

    def __init__(self, size, script=(), scores=None):
        super().__init__()
        self.size, self.script, self.scores = size, itertools.chain(script), scores

    def forward(self, inputs, state=None):
        scores = torch.zeros(len(inputs), 1, self.size)
        if self.scores is not None:
            scores[-1, 0] = torch.tensor(self.scores)
        else:
            scores[-1, 0, next(self.script, END)] = 50.0
        return scores, None


def _scripted(tokenizer, script=(), scores=None):
    model = _Scripted(tokenizer.size, script, scores)
    return Trained("language-model", model, Vocabulary(tokenizer), None)


def _text(trained, prompt="the", **options):
    return "".join(stream_sample(trained, prompt, **({"length": 60} | options)))


@pytest.mark.parametrize("kind", ["characters", "bytes", "words", "bpe"])
def test_the_same_seed_gives_the_same(kind):
    trained = _trained(kind)
    one = _text(trained, seed=1)
    torch.manual_seed(99)
    assert _text(trained, seed=1) == one
    assert len({_text(trained, seed=seed) for seed in range(5)}) > 1


def test_the_global_generator_is_left_alone():
    trained = _trained()
    before = torch.get_rng_state()
    _text(trained)
    assert torch.equal(torch.get_rng_state(), before)


def _likeliest(trained, prompt, length):
    """The likeliest text by running the whole sequence anew for every token."""
    ids = [END, *trained.preprocess.tokenizer.encode(prompt).tolist()]
    written = []
    for _ in range(length):
        with torch.no_grad():
            scores, _ = trained.model(torch.tensor(ids).unsqueeze(1))
        last = scores[-1, 0]
        if trained.preprocess.tokenizer.unknown is not None:
            last[trained.preprocess.tokenizer.unknown] = -math.inf
        if not written and not prompt:
            last[END] = -math.inf
        token = int(last.argmax())
        if token == END:
            break
        ids.append(token)
        written.append(token)
    return trained.preprocess.tokenizer.decode(written)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0},
        {"top_k": 1},
        {"top_p": 1e-9},
        {"temperature": 1e-6},
        {"temperature": 1e-40},
        {"temperature": 5e-324},
        {"temperature": 0.0, "top_k": 3, "top_p": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("prompt", ["", "the "])
def test_the_likeliest(options, prompt):
    for seed in range(3):
        trained = _trained(seed=seed)
        assert _text(trained, prompt, length=40, **options) == _likeliest(trained, prompt, 40)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"top_k": 2}, "ab"),
        ({"top_k": 99}, "abcd"),
        ({"top_p": 0.45}, "a"),
        ({"top_p": 0.55}, "ab"),
        ({"top_p": 1.0}, "abcd"),
        ({"top_k": 2, "top_p": 0.99}, "ab"),
        ({"temperature": 1e300}, "abcd"),
    ],
    ids=str,
)
def test_what_is_drawn_among(options, allowed):
    shares = [1e-30, 1e-30, 0.5, 0.3, 0.15, 0.05]  # END and unknown, then a, b, c, d
    trained = _scripted(CharacterTokenizer("abcd"), scores=[math.log(p) for p in shares])
    drawn = _text(trained, "a", length=300, **options)
    assert set(drawn) - {END} <= {"a", "b", "c", "d"}
    if options != {"temperature": 1e300}:  # which draws END as often as anything
        assert set(drawn) == set(allowed)


def test_shares_are_the_model_s():
    shares = [1e-30, 1e-30, 0.5, 0.3, 0.15, 0.05]
    trained = _scripted(CharacterTokenizer("abcd"), scores=[math.log(p) for p in shares])
    drawn = _text(trained, "a", length=4000)
    for letter, share in zip("abcd", shares[2:], strict=True):
        assert drawn.count(letter) / 4000 == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_never_unknown(kind):
    tokenizer = fit_tokenizer(kind, [TEXT], 300)
    scores = [0.0] * tokenizer.size
    scores[tokenizer.unknown] = 30.0
    for temperature in (0.0, 1.0, 5.0):
        drawn = _text(_scripted(tokenizer, scores=scores), "the", temperature=temperature)
        assert UNKNOWN_TEXT not in drawn


def test_ends_where_the_document_ends():
    tokenizer = ByteTokenizer()
    script = [*tokenizer.encode("two").tolist(), END, *tokenizer.encode("three").tolist()]
    assert _text(_scripted(tokenizer, script), "one ", temperature=0.0) == "two"


def test_without_a_prompt_it_does_not_end_at_once():
    scores = [9.0, 0.0, 3.0]
    trained = _scripted(CharacterTokenizer("a"), scores=scores)
    assert _text(trained, "", temperature=0.0) == "a"
    assert _text(trained, "a", temperature=0.0) == ""


@pytest.mark.parametrize("length", [1, 7])
def test_length(length):
    trained = _scripted(CharacterTokenizer("a"), scores=[0.0, 0.0, 99.0])
    assert _text(trained, length=length, prompt="") == "a" * length


BYTES = [
    b"plain",
    "é漢🙂".encode(),
    b"\xff\xfe\xfdabc",
    b"\x80" * 30 + "é".encode(),
    b"\xe6\xbc" + "漢".encode(),
    b"\xf0\x9f\x99",
    b"a\xf0\x9f",
    "\ufffd\ufffdb\ufffd".encode(),
    b"\xc3" * 7 + "🙂".encode(),
]


@pytest.mark.parametrize("raw", BYTES, ids=repr)
def test_pieces_joined_are_the_whole(raw):
    script = [byte + 1 for byte in raw]
    trained = _scripted(ByteTokenizer(), script)
    pieces = list(stream_sample(trained, "x", length=len(raw), temperature=0.0))
    assert all(pieces)
    assert "".join(pieces) == ByteTokenizer().decode(script) == raw.decode("utf-8", "replace")


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
@pytest.mark.parametrize("seed", range(4))
def test_pieces_of_an_untrained_model(kind, seed, monkeypatch):
    trained = _trained(kind)
    tokens = []

    def spy(*arguments):
        tokens.append(draw(*arguments))
        return tokens[-1]

    draw = sampling._draw
    monkeypatch.setattr(sampling, "_draw", spy)
    joined = _text(trained, length=150, temperature=3.0, seed=seed)
    assert len(tokens) > 20
    assert joined == trained.preprocess.tokenizer.decode(tokens)


def test_pieces_come_as_soon_as_they_are_whole():
    trained = _scripted(ByteTokenizer(), [byte + 1 for byte in "aé🙂b".encode()])
    pieces = list(stream_sample(trained, "x", length=8, temperature=0.0))
    assert pieces == ["a", "é", "🙂", "b"]


@pytest.mark.parametrize(
    ("kind", "prompt", "text"),
    [
        (
            "characters",
            "the 9 Zebras 9",
            "characters that are not in the model's vocabulary: '9', 'Z'; ",
        ),
        (
            "words",
            "the purple fox",
            "words that are not in the model's vocabulary: ' purple'; leave them",
        ),
        ("characters", "ABCDEFGHIJ", "'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', …; leave them out"),
    ],
)
def test_prompts_with_what_is_unknown(kind, prompt, text):
    with pytest.raises(DataError) as caught:
        stream_sample(_trained(kind), prompt)
    assert text in str(caught.value)


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_any_prompt_where_nothing_is_unknown(kind):
    assert isinstance(_text(_trained(kind), "漢字 <end> \ud800"), str)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"length": 0}, "length is 0; it must be a whole number of at least 1"),
        ({"temperature": -0.1}, "temperature is -0.1; it takes a number from 0"),
        ({"temperature": math.nan}, "temperature is nan; it takes a number from 0"),
        ({"temperature": math.inf}, "temperature is inf; it takes a number from 0"),
        ({"top_k": 0}, "top_k is 0; it takes a whole number from 1"),
        ({"top_p": 0.0}, "top_p is 0.0; it takes a number above 0 and at most 1"),
        ({"top_p": 1.1}, "top_p is 1.1; it takes a number above 0 and at most 1"),
    ],
    ids=str,
)
def test_settings_out_of_range(options, text):
    with pytest.raises(ConfigError) as caught:
        stream_sample(_trained(), "the", **options)
    assert str(caught.value) == text


def test_all_faults_at_once():
    with pytest.raises(ConfigError) as caught:
        stream_sample(_trained(), "the", length=-1, temperature=-1.0, top_k=-1, top_p=2.0)
    said = str(caught.value)
    assert all(f"{name} is" in said for name in ("length", "temperature", "top_k", "top_p"))


def test_the_mode_of_the_model_is_put_back():
    trained = _trained()
    trained.model.train()
    _text(trained)
    assert trained.model.training


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("how", ["broken off", "read to its end", "failed"])
def test_the_model_is_left_in_the_mode_that_it_had(how, training):
    trained = _trained()
    trained.model.train(training)
    pieces = stream_sample(trained, "the", length=20)
    next(pieces)
    assert not trained.model.training
    if how == "broken off":
        pieces.close()
    elif how == "failed":
        with pytest.raises(RuntimeError, match="of the reader"):
            pieces.throw(RuntimeError("of the reader"))
    else:
        list(pieces)
    assert all(module.training == training for module in trained.model.modules())
