"""netCDF files and Zarr stores: finding, opening and reading them."""

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from simvp.data.access import is_pattern, unreadable
from simvp.data.cf_values import InvalidAttribute, decode, default_fill_of
from simvp.data.declared_sizes import check_declared
from simvp.data.hdf5_store import layout, locking, open_file, partly_labelled
from simvp.data.listing import files_of
from simvp.data.locations import Location, Url, as_location
from simvp.data.zarr_metadata import check_store
from simvp.errors import ConfigError, DataError

if TYPE_CHECKING:
    from xarray import Dataset, Variable

    from simvp.data.remote import RemoteStore

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


def is_zarr(path: Location) -> bool:
    """Whether a path is a Zarr store, version 2 or 3. Nothing else is read over a network."""
    if isinstance(path, Url):
        return True
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


def opened(path: str | Location) -> "Dataset":
    """Open a file without reading its data variables. Raises DataError.

    The data set is shared by the threads of a process, which xarray permits. A process that was
    forked opens the file again.
    """
    location = as_location(path) if isinstance(path, str) else path
    if isinstance(location, Url):
        return _opened_remote(location.text, os.getpid())
    try:
        return _opened(str(path), os.stat(location).st_mtime_ns, os.getpid())
    except FileNotFoundError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore the file") from None
    except OSError as error:
        raise unreadable(location, error) from None


@lru_cache(maxsize=128)
def _opened(path: str, stamp: int, pid: int) -> "Dataset":
    import xarray

    options: dict[str, Any] = {"engine": _engine(Path(path))}
    if options["engine"] == "zarr":
        check_store(Path(path))
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


@lru_cache(maxsize=16)
def _opened_remote(url: str, pid: int) -> "Dataset":
    import xarray
    from zarr.errors import ZarrUserWarning

    store = remote_store(url)
    from simvp.data.remote import open_group

    options = open_group(url, store)
    with warnings.catch_warnings():
        # Links on the page that lists a folder need not lead to arrays.
        warnings.simplefilter("ignore", ZarrUserWarning)
        try:
            dataset = xarray.open_dataset(
                cast(Any, store),
                engine="zarr",
                decode_cf=False,
                cache=False,
                chunks=None,
                **options,
            )
        except DataError:
            raise
        except Exception as error:  # invalid metadata raise errors of any type
            raise DataError(f"{url}: is not a valid Zarr store ({_first_line(error)})") from None
    if not dataset.variables and not options["consolidated"]:
        raise DataError(
            f"{url}: the server does not list the arrays of the store; call "
            "zarr.consolidate_metadata where the store was written"
        )
    dataset.encoding["source"] = url
    return dataset


def remote_store(url: str) -> "RemoteStore":
    """The store at a URL. Raises ConfigError if packages that read it are not installed."""
    try:
        from simvp.data.remote import store_of

        return store_of(url, os.getpid())
    except ImportError:
        scheme = url.partition(":")[0]
        package = {"s3": " s3fs", "gs": " gcsfs"}.get(scheme, "")
        raise ConfigError(
            f"{url}: reading {scheme}:// needs packages that are not installed; install them with "
            f'`pip install "simvp[remote]"{package}`'
        ) from None


def abort_reading(url: str) -> None:
    """End all reading at a URL in other threads. It can be opened again."""
    remote_store(url).abort()
    _opened_remote.cache_clear()
    from simvp.data.remote import store_of

    store_of.cache_clear()


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


def check_numeric(path: str | Location, name: str, variable: "Variable") -> None:
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
        fill = None if is_zarr(as_location(path)) else default_fill_of(raw.dtype, variable.attrs)
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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
