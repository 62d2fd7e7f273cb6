"""PDEBench: HDF5 files of three layouts.

- diffusion-reaction and shallow water: groups `0000`, `0001`, ... with `data` (t, x, y, c)
- compressible flow: `density`, `pressure`, `Vx`, `Vy` (n, t, x, y)
- incompressible flow: `velocity` (n, t, x, y, 2), `particles` (n, t, x, y, 1), and `force`
  (n, x, y, 2), whose components are static fields

The first spatial axis, x, becomes the rows, the second one, y, the columns, as they are stored.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from simvp.data.hdf5_series import Field
from simvp.data.hdf5_source import (
    Block,
    Contents,
    describe_time_step,
    find_static,
    make_source,
    numbered_ids,
    rows_note,
)
from simvp.data.hdf5_store import (
    SUFFIXES,
    any_has_layout,
    dataset_at,
    find_dataset,
    is_8_bit,
    open_file,
)
from simvp.data.listing import files_of
from simvp.data.series import Options, Source
from simvp.errors import DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic; h5py only where it is used
    import h5py

    from simvp.data.card import DatasetCard

_COMPRESSIBLE = ("density", "pressure", "Vx", "Vy")
_INCOMPRESSIBLE = {"velocity": ("velocity_x", "velocity_y"), "particles": ("particles",)}
# Components along columns and rows: y becomes the columns.
_VECTORS = (("Vy", "Vx"), ("velocity_y", "velocity_x"), ("force_y", "force_x"))
_COORDINATES = {"t", "t-coordinate", "x-coordinate", "y-coordinate"}


def matches(path: Path) -> bool:
    """Whether a path is such a file, or a folder that begins with some."""
    return any_has_layout([path], "pdebench")


def open_data(path: Path, card: "DatasetCard", options: Options) -> Source:
    """Open a file or a folder of files. Raises DataError or ConfigError."""
    options.refuse_layout(path, "a data set of PDEBench")
    files = [
        _read_header(file, "" if path.is_file() else f"{file.stem}_", card)
        for file in files_of(path, SUFFIXES)
    ]
    return make_source(path, "pdebench", card, files, options)


def _read_header(path: Path, prefix: str, card: "DatasetCard") -> Contents:
    """What a file holds, without its values; ids of groups begin with the prefix."""
    left_out: set[str] = set()
    with open_file(path) as file:
        names = list(file)
        groups = [name for name in names if name.isdecimal()]
        if groups:
            blocks = _groups(file, path, groups, prefix, card)
            step, problem = describe_time_step(file, f"{groups[0]}/grid/t")
        else:
            blocks = [_flow(file, path, names)]
            items = (*blocks[0].fields.values(), *blocks[0].static.values())
            used = {item.dataset.strip("/") for item in items}
            left_out = set(names) - used - _COORDINATES
            step, problem = describe_time_step(file, "t" if "t" in names else "t-coordinate")
    notes = [rows_note(), problem]
    if left_out:
        notes.append(f"left out, not fields over time: {', '.join(sorted(left_out))}")
    fields = {*blocks[0].fields, *blocks[0].static}
    vectors = [] if groups else [pair for pair in _VECTORS if fields.issuperset(pair)]
    return Contents(blocks, {"time_step": step}, notes, vectors)


def _groups(
    file: "h5py.File", path: Path, groups: list[str], prefix: str, card: "DatasetCard"
) -> list[Block]:
    """A series for each group. Only the first one is opened: there may be thousands."""
    first = dataset_at(file, f"{groups[0]}/data")
    shape = first.shape
    if len(shape) != 4:
        raise DataError(
            f"{path}: {first.name}: has shape {shape}; expected four axes (time, x, y, channel), "
            "since only 2-D fields are read"
        )
    channels = card.channel_names(shape[3], f"the data card of {path}")
    width = max(4, *map(len, groups))
    return [
        Block(
            file=path,
            ids=(f"{prefix}{group:0>{width}}",),
            fields={name: Field(f"/{group}/data", "tyxc", (i,)) for i, name in enumerate(channels)},
            frame_size=shape[1:3],
            length=None,
            is_8_bit=is_8_bit(first),
        )
        for group in groups
    ]


def _flow(file: "h5py.File", path: Path, names: list[str]) -> Block:
    """The series of compressible or incompressible flow."""
    fields: dict[str, Field] = {}
    datasets = []
    if "density" in names:
        for name in _COMPRESSIBLE:
            if (dataset := find_dataset(file, name)) is not None:
                datasets.append(dataset)
                fields[name] = Field(f"/{name}", "ntyx")
    else:
        for name, channels in _INCOMPRESSIBLE.items():
            if (dataset := find_dataset(file, name)) is not None:
                datasets.append(dataset)
                for i, channel in enumerate(channels):
                    fields[channel] = Field(f"/{name}", "ntyxc", (i,))
    shapes = [dataset.shape for dataset in datasets]
    num_axes = len(next(iter(fields.values())).axes) if fields else 0
    if not shapes or "Vz" in names or {len(shape) for shape in shapes} != {num_axes}:
        found = {str(dataset.name): dataset.shape for dataset in datasets}
        raise DataError(
            f"{path}: holds {found or 'no known field'}; expected {', '.join(_COMPRESSIBLE)} with "
            "axes (series, time, x, y), or velocity and particles with axes (series, time, x, y, "
            "component): only 2-D fields are read"
        )
    if len({shape[:4] for shape in shapes}) > 1:
        found = {str(dataset.name): dataset.shape for dataset in datasets}
        raise DataError(f"{path}: the fields differ in shape ({found}); they need one shape")
    number, length, *frame_size = shapes[0][:4]
    return Block(
        file=path,
        ids=numbered_ids(path.stem, number),
        fields=fields,
        frame_size=(frame_size[0], frame_size[1]),
        length=length,
        is_8_bit=is_8_bit(*datasets),
        static=_static(file, set(names) - set(fields) - _COORDINATES, (number, *frame_size)),
    )


def _static(file: "h5py.File", names: set[str], shape: tuple[int, ...]) -> dict[str, Field]:
    """The fields without time; `shape` is that of one number for each series and cell."""
    found = find_static(file, names, dict(zip("nyx", shape, strict=True)))
    force = find_dataset(file, "force") if "force" in names else None
    if force is not None and force.shape == (*shape, 2):
        found |= {f"force_{dim}": Field("/force", "nyxc", (i,)) for i, dim in enumerate("xy")}
    return found
