"""All changing state of a training run, stored in checkpoints so that it resumes bit for bit."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.models.many_to_many import State
from engram.training import parallel
from engram.training.checkpoint import Checkpoint
from engram.training.device import device_of
from engram.training.stopping import EarlyStopping


class Remedy(Protocol):
    """What acts while training, and remembers something from one update to the next."""

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors to store in a checkpoint."""

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""


Remedies = Mapping[str, Remedy]


@dataclass
class Sums:
    """What is added up between two lines of metrics; penalties by their settings' names."""

    updates: int = 0
    tokens: int = 0
    loss: float = 0.0
    norm: float = 0.0
    clipped: int = 0
    penalties: dict[str, float] = field(default_factory=dict)

    def add(
        self,
        loss: float,
        norm: float,
        clipped: int,
        tokens: int,
        penalties: Iterable[tuple[str, float]],
    ) -> None:
        """Record one update."""
        self.updates += 1
        self.tokens += tokens
        self.loss += loss
        self.norm += norm
        self.clipped += clipped
        for name, value in penalties:
            self.penalties[name] = self.penalties.get(name, 0.0) + value


@dataclass
class Progress:
    """All of a training that changes, but for the weights and the optimiser.

    Attributes:
        update: Updates done.
        epoch: The epoch under way, from 0.
        batch: The next batch of that epoch.
        state: Carried from batch to batch; None where nothing is, and where the epoch begins.
        sums: Since the last line of metrics.
        stopping: The best evaluation so far.
        best_weights: The weights then.
        saved: The update of the last checkpoint.
    """

    update: int = 0
    epoch: int = 0
    batch: int = 0
    state: State | None = None
    sums: Sums = field(default_factory=Sums)
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    saved: int | None = None


def capture(
    model: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    remedies: Remedies,
    facts: dict[str, Any],
) -> Checkpoint:
    """Everything that training needs to resume bit for bit; every process must call it."""
    tensors = {f"model.{name}": value for name, value in _unshared(model).items()}
    tensors |= {f"best.{name}": value for name, value in progress.best_weights.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    if progress.state is not None:
        state = progress.state
        parts = (state,) if isinstance(state, Tensor) else state
        tensors |= {f"state.{i}": parallel.joined(s, dim=1) for i, s in enumerate(parts)}
    for part, remedy in remedies.items():
        tensors |= {f"{part}.{name}": value for name, value in remedy.state_dict().items()}
    tensors["random"] = torch.get_rng_state().unsqueeze(0)  # the same in every process
    device = device_of(model)
    if device.type == "cuda":
        tensors["random_cuda"] = torch.cuda.get_rng_state(device)
    cursor = {"update": progress.update, "epoch": progress.epoch, "batch": progress.batch}
    kept = {"cursor": cursor, "sums": asdict(progress.sums), "stopping": asdict(progress.stopping)}
    return Checkpoint(tensors, kept | facts)


def restore(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    remedies: Remedies,
) -> None:
    """Restore everything as `capture` found it."""
    device = device_of(model)
    model.load_state_dict(checkpoint.group("model"), strict=False)
    progress.best_weights = checkpoint.group("best")
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in checkpoint.group("optimizer").items():
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})
    carried = checkpoint.group("state")
    if carried:
        rows = parallel.own_rows(carried["0"].shape[1])
        parts = tuple(carried[str(i)][:, rows].to(device) for i in range(len(carried)))
        progress.state = parts[0] if len(parts) == 1 else parts
    for part, remedy in remedies.items():
        remedy.load_state_dict({k: v.to(device) for k, v in checkpoint.group(part).items()})
    random = checkpoint.tensors["random"]
    # a clone, as torch 2.13 reads past the end of a row that is a view
    torch.set_rng_state(random[0].clone())
    if device.type == "cuda" and "random_cuda" in checkpoint.tensors:
        torch.cuda.set_rng_state(checkpoint.tensors["random_cuda"], device)
    facts = checkpoint.facts
    progress.update = facts["cursor"]["update"]
    progress.epoch = facts["cursor"]["epoch"]
    progress.batch = facts["cursor"]["batch"]
    progress.sums = Sums(**facts["sums"])
    progress.stopping = EarlyStopping(**facts["stopping"])
    progress.saved = progress.update


def _unshared(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers, tied ones under one name: safetensors stores no tensor twice."""
    return dict(model.named_parameters()) | dict(model.named_buffers())
