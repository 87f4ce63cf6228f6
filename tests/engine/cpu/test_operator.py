"""The kernels as an operator of torch: gradients, compiled graphs, tensors of any layout."""

import copy

import pytest
import torch
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

import engram
import engram.engine.cpu.runtime.passes
from engram.cells import make_cell
from engram.engine import reference
from engram.engine.compiled import implementation, operator
from helpers.problems import answer, problem
from helpers.tolerances import assert_near


def _layer(kind=engram.LSTM, **options):
    return kind(4, 17, dtype=torch.float64, **options)


def _input(steps=6, batch=3, features=4, **options):
    return torch.randn(steps, batch, features, dtype=torch.float64, **options)


def _gradients(layer, x, **options):
    """Output, and gradients of a fixed sum of it."""
    output, _ = layer(x, **options)
    weights = torch.arange(output.numel(), dtype=output.dtype).reshape(output.shape).cos()
    found = torch.autograd.grad((output * weights).sum(), [x, *layer.parameters()])
    return output.detach(), *found


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"lengths": torch.tensor([6, 2, 4])}], ids=str)
@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU, engram.RNN])
def test_in_a_graph_of_torch_compile(kind, options):
    torch._dynamo.reset()
    layer = _layer(kind, num_layers=2, bidirectional=True)
    x = _input(requires_grad=True)
    compiled = torch.compile(layer, backend="aot_eager")
    expected = _gradients(layer, x, **options)
    output, _ = compiled(x, **options)
    weights = torch.arange(output.numel(), dtype=output.dtype).reshape(output.shape).cos()
    found = torch.autograd.grad((output * weights).sum(), [x, *layer.parameters()])
    torch.testing.assert_close((output.detach(), *found), expected)


def test_fake_tensors_have_the_shapes_of_real_ones():
    given = problem(make_cell("lstm"), hidden=7, batch=3, steps=4)
    tensors = {name: tensor.detach() for name, tensor in given.tensors.items()}
    for lengths in (None, torch.tensor([4, 1, 2])):
        arguments = (
            *(tensors[n] for n in ("x", "input", "recurrent", "input_bias", "recurrent_bias")),
            [],
            [tensors["h"], tensors["c"]],
            [],
            lengths,
            None,
            False,
            True,
            operator.cell_name(given.cell),
        )
        real = torch.ops.engram.run(*arguments)
        fake = implementation.fake_run(*arguments)
        assert [tuple(t.shape) for t in fake] == [tuple(t.shape) for t in real]
        checks = ("test_schema", "test_faketensor")
        torch.library.opcheck(torch.ops.engram.run, arguments, test_utils=checks)


def _negated(tensor):
    """The same numbers, with the sign not in memory."""
    return torch._neg_view(tensor.neg()) if tensor.is_floating_point() else tensor


@pytest.mark.parametrize("lengths", [None, torch.tensor([6, 2, 4])], ids=["whole", "lengths"])
def test_a_sign_that_is_not_in_memory_counts(lengths):
    layer = engram.Recurrent(make_cell("lstm-peephole"), 4, 17, dtype=torch.float64)
    x, state = _input(requires_grad=True), (torch.randn(1, 3, 17).double(),) * 2
    parameters = dict(layer.named_parameters())

    def results(change):
        changed = {name: change(value) for name, value in parameters.items()}
        given = change(x), tuple(change(each) for each in state)
        output, after = torch.func.functional_call(layer, changed, given, {"lengths": lengths})
        arriving = [change(torch.ones_like(each)) for each in (output, *after)]
        return output, *torch.autograd.grad([output, *after], [x, *parameters.values()], arriving)

    assert _negated(x).is_neg()
    torch.testing.assert_close(results(_negated), results(lambda tensor: tensor))
    with torch.no_grad():
        torch.testing.assert_close(
            layer.step(_negated(x[0]), tuple(map(_negated, state))), layer.step(x[0], state)
        )
        signal = torch.view_as_complex(torch.randn(6, 3, 4, 2).double()).conj().imag
        assert signal.is_neg()
        torch.testing.assert_close(layer(signal)[0], layer(signal.clone())[0])
        reservoir = engram.Reservoir(4, 50)
        one = x[:, :1].contiguous()  # few rows and many run on different kernels
        torch.testing.assert_close(reservoir(_negated(one))[0], reservoir(one)[0])
        torch.testing.assert_close(reservoir(_negated(x))[0], reservoir(x)[0])
        torch.testing.assert_close(reservoir.step(_negated(x[0])), reservoir.step(x[0]))


