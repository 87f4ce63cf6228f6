"""Records: measurements and results as data, typed and versioned; views draw them."""

from engram.records.anatomy import Anatomy, Region
from engram.records.context_use import ContextUse
from engram.records.environment import Environment
from engram.records.gradient_reach import Decay, GradientReach
from engram.records.metrics import Evaluated, Logged, Metrics, Timing
from engram.records.record import Record
from engram.records.report import Report, ReportTable
from engram.records.result import Result

KINDS: dict[str, type[Record]] = {
    kind.name: kind for kind in (Result, GradientReach, ContextUse, Anatomy)
}
"""The kinds of records by name, which is also the name of their file."""

__all__ = [
    "KINDS",
    "Anatomy",
    "ContextUse",
    "Decay",
    "Environment",
    "Evaluated",
    "GradientReach",
    "Logged",
    "Metrics",
    "Record",
    "Region",
    "Report",
    "ReportTable",
    "Result",
    "Timing",
]
