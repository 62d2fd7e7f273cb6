"""PDEArena: HDF5 files with a group train, valid or test of `u`, `vx`, `vy`, (n, t, x, y).

Other data sets, such as the buoyancy `buo_y` (n), are static fields.

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
    PARTS,
    SUFFIXES,
    any_has_layout,
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

_CHANNELS = ("u", "vx", "vy")
_COORDINATES = {"t", "x", "y", "dt", "dx", "dy"}


def matches(path: Path) -> bool:
    """Whether a path is such a file, or a folder that begins with some."""
    return any_has_layout([path], "pdearena")


def open_data(path: Path, card: "DatasetCard", options: Options) -> Source:
    """Open a file or a folder of files. Raises DataError or ConfigError."""
    options.refuse_layout(path, "a data set of PDEArena")
    files = [
        _read_header(file, "" if path.is_file() else f"_{file.stem}")
        for file in files_of(path, SUFFIXES)
    ]
    return make_source(path, "pdearena", card, files, options)


def _read_header(path: Path, suffix: str) -> Contents:
    """What a file holds, without its values; ids are the names of its groups and the suffix."""
    with open_file(path) as file:
        groups = [name for name in file if name in PARTS]
        if not groups:
            raise DataError(f"{path}: has no group {', '.join(PARTS)}; move the file elsewhere")
        blocks = [_block(file, path, name, f"{name}{suffix}") for name in groups]
        left_out = {
            name
            for group, block in zip(groups, blocks, strict=True)
            for name in set(file[group]) - {*block.fields, *block.static, *_COORDINATES}
        }
        step, problem = describe_time_step(file, f"{groups[0]}/t")
    notes = [rows_note(), problem]
    if left_out:
        notes.append(f"left out, not fields over time: {', '.join(sorted(left_out))}")
    return Contents(blocks, {"time_step": step}, notes, vectors=[("vy", "vx")])


def _block(file: "h5py.File", path: Path, group: str, stem: str) -> Block:
    """The series in a group."""
    found = {name: find_dataset(file, f"{group}/{name}") for name in _CHANNELS}
    datasets = {name: dataset for name, dataset in found.items() if dataset is not None}
    shapes = {name: dataset.shape for name, dataset in datasets.items()}
    if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 4:
        raise DataError(
            f"{path}: {group}: has shapes {shapes or 'none'}; expected {', '.join(_CHANNELS)} of "
            "one shape with four axes (series, time, x, y)"
        )
    number, length, height, width = next(iter(shapes.values()))
    others = set(file[group]) - {*datasets, *_COORDINATES}
    return Block(
        file=path,
        ids=numbered_ids(stem, number),
        fields={name: Field(f"/{group}/{name}", "ntyx") for name in datasets},
        frame_size=(height, width),
        length=length,
        part=PARTS[group],
        is_8_bit=is_8_bit(*datasets.values()),
        static=find_static(file[group], others, {"n": number, "y": height, "x": width}),
    )
