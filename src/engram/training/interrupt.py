"""Ctrl-C as a request: the update under way ends, a checkpoint is written, then training stops.

A closed terminal (SIGHUP) and a system that shuts down (SIGTERM) ask for the same.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class StopRequest:
    """Whether somebody asked training to stop.

    A process that torchrun started is asked by the end of torchrun too: killed itself, it can stop
    none of its processes.
    """

    def __init__(self) -> None:
        self._asked = False
        self._parent = os.getppid() if "TORCHELASTIC_RUN_ID" in os.environ else None

    def make(self) -> None:
        """Ask."""
        self._asked = True

    @property
    def made(self) -> bool:
        """Whether it was made."""
        return self._asked or (self._parent is not None and os.getppid() != self._parent)


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into a request; a second SIGINT interrupts at once.

    Signals that are ignored, or that a handler outside Python catches, stay as they are. Outside
    the main thread signals cannot be caught, and the request is never made.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if request.made and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.make()

    # not those that are ignored, as nohup does, nor those of a handler that is not Python's: such a
    # handler (None) cannot be restored, and whoever set it in this process wants the signal
    left = (signal.SIG_IGN, None)
    before = {
        number: signal.signal(number, ask)
        for number in SIGNALS
        if signal.getsignal(number) not in left
    }
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
