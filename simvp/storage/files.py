"""Atomic writes: files are written under a temporary name, synced and renamed."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from simvp.errors import OutputError

TEMPORARY_PREFIX = ".simvp-"
_MAX_PENDING = 4  # calls, which bounds the memory of their arguments


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
    with convert_os_errors(path):
        if path.exists():
            old = _temporary_name(path).with_suffix(".old")
            os.replace(path, old)
            os.replace(new, path)
            shutil.rmtree(old)
        else:
            os.replace(new, path)


def publish_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8. Raises OutputError."""
    with publish(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def remove_stale(folder: Path) -> None:
    """Delete temporary files and folders that a killed process left in `folder`."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


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
            f"{path}: cannot be written ({reason}); free some disk space, or "
            "choose a writable folder"
        ) from error


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

    The block ends when all calls have finished. Exceptions are raised by a later `call` or at the
    end of the block.
    """
    thread = ThreadPoolExecutor(1, "simvp writer")
    pending: deque[Future[None]] = deque()

    def call(function: Callable[..., None], *arguments: object) -> None:
        pending.append(thread.submit(function, *arguments))
        if len(pending) > _MAX_PENDING:
            pending.popleft().result()

    try:
        yield call
        while pending:
            pending.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
