"""PDEArena: HDF5 files with a group train, valid or test of `u`, `vx`, `vy`, (n, t, x, y).

The first spatial axis, x, becomes the rows, the second one, y, the columns, as they are stored.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from simvp.data.hdf5_series import (
    Block,
    Field,
    describe_time_step,
    make_source,
    numbered_ids,
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
    from simvp.data.card import DatasetCard

    options.refuse_layout(path, "a data set of PDEArena")
    files = files_of(path, SUFFIXES)
    blocks, left_out = [], set[str]()
    for number, file_path in enumerate(files):
        with open_file(file_path) as file:
            parts = [name for name in file if name in PARTS]
            if not parts:
                raise DataError(
                    f"{file_path}: has no group {', '.join(PARTS)}; move the file elsewhere"
                )
            for name in parts:
                prefix = "" if path.is_file() else f"_{file_path.stem}"
                blocks.append(_block(file, file_path, name, f"{name}{prefix}"))
                left_out |= set(file[name]) - set(blocks[-1].fields) - _COORDINATES
            if number == 0:
                step, problem = describe_time_step(file, f"{parts[0]}/t")
    found = DatasetCard.model_validate({"time_step": step} if step else {})
    assumptions = ["rows are x and columns are y, as they are stored"]
    assumptions += [problem] * bool(problem)
    if left_out:
        assumptions.append(f"left out, not fields over time: {', '.join(sorted(left_out))}")
    return make_source(
        path,
        "pdearena",
        card.completed(found, path),
        blocks,
        variables=options.variables,
        assumptions=assumptions,
    )


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
    return Block(
        file=path,
        ids=numbered_ids(stem, number),
        fields={name: Field(f"/{group}/{name}", "ntyx") for name in datasets},
        frame_size=(height, width),
        length=length,
        part=PARTS[group],
        is_8_bit=is_8_bit(*datasets.values()),
    )
