"""Engram: recurrent networks that train fast on your sequences and show what they remember.

Public names are loaded lazily, on first use, which keeps ``import engram`` fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

from engram.version import __version__ as __version__

if TYPE_CHECKING:
    from engram import cells as cells
    from engram.diagnosis.memory_capacity import MemoryCapacity as MemoryCapacity
    from engram.diagnosis.memory_capacity import memory_capacity as memory_capacity
    from engram.engine.check import CellReport as CellReport
    from engram.engine.check import check_cell as check_cell
    from engram.engine.cpu.runtime.buffers import release_buffers as release_buffers
    from engram.errors import ConfigError as ConfigError
    from engram.errors import DataError as DataError
    from engram.errors import EngramError as EngramError
    from engram.errors import EngramWarning as EngramWarning
    from engram.errors import NumericsError as NumericsError
    from engram.errors import RunError as RunError
    from engram.estimators import Captioner as Captioner
    from engram.estimators import EchoState as EchoState
    from engram.estimators import Forecaster as Forecaster
    from engram.estimators import LanguageModel as LanguageModel
    from engram.estimators import SequenceClassifier as SequenceClassifier
    from engram.estimators import SequenceRegressor as SequenceRegressor
    from engram.estimators import SequenceTagger as SequenceTagger
    from engram.estimators import Translator as Translator
    from engram.layers import GRU as GRU
    from engram.layers import LSTM as LSTM
    from engram.layers import RNN as RNN
    from engram.layers import Recurrent as Recurrent
    from engram.layers import Reservoir as Reservoir
    from engram.layers import engine_of as engine_of
    from engram.models.anatomy import anatomy as anatomy
    from engram.training.reporting import Reporter as Reporter


_HOMES = {
    "Captioner": "engram.estimators",
    "CellReport": "engram.engine.check",
    "ConfigError": "engram.errors",
    "DataError": "engram.errors",
    "EchoState": "engram.estimators",
    "EngramError": "engram.errors",
    "EngramWarning": "engram.errors",
    "Forecaster": "engram.estimators",
    "GRU": "engram.layers",
    "LSTM": "engram.layers",
    "LanguageModel": "engram.estimators",
    "MemoryCapacity": "engram.diagnosis.memory_capacity",
    "NumericsError": "engram.errors",
    "RNN": "engram.layers",
    "Recurrent": "engram.layers",
    "Reporter": "engram.training.reporting",
    "Reservoir": "engram.layers",
    "RunError": "engram.errors",
    "SequenceClassifier": "engram.estimators",
    "SequenceRegressor": "engram.estimators",
    "SequenceTagger": "engram.estimators",
    "Translator": "engram.estimators",
    "anatomy": "engram.models.anatomy",
    "check_cell": "engram.engine.check",
    "engine_of": "engram.layers",
    "memory_capacity": "engram.diagnosis.memory_capacity",
    "release_buffers": "engram.engine.cpu.runtime.buffers",
}
__all__ = [*_HOMES, "cells"]


def __getattr__(name: str) -> Any:
    if name == "cells":
        return importlib.import_module("engram.cells")
    if name not in _HOMES:
        raise AttributeError(f"module 'engram' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
