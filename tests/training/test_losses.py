"""Cost functions: values by hand, gradients, and masks that keep everything out."""

import math

import pytest
import torch
from torch.testing import assert_close

from engram.errors import ConfigError, DataError
from engram.training.losses import COSTS, cost_by_name, huber, quadratic

T, B, O = 6, 4, 3  # noqa: E741
LENGTHS = [6, 1, 4, 3]
by_cost = pytest.mark.parametrize("name", COSTS)


def _made(name, steps=T, rows=B):
    """Outputs, and targets of the kind that a cost takes."""
    width = 2 * O if name == "gaussian" else O
    outputs = torch.randn(steps, rows, width, dtype=torch.float64)
    targets = {
        "cross-entropy": lambda: torch.randint(O, (steps, rows)),
        "binary-cross-entropy": lambda: torch.randint(2, (steps, rows, O)),
        "poisson": lambda: torch.randint(5, (steps, rows, O)),
    }.get(name, lambda: torch.randn(steps, rows, O, dtype=torch.float64))()
    return outputs, targets


BY_HAND = {  # of one step with outputs (0.5, -1, 2) and targets (1, 0, 3), each entry
    "quadratic": [0.125, 0.5, 0.5],
    "mean-squared": [0.25, 1.0, 1.0],
    "absolute": [0.5, 1.0, 1.0],
    "huber": [0.125, 0.5, 0.5],
    "poisson": [math.exp(0.5) - 0.5, math.exp(-1), math.exp(2) - 6 + math.log(6)],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_by_hand(name):
    outputs, targets = torch.tensor([[0.5, -1.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0]])
    expected = torch.tensor([BY_HAND[name]])
    cost = COSTS[name]
    assert_close(cost(outputs, targets, reduction="none"), expected)
    assert_close(cost(outputs, targets, reduction="sum"), expected.sum())
    assert_close(cost(outputs, targets), expected.mean())


def test_huber_is_linear_beyond_delta():
    outputs, targets = torch.tensor([[3.0, -5.0]]), torch.zeros(1, 2)
    assert_close(huber(outputs, targets, reduction="none"), torch.tensor([[2.5, 4.5]]))
    wide = huber(outputs, targets, reduction="none", delta=4.0)
    assert_close(wide, torch.tensor([[4.5, 12.0]]))


def test_gaussian_is_the_density_of_a_normal_law():
    outputs, targets = _made("gaussian")
    law = torch.distributions.Normal(outputs[..., :O], (0.5 * outputs[..., O:]).exp())
    assert_close(COSTS["gaussian"](outputs, targets, reduction="none"), -law.log_prob(targets))


def test_binary_cross_entropy_is_summed_over_labels_and_averaged_over_steps():
    outputs, targets = _made("binary-cross-entropy")
    there = torch.sigmoid(outputs)
    likelihood = torch.where(targets == 1, there, 1 - there).prod(dim=2)
    cost = COSTS["binary-cross-entropy"]
    assert_close(cost(outputs, targets, reduction="none"), -likelihood.log())
    assert_close(cost(outputs, targets), -likelihood.log().mean())
    assert_close(cost(outputs, targets.bool()), cost(outputs, targets.double()))


def test_the_gradient_of_the_quadratic_cost_is_the_error():
    outputs, targets = _made("quadratic")
    outputs.requires_grad_()
    (gradient,) = torch.autograd.grad(quadratic(outputs, targets, reduction="sum"), outputs)
    assert_close(gradient, (outputs - targets).detach())


def test_the_quadratic_cost_is_least_at_the_mean_of_the_targets():
    targets = torch.randn(50, 1, 1, dtype=torch.float64)
    best = targets.mean()
    variance = (targets - best).square().mean()

    def cost(output):
        return quadratic(output.expand_as(targets), targets)

    assert_close(cost(best), variance / 2)
    for offset in (-3.0, -1e-3, 1e-3, 3.0):  # one bowl: the further, the higher
        assert_close(cost(best + offset), variance / 2 + torch.tensor(offset**2 / 2).double())


@by_cost
def test_gradients_are_finite_differences(name):
    outputs, targets = _made(name)
    outputs.requires_grad_()
    for reduction in ("mean", "sum", "none"):
        assert torch.autograd.gradcheck(
            lambda x, reduction=reduction: COSTS[name](
                x, targets, lengths=LENGTHS, reduction=reduction
            ),
            [outputs],
        )


@by_cost
def test_padded_is_each_row_alone(name):
    cost = COSTS[name]
    outputs, targets = _made(name)
    rows = cost(outputs, targets, lengths=LENGTHS, reduction="none")
    alone = []
    for row, length in enumerate(LENGTHS):
        part = outputs[:length, row : row + 1], targets[:length, row : row + 1]
        alone.append(cost(*part, reduction="none"))
        assert_close(rows[:length, row : row + 1], alone[-1])
        assert (rows[length:, row] == 0).all()
    joined = torch.cat([each.flatten() for each in alone])
    assert_close(cost(outputs, targets, lengths=LENGTHS), joined.mean())
    assert_close(cost(outputs, targets, lengths=LENGTHS, reduction="sum"), joined.sum())


@by_cost
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("filling", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("how", ["lengths", "mask"])
def test_padding_may_hold_anything(name, reduction, filling, how):
    cost = COSTS[name]
    outputs, targets = _made(name)
    inside = torch.arange(T).unsqueeze(1) < torch.tensor(LENGTHS)
    marks = {"lengths": LENGTHS} if how == "lengths" else {"mask": inside}

    def result(outputs, targets):
        outputs = outputs.clone().requires_grad_()
        loss = cost(outputs, targets, reduction=reduction, **marks)
        return loss.detach(), torch.autograd.grad(loss.sum(), outputs)[0]

    clean = result(outputs, targets)
    outputs[~inside] = filling
    if targets.is_floating_point():
        targets[~inside] = filling
    else:
        targets[~inside] = 10**9
    spoilt = result(outputs, targets)
    assert_close(spoilt, clean, rtol=0, atol=0)
    assert (spoilt[1][~inside] == 0).all()
    assert spoilt[1].isfinite().all()


def test_ignored_targets_keep_what_was_scored_there_out():
    outputs, targets = _made("cross-entropy")
    targets[2:, 1] = -100
    expected = COSTS["cross-entropy"](outputs, targets)
    outputs[2:, 1] = math.nan
    outputs.requires_grad_()
    loss = COSTS["cross-entropy"](outputs, targets)
    assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert (gradient[2:, 1] == 0).all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", [*BY_HAND, "gaussian"])
def test_single_missing_entries(name):
    cost = COSTS[name]
    outputs, targets = _made(name)
    known = torch.rand(T, B, O) < 0.6
    each = cost(outputs, targets, reduction="none")
    masked = targets.double().masked_fill(~known, math.nan)
    assert_close(cost(outputs, masked, mask=~masked.isnan()), each[known].mean())
    both = known & (torch.arange(T).view(T, 1, 1) < torch.tensor(LENGTHS).view(1, B, 1))
    assert_close(cost(outputs, masked, mask=known, lengths=LENGTHS), each[both].mean())


@by_cost
def test_one_target_a_row(name):
    outputs, targets = _made(name)
    assert_close(
        COSTS[name](outputs[0], targets[0], reduction="none"),
        COSTS[name](outputs, targets, reduction="none")[0],
    )


@by_cost
def test_nothing_that_counts_has_no_mean(name):
    outputs, targets = _made(name)
    nothing = torch.zeros(T, B, dtype=torch.bool)
    with pytest.raises(DataError, match="every one of the 24 targets is masked, so the loss is un"):
        COSTS[name](outputs, targets, mask=nothing)
    assert COSTS[name](outputs, targets, mask=nothing, reduction="sum") == 0


def test_names():
    assert all(cost_by_name(name) is cost for name, cost in COSTS.items())
    with pytest.raises(ConfigError) as fault:
        cost_by_name("quadratc")
    assert str(fault.value) == (
        "cost 'quadratc' is not known: did you mean 'quadratic'? accepted: absolute, "
        "binary-cross-entropy, cross-entropy, gaussian, huber, mean-squared, poisson, quadratic"
    )


ZERO = torch.zeros(T, B, O)
FAULTS = [
    ("quadratic", {"reduction": "men"}, ZERO, "reduction 'men' is not known: did you mean 'mean'?"),
    (
        "quadratic",
        {},
        ZERO[..., 0],
        "outputs have shape (6, 4, 3) and targets (6, 4), but these targets need outputs of shape "
        "(6, 4)",
    ),
    (
        "cross-entropy",
        {},
        torch.zeros(T, 2).long(),
        "outputs have shape (6, 4, 3) and targets (6, 2), but these targets need outputs of shape "
        "(6, 2, V)",
    ),
    (
        "gaussian",
        {},
        ZERO,
        "outputs have shape (6, 4, 3) and targets (6, 4, 3), but these targets need outputs of "
        "shape (6, 4, 6)",
    ),
    (
        "huber",
        {"mask": torch.ones(B, T).bool()},
        ZERO,
        "mask has shape (4, 6) and torch.bool; it must be bool, with the shape of",
    ),
    (
        "huber",
        {"mask": torch.ones(T, B)},
        ZERO,
        "mask has shape (6, 4) and torch.float32; it must be bool, with the shape of the targets",
    ),
    (
        "absolute",
        {"lengths": [1, 2]},
        ZERO,
        "lengths has shape (2,) and torch.int64, and targets (6, 4, 3); give one whole number",
    ),
    (
        "binary-cross-entropy",
        {"mask": torch.ones(T, B, O).bool()},
        ZERO,
        "mask has shape (6, 4, 3) and torch.bool; it must be bool, with the shape of the tar",
    ),
]


@pytest.mark.parametrize(("name", "call", "targets", "text"), FAULTS, ids=lambda v: str(v)[:30])
def test_faults(name, call, targets, text):
    with pytest.raises(ConfigError) as fault:
        COSTS[name](ZERO, targets, **call)
    assert str(fault.value).startswith(text)
