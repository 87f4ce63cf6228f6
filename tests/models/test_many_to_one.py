"""The model of whole sequences: padding changes nothing, and every option runs."""

import pytest
import torch

from engram.models.many_to_one import ManyToOne, ManyToOneSettings

OPTIONS = [
    {},
    {"bidirectional": False, "pooling": "mean"},
    {"pooling": "max", "layers": 2},
    {"pooling": "attention", "convolution": 6, "stride": 2},
    {"bidirectional": False, "convolution": 4, "kernel": 3, "cell": "gru"},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("tokens", [False, True])
def test_a_row_in_a_batch_is_as_a_row_alone(options, tokens):
    torch.manual_seed(0)
    settings = ManyToOneSettings(hidden=5, **options)
    model = ManyToOne(7, 3, settings, tokens=tokens).double().eval()
    shape = (9, 4)
    inputs = torch.randint(7, shape) if tokens else torch.randn(*shape, 7, dtype=torch.float64)
    lengths = torch.tensor([9, 1, 4, 7])
    scores, weights = model(inputs, lengths)
    assert scores.shape == (4, 3)
    assert (weights is not None) == (settings.pooling == "attention")
    for row, length in enumerate(lengths.tolist()):
        alone, _ = model(inputs[:length, row : row + 1])
        torch.testing.assert_close(scores[row : row + 1], alone)


def test_dropout_is_for_training():
    torch.manual_seed(0)
    settings = ManyToOneSettings(hidden=8, dropout_head=0.5, dropout_embedding=0.5)
    model, inputs = ManyToOne(7, 3, settings, tokens=True), torch.randint(7, (5, 2))
    assert not torch.equal(model(inputs)[0], model(inputs)[0])
    model.eval()
    assert torch.equal(model(inputs)[0], model(inputs)[0])
