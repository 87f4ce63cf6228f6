"""Forecasting, as it is typed and set."""

from pydantic import Field

from engram.data.settings import OutlookSettings, PanelSettings
from engram.models.settings import MultiHorizonSettings
from engram.settings import Settings
from engram.tasks.outlines.outline import Outline
from engram.tasks.outlines.penalty_faults import penalty_faults
from engram.training.settings import TrainingSettings


class BacktestSettings(Settings):
    """What is held out: the end of each series, forecast from several origins."""

    origins: int = Field(5, ge=0, description="number of forecast origins for the test; 0 for none")
    valid_origins: int = Field(
        2, ge=0, description="number of forecast origins for validation, before those of the test"
    )
    stride: int | None = Field(
        None, ge=1, description="steps from one origin to the next; default half the horizon"
    )


class WindowSettings(Settings):
    """How series are cut for training."""

    window: int = Field(96, ge=2, description="steps per training window, each an origin")
    batch: int = Field(16, ge=1, description="batch size: windows per batch")


def stride_of(stride: int | None, horizon: int) -> int:
    """Steps from an origin to the next: half the horizon where they are not said."""
    return stride or max(1, horizon // 2)


class ForecastSettings(
    PanelSettings,
    OutlookSettings,
    BacktestSettings,
    WindowSettings,
    MultiHorizonSettings,
    TrainingSettings,
):
    """Everything that can be set for training a forecaster."""

    epochs: int = Field(
        50, ge=1, description="passes over the training set, of at least 10 batches each"
    )

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each."""
        return super().contradictions() + penalty_faults(self)

    @property
    def step(self) -> int:
        """Steps from an origin to the next."""
        return stride_of(self.stride, self.horizon)

    def held(self, origins: int) -> int:
        """The number of steps that a number of origins take."""
        return self.horizon + (origins - 1) * self.step if origins else 0


OUTLINE = Outline(
    name="forecast",
    summary="forecast the next steps of series, with prediction intervals",
    settings=ForecastSettings,
    groups={
        "data": PanelSettings,
        "target column": OutlookSettings,
        "held out": BacktestSettings,
        "windows": WindowSettings,
        "model": MultiHorizonSettings,
        "training": TrainingSettings,
    },
    help=(
        "  engram train forecast --data sales.csv --horizon 12 --run-dir runs/sales\n"
        "  engram train forecast --data load.parquet --series site --time hour --known holiday\n"
        "  engram predict runs/sales --data sales.csv --out next.csv"
    ),
)
