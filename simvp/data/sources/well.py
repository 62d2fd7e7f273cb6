"""The Well: one HDF5 file, a folder of them, or one with data/train, data/valid and data/test.

`t0_fields` are scalars (n, t, x, y), `t1_fields` vectors (n, t, x, y, 2), `t2_fields` tensors
(n, t, x, y, 2, 2), without the axes along which they do not vary. Those that do not vary in time,
and `scalars`, are static fields. The first spatial axis, x, becomes the rows, the second one, y,
the columns, as they are stored.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simvp.data.hdf5_source import (
    Block,
    Contents,
    describe_time_step,
    make_source,
    numbered_ids,
    rows_note,
)
from simvp.data.hdf5_store import (
    PARTS,
    SUFFIXES,
    any_has_layout,
    is_8_bit,
    open_file,
    subgroups,
    texts,
)
from simvp.data.listing import files_of
from simvp.data.series import Options, Source
from simvp.data.well_fields import read_fields
from simvp.errors import DataError
from simvp.physics import BoundaryKind

if TYPE_CHECKING:  # processes that simulate start without pydantic; h5py only where it is used
    import h5py

    from simvp.data.card import DatasetCard

# A mirror image is the ghost cell of a wall without flux; an open boundary has no gradient.
_BOUNDARIES: dict[str, BoundaryKind] = {
    "periodic": "periodic",
    "wall": "reflect",
    "open": "replicate",
}


def matches(path: Path) -> bool:
    """Whether a path is such a file, or a folder, perhaps of parts, that begins with some."""
    return any_has_layout(_folders(path).values(), "well")


def open_data(path: Path, card: "DatasetCard", options: Options) -> Source:
    """Open a file, or a folder with its parts. Raises DataError or ConfigError."""
    options.refuse_layout(path, "a data set of The Well")
    files = [
        _read_header(file, part)
        for part, folder in _folders(path).items()
        for file in files_of(folder, SUFFIXES)
    ]
    return make_source(path, "well", card, files, options)


def _folders(path: Path) -> dict[str, Path]:
    """The folder of each part; a file, or a folder without parts, is in no part."""
    if not path.is_dir():
        return {"": path}
    base = path / "data" if (path / "data").is_dir() else path
    parts = {name: base / name for name in PARTS if (base / name).is_dir()}
    return parts or {"": base}


def _read_header(path: Path, part: str) -> Contents:
    """What a file holds, without its values."""
    with open_file(path) as file:
        groups = subgroups(file)
        if "dimensions" not in groups:
            raise DataError(f"{path}: has no group dimensions as the other files of The Well have")
        number = int(np.ravel(file.attrs.get("n_spatial_dims", 2))[0])
        dims = texts(groups["dimensions"], "spatial_dims") or ["x", "y"]
        if number != 2 or len(dims) != 2:
            raise DataError(
                f"{path}: has {max(number, len(dims))} spatial dimensions ({', '.join(dims)}); "
                "only 2-D fields are read"
            )
        fields = read_fields(path, groups, dims)
        block = Block(
            file=path,
            ids=numbered_ids(f"{part}_{path.stem}" if part else path.stem, fields.sizes["n"]),
            fields=fields.channels,
            frame_size=(fields.sizes["y"], fields.sizes["x"]),
            length=fields.sizes["t"],
            part=PARTS.get(part, ""),
            is_8_bit=is_8_bit(*fields.datasets),
            static=fields.static,
        )
        step, problem = describe_time_step(file, "dimensions/time")
        boundaries, notes = _read_boundaries(groups.get("boundary_conditions"), dims)
        title = "".join(texts(file, "dataset_name")[:1])
    if fields.left_out:
        notes.append(f"left out, not fields over space: {', '.join(fields.left_out)}")
    card = {"name": title, "time_step": step, **boundaries}
    return Contents([block], card, [rows_note(*dims), problem, *notes], fields.vectors)


def _read_boundaries(
    group: "h5py.Group | None", dims: list[str]
) -> tuple[dict[str, str], list[str]]:
    """The boundaries for the data card, and what was assumed."""
    edges: dict[str, set[str]] = {dim: set() for dim in dims}
    inner: dict[str, set[str]] = {dim: set() for dim in dims}
    for condition in subgroups(group).values() if group else ():
        along = [dim for dim in texts(condition, "associated_dims") if dim in dims]
        for kind in texts(condition, "bc_type"):
            # Walls that both axes define may be obstacles within the domain.
            is_edge = len(along) == 1 or kind.lower() == "periodic"
            for dim in along:
                (edges if is_edge else inner)[dim].add(kind.lower())
    entries: dict[str, str] = {}
    notes = []
    for key, dim in zip(("boundary_y", "boundary_x"), dims, strict=True):
        kinds = sorted(edges[dim] or inner[dim])
        if len(kinds) == 1 and kinds[0] in _BOUNDARIES:
            entries[key] = _BOUNDARIES[kinds[0]]
            if kinds[0] != "periodic":
                notes.append(f'{kinds[0]} boundary along {dim}: taken as {key} = "{entries[key]}"')
        else:
            found = " and ".join(kinds) or "no"
            notes.append(f"{found} boundary along {dim}: {key} is left to the data card")
    return entries, notes
