import itertools
import math
from dataclasses import dataclass

import pytest
import torch

from engram.data.text import tokens
from engram.errors import ConfigError
from engram.models import decoding
from engram.models.decoding import (
    END,
    Hypothesis,
    beam_search,
    greedy,
    probabilities,
    sample,
)


@dataclass(frozen=True)
class Table:
    """A model that is a table: scores by row, place and the last token."""

    scores: torch.Tensor  # (B, S, V, V)
    place: int
    numbers: torch.Tensor  # (R,), which of the B rows

    def rows(self, index, *, same_memory=False):
        if same_memory:  # a row may only take over from one with the same memory
            assert torch.equal(self.numbers[index], self.numbers)
        return Table(self.scores, self.place, self.numbers[index])


def step(last, carried):
    scores = carried.scores[carried.numbers, carried.place, last]
    weights = torch.stack([carried.numbers, last], dim=1).float()  # tells who asked, after what
    return scores, Table(carried.scores, carried.place + 1, carried.numbers), weights


def _table(batch=3, longest=4, size=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = 2.0 * torch.randn(batch, longest, size, size, generator=generator)
    return Table(scores, 0, torch.arange(batch))


def _every_sequence(table, row, longest):
    """All that could be written, with log-probabilities."""
    logs = torch.log_softmax(table.scores[row].double(), dim=-1)
    size = logs.shape[-1]
    for length in range(longest + 1):
        for written in itertools.product(range(1, size), repeat=length):
            ended = length < longest
            path = [END, *written, *([END] if ended else [])]
            total = sum(float(logs[i, a, b]) for i, (a, b) in enumerate(itertools.pairwise(path)))
            yield Hypothesis(list(written), total, ended, None)


def test_end_is_that_of_the_tokenizers():
    assert decoding.END == tokens.END


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_as_wide_as_all_sequences_finds_the_best(seed, length_penalty):
    table = _table(seed=seed)
    found = beam_search(step, table, [4] * 3, width=130, length_penalty=length_penalty)
    for row in range(3):
        expected = sorted(
            _every_sequence(table, row, 4),
            key=lambda h: (h.ended, h.score(length_penalty)),
            reverse=True,
        )
        assert len(found[row]) == len(expected) == 1 + 3 + 9 + 27 + 81
        for one, other in zip(found[row], expected, strict=True):
            assert (one.tokens, one.ended) == (other.tokens, other.ended)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_a_beam_of_one_is_greedy(seed):
    table = _table(batch=5, longest=9, seed=seed)
    likeliest = greedy(step, table, [9] * 5)
    for one, (other,) in zip(likeliest, beam_search(step, table, [9] * 5, width=1), strict=True):
        assert one.tokens == other.tokens
        assert one.ended == other.ended
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-9)
        assert torch.equal(one.attention, other.attention)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_batch_is_as_each_row_alone(width):
    table = _table(batch=6, longest=8)
    limits = [8, 3, 5, 1, 0, 8]
    together = beam_search(step, table, limits, width=width, length_penalty=0.7)
    for row, limit in enumerate(limits):
        alone = Table(table.scores, 0, torch.tensor([row]))
        (apart,) = beam_search(step, alone, [limit], width=width, length_penalty=0.7)
        assert len(apart) == len(together[row])
        for one, other in zip(apart, together[row], strict=True):
            assert (one.tokens, one.ended) == (other.tokens, other.ended)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-9)
            if limit:
                assert torch.equal(one.attention, other.attention)


def test_a_wider_beam_finds_what_a_greedy_step_misses():
    scores = torch.full((1, 3, 3, 3), -10.0)
    scores[0, 0, END] = torch.tensor([-10.0, 0.1, 0.0])  # 1 looks better than 2 at first
    scores[0, 1, 1] = torch.zeros(3)  # but what follows 1 is anybody's guess
    scores[0, 1, 2] = torch.tensor([5.0, -5.0, -5.0])
    table = Table(scores, 0, torch.arange(1))
    assert greedy(step, table, [2])[0].tokens[0] == 1
    assert beam_search(step, table, [2], width=2)[0][0].tokens == [2]


