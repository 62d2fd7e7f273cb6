"""Metadata of Zarr stores: checks before anything is decoded."""

import json
from pathlib import Path
from typing import Any

from simvp.data.access import check_readable, unreadable
from simvp.errors import DataError

# Settings of an array that choose the code which decodes its values.
_DECODING = ("filters", "compressor", "codecs", "data_type", "dtype")

_SINGLE_ARRAY = (
    "is a single Zarr array; expected a group of named arrays with dimension names, as "
    "xarray's Dataset.to_zarr writes"
)


def check_store(path: Path) -> None:
    """Raises DataError if a Zarr store is no group, or would run code when it is decoded."""
    check_readable(path)
    for name in (*path.glob("*/.zarray"), *path.glob("*/zarr.json"), path / "zarr.json"):
        if not name.is_file():
            continue
        try:
            metadata = parse(str(name), name.read_bytes())
        except PermissionError as error:
            raise unreadable(name, error) from None
        except OSError:
            raise _invalid(str(name)) from None
        if name.parent == path:
            check_group(str(path), metadata)
    if (path / ".zarray").is_file():
        raise single_array(str(path))


def check_group(where: str, metadata: dict[str, Any]) -> None:
    """Raises DataError if the metadata at the top of a store is that of an array."""
    if metadata.get("node_type") == "array":
        raise single_array(where)


def single_array(where: str) -> DataError:
    """The error for an array where a group is expected."""
    return DataError(f"{where}: {_SINGLE_ARRAY}")


def parse(where: str, content: bytes) -> dict[str, Any]:
    """The metadata in a file of a Zarr store.

    Raises: DataError if it is not valid, or an array is encoded by pickle.
    """
    try:
        metadata = json.loads(content)
        decodings = json.dumps(_decodings(metadata) if isinstance(metadata, dict) else [])
    except (ValueError, RecursionError):
        raise _invalid(where) from None
    if not isinstance(metadata, dict):
        raise _invalid(where)
    if "pickle" in decodings:
        raise DataError(
            f"{where}: the array is encoded by pickle, which can run code; save it as numbers"
        )
    return metadata


def _invalid(where: str) -> DataError:
    return DataError(f"{where}: is not valid metadata of a Zarr store; restore it")


def _decodings(metadata: dict[str, Any]) -> list[Any]:
    """What decodes the values of an array, or of the arrays in consolidated metadata."""
    consolidated = metadata.get("consolidated_metadata")
    inner = consolidated if isinstance(consolidated, dict) else metadata
    listed = inner.get("metadata")
    members = listed.values() if isinstance(listed, dict) else ()
    nodes = [node for node in (metadata, *members) if isinstance(node, dict)]
    return [node.get(key) for node in nodes for key in _DECODING]
