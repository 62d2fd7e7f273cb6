"""A signal asks the loop to stop; the loop finishes its step and saves before it does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """The signal that arrived, if one did."""

    def __init__(self) -> None:
        self.signum = 0

    def receive(self, signum: int, frame: FrameType | None) -> None:
        # Only a second Ctrl-C is impatience. A SIGTERM after a SIGINT is the launcher passing on
        # that the group ends, while this process is still saving.
        if self.signum and signum == signal.SIGINT:
            raise KeyboardInterrupt
        self.signum = self.signum or signum


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM while the block runs."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # Python delivers signals to the main thread only
        return
    previous = {number: signal.signal(number, request.receive) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
