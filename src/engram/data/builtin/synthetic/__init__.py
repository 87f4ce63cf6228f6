"""Problems of the literature that test memory, made on the fly, the same for the same generator."""

from engram.data.builtin.synthetic.adding import adding, wrong_sums
from engram.data.builtin.synthetic.copy import copy, copy_baseline, recalled
from engram.data.builtin.synthetic.dyck import dyck, rightly_closed
from engram.data.builtin.synthetic.latch import latch, latched
from engram.data.builtin.synthetic.narma import narma10, nrmse
from engram.data.builtin.synthetic.reber import embedded_reber, successors_found
from engram.data.builtin.synthetic.temporal_order import temporal_order, wrong_orders

__all__ = [
    "adding",
    "copy",
    "copy_baseline",
    "dyck",
    "embedded_reber",
    "latch",
    "latched",
    "narma10",
    "nrmse",
    "recalled",
    "rightly_closed",
    "successors_found",
    "temporal_order",
    "wrong_orders",
    "wrong_sums",
]
