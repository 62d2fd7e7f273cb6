"""netCDF files and Zarr stores: finding, opening and reading them."""

import json
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import check_readable, is_pattern, unreadable
from simvp.data.cf_values import InvalidAttribute, decode, default_fill_of
from simvp.data.declared_sizes import check_declared
from simvp.data.hdf5_store import layout, locking, open_file, partly_labelled
from simvp.data.listing import files_of
from simvp.errors import DataError

if TYPE_CHECKING:
    from xarray import Dataset, Variable

SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
_NETCDF_3 = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def find_files(path: Path) -> list[Path]:
    """The files of a path: itself, those of a folder or those that match a pattern.

    Raises: DataError if the folder cannot be read.
    """
    if is_zarr(path) or path.is_file():
        return [path]
    if path.is_dir():
        return files_of(path, SUFFIXES)
    if is_pattern(path):
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
        return _opened(str(path), os.stat(path).st_mtime_ns, os.getpid())
    except FileNotFoundError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore the file") from None
    except OSError as error:
        raise unreadable(path, error) from None


@lru_cache(maxsize=128)
def _opened(path: str, stamp: int, pid: int) -> "Dataset":
    import xarray

    options: dict[str, Any] = {"engine": _engine(Path(path))}
    if options["engine"] == "zarr":
        _check_store(Path(path))
        options.update(consolidated=False, chunks=None)
    elif options["engine"] == "h5netcdf":
        _check_labels(Path(path))
        options["phony_dims"] = "sort"  # names dimensions that have none
        options["driver_kwds"] = {"locking": locking(Path(path))}
    with warnings.catch_warnings():
        # SciPy warns when a damaged file is closed, which is reported below.
        warnings.filterwarnings("ignore", "Cannot close a netcdf_file", RuntimeWarning)
        warnings.filterwarnings("ignore", "Object at .* is not recognized", UserWarning)  # of Zarr
        try:
            dataset = xarray.open_dataset(path, decode_cf=False, cache=False, **options)
            for name, variable in dataset.variables.items():
                check_declared(path, str(name), variable.nbytes)
            return dataset
        except (DataError, PermissionError):
            raise
        except Exception as error:  # parsers of damaged files raise errors of any type
            reason = _first_line(error)
            clear_frames(error.__traceback__)  # closes the file
    raise DataError(
        f"{path}: is truncated or damaged, or not a file that {options['engine']} reads "
        f"({reason}); copy or download it again"
    )


def _check_labels(path: Path) -> None:
    """Raises DataError if a variable has names of some of its dimensions only."""
    with open_file(path) as file:
        name = partly_labelled(file)
    if name:
        raise DataError(
            f"{path}: {name} has dimension scales on some of its axes only, but netCDF names all "
            f"dimensions; attach the others, or rename the file to {path.stem}.h5 and read it with "
            f"--variables /{name} and --axes"
        )


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
    check_readable(path)
    for name in (*path.glob("*/.zarray"), *path.glob("*/zarr.json"), path / "zarr.json"):
        if not name.is_file():
            continue
        try:
            metadata = json.loads(name.read_bytes())
            node = metadata.get("node_type")
        except PermissionError as error:
            raise unreadable(name, error) from None
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
        raw = variable.isel(where).transpose(*dims).values
        fill = None if is_zarr(Path(path)) else default_fill_of(raw.dtype, variable.attrs)
        return decode(raw, variable.attrs, default_fill=fill)
    except DataError:
        raise
    except PermissionError as error:
        raise unreadable(path, error) from None
    except InvalidAttribute as error:
        raise DataError(f"{path}: {name}: {_first_line(error)}; correct the file") from None
    except Exception as error:  # decompressors raise errors of any type
        raise DataError(
            f"{path}: {name} cannot be read ({_first_line(error)}); the file is damaged, copy or "
            "download it again"
        ) from None


@lru_cache(maxsize=512)
def zarr_array(path: str, name: str, stamp: int) -> Any:
    """Open one array of a Zarr store."""
    import zarr

    return zarr.open_array(path, path=name, mode="r")


def absent_chunks(path: Path, name: str, variable: "Variable") -> str:
    """How many chunks of an array of a Zarr store have no file, and what they are read as.

    Zarr defines that they hold the fill value, and by default does not write a chunk that holds
    nothing else. A lost file looks the same, so the user has to know.

    Returns: `2 of 60, read as 0`; empty if no chunk is absent, or if the fill value means missing.
    Raises: DataError if an attribute of the variable cannot be decoded.
    """
    array = zarr_array(str(path), name, os.stat(path).st_mtime_ns)
    fill = np.array([array.fill_value or 0], variable.dtype)
    try:
        value = decode(fill, variable.attrs)[0]
    except InvalidAttribute as error:
        raise DataError(f"{path}: {name}: {error}; correct the file") from None
    if np.isnan(value):
        return ""
    sizes = zip(array.shape, array.shards or array.chunks, strict=True)
    count = math.prod(math.ceil(size / chunk) for size, chunk in sizes)
    names = (file for _, _, files in os.walk(path / name) for file in files)
    absent = count - sum(file != "zarr.json" and file[0] != "." for file in names)
    return f"{absent} of {count}, read as {value:g}" if absent > 0 else ""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