def test_what_has_ended_keeps_its_place():
    """The empty output is the likeliest of all, though for a step two open ones look better."""
    scores = torch.full((1, 3, 3, 3), -30.0)
    scores[0, 0, END] = torch.tensor([0.25, 0.7, 0.05]).log()
    scores[0, 1, 1] = torch.tensor([1e-6, 0.5, 0.5]).log()
    scores[0, 2] = torch.tensor([0.1, 0.45, 0.45]).log()
    (found,) = beam_search(step, Table(scores, 0, torch.arange(1)), [3], width=2)
    assert found[0].tokens == []
    assert found[0].log_probability == pytest.approx(math.log(0.25))


def test_attention_is_that_of_the_tokens_that_were_written():
    for hypotheses in beam_search(step, _table(), [4] * 3, width=4):
        for hypothesis in hypotheses:
            steps = len(hypothesis.tokens) + hypothesis.ended
            assert hypothesis.attention.shape == (steps, 2)
            before = [END, *hypothesis.tokens]
            assert hypothesis.attention[:, 1].tolist() == before[:steps]


def test_length_penalty_is_that_of_the_paper():
    hypothesis = Hypothesis([3, 3, 3], -2.0, True, None)
    assert hypothesis.score(0.0) == -2.0
    assert hypothesis.score(0.6) == pytest.approx(-2.0 / ((5 + 4) ** 0.6 / 6**0.6))


def test_a_larger_penalty_prefers_longer_outputs():
    table = _table(batch=8, longest=6, seed=3)
    lengths = [
        sum(
            len(best[0].tokens)
            for best in beam_search(step, table, [6] * 8, width=8, length_penalty=alpha)
        )
        for alpha in (0.0, 3.0)
    ]
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_nothing_is_longer_than_allowed(limit):
    table = _table(batch=4)
    table.scores[..., END] = -50.0
    for hypothesis in greedy(step, table, [limit] * 4):
        assert len(hypothesis.tokens) == limit
        assert not hypothesis.ended
    for hypotheses in beam_search(step, table, [limit] * 4, width=3):
        assert all(len(h.tokens) == limit and not h.ended for h in hypotheses)


def test_banned_tokens_are_never_written():
    table = _table(batch=20, seed=1)
    free = {t for h in greedy(step, table, [4] * 20) for t in h.tokens}
    assert 2 in free
    for found in (
        greedy(step, table, [4] * 20, banned=(2,)),
        sample(step, table, [4] * 20, banned=(2,), temperature=3.0),
        [h for row in beam_search(step, table, [4] * 20, width=3, banned=(2,)) for h in row],
    ):
        assert all(2 not in h.tokens for h in found)
        assert all(math.isfinite(h.log_probability) for h in found)


def test_samples_follow_the_probabilities():
    scores = torch.zeros(1, 1, 3, 3)
    scores[0, 0, END] = torch.log(torch.tensor([0.2, 0.5, 0.3]))
    many = Table(scores, 0, torch.zeros(4000, dtype=torch.int64))
    drawn = [h.tokens for h in sample(step, many, [1] * 4000)]
    assert drawn.count([]) / 4000 == pytest.approx(0.2, abs=0.03)
    assert drawn.count([1]) / 4000 == pytest.approx(0.5, abs=0.03)


def test_the_same_seed_draws_the_same():
    table = _table(batch=10)
    first = [h.tokens for h in sample(step, table, [4] * 10, seed=1)]
    assert first == [h.tokens for h in sample(step, table, [4] * 10, seed=1)]
    assert first != [h.tokens for h in sample(step, table, [4] * 10, seed=2)]


def test_probabilities():
    scores = torch.log(torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]]))
    torch.testing.assert_close(probabilities(scores), scores.exp().double())
    assert probabilities(scores, top_k=1).tolist() == [[1, 0, 0], [0, 1, 0]]
    torch.testing.assert_close(
        probabilities(scores, top_p=0.6)[0], torch.tensor([0.5, 0.0, 0.3], dtype=torch.float64)
    )
    assert probabilities(scores, top_p=0.6)[1].tolist()[0] == 0.0
    assert probabilities(scores, temperature=1e-6)[0].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "temperature is -1.0; it takes a number from 0"),
        ({"top_k": 0}, "top_k is 0; it takes a whole number from 1"),
        ({"top_p": 1.5}, "top_p is 1.5; it takes a number above 0 and at most 1"),
    ],
)
def test_sampling_out_of_range_is_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        sample(step, _table(), [4] * 3, **settings)
    assert str(caught.value) == message


def test_a_width_below_one_is_refused():
    with pytest.raises(ConfigError) as caught:
        beam_search(step, _table(), [4] * 3, width=0)
    assert str(caught.value) == "width is 0; it takes a whole number from 1"
