"""Arrays of compressed files, which cannot be read in pieces: decompressed once per process."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from simvp.errors import DataError

_arrays: OrderedDict[tuple[str, int, int, str], NDArray[Any]] = OrderedDict()
_lock = threading.Lock()


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
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    key = (str(path), status.st_mtime_ns, status.st_size, name)
    with _lock:
        if key not in _arrays:
            while _arrays and nbytes > memory_limit():
                _arrays.popitem(last=False)
            if nbytes > memory_limit():
                return None
            _arrays[key] = load()
        _arrays.move_to_end(key)
        return _arrays[key]


def too_large(path: Path, name: str, nbytes: int) -> DataError:
    """The error for an array that has to be decompressed, but does not fit into memory."""
    return DataError(
        f"{path}: {name} needs {nbytes / 1e9:.1f} GB of memory, but {memory_limit() / 1e9:.1f} GB "
        "are available to it; save it uncompressed, as an .npy file with numpy.save"
    )


def memory_limit() -> int:
    """Bytes that one more array may take: half of the free memory."""
    from simvp.runtime.devices import free_memory  # imports torch

    return free_memory() // 2
