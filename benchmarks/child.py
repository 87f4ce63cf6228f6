"""Child: one measurement in a fresh process, printed as a number; see `processes`.

    python -m benchmarks.child import NAME          # seconds to import after torch
    python -m benchmarks.child first-use CELL       # seconds of a cell's first training step
    python -m benchmarks.child memory SIDE B T I H  # bytes that training steps add at their peak

Modules are loaded where they are used: what is loaded is part of what is measured.
"""

import importlib
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

_STATUS = Path("/proc/self/status")


def import_seconds(name: str) -> float:
    """Seconds that a module, or ``module:attribute``, takes where torch is there already."""
    importlib.import_module("torch")
    module, _, attribute = name.partition(":")
    started = time.perf_counter()
    loaded = importlib.import_module(module)
    if attribute:
        getattr(loaded, attribute)
    return time.perf_counter() - started


def first_use_seconds(name: str) -> float:
    """Seconds of a cell's first training step, in which its kernels are made or loaded."""
    import torch

    from benchmarks.contests import make_layer
    from benchmarks.figures import CELLS
    from benchmarks.points import POINTS, sequences

    torch.nn.Linear(2, 2)(torch.randn(2, 2)).sum().backward()  # torch's own first use
    layer = make_layer(CELLS[name], POINTS[0])
    x = sequences(POINTS[0]).requires_grad_()
    started = time.perf_counter()
    layer(x)[0].sum().backward()
    return time.perf_counter() - started


def memory_bytes(side: str, *sizes: str) -> float:
    """Bytes that three training steps add at their peak, of Engram or of torch."""
    import torch

    from benchmarks.contests import make_layer
    from benchmarks.peers import torch_twin
    from benchmarks.points import Point, sequences
    from engram import cells

    point = Point(*map(int, sizes))
    layer: torch.nn.Module = make_layer(cells.LSTM(), point)
    if side == "torch":
        layer = torch_twin(layer, torch.nn.LSTM)  # type: ignore[arg-type]
    x = sequences(point).requires_grad_()
    upstream = torch.randn(point.steps, point.batch, point.hidden)
    small = x[:2, :2].detach().requires_grad_()
    layer(small)[0].sum().backward()  # loads kernels and libraries, which is not the step's memory
    before = _start_of_peak()
    for _ in range(3):
        torch.autograd.grad(layer(x)[0], [x, *layer.parameters()], upstream)
    return _peak() - before


def _start_of_peak() -> int:
    """Bytes in use now; where the system allows it, the peak counts from here."""
    if not _STATUS.exists():
        return _peak()
    Path("/proc/self/clear_refs").write_text("5")
    return _kernel_figure("VmRSS")


def _peak() -> int:
    """The most bytes that were in use.

    On Linux not from getrusage, whose figure starts at that of the process that started this one.
    """
    if _STATUS.exists():
        return _kernel_figure("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _kernel_figure(name: str) -> int:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


MEASUREMENTS: dict[str, Callable[..., float]] = {
    "import": import_seconds,
    "first-use": first_use_seconds,
    "memory": memory_bytes,
}

if __name__ == "__main__":
    print(MEASUREMENTS[sys.argv[1]](*sys.argv[2:]))
