"""Team: run a kernel on several threads.

torch's own threads are used where they can be reached: they belong to an OpenMP library whose
entry points are public, and between two of torch's operations they are awake. A second set of
threads would fight with them for the same cores. Elsewhere, threads of Python's do it.
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

# Threads of Python's that there may be: those of one call wait for each other, so that none of
# them may be kept waiting for a free one. Only as many are started as are needed at once.
_MANY = 1024


class Team:
    """Threads that run one kernel together.

    Attributes:
        thread_number, thread_count: Addresses of functions that a kernel asks in a thread.
    """

    def __init__(self) -> None:
        library = _openmp()
        self._parallel = None
        self.thread_number = self.thread_count = 0
        self._threads: ThreadPoolExecutor | None = None
        if library is None:
            self._threads = ThreadPoolExecutor(max_workers=_MANY)
            return
        self._parallel = library.GOMP_parallel
        self._parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        self._parallel.restype = None
        self.thread_number = _address(library.omp_get_thread_num)
        self.thread_count = _address(library.omp_get_num_threads)

    def run(
        self,
        threads: int,
        alone: Callable[[int, int, int], None],
        team_entry: int,
        table: int,
    ) -> None:
        """Run a kernel.

        Args:
            threads: How many.
            alone: The kernel, called with table, thread and number of threads.
            team_entry: Address of the kernel's entry for a team.
            table: Address of its arguments.
        """
        if threads == 1:
            alone(table, 0, 1)
        elif self._parallel is not None:
            self._parallel(team_entry, table, threads, 0)
        else:
            assert self._threads is not None
            others = [self._threads.submit(alone, table, n, threads) for n in range(1, threads)]
            alone(table, 0, threads)
            for other in others:
                other.result()


@cache
def team() -> Team:
    """The team of this process."""
    return Team()


# threads do not live on in a process that was forked off
os.register_at_fork(after_in_child=team.cache_clear)


def _openmp() -> ctypes.CDLL | None:
    """The OpenMP library that torch has loaded, where it has the entry points."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        try:
            # only if it is loaded already: a second copy would be a second set of threads
            library = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD)
            return library if hasattr(library, "GOMP_parallel") else None
        except OSError:
            continue
    return None


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
