"""How a cell runs over a sequence; no engine knows a cell by name."""

from engram.engine.dispatch import ENGINES, Choice, choose, with_compiled
from engram.engine.sequence import Result, Weights

__all__ = ["ENGINES", "Choice", "Result", "Weights", "choose", "with_compiled"]
