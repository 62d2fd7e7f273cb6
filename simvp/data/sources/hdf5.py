"""Any HDF5 file, or a folder of them: the user names data sets and the order of their axes.

Static fields have the axes of space, series or both in the same order.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simvp.data.axes import static_axes, static_shapes
from simvp.data.hdf5_questions import (
    LETTERS,
    example_axes,
    listing,
    may_be_channel,
    numeric_datasets,
    question,
)
from simvp.data.hdf5_series import Field
from simvp.data.hdf5_source import Block, Contents, make_source, numbered_ids
from simvp.data.hdf5_store import (
    SUFFIXES,
    any_has_layout,
    find_dataset,
    is_8_bit,
    open_file,
)
from simvp.data.listing import files_of
from simvp.data.series import Options, Source
from simvp.errors import ConfigError, did_you_mean

if TYPE_CHECKING:  # processes that simulate start without pydantic; h5py only where it is used
    import h5py

    from simvp.data.card import DatasetCard

_SEVIR_MISSING = 255  # "missing" in the tutorial of SEVIR, whose VIL images are uint8


def matches(path: Path) -> bool:
    """Whether a path is an HDF5 file of none of the known layouts, or a folder of such files."""
    return any_has_layout([path], "hdf5")


def open_data(path: Path, card: "DatasetCard", options: Options) -> Source:
    """Open the data sets that `options` names. Raises DataError or ConfigError."""
    options.refuse_level(path)
    paths = files_of(path, SUFFIXES)
    if not options.variables:
        raise question(paths[0])
    names, inputs, static = map(_paths, (options.variables, options.inputs, options.static))
    labels = _labels(names + static)
    files = [_read_header(file, names, static, labels, card, options) for file in paths]
    fields = files[0].blocks[0].fields
    chosen = replace(
        options,
        variables=None,
        inputs=tuple(name for name, item in fields.items() if item.dataset in inputs),
        static=tuple(labels[name] for name in static),
    )
    return make_source(path, "hdf5", card, files, chosen)


def _read_header(
    path: Path,
    names: Sequence[str],
    static: Sequence[str],
    labels: Mapping[str, str],
    card: "DatasetCard",
    options: Options,
) -> Contents:
    """What the data sets of one file hold, without their values; `labels` says what to call them.

    Raises: DataError or ConfigError.
    """
    with open_file(path) as file:
        datasets = [_find(file, name, options) for name in names]
        axes = _check_axes(datasets, options.axes)
        sizes = dict(zip(axes, datasets[0].shape, strict=True))
        card_names = [name for name in card.channels if name not in map(labels.get, static)]
        fields, notes = _fields(datasets, labels, axes, card_names)
        constant = {}
        for name in static:
            constant[labels[name]], assumed = _static_field(file, name, axes, sizes)
            notes += assumed
        block = Block(
            file=path,
            ids=numbered_ids(path.stem, sizes.get("n", 1)),
            fields=fields,
            frame_size=(sizes["y"], sizes["x"]),
            length=sizes["t"],
            is_8_bit=is_8_bit(*datasets),
            static=constant,
        )
    return Contents([block], notes=notes)


def _paths(names: Sequence[str]) -> list[str]:
    return [f"/{name.strip('/')}" for name in names]


def _labels(paths: Sequence[str]) -> dict[str, str]:
    """What to call each data set: the last part of its path if that is unique.

    Raises: ConfigError if one is named twice.
    """
    repeated = next((path for path in paths if paths.count(path) > 1), None)
    if repeated is not None:
        raise ConfigError(f"variables: {repeated} is named twice; name each data set once")
    short = [path.rpartition("/")[2] for path in paths]
    is_unique = len(set(short)) == len(short)
    return dict(zip(paths, short if is_unique else [p.strip("/") for p in paths], strict=True))


def _find(file: "h5py.File", name: str, options: Options) -> "h5py.Dataset":
    """The data set of a name. Raises ConfigError if there is none, DataError if it is unusable."""
    dataset = find_dataset(file, name)
    if dataset is None:
        option = "inputs" if name in _paths(options.inputs) else "variables"
        raise _unknown(option, file, name, numeric_datasets(file, may_be_channel))
    return dataset


def _static_field(
    file: "h5py.File", name: str, axes: str, sizes: Mapping[str, int]
) -> tuple[Field, list[str]]:
    """Where a field without time is stored, and what was assumed.

    Args:
        axes, sizes: of the channels.
    Raises: ConfigError if there is none of this name, or it has other axes.
    """
    dataset = find_dataset(file, name, booleans=True)
    if dataset is None:
        available = numeric_datasets(
            file, lambda shape: static_axes(shape, axes, sizes) is not None, booleans=True
        )
        raise _unknown("static", file, name, available)
    found = static_axes(dataset.shape, axes, sizes)
    if found is None:
        raise ConfigError(
            f"static: {file.filename}: {name} has shape {dataset.shape}; a static field beside "
            f"channels of axes {axes} has {static_shapes(axes, sizes)}"
        )
    missing, notes = _missing_value(dataset)
    return Field(name, found, missing=missing), notes


def _unknown(
    option: str, file: "h5py.File", name: str, available: Mapping[str, str]
) -> ConfigError:
    return ConfigError(
        f"{option}: {file.filename} has no data set {name!r}.{did_you_mean(name, available)} "
        + (f"Data sets with their shapes and types:\n{listing(available)}" if available else "")
    )


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
    advice = f"--axes gives one letter for each axis: {LETTERS}"
    if len(shape) < 3 or len(shape) > 5:
        raise ConfigError(f"{where}: has shape {shape}; expected three to five axes ({LETTERS})")
    if axes is None:
        raise ConfigError(
            f"{where}: has shape {shape}, but nothing says what its axes are. {advice}. "
            f"For example: --axes {example_axes(shape)}"
        )
    if len(axes) != len(shape) or len(set(axes)) < len(axes) or not set("tyx") <= set(axes):
        problem = f"does not fit {where}, which has shape {shape}"
    elif set(axes) - set("ntcyx"):
        problem = f"has the unknown letter {min(set(axes) - set('ntcyx'))!r}"
    else:
        return axes
    raise ConfigError(
        f"axes = {axes!r}: {problem}. {advice}; t, y and x are required. "
        f"For example: --axes {example_axes(shape)}"
    )


def _fields(
    datasets: Sequence["h5py.Dataset"],
    labels: Mapping[str, str],
    axes: str,
    card_names: Sequence[str],
) -> tuple[dict[str, Field], list[str]]:
    """The channels by name, and what was assumed.

    Args:
        labels: what to call each data set.
        card_names: names of the channels in the data card.
    """
    fields, assumptions = {}, []
    for dataset in datasets:
        path, name = str(dataset.name), labels[str(dataset.name)]
        missing, assumed = _missing_value(dataset)
        assumptions += assumed
        count = dataset.shape[axes.index("c")] if "c" in axes else 1
        channels = [f"{name}_{i}" for i in range(count)] if count > 1 else [name]
        if len(datasets) == 1 and count == len(card_names) > 1:
            channels = list(card_names)
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
