"""A shard: the rows of a batch that this process runs, if several processes share it.

Random values per row, such as dropout masks, are drawn for the whole batch and then sliced, so
each row has the same masks whatever the number of processes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """Some rows of a batch.

    Attributes:
        start, stop: The range of rows.
        total: Number of rows of the whole batch.
    """

    start: int
    stop: int
    total: int

    @property
    def rows(self) -> slice:
        """The rows as an index."""
        return slice(self.start, self.stop)


_current: ContextVar[Shard | None] = ContextVar("shard", default=None)


@contextmanager
def running(shard: Shard | None) -> Iterator[None]:
    """Run layers on these rows of a batch; None for whole batches."""
    token = _current.set(shard)
    try:
        yield
    finally:
        _current.reset(token)


def drawn_by_row(
    shape: tuple[int, ...], axis: int, draw: Callable[[tuple[int, ...]], Tensor]
) -> Tensor:
    """Draw random values for each row of a batch.

    Args:
        shape: Shape for the rows that run here.
        axis: Axis of the rows.
        draw: Draws a tensor of the given shape, from torch's global generator.
    """
    shard = _current.get()
    if shard is None:
        return draw(shape)
    whole = (*shape[:axis], shard.total, *shape[axis + 1 :])
    return draw(whole).narrow(axis, shard.start, shape[axis])


def is_sharded() -> bool:
    """Whether only some rows of a batch run here."""
    return _current.get() is not None
