"""Chunks of Zarr stores that have no file."""

import math
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from simvp.data.cf_files import remote_store
from simvp.data.cf_values import InvalidAttribute, decode
from simvp.data.locations import Location, Url
from simvp.errors import DataError

if TYPE_CHECKING:
    from xarray import Dataset, Variable


def zarr_array(path: Location, name: str) -> Any:
    """One array of a Zarr store."""
    stamp = 0 if isinstance(path, Url) else os.stat(path).st_mtime_ns
    return _array(path, name, stamp, os.getpid())


@lru_cache(maxsize=512)
def _array(path: Location, name: str, stamp: int, pid: int) -> Any:
    import zarr

    store = remote_store(path.text) if isinstance(path, Url) else str(path)
    return zarr.open_array(store, path=name, mode="r")


def absent_chunks(path: Location, dataset: "Dataset", names: Iterable[str]) -> list[str]:
    """A line about chunks of arrays that have no file, and what they are read as.

    Zarr defines that they hold the fill value, and by default does not write a chunk that holds
    nothing else. A lost file looks the same, so the user has to know. Of a store at a URL, chunks
    are counted that have been asked for.

    Returns: no line if no chunk is absent, or if the fill value means missing.
    Raises: DataError if an attribute of a variable cannot be decoded.
    """
    found = {name: _absent(path, name, dataset.variables[name]) for name in names}
    absent = [f"{name} ({text})" for name, text in found.items() if text]
    if not absent:
        return []
    return [
        f"chunks without a file hold the fill value of the Zarr array: {', '.join(absent)}; "
        "copy the store again if files were lost"
    ]


def _absent(path: Location, name: str, variable: "Variable") -> str:
    """`2 of 60, read as 0`, or empty; see `absent_chunks`."""
    array = zarr_array(path, name)
    fill = np.array([array.fill_value or 0], variable.dtype)
    try:
        value = decode(fill, variable.attrs)[0]
    except InvalidAttribute as error:
        raise DataError(f"{path}: {name}: {error}; correct the file") from None
    if np.isnan(value):
        return ""
    sizes = zip(array.shape, array.shards or array.chunks, strict=True)
    count = math.prod(math.ceil(size / chunk) for size, chunk in sizes)
    if isinstance(path, Url):
        absent = sum(key.startswith(f"{name}/") for key in remote_store(path.text).absent)
    else:
        names = (file for _, _, files in os.walk(path / name) for file in files)
        absent = count - sum(file != "zarr.json" and file[0] != "." for file in names)
    return f"{absent} of {count}, read as {value:g}" if absent > 0 else ""
