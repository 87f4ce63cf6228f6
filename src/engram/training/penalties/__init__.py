"""Penalties: what is added to the loss, or to its gradient, so that training keeps memory."""

from engram.training.penalties.penalties import Penalties, obstacles

__all__ = ["Penalties", "obstacles"]