class _Watching(TorchDispatchMode):
    """Says which of Engram's operators were called."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "engram":
            self.seen.append(func.name())
        return func(*args, **(kwargs or {}))


def test_who_looks_on_sees_operators_and_changes_nothing():
    layer, x = _layer(), _input(requires_grad=True)
    alone = _gradients(layer, x)
    with _Watching() as watching:
        watched = _gradients(layer, x)
    assert watching.seen == ["engram::run", "engram::run_backward"]
    assert all(torch.equal(a, b) for a, b in zip(alone, watched, strict=True))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_trace_of_torch_jit_holds_the_operator():
    layer, x = _layer().requires_grad_(False), _input()
    traced = torch.jit.trace(lambda x: layer(x)[0], x, check_trace=False)
    assert "engram::run" in str(traced.graph)
    other = _input()
    assert torch.equal(traced(other), layer(other)[0])


def test_backward_twice_through_one_pass():
    layer, x = _layer(), _input(requires_grad=True)
    output, _ = layer(x)
    first = torch.autograd.grad(output.sum(), [x, *layer.parameters()], retain_graph=True)
    second = torch.autograd.grad(output.sum(), [x, *layer.parameters()])
    torch.testing.assert_close(first, second)


def test_gradients_of_some_tensors_only():
    layer, x = _layer(), _input()
    layer.bias_hh_l0.requires_grad_(False)
    output, _ = layer(x)
    output.sum().backward()
    assert x.grad is None
    assert layer.bias_hh_l0.grad is None
    assert layer.weight_hh_l0.grad is not None
    _, (h, c) = layer(x)
    (h * 2 + c).sum().backward()


def test_gradients_may_be_changed_in_place():
    layer = _layer()
    layer(_input())[0].sum().backward()
    before = layer.bias_hh_l0.grad.clone()
    layer.bias_ih_l0.grad.zero_()
    torch.testing.assert_close(layer.bias_hh_l0.grad, before)


def test_a_gradient_of_a_gradient_is_the_references_and_said_so():
    operator._say_once.cache_clear()
    layer, x = _layer(), _input(requires_grad=True)
    plain = copy.deepcopy(layer)
    plain.engine = "reference"

    def second(used):
        output, _ = used(x)
        (first,) = torch.autograd.grad(output.square().sum(), [x], create_graph=True)
        return torch.autograd.grad(first.square().sum(), [x, *used.parameters()])

    with pytest.warns(UserWarning, match="a gradient of a gradient of LSTM runs on the reference"):
        ours = second(layer)
    torch.testing.assert_close(ours, second(plain))


def test_forward_mode_and_functional_transforms_run_on_the_reference():
    layer, x = _layer(engine="auto"), _input()
    tangent = torch.randn_like(x)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, tangent)
        assert layer.choice(dual).engine != "cpu"
        layer.engine = "reference"
        moved = forward_ad.unpack_dual(layer(dual)[0]).tangent
    layer.engine = "auto"
    step = 1e-6
    expected = (layer(x + step * tangent)[0] - layer(x - step * tangent)[0]) / (2 * step)
    torch.testing.assert_close(moved, expected, rtol=1e-5, atol=1e-7)


def test_odd_layouts_of_tensors():
    layer, x = _layer(), _input(batch=5)
    expected = layer(x)[0]
    transposed = x.transpose(0, 1).contiguous().transpose(0, 1)
    strided = torch.stack([x, x], dim=3)[..., 0]
    for odd in (transposed, strided, x.detach().clone()[:, :, :]):
        torch.testing.assert_close(layer(odd)[0], expected)
    row = _input(batch=1).expand(6, 5, 4)
    state = torch.randn(1, 1, 17, dtype=torch.float64).expand(1, 5, 17)
    whole = layer(row, (state, state))[0]
    torch.testing.assert_close(whole, layer(row.contiguous(), (state.clone(), state.clone()))[0])


def test_what_stands_past_a_length_does_not_matter():
    layer, lengths = _layer(bidirectional=True), [6, 2, 4]
    x = _input(requires_grad=True)
    spoilt = x.detach().clone()
    for row, length in enumerate(lengths):
        spoilt[length:, row] = torch.nan
    spoilt.requires_grad_()
    ours = _gradients(layer, spoilt, lengths=lengths)
    torch.testing.assert_close(ours, _gradients(layer, x, lengths=lengths))
    assert not ours[1].isnan().any()


def test_a_state_that_is_not_finite_ends_at_a_reset():
    layer, x = _layer(), _input()
    broken = torch.full((1, 3, 17), torch.nan, dtype=torch.float64)
    reset = torch.zeros(6, 3, dtype=torch.bool)
    reset[2] = True
    output, _ = layer(x, (broken, broken), reset=reset)
    torch.testing.assert_close(output[2:], layer(x[2:])[0])


@pytest.mark.parametrize("kind", [engram.LSTM, engram.GRU])
def test_in_chunks_and_step_by_step_as_whole(kind):
    layer, x = _layer(kind, num_layers=2), _input()
    whole, last = layer(x)
    first, state = layer(x[:2])
    second, state = layer(x[2:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(state, last)
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode():
            state, outputs = None, []
            for t in range(6):
                output, state = layer.step(x[t], state)
                outputs.append(output)
        torch.testing.assert_close(torch.stack(outputs), whole)
        torch.testing.assert_close(state, last)


@pytest.mark.parametrize("hidden", [1, 7, 16, 63])
@pytest.mark.parametrize("name", ["lstm", "gru", "elman"])
@pytest.mark.parametrize("bias", [False, True])
def test_single_steps_without_gradients_as_with_them(name, hidden, bias):
    layer = engram.Recurrent(make_cell(name), 5, hidden, bias=bias)
    for shape in ((5,), (1, 5), (3, 5), (9, 5)):
        x = torch.randn(shape)
        states = tuple(torch.randn(1, *shape[:-1], hidden) for _ in layer.cell.states)
        state = states if len(states) > 1 else states[0]
        expected = layer.step(x, state)
        with torch.no_grad():
            torch.testing.assert_close(layer.step(x, state), expected)
            fresh, after = layer.step(x)
        assert fresh.shape == expected[0].shape
        fresh.zero_()
        first = after[0] if isinstance(after, tuple) else after
        assert first.abs().sum() > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_large_weights_are_read_to_and_fro(threads):
    layer, x = engram.LSTM(5, 250, num_layers=2), torch.randn(5, 1, 5)
    torch.set_num_threads(threads)
    with torch.no_grad():
        whole, last = layer(x)
        state = None
        for step, expected in zip(x, whole, strict=True):
            output, state = layer.step(step, state)
            torch.testing.assert_close(output, expected)
    torch.testing.assert_close(state, last)


def test_an_output_shares_no_memory_with_the_state():
    layer, x = engram.LSTM(3, 5), torch.randn(2, 3)
    with torch.no_grad():
        output, (h, _) = layer.step(x)
    torch.testing.assert_close(output, h[0])
    assert output.untyped_storage().data_ptr() != h.untyped_storage().data_ptr()


def test_a_step_sees_weights_that_changed_in_place():
    layer, x = engram.LSTM(3, 5), torch.randn(1, 3)
    with torch.no_grad():
        layer.step(x)
        layer.weight_ih_l0.data.mul_(2)
        changed, _ = layer.step(x)
        whole, _ = layer(x.unsqueeze(0))
    torch.testing.assert_close(changed, whole[0])


def test_a_batch_larger_than_any_tile():
    given = problem(make_cell("lstm"), hidden=20, batch=70, steps=2)
    assert_near(answer(operator.run, given), answer(reference.run, given))
