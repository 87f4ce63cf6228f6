"""Other names of settings, as the field has them: ``--lr`` for ``--rate``.

Flags and keys of YAML files take them; what is stored has the settings' own names.
"""

from collections.abc import Mapping
from typing import Any

from engram.errors import ConfigError
from engram.settings import Settings

# An alias, and the settings that mean this, of which a task has one.
ALIASES: dict[str, tuple[str, ...]] = {
    "lr": ("rate",),
    "learning_rate": ("rate",),
    "lr_scheduler": ("schedule",),
    "warmup_steps": ("warmup",),
    "optim": ("optimizer",),
    "batch_size": ("lanes", "batch"),
    "seq_len": ("steps", "window", "max_steps", "length"),
    "bptt": ("steps",),
    "num_epochs": ("epochs",),
    "rnn_type": ("cell",),
    "hidden_size": ("hidden",),
    "num_layers": ("layers",),
    "embedding_dim": ("embedding",),
    "tie_weights": ("tied",),
    "vocab_size": ("vocabulary",),
    "max_grad_norm": ("clip_norm",),
    "grad_clip": ("clip_norm",),
    "early_stopping_patience": ("patience",),
    "eval_every": ("evaluate_every",),
    "num_beams": ("beam",),
}


def aliases_of(settings: type[Settings]) -> dict[str, list[str]]:
    """The other names of a task's settings, by their own.

    Args:
        settings: Of a task's training.
    """
    found: dict[str, list[str]] = {}
    for alias, names in ALIASES.items():
        meant = next((name for name in names if name in settings.model_fields), None)
        if meant is not None and alias not in settings.model_fields:
            found.setdefault(meant, []).append(alias)
    return found


def own_names(values: Mapping[str, Any], settings: type[Settings], source: str) -> dict[str, Any]:
    """The same values, under the settings' own names.

    Args:
        values: By names and aliases.
        settings: Of a task's training.
        source: Where the values come from, for the message.

    Raises:
        ConfigError: If a setting is given twice.
    """
    own = {alias: name for name, aliases in aliases_of(settings).items() for alias in aliases}
    given: dict[str, list[str]] = {}
    for name in values:
        given.setdefault(own.get(name, name), []).append(name)
    faults = [twice(names) for names in given.values() if len(names) > 1]
    if faults:
        raise ConfigError(f"{source}: {'; '.join(faults)}")
    return {own.get(name, name): value for name, value in values.items()}


def twice(names: list[str]) -> str:
    """That these names mean one setting, as a sentence."""
    return f"{' and '.join(map(str, names))} are names of the same setting; give only one of them"
