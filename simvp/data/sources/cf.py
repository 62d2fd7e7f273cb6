"""netCDF files and Zarr stores that follow the CF conventions.

T: frames; C: channels; H, W: height and width.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simvp.data import cf_time
from simvp.data.cf_channels import choose_grid
from simvp.data.cf_coordinates import find_coordinates
from simvp.data.cf_files import (
    abort_reading,
    find_files,
    frames_per_chunk,
    is_netcdf,
    is_zarr,
    opened,
    read_values,
)
from simvp.data.cf_grid import Channel, Grid
from simvp.data.locations import Location, Url
from simvp.data.series import Frames, Options, Series, Source
from simvp.data.times import Times
from simvp.errors import DataError
from simvp.storage.urls import is_url

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard

Pieces = tuple[tuple[str, int, int], ...]
Stored = tuple[str, tuple[str, ...], tuple[tuple[str, int], ...]]


@dataclass(frozen=True, kw_only=True)
class CfSeries(Series):
    """Frames along the time axis of one file or several.

    Attributes:
        pieces: (path, first, count): consecutive frames of each file.
        dims: names of the dimensions of time, y and x.
        sources: the variable of each channel, those of `dims` that it has, and indices of its
            other dimensions. Values are repeated along dimensions that it does not have.
        known_times: the time of each frame, if the files say it.
    """

    pieces: Pieces
    dims: tuple[str, str, str]
    sources: tuple[Stored, ...]
    known_times: Times | None = None

    @property
    def times(self) -> Times | None:
        return self.known_times

    @property
    def length(self) -> int:
        return sum(count for _, _, count in self.pieces)

    @property
    def frames_per_chunk(self) -> int:
        return frames_per_chunk(self.pieces[0][0], self.sources[0][0], self.dims[0])

    @property
    def is_remote(self) -> bool:
        return is_url(self.pieces[0][0])

    def abort_reading(self) -> None:
        if self.is_remote:
            abort_reading(self.pieces[0][0])

    def locate(self, frame: int) -> str:
        for path, first, count in self.pieces:
            if frame < count:
                return f"{path}, {self.dims[0]} index {first + frame}"
            frame -= count
        raise IndexError(frame)

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        wanted = range(self.length)[start:stop:step]
        frames = np.empty((len(wanted), *self.shape), np.float32)
        done = before = 0
        for path, first, count in self.pieces:
            indices = [first + i - before for i in wanted[done:] if i < before + count]
            before += count
            if indices:
                chosen = slice(indices[0], indices[-1] + 1, step)
                self._read_piece(path, chosen, frames[done : done + len(indices)])
                done += len(indices)
        return frames

    def _read_piece(self, path: str, times: slice, frames: Frames) -> None:
        """Read frames of one file into `frames`, (T, C, H, W)."""
        sizes = dict(zip(self.dims, (len(frames), *self.shape[1:]), strict=True))
        for channel, (name, dims, fixed) in enumerate(self.sources):
            time = {self.dims[0]: times} if self.dims[0] in dims else {}
            values = read_values(path, name, dims, {**time, **dict(fixed)})
            expected = tuple(sizes[dim] for dim in dims)
            if values.shape != expected:
                raise DataError(
                    f"{path}: {name} has values of {values.shape} ({', '.join(dims)}), but the "
                    f"first file has {expected}; all files need one grid"
                )
            repeated = tuple(slice(None) if dim in dims else np.newaxis for dim in self.dims)
            with np.errstate(over="ignore"):  # the caller refuses infinite values
                frames[:, channel] = values[repeated]


def matches(path: Location) -> bool:
    """Whether a path is netCDF, Zarr, or a folder or pattern of netCDF files."""
    if isinstance(path, Url):
        return True
    try:
        if path.is_file():
            return is_netcdf(path)
        return any(is_zarr(file) or is_netcdf(file) for file in find_files(path))
    except (OSError, ValueError, DataError):  # no permission, or a path that cannot exist
        return False


def open_data(path: Location, card: "DatasetCard", options: Options) -> Source:
    """Open files. Raises DataError or ConfigError."""
    files: Sequence[Location] = [path] if isinstance(path, Url) else find_files(path)
    grid = choose_grid(files[0], opened(files[0]), options)
    times, pieces, notes = _join(files, grid)
    steps = cf_time.analyse(times)
    notes += _describe_steps(times, steps)
    card = grid.completed(card, steps.usual if times.unit else "", path)
    names = tuple(channel.name for channel in grid.channels)
    inputs = {*options.inputs, *options.static}
    common: dict[str, Any] = {
        "channels": names,
        "shape": grid.shape,
        "stored_scaling": card.stored_scaling(names),
        "dims": grid.dims,
    }
    bounds = [0, *(index for index, _ in steps.gaps), times.values.size]
    cuts = _cut(pieces, bounds[1:-1])
    series = []
    for member in range(grid.num_members):
        record = _base_name(path) + _suffix(grid.member_dim, member, grid.num_members)
        for number, part in enumerate(cuts):
            series.append(
                CfSeries(
                    id=record + _suffix("", number, len(cuts)),
                    record=record,
                    record_start=bounds[number],
                    pieces=part,
                    known_times=times.cut(*bounds[number : number + 2]) if times.unit else None,
                    sources=tuple(_stored(channel, grid, member) for channel in grid.channels),
                    **common,
                )
            )
    return Source(
        path=path,
        kind="cf",
        series=series,
        channels=names,
        shape=grid.shape,
        card=card,
        is_8_bit=grid.is_8_bit,
        assumptions=(*grid.assumptions, *notes),
        coordinates=find_coordinates(files[0], grid),
        variables=tuple(dict.fromkeys(channel.variable for channel in grid.channels)),
        inputs=tuple(c.name for c in grid.channels if c.variable in inputs),
    )


def _stored(channel: Channel, grid: Grid, member: int) -> Stored:
    """Where a channel of a series is stored."""
    has_members = grid.member_dim in grid.layouts[channel.variable].dims
    extra = ((grid.member_dim, member),) if has_members else ()
    return channel.variable, channel.dims, (*channel.fixed, *extra)


def _base_name(path: Location) -> str:
    """The name of a path as the beginning of ids."""
    is_folder = isinstance(path, Path) and path.is_dir() and not is_zarr(path)
    stem = path.name if is_folder else path.stem
    return re.sub(r"[^A-Za-z0-9.-]+", "_", stem).strip("_.-") or "data"


def _suffix(dim: str, index: int, count: int) -> str:
    """`_member_07`: what distinguishes one of `count` series; empty if there is only one."""
    if count == 1:
        return ""
    name = re.sub(r"[^A-Za-z0-9]+", "_", dim).strip("_")
    return "_".join(["", *filter(None, [name]), str(index).zfill(len(str(count - 1)))])


def _join(files: Sequence[Location], grid: Grid) -> tuple[Times, Pieces, list[str]]:
    """Join files along time, in order of their times.

    Returns: the times, the frames of each file and what was assumed.
    Raises: DataError if the files do not fit together, or times do not ascend.
    """
    parts = []
    for file in files:
        dataset = opened(file)
        grid.check_fits(file, dataset)
        times = grid.times(file, dataset)
        count = dataset.sizes[grid.dims[0]]
        if times is None:
            if len(files) > 1:
                raise DataError(
                    f"{file}: has no times ({grid.dims[0]} has no coordinate), so the order of "
                    f"the {len(files)} files is not known; add the times, or give one file"
                )
            note = f"{grid.dims[0]} has no coordinate: the frames are taken as evenly spaced"
            return Times(np.arange(count, dtype=float)), ((str(file), 0, count),), [note]
        _check_order(file, grid.dims[0], times)
        parts.append((times, str(file), count))
    _check_units(parts)
    parts.sort(key=lambda part: float(part[0].values[0]))
    for (early, before, _), (late, after, _) in zip(parts, parts[1:], strict=False):
        if late.values[0] <= early.values[-1]:
            raise DataError(
                f"{after}: begins at {late.label(0)}, but {before} ends at {early.label(-1)}; "
                "files along time must not overlap, so remove one or cut it"
            )
    times = parts[0][0]
    values = np.concatenate([part[0].values for part in parts])
    notes = [f"{len(files)} files are joined along time"] if len(files) > 1 else []
    joined = Times(values, times.unit, times.calendar)
    return joined, tuple((name, 0, count) for _, name, count in parts), notes


def _check_order(file: Location, dim: str, times: Times) -> None:
    wrong = cf_time.first_disorder(times.values)
    if wrong is not None:
        found = (
            f"{times.label(wrong)} after {times.label(wrong - 1)}"
            if np.isfinite(times.values[: wrong + 1]).all()
            else "no time"
        )
        raise DataError(
            f"{file}: {dim} index {wrong} has {found}; times must ascend without duplicates, so "
            "sort the frames and remove duplicates"
        )


def _check_units(parts: Sequence[tuple[Times, str, int]]) -> None:
    first, first_file, _ = parts[0]
    for times, file, _ in parts:
        if (times.unit, times.calendar) != (first.unit, first.calendar):
            raise DataError(
                f"{file}: times are in {times.unit or 'no unit'} of calendar "
                f"{times.calendar or 'unknown'}, but {first_file} has "
                f"{first.unit or 'no unit'} of calendar {first.calendar or 'unknown'}; "
                "write them with the same units and calendar"
            )


def _cut(pieces: Pieces, cuts: Sequence[int]) -> list[Pieces]:
    """Divide frames of files before each index of `cuts`."""
    total = sum(count for _, _, count in pieces)
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, total], strict=True):
        part, before = [], 0
        for path, first, count in pieces:
            low, high = max(start - before, 0), min(stop - before, count)
            if low < high:
                part.append((path, first + low, high - low))
            before += count
        parts.append(tuple(part))
    return parts


def _describe_steps(times: Times, steps: cf_time.Steps) -> list[str]:
    notes = []
    if steps.gaps:
        missing = sum(count for _, count in steps.gaps)
        where = "; ".join(
            f"{count} between {times.label(index - 1)} and {times.label(index)}"
            for index, count in steps.gaps[:3]
        )
        more = f"; and {len(steps.gaps) - 3} more gaps" if len(steps.gaps) > 3 else ""
        frames = "1 frame is" if missing == 1 else f"{missing} frames are"
        notes.append(
            f"{frames} missing at the usual step of {steps.usual} ({where}{more}): the series is "
            "cut there"
        )
    if steps.spread:
        notes.append(f"time steps vary from {steps.spread}; they are taken as {steps.usual}")
    return notes
