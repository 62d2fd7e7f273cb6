"""SIGINT and SIGTERM as requests to stop training after the current step and a checkpoint."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from simvp.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a signal was received: `signum` is the number of the first one, or 0."""

    def __init__(self) -> None:
        self.signum = 0

    def receive(self, signum: int, frame: FrameType | None) -> None:
        # A second Ctrl-C aborts at once. SIGTERM after SIGINT comes from the launcher, which
        # terminates the group while this process may still be saving.
        if self.signum and signum == signal.SIGINT:
            raise KeyboardInterrupt
        self.signum = self.signum or signum

    def is_requested(self) -> bool:
        return self.signum != 0

    def while_waiting(self) -> Interrupted:
        """The error of a process that has waited for data, and cannot save alone."""
        return Interrupted(
            self.signum,
            "stopped while waiting for data; resume from the newest checkpoint with --resume",
        )


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM while the block runs."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # Signal handlers can be set in the main thread only.
        return
    previous = {number: signal.signal(number, request.receive) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
