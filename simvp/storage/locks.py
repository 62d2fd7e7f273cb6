"""One writer: a lock on a folder that the system takes back when its holder dies."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from simvp.errors import RunError
from simvp.storage.files import writing


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold `folder` alone while the block runs. Raises RunError, naming who holds it already."""
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, which must not appear before there is something to put into it. The holder
    # has a file of its own, for the lock's cannot be read everywhere.
    file = folder.with_name(f".{folder.name}.lock")
    holder = folder.with_name(f".{folder.name}.lock-holder")
    lock = FileLock(file)
    try:
        # A process that was killed a moment ago may not have been taken down to its last thread.
        lock.acquire(timeout=2)
    except Timeout:
        raise RunError(
            f"{folder}: another simvp is writing here ({_read(holder)}); wait for it, stop it, or "
            "choose another --name"
        ) from None
    try:
        me = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        with writing(holder):
            holder.write_text(json.dumps(me), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _read(holder: Path) -> str:
    try:
        content = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {content['pid']} on {content['host']} since {content['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "of which nothing more is known"
