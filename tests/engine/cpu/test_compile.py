"""The kernels' operators in graphs of torch.compile: registration, shapes, strides, new sizes."""

import pytest
import torch

import engram
import engram.engine.cpu.runtime.passes
from engram.cells import make_cell
from engram.engine.compiled import implementation, operator
from helpers.problems import problem

NAMES = ["lstm", "gru"]


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    torch._dynamo.reset()


def _arguments(name, *, keeping=True, lengths=None, reset=None, layout=lambda tensor: tensor):
    """Of ``engram::run``, each tensor laid out as given."""
    given = problem(make_cell(name), hidden=7, batch=3, steps=4)
    tensors = {name: layout(tensor.detach()) for name, tensor in given.tensors.items()}
    for tensor in tensors.values():
        tensor.requires_grad_()
    weights = [tensors[n] for n in ("x", "input", "recurrent", "input_bias", "recurrent_bias")]
    states = [tensors[state] for state in given.cell.states]
    named = operator.cell_name(given.cell)
    return (*weights, [], states, [], lengths, reset, False, keeping, named)


def _backward_arguments(arguments):
    """Of ``engram::run_backward``, after ``engram::run``."""
    with torch.no_grad():
        output, *rest = torch.ops.engram.run(*arguments)
    count = len(arguments[6])
    gradients = [torch.ones_like(state) for state in rest[:count]]
    return (
        *arguments[:11],
        output,
        rest[count:],
        output.cos(),
        gradients,
        True,
        arguments[-1],
    )


def _transposed(tensor):
    """The same numbers with the last two axes changed in memory."""
    if tensor.dim() < 2:
        return tensor
    return tensor.transpose(-2, -1).contiguous().transpose(-2, -1)


def _batch_first(tensor):
    """The same numbers with the first two axes changed in memory."""
    if tensor.dim() < 3:
        return tensor
    return tensor.transpose(0, 1).contiguous().transpose(0, 1)


@pytest.mark.slow
def test_the_operator_is_registered_as_torch_wants_it():
    """What is kept with lengths has undefined rows, which compare as unequal."""
    torch.library.opcheck(torch.ops.engram.run, _arguments("lstm"))
    marks = {"lengths": torch.tensor([4, 1, 2]), "reset": torch.rand(4, 3) < 0.3}
    torch.library.opcheck(torch.ops.engram.run, _arguments("gru", keeping=False, **marks))


LAYOUTS = {"plain": lambda t: t, "transposed": _transposed, "batch first": _batch_first}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lengths", [None, torch.tensor([4, 1, 2])], ids=["whole", "lengths"])
@pytest.mark.parametrize("name", NAMES)
def test_fake_tensors_lie_in_memory_as_real_ones(name, lengths, layout):
    """torch.compile makes code for the strides that fake tensors have."""
    arguments = _arguments(name, lengths=lengths, layout=LAYOUTS[layout])
    backward = _backward_arguments(arguments)
    with torch.no_grad():
        pairs = [
            (torch.ops.engram.run(*arguments), implementation.fake_run(*arguments)),
            (torch.ops.engram.run_backward(*backward), implementation.fake_run_backward(*backward)),
        ]
    for real, fake in pairs:
        shapes = [(tuple(t.shape), t.stride(), t.dtype) for t in real]
        assert [(tuple(t.shape), t.stride(), t.dtype) for t in fake] == shapes


def _gradients(called, layer, x, **options):
    """Output, and gradients of a fixed sum of it and of the final states."""
    output, state = called(x, **options)
    finals = state if isinstance(state, tuple) else (state,)
    total = (output * torch.arange(output.numel()).view(output.shape).cos()).sum()
    total = total + sum(final.square().sum() for final in finals)
    return output.detach(), *torch.autograd.grad(total, [x, *layer.parameters()])


def _compare(layer, compiled, x, **options):
    found = _gradients(compiled, layer, x, **options)
    torch.testing.assert_close(found, _gradients(layer, layer, x, **options))


@pytest.mark.slow
def test_one_graph_takes_any_size():
    layer = engram.GRU(4, 7, num_layers=2, batch_first=True, dtype=torch.float64)
    compiled = torch.compile(layer, backend="aot_eager", dynamic=True, fullgraph=True)
    for batch, steps in ((2, 3), (5, 7), (6, 4)):
        x = torch.randn(batch, steps, 4, dtype=torch.float64, requires_grad=True)
        _compare(layer, compiled, x, reset=torch.rand(batch, steps) < 0.3)


@pytest.mark.slow
def test_one_graph_takes_any_lengths():
    layer = engram.LSTM(4, 7, bidirectional=True, dtype=torch.float64)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    for lengths in ([5, 1, 3], [5, 5, 5], [2, 1, 1]):
        _compare(layer, compiled, x, lengths=torch.tensor(lengths))


@pytest.mark.parametrize("lengths", [[0, 2, 1], [3, 9, 1]], ids=str)
def test_lengths_that_cannot_be_are_refused_in_a_graph_too(lengths):
    compiled = torch.compile(engram.LSTM(4, 5), backend="aot_eager")
    with pytest.raises(Exception, match="a row takes 1 to T=3 steps"):
        compiled(torch.randn(3, 3, 4), lengths=torch.tensor(lengths))


@pytest.mark.slow
def test_a_step_in_a_graph():
    layer = engram.LSTM(4, 7, num_layers=2)
    compiled = torch.compile(layer.step, backend="aot_eager")
    state, expected_state = None, None
    with torch.no_grad():
        for x in torch.randn(3, 2, 4):
            output, state = compiled(x, state)
            expected, expected_state = layer.step(x, expected_state)
            torch.testing.assert_close(output, expected)
