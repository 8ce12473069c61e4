"""Ending a training after the current step, when the system or the user asks for it."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from tfsdiff.common.errors import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT)  # a cluster's time limit; Ctrl-C


class Request:
    """Whether a signal has asked to end.

    Attributes:
        number: of the signal that came, or None.
    """

    number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None

    def obey(self, message: str) -> None:
        """Raise what the signal stands for; by SIGTERM if it came to another process only."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt(message)
        raise Stopped(message)


@contextlib.contextmanager
def requests() -> Iterator[Request]:
    """Collect signals to end while the block runs; the second Ctrl-C ends at once."""
    request = Request()
    if threading.current_thread() is not threading.main_thread():  # signals come to the main thread
        yield request
        return

    def note(number: int, _: FrameType | None) -> None:
        if request and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.number = number

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
