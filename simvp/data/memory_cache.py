"""Arrays of compressed files, which cannot be read in pieces: decompressed once per process."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from simvp.data.access import unreadable
from simvp.errors import DataError
from simvp.runtime.memory import free_memory
from simvp.runtime.processes import processes_on_machine

# The arrays of one process, or of several together, take at most this share of the memory that is
# free without them.
_SHARE_OF_ONE, _SHARE_OF_SEVERAL = 0.5, 0.25

_arrays: OrderedDict[tuple[str, int, int, str], tuple[NDArray[Any], int]] = OrderedDict()
_lock = threading.Lock()
_readers: int | None = None  # processes that may load arrays at the same time; None: all


def cached_array(
    path: Path, name: str, nbytes: int, load: Callable[[], NDArray[Any]]
) -> NDArray[Any] | None:
    """The array that `load` returns, from memory if it has been loaded from this file before.

    Arrays that were used least recently are dropped when memory becomes scarce.

    Args:
        nbytes: size of the array as declared by the file.
    Returns: the array; None if it does not fit into memory.
    Raises: DataError if the file cannot be found.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from None
    key = (str(path), status.st_mtime_ns, status.st_size, name)
    with _lock:
        if key not in _arrays:
            while _arrays and nbytes > memory_limit():
                _arrays.popitem(last=False)
            if nbytes > memory_limit():
                return None
            _arrays[key] = load(), nbytes
        _arrays.move_to_end(key)
        return _arrays[key][0]


def drop_arrays() -> None:
    """Forget all arrays; they are loaded again when they are needed."""
    with _lock:
        _arrays.clear()


@contextmanager
def only_reader() -> Iterator[None]:
    """While the block runs, no other process of the machine loads large arrays."""
    global _readers
    _readers = 1
    try:
        yield
    finally:
        _readers = None


def too_large(path: Path, name: str, nbytes: int) -> DataError:
    """The error for an array that has to be decompressed, but does not fit into memory."""
    several = (_readers or processes_on_machine()) > 1
    limit = memory_limit()
    available = "that cannot be allocated"  # by a limit that the system does not report
    if nbytes > limit:
        per_process = " in each process" if several else ""
        available = f"{limit / 1e9:.1f} GB are available to it{per_process}"
    return DataError(
        f"{path}: {name} needs {nbytes / 1e9:.1f} GB of memory, but {available}; save it "
        "uncompressed, as an .npy file with numpy.save, which is read frame by frame"
        + (", or let one process decompress it with --set data.cache=FOLDER" if several else "")
    )


def memory_limit() -> int:
    """Bytes that one more array may take in this process."""
    loaded = sum(nbytes for _, nbytes in _arrays.values())
    readers = _readers or processes_on_machine()
    share = _SHARE_OF_ONE if readers == 1 else _SHARE_OF_SEVERAL / readers
    return int(share * (free_memory() + loaded)) - loaded
