"""Attention: against the equations for one query and one row; padded is each row alone."""

import pytest
import torch
from torch.testing import assert_close

from engram.errors import ConfigError
from engram.layers import (
    AdditiveAttention,
    MultiplicativeAttention,
    SelfAttentivePooling,
    redundancy,
)

S, T, B, Q, V, K = 3, 6, 4, 5, 5, 7
LENGTHS = [6, 1, 4, 3]
KINDS = {
    "additive": lambda **o: AdditiveAttention(Q, V, K, **o),
    "dot": lambda **o: MultiplicativeAttention(Q, V, "dot", **o),
    "general": lambda **o: MultiplicativeAttention(Q, V, "general", **o),
    "scaled": lambda **o: MultiplicativeAttention(Q, V, "scaled", **o),
}
POOLS = {
    "features": {},
    "hidden": {"hidden_size": 8},
    "heads": {"heads": 3},
    "heads, hidden": {"heads": 3, "hidden_size": 8},
}
by_kind = pytest.mark.parametrize("kind", KINDS)
by_pool = pytest.mark.parametrize("options", POOLS.values(), ids=list(POOLS))


def _input(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def _made(kind):
    return KINDS[kind](dtype=torch.float64)


def _score(kind, layer, q, v):
    """One query with one value, from the definition."""
    if kind == "additive":
        hidden = torch.tanh(layer.query.weight @ q + layer.key.weight @ v + layer.key.bias)
        return layer.score.weight[0] @ hidden
    if kind == "general":
        return q @ layer.key.weight @ v
    return q @ v / (V**0.5 if kind == "scaled" else 1.0)


@by_kind
def test_against_the_equations(kind):
    layer = _made(kind)
    queries, values = _input(S, B, Q), _input(T, B, V)
    context, weights = layer(queries, values, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        for s in range(S):
            scores = [_score(kind, layer, queries[s, row], v) for v in values[:length, row]]
            shares = torch.stack(scores).exp()
            shares = shares / shares.sum()
            assert_close(weights[s, row, :length], shares)
            assert_close(context[s, row], shares @ values[:length, row])


@by_kind
def test_padded_is_each_row_alone(kind):
    layer = _made(kind)
    queries, values = _input(S, B, Q), _input(T, B, V)
    for row, length in enumerate(LENGTHS):
        values[length:, row] = torch.nan
    values.requires_grad_()
    context, weights = layer(queries, values, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        own = slice(row, row + 1)
        alone = layer(queries[:, own], values[:length, own])
        assert_close((context[:, own], weights[:, own, :length]), alone)
        assert (weights[:, row, length:] == 0).all()
    gradients = torch.autograd.grad(context.square().sum(), [values, *layer.parameters()])
    assert all(g.isfinite().all() for g in gradients)
    assert (gradients[0][4:, 2] == 0).all()


@by_kind
def test_a_decoder_that_asks_step_by_step(kind):
    layer = _made(kind)
    queries, values = _input(S, B, Q), _input(T, B, V)
    memory = layer.prepare(values, LENGTHS)
    steps = [layer(query, memory) for query in queries]
    expected = layer(queries, values, lengths=LENGTHS)
    assert_close(tuple(torch.stack(each) for each in zip(*steps, strict=True)), expected)
    assert_close(layer(queries, memory), expected)
    assert steps[0][0].shape == (B, V)
    assert steps[0][1].shape == (B, T)


@by_kind
def test_gradients_are_finite_differences(kind):
    layer = _made(kind)
    names = [name for name, _ in layer.named_parameters()]
    weights = [_input(*w.shape).requires_grad_() for w in layer.parameters()]
    given = [_input(2, 2, Q).requires_grad_(), _input(3, 2, V).requires_grad_(), *weights]

    def run(queries, values, *weights):
        own = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(layer, own, (queries, values), {"lengths": [3, 1]})

    assert torch.autograd.gradcheck(run, given)


@by_pool
def test_pooling_against_the_equations(options):
    layer = SelfAttentivePooling(V, **options, dtype=torch.float64)
    values, heads = _input(T, B, V), options.get("heads", 1)
    pooled, weights = layer(values, lengths=LENGTHS)
    assert pooled.shape == (B, heads * V) == (B, layer.output_size)
    for row, length in enumerate(LENGTHS):
        steps = values[:length, row]
        hidden = torch.tanh(steps if layer.hidden is None else steps @ layer.hidden.weight.T)
        for head in range(heads):
            shares = (hidden @ layer.score.weight[head]).exp()
            shares = shares / shares.sum()
            assert_close(weights[head, row, :length], shares)
            assert_close(pooled[row].view(heads, V)[head], shares @ steps)


@by_pool
def test_pooling_padded_is_each_row_alone(options):
    layer = SelfAttentivePooling(V, **options, dtype=torch.float64)
    values = _input(T, B, V)
    for row, length in enumerate(LENGTHS):
        values[length:, row] = torch.inf
    values.requires_grad_()
    pooled, weights = layer(values, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        own = slice(row, row + 1)
        expected, shares = layer(values[:length, own])
        assert_close((pooled[own], weights[:, own, :length]), (expected, shares))
        assert (weights[:, row, length:] == 0).all()
    gradients = torch.autograd.grad(pooled.square().sum(), [values, *layer.parameters()])
    assert all(g.isfinite().all() for g in gradients)


def test_redundancy_by_hand():
    one_step_each = torch.tensor([[[1.0, 0, 0, 0]], [[0, 1.0, 0, 0]]])
    assert redundancy(one_step_each) == 0
    both_at_one = torch.tensor([[[1.0, 0, 0, 0]], [[1.0, 0, 0, 0]]])
    assert redundancy(both_at_one) == 2.0
    spread = torch.full((2, 1, 4), 0.25)
    assert redundancy(spread) == 2 * 0.75**2 + 2 * 0.25**2
    assert redundancy(torch.cat([one_step_each, both_at_one], dim=1)) == 1.0, "the mean of rows"


def test_heads_are_drawn_apart_by_the_penalty():
    layer, values = SelfAttentivePooling(V, heads=3, hidden_size=8), torch.randn(T, B, V)
    before = redundancy(layer(values)[1])
    optimizer = torch.optim.Adam(layer.parameters(), 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        redundancy(layer(values)[1]).backward()
        optimizer.step()
    assert redundancy(layer(values)[1]) < before / 2


ZERO = torch.zeros(T, B, V)
FAULTS = [
    (lambda: AdditiveAttention(Q, 0, K), "value_size is 0; it takes a whole number from 1"),
    (
        lambda: MultiplicativeAttention(Q, V, "dott"),
        "score 'dott' is not known: did you mean 'dot'? accepted: dot, general, scaled",
    ),
    (
        lambda: MultiplicativeAttention(Q, 9, "scaled"),
        "score 'scaled' multiplies queries and values as they are, and query_size is 5, value_size "
        "9; make them equal, or use score='general'",
    ),
    (
        lambda: _made("dot")(torch.zeros(S, B, 2), ZERO.double()),
        "queries have shape (3, 4, 2); they take (S, B, Q), or (B, Q) for one step, with B=4 and",
    ),
    (
        lambda: _made("dot")(torch.zeros(Q), ZERO),
        "queries have shape (5,); they take (S, B, Q), or (B, Q) for one step",
    ),
    (
        lambda: _made("dot").prepare(torch.zeros(T, B, 2)),
        "values have shape (6, 4, 2); they take (T, B, V) with V=5",
    ),
    (
        lambda: _made("dot")(ZERO[:S], ZERO, lengths=[7, 1, 1, 1]),
        "lengths[0] is 7; a row takes 1 to T=6 steps",
    ),
    (
        lambda: _made("dot")(ZERO[:S], _made("dot").prepare(ZERO), lengths=LENGTHS),
        "lengths were given with a prepared memory, which has its own; leave them out",
    ),
    (lambda: SelfAttentivePooling(V, heads=0), "heads is 0; it takes a whole number from 1"),
    (lambda: SelfAttentivePooling(V, hidden_size=-1), "hidden_size is -1; it takes a whole"),
]


@pytest.mark.parametrize(("call", "text"), FAULTS, ids=[text[:40] for _, text in FAULTS])
def test_faults(call, text):
    with pytest.raises(ConfigError) as fault:
        call()
    assert str(fault.value).startswith(text)
