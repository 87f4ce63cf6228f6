"""A shard: the rows of a batch that this process runs, where several share it.

What is drawn for rows, such as dropout masks, is drawn for those of the whole batch, and the own
ones are taken: whatever the number of processes, each row has the same masks.
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
        start, stop: Which rows.
        total: Rows of the whole batch.
    """

    start: int
    stop: int
    total: int

    @property
    def rows(self) -> slice:
        """Which rows, as an index."""
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
    """Draw something for each row of a batch.

    Args:
        shape: Of what is drawn, for the rows that run here.
        axis: Of the rows.
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
