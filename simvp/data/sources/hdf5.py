"""Any HDF5 file: the user names data sets and the order of their axes.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simvp.data.hdf5_series import Field
from simvp.data.hdf5_source import Block, Contents, make_source, numbered_ids
from simvp.data.hdf5_store import find_dataset, is_8_bit, layout, numeric_shape, open_file
from simvp.data.series import Options, Source
from simvp.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:  # processes that simulate start without pydantic; h5py only where it is used
    import h5py

    from simvp.data.card import DatasetCard

_LISTED = 20  # data sets in a message
_LETTERS = "n series, t time, c channel, y, x"
_SEVIR_MISSING = 255  # "missing" in the tutorial of SEVIR, whose VIL images are uint8


def matches(path: Path) -> bool:
    """Whether a path is an HDF5 file of none of the known layouts."""
    return layout(path) == "hdf5"


def open_data(path: Path, card: "DatasetCard", options: Options) -> Source:
    """Open the data sets that `options.variables` names. Raises DataError or ConfigError."""
    if options.level is not None:
        raise ConfigError(f"level = {options.level!r}: {path} names no levels; leave out --level")
    with open_file(path) as file:
        if not options.variables:
            raise _question(path, _numeric_datasets(file))
        names = [f"/{name.strip('/')}" for name in options.variables]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ConfigError(f"variables: {repeated} is named twice; name each data set once")
        datasets = [_find(file, name) for name in names]
        axes = _check_axes(datasets, options.axes)
        fields, assumptions = _fields(datasets, axes, card)
        sizes = dict(zip(axes, datasets[0].shape, strict=True))
        block = Block(
            file=path,
            ids=numbered_ids(path.stem, sizes.get("n", 1)),
            fields=fields,
            frame_size=(sizes["y"], sizes["x"]),
            length=sizes["t"],
            is_8_bit=is_8_bit(*datasets),
        )
    contents = Contents([block], notes=assumptions)
    return make_source(path, "hdf5", card, [contents], replace(options, variables=None))


def _numeric_datasets(file: "h5py.File") -> dict[str, str]:
    """The data sets of numbers with three axes or more: shape and type of each."""
    import h5py

    found = {}

    def visit(name: str, item: "h5py.HLObject") -> bool | None:  # of this file: follows no links
        if isinstance(item, h5py.Dataset):
            try:
                shape = numeric_shape(item)
            except DataError:
                return None
            if len(shape) >= 3:
                found[f"/{name}"] = f"{shape} {item.dtype}"
        return None

    file.visititems(visit)
    return found


def _listing(available: dict[str, str]) -> str:
    lines = [f"  {name}  {what}" for name, what in list(available.items())[:_LISTED]]
    left_out = len(available) - len(lines)
    return "\n".join(lines + [f"  and {left_out} more"] * (left_out > 0))


def _question(path: Path, available: dict[str, str]) -> ConfigError | DataError:
    """The question which data sets to read; an error if there are none to choose from."""
    if not available:
        return DataError(
            f"{path}: contains no data set of numbers with three axes or more (time, y, x)"
        )
    name, what = next(iter(available.items()))
    shape = tuple(int(size) for size in what[1 : what.index(")")].split(","))
    return ConfigError(
        f"{path}: choose what to read. --variables names data sets, --axes gives one letter for "
        f"each of their axes ({_LETTERS}). Data sets with their shapes and types:\n"
        f"{_listing(available)}\n"
        f"For example: --variables {name} --axes {_example_axes(shape)}"
    )


def _example_axes(shape: Sequence[int]) -> str:
    """A likely order of axes for a hint: neighbours of the most similar size are y and x.

    (N, 384, 384, 49) is nyxt; (N, T, 64, 64, 3) is ntyxc.
    """
    ratios = [min(pair) / max(pair) for pair in zip(shape, shape[1:], strict=False)]
    position = ratios.index(max(ratios))
    others = {1: "t", 2: "nt", 3: "ntc"}.get(len(shape) - 2, "ntc")
    return f"{others[:position]}yx{others[position:]}"


def _find(file: "h5py.File", name: str) -> "h5py.Dataset":
    """The data set of a name. Raises ConfigError if there is none, DataError if it is unusable."""
    dataset = find_dataset(file, name)
    if dataset is None:
        available = _numeric_datasets(file)
        raise ConfigError(
            f"variables: {file.filename} has no data set {name!r}.{did_you_mean(name, available)} "
            f"Data sets with their shapes and types:\n{_listing(available)}"
        )
    return dataset


def _check_axes(datasets: Sequence["h5py.Dataset"], axes: str | None) -> str:
    """The order of axes. Raises ConfigError if it is not given, or does not fit the data sets."""
    first = datasets[0]
    shape, where = first.shape, f"{first.file.filename}: {first.name}"
    for dataset in datasets:
        if dataset.shape != shape:
            raise ConfigError(
                f"variables: {where} has shape {shape}, but {dataset.name} has {dataset.shape}; "
                "name data sets of one shape"
            )
    advice = f"--axes gives one letter for each axis: {_LETTERS}"
    if len(shape) < 3 or len(shape) > 5:
        raise ConfigError(f"{where}: has shape {shape}; expected three to five axes ({_LETTERS})")
    if axes is None:
        raise ConfigError(
            f"{where}: has shape {shape}, but nothing says what its axes are. {advice}. "
            f"For example: --axes {_example_axes(shape)}"
        )
    if len(axes) != len(shape) or len(set(axes)) < len(axes) or not set("tyx") <= set(axes):
        problem = f"does not fit {where}, which has shape {shape}"
    elif set(axes) - set("ntcyx"):
        problem = f"has the unknown letter {min(set(axes) - set('ntcyx'))!r}"
    else:
        return axes
    raise ConfigError(
        f"axes = {axes!r}: {problem}. {advice}; t, y and x are required. "
        f"For example: --axes {_example_axes(shape)}"
    )


def _fields(
    datasets: Sequence["h5py.Dataset"], axes: str, card: "DatasetCard"
) -> tuple[dict[str, Field], list[str]]:
    """The channels by name, and what was assumed."""
    paths = [str(dataset.name) for dataset in datasets]
    short = [path.rpartition("/")[2] for path in paths]
    names = short if len(set(short)) == len(short) else [path.strip("/") for path in paths]
    fields, assumptions = {}, []
    for dataset, path, name in zip(datasets, paths, names, strict=True):
        missing, assumed = _missing_value(dataset)
        assumptions += assumed
        count = dataset.shape[axes.index("c")] if "c" in axes else 1
        channels = [f"{name}_{i}" for i in range(count)] if count > 1 else [name]
        if len(datasets) == 1 and count == len(card.channels) > 1:
            channels = list(card.channels)
        for i, channel in enumerate(channels):
            fields[channel] = Field(path, axes, (i,) if "c" in axes else (), missing)
    return fields, assumptions


def _missing_value(dataset: "h5py.Dataset") -> tuple[float | None, list[str]]:
    """The stored value that stands for a missing one, and what was assumed of stored values."""
    path, assumptions, missing = dataset.name, [], None
    for name in ("_FillValue", "missing_value"):
        value = np.ravel(dataset.attrs.get(name, []))
        if len(value) == 1 and value.dtype.kind in "fiu":
            missing = float(value[0])
            assumptions.append(f"{path}: {name} = {missing:g} is read as missing")
            break
    else:
        if path == "/vil" and dataset.dtype == np.uint8 and "id" in dataset.parent:
            missing = float(_SEVIR_MISSING)
            assumptions.append(f"{path}: {_SEVIR_MISSING} is read as missing, as SEVIR defines")
    packing = [name for name in ("scale_factor", "add_offset") if name in dataset.attrs]
    if packing:
        assumptions.append(f"{path}: attributes not applied: {', '.join(packing)}")
    return missing, assumptions
