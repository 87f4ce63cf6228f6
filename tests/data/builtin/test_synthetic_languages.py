"""Reber strings and brackets: members of their languages, told by other means than made."""

import re
from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engram.data.builtin.synthetic import dyck, embedded_reber, rightly_closed, successors_found
from engram.data.builtin.synthetic.reber import SYMBOLS
from engram.errors import ConfigError

# The same grammar as a regular expression, its states eliminated by hand.
_TAIL = "T*V(PXT*V)*(V|PS)"
_REBER = f"B(TS*X(S|X{_TAIL})|P{_TAIL})E"
_EMBEDDED = re.compile(f"B(T{_REBER}T|P{_REBER}P)E")


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _strings(symbols, lengths):
    return [
        "".join(SYMBOLS[s] for s in symbols[:length, row])
        for row, length in enumerate(lengths.tolist())
    ]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_strings_are_of_the_embedded_reber_grammar(seed, count):
    symbols, lengths, legal = embedded_reber(count, _generator(seed))
    assert symbols.shape == (int(lengths.max()), count)
    assert legal.shape == (len(symbols) - 1, count, 7)
    assert all(_EMBEDDED.fullmatch(string) for string in _strings(symbols, lengths))
    inside = torch.arange(len(symbols)).unsqueeze(1) < lengths
    assert not symbols[~inside].any()
    assert torch.equal(legal.any(2), inside[1:])  # something may come until the end


@pytest.mark.slow
def test_both_ways_are_taken_and_legal_successors_are_those_that_come():
    symbols, lengths, legal = embedded_reber(20_000, _generator())
    strings = _strings(symbols, lengths)
    assert min(map(len, strings)) == 9
    assert sum(string[1] == "T" for string in strings) / 20_000 == pytest.approx(0.5, abs=0.02)
    came = defaultdict(lambda: defaultdict(int))
    said = {}
    for row, string in enumerate(strings):
        for end in range(1, min(len(string), 12)):
            came[string[:end]][string[end]] += 1
            may = {s for s, ok in zip(SYMBOLS, legal[end - 1, row].tolist(), strict=True) if ok}
            assert said.setdefault(string[:end], may) == may
    common = [prefix for prefix, next_ones in came.items() if sum(next_ones.values()) > 100]
    assert len(common) > 50
    for prefix in common:
        assert set(came[prefix]) == said[prefix]
        if len(said[prefix]) == 2:
            counts = came[prefix].values()
            assert max(counts) / sum(counts) < 0.75


def test_successors_found():
    legal = torch.tensor([[[True, True, False]], [[False, False, False]], [[True, False, False]]])
    scores = torch.tensor([[[2.0, 3.0, 1.0]], [[1.0, 1.0, 1.0]], [[2.0, 2.0, 0.0]]])
    assert successors_found(scores, legal).tolist() == [[True], [True], [False]]
    scores[0, 0, 1] = 0.5
    assert not successors_found(scores, legal)[0]


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 5), st.integers(1, 6))
def test_brackets_are_well_nested_and_not_too_deep(seed, pairs, kinds, depth):
    brackets, distances = dyck(2 * pairs, 5, _generator(seed), kinds=kinds, depth=depth)
    assert brackets.shape == distances.shape == (2 * pairs, 5)
    for row in range(5):
        open_ones = []
        for step, bracket in enumerate(brackets[:, row].tolist()):
            if bracket < kinds:
                open_ones.append((bracket, step))
                assert distances[step, row] == 0
            else:
                kind, place = open_ones.pop()
                assert (kind, place) == (bracket - kinds, step - int(distances[step, row]))
            assert len(open_ones) <= depth
        assert not open_ones


def test_every_kind_and_depth_is_there():
    brackets, distances = dyck(40, 2000, _generator(), kinds=3, depth=5)
    assert brackets.unique().tolist() == list(range(6))
    height = torch.where(brackets < 3, 1, -1).cumsum(0)
    assert height.unique().tolist() == list(range(6))
    free = (height[:-1] > 0) & (height[:-1] < 5) & (height[:-1] < torch.arange(39, 0, -1)[:, None])
    assert float((brackets[1:] < 3)[free].double().mean()) == pytest.approx(0.5, abs=0.01)
    assert int(distances.max()) > 30


def test_rightly_closed():
    brackets = torch.tensor([[0], [1], [3], [2]])
    scores = torch.zeros(4, 1, 4)
    scores[2, 0, 3] = scores[3, 0, 3] = 1.0
    scores[2, 0, 0] = 5.0  # that an opening one was likelier does not matter
    assert rightly_closed(scores, brackets).flatten().tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda g: dyck(7, 2, g), "steps is 7, but brackets come in pairs; give an even number"),
        (lambda g: dyck(0, 2, g), "steps is 0"),
        (lambda g: dyck(8, 2, g, depth=0), "kinds is 2 and depth is 0; both must be at least 1"),
    ],
)
def test_faults(make, text):
    with pytest.raises(ConfigError) as caught:
        make(_generator())
    assert text in str(caught.value)


@pytest.mark.parametrize("make", [lambda g: embedded_reber(30, g), lambda g: dyck(20, 30, g)])
def test_the_generator_decides_all(make):
    one, same, other = make(_generator()), make(_generator()), make(_generator(1))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0][:9], other[0][:9])
