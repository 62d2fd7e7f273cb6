"""Exclusive access to a folder; the operating system releases the lock of a dead process."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from simvp.errors import RunError
from simvp.storage.files import convert_os_errors


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock `folder` while the block runs. Raises RunError if another process holds the lock."""
    with convert_os_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    # The lock is next to the folder, which may not exist yet. Windows cannot read a locked file, so
    # the process that holds the lock is described in a second file.
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    holder = folder.with_name(f".{folder.name}.lock-holder")
    try:
        # The operating system may need a moment to release the lock of a killed process.
        lock.acquire(timeout=2)
    except Timeout:
        raise RunError(
            f"{folder}: another simvp process is writing to this folder ({_describe(holder)}); "
            "wait for it to finish, stop it, or choose another --name"
        ) from None
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        content = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        with convert_os_errors(holder):
            holder.write_text(json.dumps(content), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    try:
        content = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {content['pid']} on {content['host']} since {content['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown process"
