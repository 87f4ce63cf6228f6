"""What a model remembers: the measurements of a run."""

from dataclasses import dataclass

from torch import nn

from engram.diagnosis.context_use import context_use
from engram.diagnosis.gradient_reach import gradient_reach
from engram.records import ContextUse, GradientReach
from engram.tasks.probe import Probe
from engram.training.run_folder import RunFolder


@dataclass(frozen=True)
class Memory:
    """How far back a model's gradient reaches, and how much context it uses.

    Attributes:
        gradient: The gradient through time.
        context: The loss by context; None if contexts are not meaningful.
    """

    gradient: GradientReach
    context: ContextUse | None


def measure_memory(model: nn.Module, probe: Probe) -> Memory:
    """Measure a model on held-out data.

    Args:
        model: The model.
        probe: The task's probe of those data.

    Raises:
        DataError: For data that are too short.
    """
    context = context_use(model, probe) if probe.longest else None
    return Memory(gradient_reach(model, probe), context)


def write_memory(run: RunFolder, memory: Memory) -> None:
    """Write the records to a run folder.

    Raises:
        RunError: If they cannot be written.
    """
    run.write(memory.gradient)
    if memory.context is not None:
        run.write(memory.context)


def read_memory(run: RunFolder) -> Memory | None:
    """Read the records, or return None if they were not written."""
    gradient = run.read(GradientReach)
    return None if gradient is None else Memory(gradient, run.read(ContextUse))
