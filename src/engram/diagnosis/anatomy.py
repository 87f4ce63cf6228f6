"""The anatomy of a trained model of any task: its regions, measured on data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engram.errors import DataError
from engram.models.anatomy import anatomy
from engram.records import Anatomy
from engram.tasks.probe import Probe
from engram.tasks.task import Task, Trained
from engram.training.groups import make_groups, only_learning
from engram.training.optimizers import make_optimizer
from engram.training.settings import TrainingSettings

ROWS = 32


def measure_anatomy(
    task: Task, trained: Trained, probe: Probe, initial: Mapping[str, Tensor] | None = None
) -> Anatomy:
    """Measure which regions of a model compute, learn and have changed.

    Compute and gradient are measured on up to 32 single losses, each with as many steps before it
    as gradients flowed back in training. Learning rates and frozen regions are the training's.

    Args:
        task: The model's task.
        trained: The model.
        probe: The task's probe of the data to measure on.
        initial: Weights before the training, as a ``state_dict``.

    Raises:
        DataError: For data with no loss at all.
    """
    settings = trained.settings
    rows = min(ROWS, probe.rows)
    if not rows:
        raise DataError("there are too few data to measure a gradient; give 2 steps or more")
    context = probe.truncation if (probe.truncation or 0) < probe.longest else None
    groups = make_groups(trained.model, settings)
    optimizer = make_optimizer(groups, settings)
    for group in optimizer.param_groups:
        group["lr"] = settings.rate * group["factor"]
    with only_learning(trained.model, groups) as begin:
        begin(max(group.begins for group in groups))
        return anatomy(
            trained.model,
            lambda model: probe.losses(model, slice(0, rows), context).losses,
            loss=lambda losses: losses.mean(),
            initial=initial,
            optimizer=optimizer,
            facts=_facts(task, trained, probe.unit, f"{rows} single losses of {probe.unit}"),
        )


def _facts(task: Task, trained: Trained, unit: str, measured_on: str) -> dict[str, dict[str, str]]:
    """Facts about the run that control this training, rather than weights."""
    settings = trained.settings
    subject: Any = getattr(settings, task.names)
    named = [subject] if isinstance(subject, str) else subject
    tokenizer = getattr(trained.preprocess, "tokenizer", None)
    different = "" if tokenizer is None else f", {tokenizer.size:,} different"
    return {
        "brainstem": {
            "reads": f"{unit} of {', '.join(Path(path).name for path in named)}{different}",
            "clips": _clipping(settings),
            "stops": _stopping(settings),
            "saves": f"every {settings.checkpoint_every:,} updates",
            "measured on": measured_on,
        },
        "cerebellum": {
            "optimiser": f"{settings.optimizer} at {settings.rate:.3g} ({settings.schedule})",
            "penalties": _penalties(settings),
        }
        | ({"started from": settings.start} if getattr(settings, "start", None) else {})
        | (
            {"unfreezes": f"a region every {settings.unfreeze_every:,} updates"}
            if settings.unfreeze_every
            else {}
        ),
    }


def _clipping(settings: TrainingSettings) -> str:
    limits = {
        "norm at {:g}": settings.clip_norm,
        "value at {:g}": settings.clip_value,
        "norm at percentile {:g} of all before": settings.clip_percentile,
        "each unit at {:g} of its weights' norm": settings.clip_units,
    }
    used = [text.format(limit) for text, limit in limits.items() if limit is not None]
    return ", ".join(used) or "nothing"


def _stopping(settings: TrainingSettings) -> str:
    limits = {"epochs": settings.epochs, "updates": settings.max_updates}
    limits["evaluations without a better one"] = settings.patience
    return "after " + " or ".join(f"{n:,} {what}" for what, n in limits.items() if n)


def _penalties(settings: TrainingSettings) -> str:
    on_weights = {"L1": settings.l1, "L2": settings.l2, "decay": settings.weight_decay}
    others = {
        "Ω": settings.omega,
        "norm stabilizer": settings.norm_stabilizer,
        "spectral": settings.spectral_penalty,
        "orthogonal": settings.orthogonal_penalty,
        "activation (AR)": settings.activation_penalty,
        "temporal (TAR)": settings.temporal_penalty,
    }
    used = [f"{name} {value:g}" for name, value in on_weights.items() if value]
    parts = [f"{', '.join(used)} on {', '.join(settings.regularise)}"] if used else []
    parts += [f"{name} {value:g}" for name, value in others.items() if value]
    return "; ".join(parts) or "none"
