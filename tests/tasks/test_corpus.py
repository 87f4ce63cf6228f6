"""The language model's corpus, its score, and its folder."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.data.arrays import spool
from engram.data.text import pieces, token_streams
from engram.data.text.tokens import END, fit_tokenizer
from engram.errors import ConfigError, DataError, RunError
from engram.tasks import fitting
from engram.tasks.language_model import (
    TASK,
    LanguageModelSettings,
    Score,
    Vocabulary,
    make_data,
    read,
    score,
    score_stream,
)
from engram.tasks.task import Data, Trained
from helpers.earlier import without_digests

ANY = hypothesis_settings(deadline=None, derandomize=True, max_examples=200)
_documents = st.lists(st.text("abc \n", max_size=12), min_size=1, max_size=6)


def _settings(**changes):
    return LanguageModelSettings(**({"hidden": 6, "data": ["unused"]} | changes))


def _bytes_of(corpus):
    parts = (corpus.train, corpus.valid, corpus.test)
    return [[] if part is None else [int(i) for i in part] for part in parts]


@pytest.mark.slow
@pytest.mark.parametrize("tokens", ["characters", "bytes", "words", "bpe"])
@hypothesis_settings(deadline=None, derandomize=True, max_examples=60)
@given(
    documents=st.lists(st.text("ab'<end>é 1.\n\t\u3000", max_size=30), min_size=1, max_size=4),
    valid=st.floats(0, 0.3),
)
def test_pieces_make_the_corpus_of_whole_documents(tokens, documents, valid):
    """Whatever the length of pieces, and whether arrays lie in files."""
    settings = _settings(tokens=tokens, vocabulary=260, valid=valid, test=0.2)
    if round(sum(map(len, documents)) * (0.8 - valid)) < 1:
        return
    whole = make_data(settings, documents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", 3)
        patch.setattr(pieces, "_LOOK", 2)
        patch.setattr(spool, "LARGE", 4)
        patch.setattr(spool, "STRETCH", 5)
        patch.setattr(token_streams, "STRETCH", 2)
        cut = make_data(settings, documents)
        counted = token_streams.characters_of(cut.preprocess.tokenizer, cut.train)
        digest = token_streams.digest_of(map(np.int32, _bytes_of(whole)))
    assert cut.preprocess.tokenizer.plain() == whole.preprocess.tokenizer.plain()
    assert _bytes_of(cut) == _bytes_of(whole)
    assert cut.digest == whole.digest == digest
    assert counted == len(
        whole.preprocess.tokenizer.decode([int(i) for i in whole.train if i != END])
    )


def _check_corpus(documents, corpus):
    """The parts joined are the documents with END between, twice where a part meets a document."""
    tokenizer = corpus.preprocess.tokenizer
    parts = _bytes_of(corpus)
    assert tokenizer.decode([i for part in parts for i in part]) == "".join(documents)
    ends_within = [part for part in parts if part]
    assert ends_within[0][0] == END
    assert ends_within[-1][-1] == END
    whole: list[int] = []
    for part in ends_within:
        whole += part[1:] if whole and whole[-1] == END == part[0] else part
    assert whole == tokenizer.encode_documents([d for d in documents if d]).tolist()


@ANY
@given(documents=_documents, valid=st.floats(0, 0.49), test=st.floats(0, 0.49))
def test_parts_give_the_documents_back(documents, valid, test):
    settings = _settings(tokens="bytes", valid=valid, test=test)
    total = sum(map(len, documents))
    try:
        corpus = make_data(settings, documents)
    except DataError:
        assert total == 0
        return
    except ConfigError:
        assert round(total * (1 - valid - test)) < 1
        return
    _check_corpus(documents, corpus)
    assert f"{total:,} characters" in corpus.about[0]
    lengths = [len(corpus.preprocess.tokenizer.decode(part)) for part in _bytes_of(corpus)]
    assert lengths[0] == round(total * (1 - valid - test))
    assert abs(lengths[1] - total * valid) <= 1


@pytest.mark.parametrize("drop", [0, -1, 4])
def test_a_planted_fault_in_the_corpus_is_found(drop):
    documents = ["abcdefgh", "ijkl"]
    corpus = make_data(_settings(tokens="bytes", valid=0.25, test=0.25), documents)
    broken = Data(
        np.delete(corpus.train, drop), corpus.valid, corpus.test, corpus.preprocess, "digest"
    )
    _check_corpus(documents, corpus)
    with pytest.raises(AssertionError):
        _check_corpus(documents, broken)


def _letters(text):
    return [END if c == "|" else ord(c) + 1 for c in text]


@pytest.mark.parametrize(
    ("documents", "valid", "test", "parts"),
    [
        (["abcdefghij"], 0.2, 0.1, ["|abcdefg", "hi", "j|"]),
        (["abcde", "fghij"], 0.5, 0.0, ["|abcde|", "|fghij|", ""]),
        (["abcde", "fghij"], 0.25, 0.25, ["|abcde|", "|fgh", "ij|"]),
        (["abcde", "", "fghij"], 0.2, 0.2, ["|abcde|f", "gh", "ij|"]),
        (["abcde", "fghij"], 0.0, 0.0, ["|abcde|fghij|", "", ""]),
        (["abcde", "fghij"], 0.0, 0.4, ["|abcde|f", "", "ghij|"]),
        (["abcde", "fghij"], 0.4, 0.0, ["|abcde|f", "ghij|", ""]),
        (["a"], 0.05, 0.05, ["|a|", "", ""]),
    ],
)
def test_documents_that_a_bound_cuts_go_on(documents, valid, test, parts):
    corpus = make_data(_settings(tokens="bytes", valid=valid, test=test), documents)
    assert _bytes_of(corpus) == [_letters(part) for part in parts]


def test_the_tokenizer_sees_the_training_part_only():
    corpus = make_data(_settings(valid=0.1, test=0.1), ["aaaabbbbxy"])
    assert corpus.preprocess.tokenizer.unknown_in("abxy") == ["x", "y"]
    assert corpus.valid.tolist() == [corpus.preprocess.tokenizer.unknown]


def test_digest():
    settings = _settings(tokens="bytes")
    documents = ["some text " * 10, "more"]
    digest = make_data(settings, documents).digest
    assert digest == make_data(settings, list(documents)).digest
    others = [
        make_data(settings, [documents[0], "mare"]),
        make_data(settings, ["".join(documents)]),
        make_data(_settings(tokens="bytes", valid=0.1), documents),
        make_data(_settings(tokens="characters"), documents),
    ]
    assert len({digest, *(other.digest for other in others)}) == 5


@pytest.mark.parametrize(
    ("valid", "test"), [(0.5, 0.5), (0.7, 0.3), (0.9, 0.9), (0.6, 0.4), (0.98, 0.019)]
)
def test_nothing_left_to_train_on(valid, test):
    with pytest.raises(ConfigError) as caught:
        make_data(_settings(valid=valid, test=test), ["some text"])
    assert str(caught.value) == (
        f"valid={valid} and test={test} leave none of the 9 characters to train on; lower them "
        "until their sum is below 1"
    )


@pytest.mark.parametrize("documents", [[], [""], ["", ""]])
def test_documents_without_text(documents):
    with pytest.raises(
        DataError, match="the documents contain no text; give at least one that does"
    ):
        make_data(_settings(), documents)


def test_many_documents_take_no_time_that_grows_with_their_square():
    corpus = make_data(_settings(), ["ab"] * 60_000)
    assert "120,000 characters" in corpus.about[0]


def test_read(tmp_path):
    (tmp_path / "a.txt").write_bytes("größe ".encode("latin-1") * 9)
    settings = _settings(data=[str(tmp_path)], encoding="latin-1", max_characters=20)
    corpus = read(settings)
    assert corpus.about[0].startswith("1 file, 20 characters; ")
    text = "".join(corpus.preprocess.tokenizer.decode(part) for part in _bytes_of(corpus))
    assert text[:18] == ("größe " * 9)[:18]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"lanes": 64}, DataError, "64 lanes of 64 steps need 4,097"),
        (
            {"lanes": 1, "steps": 4, "valid": 0.02, "test": 0},
            DataError,
            "the validation set has 0 tokens and needs at least 2",
        ),
        ({"lanes": 1, "steps": 4, "valid": 0, "tied": True, "embedding": 9}, ConfigError, "tied"),
    ],
)
def test_prepare_finds_faults(changes, error, text):
    settings = _settings(**changes)
    with pytest.raises(error) as caught:
        fitting.prepare(TASK, settings, make_data(settings, ["tiny text"]))
    assert text in str(caught.value)


def _drawn(seed):
    vocabulary = Vocabulary(fit_tokenizer("characters", ["abcdefg"], 0))
    return fitting.build(TASK, _settings(seed=seed), vocabulary)


def test_build_is_drawn_from_the_seed_alone():
    torch.manual_seed(1)
    first = _drawn(3)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    torch.manual_seed(2)
    again, other = _drawn(3), _drawn(4)
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def _trained(kind="characters", documents=("some words, some more words. ",), **changes):
    settings = _settings(tokens=kind, vocabulary=300, **changes)
    vocabulary = Vocabulary(fit_tokenizer(kind, documents, 300))
    model = fitting.build(TASK, settings, vocabulary)
    return Trained(TASK.name, model, vocabulary, settings)


@pytest.mark.parametrize("kind", ["characters", "bytes", "words", "bpe"])
def test_score_by_hand(kind):
    trained = _trained(kind)
    documents = ["some words", "more"]
    result = score(trained, documents)
    ids = torch.from_numpy(trained.preprocess.tokenizer.encode_documents(documents)).long()
    total = 0.0
    with torch.no_grad():
        scores, _ = trained.model(ids[:-1, None], reset=(ids[:-1, None] == END))
        for t in range(len(ids) - 1):
            total -= float(scores[t, 0].log_softmax(0)[ids[t + 1]])
    assert result.tokens == len(ids) - 1
    assert result.characters == 14
    assert result.loss == pytest.approx(total / result.tokens, rel=1e-5)
    assert result.bits_per_character == pytest.approx(total / math.log(2) / 14, rel=1e-5)
    assert result.perplexity == pytest.approx(math.exp(result.loss))


def test_score_counts_what_is_unknown():
    trained = _trained()
    assert score(trained, ["some words"]).unknown == 0
    assert score(trained, ["xsome wordsZ"]).unknown == 2
    assert score(_trained("bytes"), ["xZ"]).unknown == 0


def test_score_of_a_stream_counts_its_characters():
    trained = _trained("bytes")
    ids = trained.preprocess.tokenizer.encode_documents(["größe", "b"])
    assert score_stream(trained, ids) == score(trained, ["größe", "b"])


def test_score_leaves_the_mode_of_the_model():
    trained = _trained(dropout=0.5)
    for training in (True, False):
        trained.model.train(training)
        score(trained, ["some"])
        assert trained.model.training is training


def test_perplexity_of_an_absurd_loss_is_a_number():
    assert math.isfinite(Score(loss=1e5, tokens=1, characters=0, unknown=0).perplexity)


@pytest.mark.parametrize("documents", [[], [""]])
def test_score_without_text(documents):
    with pytest.raises(DataError, match="the documents contain no text to score"):
        score(_trained(), documents)


@pytest.mark.parametrize("kind", ["characters", "bytes", "words", "bpe"])
def test_model_folder_there_and_back(tmp_path, kind):
    trained = _trained(kind, tied=True)
    fitting.save(tmp_path, trained)
    loaded = fitting.load(TASK, tmp_path)
    assert loaded.settings == trained.settings
    assert loaded.preprocess.tokenizer.plain() == trained.preprocess.tokenizer.plain()
    assert not loaded.model.training
    assert score(loaded, ["some words"]) == score(trained, ["some words"])


def test_model_folder_with_odd_characters(tmp_path):
    fitting.save(tmp_path, _trained(documents=["a\ud800\u2028ä😀"]))
    assert fitting.load(TASK, tmp_path).preprocess.tokenizer.unknown_in("a\ud800\u2028ä😀") == []


def _change(path, **changes):
    value = json.loads(path.read_text())
    for name, new in changes.items():
        if new is None:
            del value[name]
        else:
            value[name] = new
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("name", "changes", "text"),
    [
        (
            "config.json",
            {"task": "classify"},
            "contains a model of task 'classify', not 'language-",
        ),
        ("config.json", {"settings": None}, "damaged: its config.json contains no settings"),
        ("config.json", {"settings": 3}, "damaged: its config.json contains no settings"),
        ("preprocess.json", {"tokenizer": None}, "the stored tokenizer is damaged"),
        ("preprocess.json", {"tokenizer": {"kind": "letters"}}, "stored tokenizer is damaged"),
        ("preprocess.json", {"tokenizer": {"kind": "bytes"}}, "belongs to another model"),
    ],
)
def test_damaged_model_folder(tmp_path, name, changes, text):
    fitting.save(tmp_path, _trained())
    without_digests(tmp_path)
    _change(tmp_path / name, **changes)
    with pytest.raises(RunError) as caught:
        fitting.load(TASK, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert text in str(caught.value)


def test_weights_of_another_folder(tmp_path):
    fitting.save(tmp_path / "a", _trained())
    fitting.save(tmp_path / "b", _trained(layers=2))
    shutil.copy(tmp_path / "b" / "model.safetensors", tmp_path / "a")
    with pytest.raises(RunError, match="was changed after the weights were saved"):
        fitting.load(TASK, tmp_path / "a")
    without_digests(tmp_path / "a")
    with pytest.raises(RunError, match="belongs to another model: missing: none"):
        fitting.load(TASK, tmp_path / "a")
