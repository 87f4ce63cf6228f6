"""Fine-tuning: what a new training of a trained model takes over from the first one."""

from typing import Any

from engram.tasks.language_model import LanguageModelSettings
from engram.tasks.starting import OWN, RATE_SHARE
from engram.training.settings import TrainingSettings

FIXED = (
    *("cell", "hidden", "layers", "embedding", "tied", "residual", "learn_initial_state"),
    *("init", "init_scale", "forget_bias", "chrono"),
)
"""Settings that the trained weights have decided."""


def fine_tuning_values(before: LanguageModelSettings) -> dict[str, Any]:
    """The defaults of a fine-tuning: the settings of the first training, but for rate and regions.

    The schedule begins anew, at `RATE_SHARE` of the first one's rate.
    """
    own = {name: getattr(TrainingSettings(), name) for name in OWN}
    return before.plain() | own | {"rate": before.rate * RATE_SHARE, "start": None}
