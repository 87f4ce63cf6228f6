"""What a language model remembers: the measurements of a run, taken together."""

from dataclasses import asdict, dataclass

from engram.data.tokens import Ids
from engram.diagnosis.context_use import ContextUse, context_use
from engram.diagnosis.gradient_reach import Decay, GradientReach, gradient_reach
from engram.files import write_json
from engram.tasks.language_model import TrainedModel
from engram.training.run_folder import RunFolder

GRADIENT = "gradient-reach"
CONTEXT = "context-use"


@dataclass(frozen=True)
class Memory:
    """How far back a model's gradient reaches, and how much context it uses."""

    gradient: GradientReach
    context: ContextUse


def measure_memory(trained: TrainedModel, ids: Ids, *, seed: int = 0) -> Memory:
    """Measure a model on text that it was not trained on.

    Raises:
        DataError: For text that is too short.
    """
    gradient = gradient_reach(trained.model, ids, truncation=trained.settings.k2, seed=seed)
    return Memory(gradient, context_use(trained.model, ids, seed=seed))


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
