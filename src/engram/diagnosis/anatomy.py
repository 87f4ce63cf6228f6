"""The anatomy of a trained language model: its regions, measured on text."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from engram.data.lanes import document_starts
from engram.data.tokens import Ids
from engram.errors import DataError
from engram.models.anatomy import Anatomy, anatomy
from engram.tasks.language_model import LanguageModelSettings
from engram.tasks.task import Trained
from engram.training.groups import make_groups, only_learning
from engram.training.losses import cross_entropy
from engram.training.optimizers import make_optimizer

ROWS = 32


def measure_anatomy(
    trained: Trained, ids: Ids, initial: Mapping[str, Tensor] | None = None
) -> Anatomy:
    """Measure which regions of a model compute, learn and have changed.

    Compute and gradient are those of the loss on the first tokens of a text, up to 32 rows of as
    many steps as gradients flowed back in training. Rates and frozen regions are the training's.

    Args:
        trained: The model.
        ids: Text as tokens, ``(N,)``.
        initial: Weights before the training, as a ``state_dict``.

    Raises:
        DataError: For fewer than two tokens.
    """
    settings = trained.settings
    if len(ids) < 2:
        raise DataError(f"{len(ids)} tokens are too few to measure a gradient on; give 2 or more")
    steps = min(settings.k2, len(ids) - 1)
    rows = min(ROWS, (len(ids) - 1) // steps)
    stream = torch.from_numpy(ids[: rows * steps + 1]).to(torch.int64)
    inputs, targets = (s.view(rows, steps).t().contiguous() for s in (stream[:-1], stream[1:]))
    groups = make_groups(trained.model, settings)
    optimizer = make_optimizer(groups, settings)
    for group in optimizer.param_groups:
        group["lr"] = settings.rate * group["factor"]
    with only_learning(trained.model, groups) as begin:
        begin(max(group.begins for group in groups))
        return anatomy(
            trained.model,
            {"inputs": inputs, "reset": document_starts(inputs)},
            loss=lambda output: cross_entropy(output[0], targets),
            initial=initial,
            optimizer=optimizer,
            facts=_facts(trained, f"{rows} × {steps} {trained.preprocess.tokenizer.unit}"),
        )


def _facts(trained: Trained, measured_on: str) -> dict[str, dict[str, str]]:
    """What steers this training: no weights, but facts of the run."""
    settings, unit = trained.settings, trained.preprocess.tokenizer.unit
    data = ", ".join(Path(path).name for path in settings.data)
    return {
        "brainstem": {
            "reads": f"{unit} of {data}, {trained.preprocess.tokenizer.size:,} different",
            "clips": _clipping(settings),
            "stops": _stopping(settings),
            "saves": f"every {settings.checkpoint_every:,} updates",
            "measured on": measured_on,
        },
        "cerebellum": {
            "optimiser": f"{settings.optimizer} at {settings.rate:.3g} ({settings.schedule})",
            "penalties": _penalties(settings),
        }
        | ({"started from": settings.start} if settings.start else {})
        | (
            {"unfreezes": f"a region every {settings.unfreeze_every:,} updates"}
            if settings.unfreeze_every
            else {}
        ),
    }


def _clipping(settings: LanguageModelSettings) -> str:
    limits = {"norm": settings.clip_norm, "value": settings.clip_value}
    return ", ".join(f"{n} at {limit:g}" for n, limit in limits.items() if limit) or "nothing"


def _stopping(settings: LanguageModelSettings) -> str:
    limits = {"epochs": settings.epochs, "updates": settings.max_updates}
    limits["evaluations without a better one"] = settings.patience
    return "after " + " or ".join(f"{n:,} {what}" for what, n in limits.items() if n)


def _penalties(settings: LanguageModelSettings) -> str:
    strengths = {"L1": settings.l1, "L2": settings.l2, "decay": settings.weight_decay}
    used = ", ".join(f"{name} {value:g}" for name, value in strengths.items() if value)
    return f"{used} on {', '.join(settings.regularise)}" if used else "none"
