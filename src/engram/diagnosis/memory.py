"""What a model remembers: the measurements of a run, taken together."""

from dataclasses import asdict, dataclass
from typing import Any

from engram.diagnosis.context_use import ContextUse, context_use
from engram.diagnosis.gradient_reach import Decay, GradientReach, gradient_reach
from engram.files import write_json
from engram.tasks.task import Task, Trained
from engram.training.run_folder import RunFolder

GRADIENT = "gradient-reach"
CONTEXT = "context-use"


@dataclass(frozen=True)
class Memory:
    """How far back a model's gradient reaches, and how much context it uses."""

    gradient: GradientReach
    context: ContextUse


def measure_memory(task: Task, trained: Trained, part: Any) -> Memory:
    """Measure a model on data that it was not trained on.

    Args:
        task: Of the model; one that has a ``probe``.
        trained: The model.
        part: Data, as the task reads them.

    Raises:
        DataError: For data that are too short.
    """
    assert task.probe is not None
    ids, seed = task.probe(trained, part), trained.settings.seed
    model: Any = trained.model
    gradient = gradient_reach(model, ids, truncation=trained.settings.k2, seed=seed)
    return Memory(gradient, context_use(model, ids, seed=seed))


def write_memory(run: RunFolder, memory: Memory) -> None:
    """Write both records into a run folder.

    Raises:
        RunError: Where they cannot be written.
    """
    write_json(run.record(GRADIENT), asdict(memory.gradient))
    write_json(run.record(CONTEXT), asdict(memory.context))


def read_memory(run: RunFolder) -> Memory | None:
    """Read both records again, or None where they were not taken."""
    gradient, context = run.read_record(GRADIENT), run.read_record(CONTEXT)
    if gradient is None or context is None:
        return None
    decays = {name: Decay(**decay) for name, decay in gradient["decays"].items()}
    return Memory(GradientReach(**(gradient | {"decays": decays})), ContextUse(**context))
