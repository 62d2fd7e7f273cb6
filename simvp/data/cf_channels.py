"""Which variables of a CF data set become channels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simvp.data import cf_axes, cf_values
from simvp.data.cf_axes import Layout
from simvp.data.cf_files import check_numeric, is_zarr
from simvp.data.cf_grid import (
    Channel,
    Grid,
    axis_values,
    coordinate_of,
    dimension_letter,
    is_longitude,
)
from simvp.data.cf_static import static_layouts
from simvp.data.locations import Location
from simvp.data.series import Options
from simvp.data.static_fields import choose_static, unused_note
from simvp.data.zarr_chunks import absent_chunks, zarr_array
from simvp.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from xarray import Dataset

_NAMES_OTHERS = ("bounds", "climatology", "coordinates", "grid_mapping", "cell_measures")


def choose_grid(path: Location, dataset: "Dataset", options: Options) -> Grid:
    """Choose the channels of a data set. Raises ConfigError or DataError."""
    layouts = _layouts(path, dataset, options)
    clear = [name for name, layout in layouts.items() if layout.is_clear]
    names = list(options.variables or clear)
    _check_names(path, dataset, names, layouts, clear, options)
    _check_one_grid(path, names, layouts)
    layout = layouts[names[0]]
    dims = (str(layout.dim("t")), str(layout.dim("y")), str(layout.dim("x")))
    member_dim = layout.dim("n") or ""
    constant = static_layouts(dataset, dims, member_dim)
    static = choose_static(path, options, list(constant), clear)
    used = {name: layouts[name] for name in names} | {name: constant[name] for name in static}
    channels, level_notes = _channels(path, dataset, used, dims, options.level)
    notes = [] if options.variables else _left_out(layouts)
    if member_dim and cf_axes.letter_of(member_dim, ()) != "n" and options.axes is None:
        notes.append(f"{member_dim} is taken to count series, {layout.size('n')} of them")
    is_global = _is_global(dataset, dims[2])
    if is_global:
        notes.append(f"boundary_x is periodic: {dims[2]} goes once round the globe")
    fields = [name for name, item in constant.items() if name in layouts and item.is_static]
    notes += [*level_notes, *_fill_notes(path, dataset, used), *unused_note(fields, options)]
    variables = [dataset.variables[name] for name in names]
    return Grid(
        channels=tuple(channels),
        dims=dims,
        shape=(len(channels), layout.size("y"), layout.size("x")),
        member_dim=member_dim,
        num_members=layout.size("n") if member_dim else 1,
        layouts=used,
        coordinates={
            dim: axis_values(dataset, dim)
            for dim in {dim: None for item in used.values() for dim in item.dims}
            if dim != dims[0]
        },
        is_8_bit=all(cf_values.is_8_bit(v.dtype, v.attrs) for v in variables),
        is_global=is_global,
        assumptions=tuple(notes),
    )


def _is_global(dataset: "Dataset", dim: str) -> bool:
    """Whether the columns go once round the globe."""
    longitudes = axis_values(dataset, dim)
    is_named = longitudes is not None and is_longitude(dataset, dim)
    return is_named and cf_axes.closes_circle(np.asarray(longitudes))


def _layouts(path: Location, dataset: "Dataset", options: Options) -> dict[str, Layout]:
    """The layouts of the variables that may be channels."""
    axes = options.axes
    if axes is not None:
        cf_axes.check_axes(axes)
    auxiliary = {
        word.rstrip(":")
        for variable in dataset.variables.values()
        for key in _NAMES_OTHERS
        for word in cf_values.as_text(variable.attrs, key).split()
    }
    letters = {str(dim): dimension_letter(dataset, str(dim)) for dim in dataset.dims}
    layouts = {}
    for name, variable in dataset.variables.items():
        is_other = name in auxiliary or name in dataset.dims
        if is_other or variable.ndim < 2 or cf_axes.is_horizontal(variable.attrs):
            continue
        dims = [str(dim) for dim in variable.dims]
        layout = cf_axes.recognise(dims, variable.shape, letters)
        named = None if axes is None or name in options.static else cf_axes.given(layout, axes)
        if named is not None and name in (options.variables or (name,)):
            _check_given(path, dataset, str(name), layout, named)
        layouts[str(name)] = named or layout
    # A Zarr store has no order of variables.
    return dict(sorted(layouts.items())) if is_zarr(path) else layouts


def _check_given(
    path: Location, dataset: "Dataset", name: str, layout: Layout, named: Layout
) -> None:
    """Raises ConfigError if the letters of the user contradict the coordinates of a variable."""
    known = [
        letter if letter in ("t", "y", "x") and coordinate_of(dataset, dim) is not None else None
        for dim, letter in zip(layout.dims, layout.letters, strict=True)
    ]
    pairs = zip(known, named.letters, strict=True)
    if any(letter not in (None, wanted) for letter, wanted in pairs):
        found = ", ".join(
            f"{dim} is {letter}" for dim, letter in zip(layout.dims, known, strict=True) if letter
        )
        raise ConfigError(
            f"axes: the letters contradict the coordinates of {name} in {path}, which say that "
            f"{found}; leave out --axes"
        )


def _left_out(layouts: Mapping[str, Layout]) -> list[str]:
    """What is said of variables that vary in time, but are not channels."""
    unclear = [
        f"{name} ({layout})"
        for name, layout in layouts.items()
        if "t" in layout.letters and len(layout.dims) > 2 and not layout.is_clear
    ]
    return [f"variables of unknown axes are left out: {', '.join(unclear)}"] if unclear else []


def _check_names(
    path: Location,
    dataset: "Dataset",
    names: Sequence[str],
    layouts: Mapping[str, Layout],
    clear: Sequence[str],
    options: Options,
) -> None:
    """Raises ConfigError or DataError unless there are names, of variables that can be read."""
    if not names:
        for name, layout in layouts.items():
            if None in layout.letters and len(layout.dims) > 2:
                raise ConfigError(f"{path}: {layout.question(name)}")
        shapes = "; ".join(
            f"{name} ({', '.join(f'{dim} {size}' for dim, size in variable.sizes.items())})"
            for name, variable in dataset.variables.items()
        )
        raise DataError(
            f"{path}: no variable has dimensions of time, y and x; found "
            f"{shapes or 'no variables outside groups'}. Give a file with such a variable"
        )
    for name in names:
        if name not in layouts or (layouts[name].is_static and None not in layouts[name].letters):
            raise _no_channel(path, name, clear, options.option_of(name), name in layouts)
        if not layouts[name].is_clear:
            raise ConfigError(f"{path}: {layouts[name].question(name)}")
        check_numeric(path, name, dataset.variables[name])


def _no_channel(
    path: Location, name: str, clear: Sequence[str], option: str, is_static: bool
) -> ConfigError:
    if is_static:
        return ConfigError(
            f"{option}: {name!r} of {path} has no time axis; give it to the network with "
            f"--static {name}"
        )
    return ConfigError(
        f"{option}: {name!r} is not a channel in {path}; the channels are "
        f"{', '.join(clear) or 'none'}.{did_you_mean(name, clear)}"
    )


def _check_one_grid(path: Location, names: Sequence[str], layouts: Mapping[str, Layout]) -> None:
    """Raises ConfigError unless all variables have the same axes."""
    grids: dict[str, list[str]] = {}
    for name in names:
        layout = layouts[name]
        letters = [letter for letter in "ntyx" if letter in layout.letters]
        grid = ", ".join(f"{layout.dim(letter)} {layout.size(letter)}" for letter in letters)
        grids.setdefault(grid, []).append(name)
    if len(grids) > 1:
        choices = " or ".join(
            f"--variables {','.join(group)} ({grid})" for grid, group in grids.items()
        )
        raise ConfigError(f"{path}: the variables have different grids; give {choices}")


def _channels(
    path: Location,
    dataset: "Dataset",
    layouts: Mapping[str, Layout],
    dims: tuple[str, str, str],
    level: str | None,
) -> tuple[list[Channel], list[str]]:
    """The channels of variables, and the levels that were chosen as notes. Raises ConfigError.

    Args:
        layouts: of the variables to use, in their order.
        dims: the dimensions of time, y and x.
    """
    if level is not None and not any("z" in layout.letters for layout in layouts.values()):
        raise ConfigError(
            f"level = {level!r}: {', '.join(layouts)} of {path} have no vertical axis with several "
            "levels; leave out --level"
        )
    channels, notes = [], []
    for name, layout in layouts.items():
        attributes = dataset.variables[name].attrs
        fixed = [
            (dim, 0)
            for dim, letter in zip(layout.dims, layout.letters, strict=True)
            if letter == "1"
        ]
        dim = layout.dim("z")
        if dim is not None:
            index, text = cf_axes.choose_level(
                f"{path}: {name}", dim, *_levels(dataset, dim, layout.size("z")), level
            )
            fixed.append((dim, index))
            notes.append(f"{name} is read at {text}")
        along = layout.dim("c")
        parts: list[tuple[str, list[tuple[str, int]]]] = [(name, [])]
        if along is not None:
            parts = [(f"{name}_{i}", [(along, i)]) for i in range(layout.size("c"))]
        long_name = cf_values.as_text(attributes, "long_name")
        channels += [
            Channel(
                name=part,
                variable=name,
                quantity=long_name or cf_values.as_text(attributes, "standard_name"),
                unit=cf_values.as_text(attributes, "units"),
                dims=tuple(dim for dim in dims if dim in layout.dims),
                fixed=(*fixed, *index_of),
            )
            for part, index_of in parts
        ]
    return channels, notes


def _levels(dataset: "Dataset", dim: str, size: int) -> tuple[NDArray[np.float64], str]:
    """Values and unit of the levels; their indices if they have no values."""
    levels, coordinate = axis_values(dataset, dim), coordinate_of(dataset, dim)
    if levels is None or coordinate is None:
        return np.arange(size, dtype=np.float64), ""
    return levels, cf_values.as_text(coordinate.attrs, "units")


def _fill_notes(path: Location, dataset: "Dataset", names: Iterable[str]) -> list[str]:
    """What is said of stored values that stand for others, or for lost ones."""
    if not is_zarr(path):
        variables = [dataset.variables[name] for name in names]
        fills = {str(cf_values.default_fill_of(v.dtype, v.attrs)) for v in variables} - {"None"}
        note = f"default fill values of netCDF are read as missing: {', '.join(sorted(fills))}"
        return [note] if fills else []
    arrays = [zarr_array(path, name) for name in names]
    zeros = [
        name
        for name, array in zip(names, arrays, strict=True)
        if "_FillValue" not in array.attrs and dataset.variables[name].attrs.get("_FillValue") == 0
    ]
    notes = absent_chunks(path, dataset, names)
    if zeros:
        note = "the value 0 counts as missing, since it is the fill_value of the Zarr array"
        notes.insert(0, f"{note}: {', '.join(zeros)}")
    return notes
