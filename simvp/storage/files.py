"""Files appear whole or not at all: written under a temporary name, synced, then renamed."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from simvp.errors import OutputError

TEMPORARY_PREFIX = ".simvp-"
_MAX_WAITING = 4


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block succeeds it becomes `path`.

    The file is synced before the rename and the folder after it, so that a power cut leaves
    the old file or the new one. Raises OutputError if the place cannot be written.
    """
    temporary = _temporary_name(path)
    with writing(path):
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
    """Yield a new folder beside `path`; when the block succeeds it takes the place of `path`."""
    temporary = _temporary_name(path)
    with writing(path):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            replace_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`, removing what was there only after it is out of the way.

    Raises OutputError if a folder cannot be renamed.
    """
    with writing(path):
        if path.exists():
            old = _temporary_name(path).with_suffix(".old")
            os.replace(path, old)
            os.replace(new, path)
            shutil.rmtree(old)
        else:
            os.replace(new, path)


def publish_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, atomically. Raises OutputError."""
    with publish(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def remove_stale(folder: Path) -> None:
    """Delete the temporaries that a killed process left in `folder`."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    # The name is cut: a sample's folder is 64 hexadecimal digits and more, and some file systems
    # allow no more than 143 characters.
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name[:40]}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing to `path` into an OutputError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path}: cannot be written ({reason}); free some space, or choose a folder "
            "that you may write to"
        ) from error


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():  # Windows cannot open a folder to sync it
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def in_background() -> Iterator[Callable[..., None]]:
    """Yield a function that calls others, with their arguments, in a thread, in order.

    All are done when the block ends. An error of one is raised by a later call or at the end.
    """
    thread = ThreadPoolExecutor(1, "simvp writer")
    waiting: deque[Future[None]] = deque()

    def call(function: Callable[..., None], *arguments: object) -> None:
        waiting.append(thread.submit(function, *arguments))
        if len(waiting) > _MAX_WAITING:
            waiting.popleft().result()

    try:
        yield call
        while waiting:
            waiting.popleft().result()
    finally:
        thread.shutdown(cancel_futures=True)
