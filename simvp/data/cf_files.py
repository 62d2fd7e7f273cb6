"""netCDF files and Zarr stores: finding, opening and reading them."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.cf_values import InvalidAttribute, decode, is_missing
from simvp.data.hdf5_store import layout
from simvp.errors import DataError

if TYPE_CHECKING:
    from xarray import Dataset, Variable

SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
_NETCDF_3 = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_WILDCARDS = re.compile(r"[*?\[]")
_MISSING_CHUNK = (
    "restore it; if these values are really {fill}, write the store again with "
    "write_empty_chunks=True"
)


def find_files(path: Path) -> list[Path]:
    """The files of a path: itself, those of a folder or those that match a pattern, by name."""
    if is_zarr(path) or path.is_file():
        return [path]
    if path.is_dir():
        return sorted(
            file for file in path.iterdir() if file.suffix in SUFFIXES and file.name[0] != "."
        )
    if _WILDCARDS.search(path.name) and path.parent.is_dir():
        return sorted(file for file in path.parent.glob(path.name) if file.name[0] != ".")
    return []


def is_zarr(path: Path) -> bool:
    """Whether a path is a Zarr store, version 2 or 3."""
    names = (".zgroup", ".zarray", ".zmetadata", "zarr.json")
    return path.is_dir() and any((path / name).is_file() for name in names)


def is_netcdf(path: Path) -> bool:
    """Whether a file is netCDF: version 3, or HDF5 with dimensions or the suffix of netCDF."""
    try:
        if not path.is_file():  # opening a FIFO would block
            return False
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError:
        return False
    if start[:4] in _NETCDF_3 or start != _HDF5:
        return start[:4] in _NETCDF_3
    return path.suffix in SUFFIXES or layout(path) == "netcdf"


def opened(path: str | Path) -> "Dataset":
    """Open a file without reading its data variables. Raises DataError.

    The data set is shared by the threads of a process, which xarray permits. A process that was
    forked opens the file again.
    """
    try:
        stamp = os.stat(path).st_mtime_ns
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore the file") from None
    return _opened(str(path), stamp, os.getpid())


@lru_cache(maxsize=128)
def _opened(path: str, stamp: int, pid: int) -> "Dataset":
    import xarray

    options: dict[str, Any] = {"engine": _engine(Path(path))}
    if options["engine"] == "zarr":
        _check_store(Path(path))
        options.update(consolidated=False, chunks=None)
    elif options["engine"] == "h5netcdf":
        options["phony_dims"] = "sort"  # names dimensions that have none
    try:
        return xarray.open_dataset(path, decode_cf=False, cache=False, **options)
    except Exception as error:  # parsers of damaged files raise errors of any type
        raise DataError(
            f"{path}: is truncated or damaged, or not a file that {options['engine']} reads "
            f"({_first_line(error)}); copy or download it again"
        ) from None


def _engine(path: Path) -> str:
    """The xarray engine for a file."""
    if path.is_dir():
        return "zarr"
    with open(path, "rb") as file:
        start = file.read(8)
    if start[:4] == b"CDF\x05":
        raise DataError(
            f"{path}: is netCDF in the 64-bit data format (CDF-5), which cannot be read; convert "
            f"it with `nccopy -k nc4 {path.name} new.nc`"
        )
    if start[:4] not in _NETCDF_3 and start != _HDF5:
        raise DataError(f"{path}: is not a netCDF file; remove it, or copy it again")
    return "h5netcdf" if start == _HDF5 else "scipy"


def _check_store(path: Path) -> None:
    """Raises DataError if a Zarr store is no group, or would run code when it is decoded."""
    for name in (*path.glob("*/.zarray"), *path.glob("*/zarr.json"), path / "zarr.json"):
        if not name.is_file():
            continue
        try:
            metadata = json.loads(name.read_bytes())
            node = metadata.get("node_type")
        except (OSError, ValueError, AttributeError):
            raise DataError(f"{name}: is not valid metadata of a Zarr store; restore it") from None
        keys = ("filters", "compressor", "codecs", "data_type", "dtype")
        if "pickle" in json.dumps([metadata.get(key) for key in keys]):
            raise DataError(
                f"{name}: the array is encoded by pickle, which can run code; save it as numbers"
            )
        if name.parent == path and node == "array":
            raise DataError(f"{path}: {_SINGLE_ARRAY}")
    if (path / ".zarray").is_file():
        raise DataError(f"{path}: {_SINGLE_ARRAY}")


_SINGLE_ARRAY = (
    "is a single Zarr array; expected a group of named arrays with dimension names, as "
    "xarray's Dataset.to_zarr writes"
)


def check_numeric(path: str | Path, name: str, variable: "Variable") -> None:
    """Raises DataError unless a variable holds real numbers."""
    dtype = variable.dtype
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise DataError(
            f"{path}: {name} holds {dtype}; expected integers or floats of up to 64 bits. Choose "
            "other variables with --variables"
        )
    if 0 in variable.shape:
        sizes = ", ".join(f"{dim} {size}" for dim, size in variable.sizes.items())
        raise DataError(f"{path}: {name} is empty ({sizes}); write the file again with data")


def frames_per_chunk(path: str, name: str, dim: str) -> int:
    """Size along the dimension `dim` of the chunks of a variable; 1 if it has none."""
    variable = opened(path).variables.get(name)
    chunks = {} if variable is None else variable.encoding.get("preferred_chunks", {})
    return int(chunks.get(dim, 1))


def read_values(
    path: str, name: str, dims: Sequence[str], where: Mapping[str, int | slice]
) -> NDArray[np.float64]:
    """Read physical values of a variable, NaN where missing.

    Args:
        dims: the dimensions of the result, in order.
        where: index or slice of each dimension; other dimensions are read completely.
    Raises: DataError if the values cannot be read.
    """
    dataset = opened(path)
    if name not in dataset.variables:
        raise DataError(f"{path}: the variable {name} is gone; restore the file")
    variable = dataset.variables[name]
    check_numeric(path, name, variable)
    try:
        if os.path.isdir(path):
            _check_chunks(path, name, variable, where)
        raw = variable.isel(where).transpose(*dims).values
        return decode(raw, variable.attrs)
    except DataError:
        raise
    except InvalidAttribute as error:
        raise DataError(f"{path}: {name}: {_first_line(error)}; correct the file") from None
    except Exception as error:  # decompressors raise errors of any type
        raise DataError(
            f"{path}: {name} cannot be read ({_first_line(error)}); the file is damaged, copy or "
            "download it again"
        ) from None


def _check_chunks(
    path: str, name: str, variable: "Variable", where: Mapping[str, int | slice]
) -> None:
    """Raises DataError if a chunk has no file and its fill value does not mean missing."""
    array = zarr_array(path, name, os.stat(path).st_mtime_ns)
    fill = 0 if array.fill_value is None else array.fill_value
    if is_missing(fill, variable.dtype, variable.attrs):
        return
    touched = []
    for dim, size in zip(variable.dims, array.shards or array.chunks, strict=True):
        index = where.get(str(dim), slice(None))
        chosen = range(variable.sizes[dim])[index]
        indices = [chosen] if isinstance(chosen, int) else chosen
        touched.append(sorted({i // size for i in indices}))
    for chunk in product(*touched):
        key = array.metadata.encode_chunk_key(chunk)
        if not os.path.exists(os.path.join(path, name, key)):
            raise DataError(
                f"{path}: {name}: chunk {key} is missing, and its values would be read as {fill}, "
                f"which does not mean missing; {_MISSING_CHUNK.format(fill=fill)}"
            )


@lru_cache(maxsize=512)
def zarr_array(path: str, name: str, stamp: int) -> Any:
    """Open one array of a Zarr store."""
    import zarr

    return zarr.open_array(path, path=name, mode="r")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
