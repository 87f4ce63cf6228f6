"""Problems of the literature that test memory, made on the fly, the same for the same generator."""

from engram.data.synthetic.adding import adding, wrong_sums
from engram.data.synthetic.copy import copy, copy_baseline, recalled
from engram.data.synthetic.latch import latch, latched
from engram.data.synthetic.temporal_order import temporal_order, wrong_orders

__all__ = [
    "adding",
    "copy",
    "copy_baseline",
    "latch",
    "latched",
    "recalled",
    "temporal_order",
    "wrong_orders",
    "wrong_sums",
]
