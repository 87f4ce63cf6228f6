"""Texts and values as numbers, and back to the folder of a model."""

import json

import numpy as np
import pytest

from engram.data.arrays.scaling import Scaling
from engram.data.arrays.sequences import Sequences
from engram.data.labelled.encoding import EncodingSettings, encoding_from_plain, learn_encoding
from engram.data.labelled.examples import Examples, split_examples
from engram.errors import DataError

TEXTS = Examples(["Good film", "bad film , bad"], ["1", "0"])


def _series(*arrays):
    return Examples(Sequences.of([np.float32(each) for each in arrays], ["a", "b"]))


def _again(encoding):
    return encoding_from_plain(json.loads(json.dumps(encoding.plain())))


@pytest.mark.parametrize("tokens", ["characters", "bytes", "words"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_texts(tokens, lowercase):
    encoding = learn_encoding(TEXTS, EncodingSettings(tokens=tokens, lowercase=lowercase))
    found = encoding.encode(TEXTS)
    assert found.values.dtype == np.int32
    assert found.values.max() < encoding.width
    for ours, again in zip(found, _again(encoding).encode(TEXTS), strict=True):
        np.testing.assert_array_equal(ours, again)
    first = "".join(encoding.words(TEXTS.inputs[0])).strip()
    assert first == ("good film" if lowercase else "Good film")


def test_the_first_word_is_as_any_other():
    encoding = learn_encoding(TEXTS, EncodingSettings(tokens="words"))
    bad = encoding.encode(Examples(["bad film , bad"]))[0]
    assert bad[0] == bad[3]


def test_what_comes_after_so_many_steps_is_left_out():
    settings = EncodingSettings(tokens="words", max_steps=2)
    assert learn_encoding(TEXTS, settings).encode(TEXTS).lengths.tolist() == [2, 2]
    series = _series(np.ones((5, 2)), np.ones((1, 2)))
    assert learn_encoding(series, settings).encode(series).lengths.tolist() == [2, 1]


def test_values_are_scaled_by_the_training_part():
    train = _series([[1, 10], [3, 10]], [[5, 10]])
    encoding = _again(learn_encoding(train, EncodingSettings()))
    values = encoding.encode(train).values
    np.testing.assert_allclose(values.mean(0), 0.0, atol=1e-6)
    np.testing.assert_allclose(values.std(0), [1.0, 0.0], atol=1e-6)  # one never varies
    other = encoding.encode(_series([[3, 12]])).values
    np.testing.assert_allclose(other, [[0.0, 2.0]], atol=1e-6)
    plain = learn_encoding(train, EncodingSettings(scaling=False))
    np.testing.assert_array_equal(plain.encode(train).values, train.inputs.values)


def test_missing_values():
    train = _series([[1, np.nan], [3, 2]], [[np.nan, 4]])
    with pytest.raises(DataError, match=r"sequence 0, step 1: 'b' is missing .NaN.*--missing"):
        learn_encoding(train, EncodingSettings())
    imputed = learn_encoding(train, EncodingSettings(missing="impute")).encode(train).values
    np.testing.assert_allclose(imputed, [[-1, 0], [1, -1], [0, 1]])
    masked = learn_encoding(train, EncodingSettings(missing="mask"))
    assert masked.width == 4
    np.testing.assert_allclose(
        masked.encode(train).values, [[-1, 0, 0, 1], [1, -1, 0, 0], [0, 1, 1, 0]]
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (_series([[np.inf, 1.0]]), "sequence 0, step 1: 'a' is inf; fix it"),
        (_series([[1.0, 1.0]], np.zeros((0, 2))), "sequence 1 has no steps"),
        (Examples(Sequences.of([np.ones((1, 1))], ["z"])), "reads the columns a, b, but the data"),
        (TEXTS, "reads numeric columns, but the data contains texts"),
    ],
)
def test_values_that_cannot_be_read(given, said):
    encoding = learn_encoding(_series([[1, 2], [3, 4]]), EncodingSettings(missing="mask"))
    with pytest.raises(DataError, match=said):
        encoding.encode(given)


def test_texts_that_cannot_be_read():
    encoding = learn_encoding(TEXTS, EncodingSettings())
    with pytest.raises(DataError, match="reads texts"):
        encoding.encode(_series([[1, 2]]))
    with pytest.raises(DataError, match="sequence 1: the text is empty"):
        encoding.encode(Examples(["film", " "]))


@pytest.mark.parametrize("value", [None, {}, {"columns": ["a"]}, {"tokenizer": {"kind": "x"}}, 3])
def test_damaged(value):
    with pytest.raises(DataError):
        encoding_from_plain(value)


@pytest.mark.parametrize("seed", range(3))
def test_scaling_in_stretches_and_back(monkeypatch, seed):
    monkeypatch.setattr("engram.data.arrays.scaling._STRETCH", 7)
    draw = np.random.default_rng(seed)
    values = draw.normal([0.0, 1e6, 3.0], [1.0, 2.0, 0.0], (100, 3))
    values[draw.random(values.shape) < 0.1] = np.nan
    scaling = Scaling.learnt(values)
    np.testing.assert_allclose(scaling.mean, np.nanmean(values, 0))
    np.testing.assert_allclose(scaling.deviation[:2], np.nanstd(values, 0)[:2])
    assert scaling.deviation[2] == 1.0
    back = Scaling.from_plain(scaling.plain()).undo(scaling.apply(values))
    np.testing.assert_allclose(back, values, rtol=1e-6, atol=1e-6)


def test_split_takes_of_every_label_alike_and_leaves_one():
    labels = ["a"] * 50 + ["b"] * 10 + ["c"]
    examples = Examples([str(i) for i in range(61)], labels)
    stays, taken = split_examples(examples, 0.2, seed=3)
    assert sorted([*stays.inputs, *taken.inputs], key=int) == examples.inputs
    assert (taken.targets.count("a"), taken.targets.count("b")) == (10, 2)
    assert "c" in stays.targets
    assert split_examples(examples, 0.2, seed=3)[1].inputs == taken.inputs
    assert split_examples(examples, 0.2, seed=4)[1].inputs != taken.inputs
    assert split_examples(examples, 0.0, seed=0)[1] is None


def test_examples_and_targets_go_together():
    with pytest.raises(DataError, match="2 sequences and 1 targets"):
        Examples(["a", "b"], ["x"])
    assert TEXTS.digest() != Examples(TEXTS.inputs, ["0", "1"]).digest()
    assert TEXTS.digest() == Examples(list(TEXTS.inputs), ["1", "0"]).digest()
