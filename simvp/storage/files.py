"""Atomic writes: files are written under a temporary name, synced and renamed. Locks of folders."""

import errno
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from simvp.errors import OutputError, RunError

TEMPORARY_PREFIX = ".simvp-"
_ABANDONED_SECONDS = 24 * 3600.0


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which is renamed to `path` when the block succeeds.

    The file is synced before the rename and the folder after it, so that after a power failure
    either the old or the new file exists. Raises OutputError if `path` cannot be written.
    """
    temporary = _temporary_name(path)
    with convert_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def publish_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder, which replaces `path` when the block succeeds. Raises OutputError."""
    temporary = _temporary_name(path)
    with convert_os_errors(path):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            replace_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`, then delete the previous folder. Raises OutputError."""
    old = _temporary_name(path).with_suffix(".old")
    with convert_os_errors(path):
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)
        shutil.rmtree(old, ignore_errors=True)


def file_digest(path: Path) -> str:
    """SHA-256 of the content of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8. Raises OutputError."""
    with publish(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def remove_stale(folder: Path, *, older_than: float = 0.0) -> None:
    """Delete temporary files and folders that a killed process left in `folder`.

    Args:
        older_than: seconds for which one has not been changed. Where several processes write, this
            spares what the others are writing.
    """
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if older_than and time.time() - path.stat().st_mtime < older_than:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Delete temporary files that are a day old, where other processes may be writing."""
    remove_stale(folder, older_than=_ABANDONED_SECONDS)


def _temporary_name(path: Path) -> Path:
    # Truncated, because names of samples exceed 64 characters and eCryptfs allows 143.
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name[:40]}")


@contextmanager
def convert_os_errors(path: Path) -> Iterator[None]:
    """Convert OSError to OutputError for `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path}: cannot be written ({reason}); {_advice(path, error)}"
        ) from error


def check_writable(folder: Path) -> None:
    """Raises OutputError if `folder`, which need not exist yet, cannot be created or written to."""
    with convert_os_errors(folder):
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        code = errno.EACCES if nearest.is_dir() else errno.ENOTDIR
        if code == errno.ENOTDIR or not os.access(nearest, os.W_OK):
            raise OSError(code, os.strerror(code))


def _advice(path: Path, error: OSError) -> str:
    """What to do about an error on writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some disk space, or choose a folder on another disk"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "choose a writable folder"
    if error.errno == errno.EISDIR:
        return "it is a folder, choose another name"
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        for parent in (*path.parents, path):
            if parent.exists() and not parent.is_dir():
                return f"{parent} is a file, not a folder; choose another path"
    return "choose another path"


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():  # Windows cannot sync folders
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def in_background() -> Iterator[Callable[..., None]]:
    """Yield `call(function, *arguments)`, which runs functions in order in a background thread.

    A call waits until the previous one has finished, which bounds the memory of arguments, and
    raises its exception. The end of the block waits for the last one.
    """
    previous: list[Future[None]] = []

    def call(function: Callable[..., None], *arguments: object) -> None:
        if previous:
            previous.pop().result()
        previous.append(thread.submit(function, *arguments))

    with ThreadPoolExecutor(1, "simvp writer") as thread:
        yield call
        for future in previous:
            future.result()


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock `folder` while the block runs; the operating system releases a dead process's lock.

    Raises: RunError if another process holds the lock.
    """
    check_writable(folder.parent)
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
        try:
            found = holder.read_text(encoding="utf-8")
        except OSError:
            found = "unknown process"
        raise RunError(
            f"{folder}: another simvp process is writing to this folder ({found}); wait for it to "
            "finish, stop it, or choose another --name"
        ) from None
    try:
        with convert_os_errors(holder):
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            description = f"process {os.getpid()} on {socket.gethostname()} since {since}"
            holder.write_text(description, encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
