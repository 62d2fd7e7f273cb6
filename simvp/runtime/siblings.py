"""What a process does when another one of its group, on the same machine, is killed."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simvp.runtime.group import Group

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5.0  # to report the lost connection, or to end writing a checkpoint


@contextmanager
def exit_with_siblings(group: Group, folder: Path) -> Iterator[None]:
    """Exit soon after another process of the group has died while this block ran in it.

    Usually gloo reports a lost connection. But if it sends to a process just when that dies, the
    error is lost (torch 2.13): it waits until its timeout, and no signal handler runs meanwhile.

    Args:
        group: processes of one machine. All of them call this.
        folder: where those that have left the block, also with an error, say so; a new one.
    """
    if group.world_size == 1 or sys.platform == "win32":  # os.kill(pid, 0) would end the process
        yield
        return
    folder.mkdir(exist_ok=True)
    pids = group.gather(os.getpid())
    left = threading.Event()

    def watch() -> None:
        while not left.wait(_POLL_SECONDS):
            if any(not _exists(pid) and not (folder / str(pid)).exists() for pid in pids):
                if not left.wait(_GRACE_SECONDS):
                    os._exit(1)
                return

    threading.Thread(target=watch, daemon=True, name="siblings").start()
    try:
        yield
    finally:
        (folder / str(os.getpid())).touch()
        left.set()


def _exists(pid: int) -> bool:
    """Whether a process of this user exists; the launcher waits for those that have died."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # another user has its number now
        return False
    return True
