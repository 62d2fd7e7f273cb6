"""Sources of arrays without names for their axes: NumPy's and MATLAB's files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simvp.data.axes import Convention, as_text, choose_axes
from simvp.data.card import card_path
from simvp.data.series import Options, Series, Source
from simvp.data.stacks import StackSeries, input_names, series_of_stack
from simvp.data.static_fields import unused_note
from simvp.data.stored_arrays import StoredArray, choose_arrays, find_static
from simvp.errors import DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard


def open_stacks(
    path: Path,
    contents: Mapping[Path, Mapping[str, StoredArray]],
    card: "DatasetCard",
    options: Options,
    convention: Convention,
) -> Source:
    """Open the arrays of one file, or of several with one series or more each.

    Args:
        contents: the arrays of each file by name.
    Raises: DataError or ConfigError.
    """
    series: list[StackSeries] = []
    fields: list[set[str]] = []  # the static fields of each file that vary in space
    for name, (file, arrays) in zip(_ids(list(contents)), contents.items(), strict=True):
        stacks = choose_arrays(arrays, options, file)
        axes = choose_axes(options.axes, stacks[0].shape, stacks[0].where, convention)
        static = find_static(arrays, stacks, axes, options)
        found = series_of_stack(
            *(stacks, axes, static),
            name=name,
            options=options,
            card=card,
            card_path=card_path(path),
        )
        _check_same(found[0], series)
        series += found
        fields.append({name for name, item in static.items() if set("yx") <= set(item.axes)})
    return make_source(
        path,
        "arrays" if convention == "numpy" else "matlab",
        series,
        card,
        is_8_bit=all(a.dtype.itemsize == 1 for item in series for a in item.arrays),
        assumptions=(
            *([_reading(series[0])] if options.axes is None else []),
            *unused_note(sorted(set.intersection(*fields)), options),
        ),
        inputs=input_names(series[0], options),
    )


def make_source(
    path: Path, kind: str, series: Sequence[Series], card: "DatasetCard", **entries: Any
) -> Source:
    """A source of series with the same channels and shape."""
    ordered = sorted(series, key=lambda item: item.id)
    return Source(
        path=path,
        kind=kind,
        series=ordered,
        channels=ordered[0].channels,
        shape=ordered[0].shape,
        card=card,
        **entries,
    )


def _reading(series: StackSeries) -> str:
    shape = as_text(series.arrays[0].shape)
    return f"the axes {shape} are read as {' '.join(series.axes)} (t time, y rows, x columns)"


def _ids(files: Sequence[Path]) -> list[str]:
    """Names of the files without suffix, or with it where two differ in nothing else."""
    stems = [path.stem.strip(".") or "series" for path in files]
    return stems if len(set(stems)) == len(stems) else [path.name for path in files]


def _check_same(item: StackSeries, others: Sequence[StackSeries]) -> None:
    """Raises DataError if a series differs from the first one in more than its length."""
    if others and (item.channels, item.shape) != (others[0].channels, others[0].shape):
        raise DataError(
            f"{item.arrays[0].path}: has the channels {', '.join(item.channels)} and frames of "
            f"{as_text(item.shape)} (channels, rows, columns), but {others[0].arrays[0].path} has "
            f"{', '.join(others[0].channels)} and {as_text(others[0].shape)}; all need the same"
        )
