"""EchoStateNetwork: what its readout sees, and running on by itself."""

import pytest
import torch

from engram.errors import ConfigError
from engram.layers import Reservoir
from engram.models.echo_state import EchoStateNetwork


def _network(feedback=0, outputs=2, **options):
    reservoir = Reservoir(2, 30, feedback_size=feedback, bias_scaling=0.1)
    network = EchoStateNetwork(reservoir, outputs, **options)
    torch.nn.init.normal_(network.readout.weight, std=0.2)
    return network


def _input(steps=7, batch=3):
    return torch.randn(steps, batch, 2, dtype=torch.float64)


@pytest.mark.parametrize("sees_input", [True, False])
def test_the_readout_sees_input_and_state(sees_input):
    network, x = _network(sees_input=sees_input), _input()
    states, last = network.reservoir(x)
    outputs, after = network(x)
    seen = torch.cat([x, states], dim=2) if sees_input else states
    torch.testing.assert_close(outputs, network.readout(seen))
    torch.testing.assert_close(after, last)


@pytest.mark.parametrize("lengths", [None, [7, 2, 5]])
@pytest.mark.parametrize("summary", ["mean", "last"])
def test_a_summary_is_of_valid_steps(summary, lengths):
    network, x = _network(summary=summary), _input()
    seen, _ = network.features(x, lengths=lengths)
    for row, length in enumerate(lengths or [7, 7, 7]):
        alone, _ = network.reservoir(x[:length, row])
        steps = torch.cat([x[:length, row], alone], dim=1)
        expected = steps.mean(dim=0) if summary == "mean" else steps[-1]
        torch.testing.assert_close(seen[row], expected)
    assert network(x, lengths=lengths)[0].shape == (3, 2)


def test_outputs_become_inputs():
    network, x = _network(), _input()
    outputs, state = network(x)
    more, end = network.free_run(4, state, outputs[-1])
    again = torch.cat([x, outputs[-1:], more[:-1]])
    torch.testing.assert_close(network(again)[0][7:], more)
    torch.testing.assert_close(network(again)[1], end)


def test_outputs_are_fed_back_beside_inputs():
    network, x = _network(feedback=2), _input()
    outputs, state = network(x)
    late = torch.cat([torch.zeros_like(outputs[:1]), outputs[:-1]])
    forced, end = network(x, feedback=late)
    torch.testing.assert_close(forced, outputs)
    torch.testing.assert_close(end, state)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: _network(summary="median"),
            "summary is 'median': did you mean 'mean'. accepted: last, mean, steps",
        ),
        (lambda: _network(feedback=3), "feedback_size=3 and there are 2 outputs"),
        (lambda: _network(feedback=2, summary="mean"), "needs an output at each step"),
        (lambda: _network(feedback=2)(_input(), lengths=[1, 2, 3]), "run each row alone"),
    ],
)
def test_what_does_not_fit(make, text):
    with pytest.raises(ConfigError, match=text):
        make()
