import numpy as np
import pytest
import torch

from engram.data.arrays.sequences import Sequences
from engram.data.batching.lanes import IGNORED
from engram.data.text.tokens import CharacterTokenizer
from engram.errors import ConfigError
from engram.tasks.pairs import TranslateSettings
from engram.tasks.writing import AskingSettings, bleu, drawn_in, encoded, judged, targets_of


def test_targets_are_shifted_and_padding_is_ignored():
    sequences = Sequences.of([np.array([5, 6, 0]), np.array([7, 0])])
    targets = targets_of(sequences, np.array([0, 1]), 0.5)
    assert targets.targets.T.tolist() == [[5, 6, 0], [7, 0, IGNORED]]
    assert targets.inputs.T.tolist() == [[0, 5, 6], [0, 7, 0]]
    assert (targets.count, targets.drawn) == (5, 0.5)


def test_texts_end_with_end():
    tokenizer = CharacterTokenizer("ab")
    assert [ids.tolist() for ids in encoded(tokenizer, ["ab", ""])] == [[2, 3, 0], [0]]


def test_scheduled_sampling_rises_from_nothing():
    settings = TranslateSettings(data=["x"], epochs=5, scheduled_sampling=0.4)
    assert [drawn_in(epoch, settings) for epoch in range(5)] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4]
    )
    once = TranslateSettings(data=["x"], epochs=1, scheduled_sampling=0.4)
    assert drawn_in(0, once) == 0.4


def test_bleu_is_sacrebleus():
    """Figures of sacrebleu's own function, one and several references."""
    import sacrebleu

    outputs = ["the cat sat on the mat", "a dog barks at night"]
    first = ["the cat sat on a mat", "the dog barks at night"]
    second = "a cat sat on the mat today"
    assert bleu(outputs, [[text] for text in first]) == pytest.approx(
        sacrebleu.corpus_bleu(outputs, [first]).score
    )
    several = bleu(outputs, [[first[0], second], [first[1]]])
    assert several == pytest.approx(sacrebleu.corpus_bleu(outputs, [first, [second, None]]).score)
    assert several > bleu(outputs, [[text] for text in first])
    assert bleu(outputs, [[text] for text in outputs]) == pytest.approx(100.0)
    assert bleu(["17", "4"], [["17"], ["5"]]) == pytest.approx(50.0)  # runs of one word alone


def test_reports():
    report = judged(["1", "2", "3"], ["a", "b", "c"], [["a"], ["x", "b"], ["y", "z"]], 0.5)
    assert report.measures["exact match"] == pytest.approx(2 / 3)
    assert report.measures["loss"] == 0.5
    assert report.measures["examples"] == 3
    assert report.tables["wrong, 1 of 1"].rows == [["3", "c", "y"]]
    assert judged(["1"], ["a"], [["a"]], 0.0).tables == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 3}, "top_k and top_p apply to sampling; use them with a --temperature above 0"),
        (
            {"beam": 3, "temperature": 1.0},
            "beam search and sampling with a temperature exclude each other; give only one of them",
        ),
        ({"beam": 0}, "beam is 0: input should be greater than or equal to 1"),
    ],
)
def test_contradictions(settings, message):
    with pytest.raises(ConfigError) as caught:
        AskingSettings.checked(settings)
    assert str(caught.value) == f"settings: {message}"


def test_end_is_what_begins():
    targets = targets_of(Sequences.of([np.array([0])]), np.array([0]))
    assert torch.equal(targets.inputs, torch.tensor([[0]]))
