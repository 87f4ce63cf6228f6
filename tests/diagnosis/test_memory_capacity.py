"""Memory capacity: what is known of it, and its bounds."""

import numpy as np
import pytest

import engram
from engram.errors import ConfigError


def test_a_delay_line_recalls_its_length_and_nothing_more():
    """Inputs walk along a line of 12 units, small enough for tanh to be linear."""
    line = np.diag(np.ones(11), -1)
    first = np.eye(12)[:, :1]
    reservoir = engram.Reservoir(
        1, 12, recurrent_weights=line, input_weights=1e-3 * first, density=1.0
    )
    found = engram.memory_capacity(reservoir, delays=20)
    # the first unit holds the input of the same step, which is no memory of an earlier one
    np.testing.assert_allclose(found.by_delay[:11], 1.0, atol=1e-4)
    assert max(found.by_delay[11:]) < 0.02
    assert found.total == pytest.approx(11.0, abs=0.1)
    assert (found.units, len(found.by_delay)) == (12, 20)


def test_at_most_the_number_of_units():
    for leak in (1.0, 0.3):
        reservoir = engram.Reservoir(1, 20, input_scaling=0.05, density=0.5, leak=leak)
        found = engram.memory_capacity(reservoir)
        assert 3.0 < found.total < 20.0
        assert found.by_delay[0] > 0.95


def test_without_recurrent_weights_there_is_hardly_any():
    reservoir = engram.Reservoir(1, 20, spectral_radius=0.0, bias_scaling=0.1)
    assert engram.memory_capacity(reservoir).total < 0.2


def test_the_same_seed_gives_the_same_record():
    reservoir = engram.Reservoir(1, 10, density=0.5)
    assert engram.memory_capacity(reservoir) == engram.memory_capacity(reservoir)
    assert engram.memory_capacity(reservoir, seed=1) != engram.memory_capacity(reservoir)


@pytest.mark.parametrize(
    ("sizes", "options", "text"),
    [
        ((2, 10), {}, "has 2 inputs and feedback_size=0; memory capacity is defined for one input"),
        ((1, 10), {"steps_learnt": 10}, "more than the 10 units"),
    ],
)
def test_what_it_is_not_defined_for(sizes, options, text):
    with pytest.raises(ConfigError, match=text):
        engram.memory_capacity(engram.Reservoir(*sizes, density=0.5), **options)
