"""Frames on a part of the grid, or averaged to another one.

T: frames; C: channels; H, W: height and width.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simvp.data.cf_axes import is_latitude, is_longitude
from simvp.data.series import Coordinates, Frames, Series, Source
from simvp.data.times import Times
from simvp.errors import ConfigError, DataError

if TYPE_CHECKING:  # processes that simulate start without pydantic
    from simvp.data.card import DatasetCard

_CROP = re.compile(r"(\d*):(\d*),(\d*):(\d*)")
_SIZE = re.compile(r"([1-9]\d*)x([1-9]\d*)")
_MOST_MISSING = 0.5  # an averaged cell is missing if more than this fraction of its area is


@dataclass(frozen=True, kw_only=True)
class RegriddedSeries(Series):
    """A series on a part of its grid, then averaged to frames of `shape`.

    Attributes:
        whole: the series as it is stored.
        rows, columns: of the part that is used, (first, last + 1).
    """

    whole: Series
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def length(self) -> int:
        return self.whole.length

    @property
    def times(self) -> Times | None:
        return self.whole.times

    @property
    def whole_arrays(self) -> dict[str, int]:
        return self.whole.whole_arrays

    @property
    def frames_per_chunk(self) -> int:
        return self.whole.frames_per_chunk

    @property
    def bytes_per_frame(self) -> int:
        return max(self.whole.bytes_per_frame, super().bytes_per_frame)

    def locate(self, frame: int) -> str:
        return self.whole.locate(frame)

    def read_stored(self, start: int, stop: int, step: int = 1) -> Frames:
        frames = self.whole.read_stored(start, stop, step)
        part = frames[..., slice(*self.rows), slice(*self.columns)]
        if part.shape[1:] == self.shape:
            return np.ascontiguousarray(part)
        infinite = np.isinf(part).any(axis=(1, 2, 3))
        if infinite.any():
            name = self.locate(range(start, stop, step)[int(infinite.argmax())])
            raise DataError(f"{name}: has infinite values; fix or remove the sample")
        return average(part, self.shape[1:])


def average(frames: Frames, size: tuple[int, int]) -> Frames:
    """Average frames (..., H, W) over the cells of another grid.

    Cells of a finer grid are means of the parts of old cells that they cover: values are repeated.

    Means are preserved where no value is missing. A cell is the mean of its known values, and is
    missing if more than half of its area is.

    Args:
        size: height and width of the result.
    """
    from skimage.transform import resize_local_mean

    shape = (*frames.shape[:-2], *size)
    known = ~np.isnan(frames)

    def resized(values: Frames) -> Frames:
        result = resize_local_mean(values, shape, preserve_range=True)  # type: ignore[no-untyped-call]
        return np.asarray(result, np.float32)

    if known.all():
        return resized(frames)
    weight = resized(known.astype(np.float32))
    total = resized(np.where(known, frames, np.float32(0)))
    enough = weight >= 1 - _MOST_MISSING
    return np.where(enough, total / np.where(enough, weight, 1), np.float32(np.nan))


def change_grid(source: Source, crop: str | None, resize: str | None) -> Source:
    """The source with frames cropped first, then resized; see `simvp.data.open_source`.

    Raises: ConfigError if the options are invalid or do not fit the frames.
    """
    if crop is None and resize is None:
        return source
    size = source.shape[1:]
    rows, columns = _parse_crop(crop, size)
    old = (rows[1] - rows[0], columns[1] - columns[0])
    target = old if resize is None else _parse_size(resize)
    shape = (source.shape[0], *target)
    card, notes = _card_of_part(source.card, size, (rows, columns))
    if target[0] > old[0] or target[1] > old[1]:
        notes.append(
            f"the frames are refined from {old[0]}x{old[1]} to {target[0]}x{target[1]} cells, "
            "which adds no detail"
        )
    series = [
        RegriddedSeries(
            id=item.id,
            channels=item.channels,
            shape=shape,
            stored_scaling=item.stored_scaling,
            record=item.record,
            record_start=item.record_start,
            whole=item,
            rows=rows,
            columns=columns,
        )
        for item in source.series
    ]
    return replace(
        source,
        series=series,
        shape=shape,
        card=card,
        assumptions=(*source.assumptions, *notes),
        coordinates=_cut_coordinates(source.coordinates, (rows, columns), target),
    )


def _cut_coordinates(
    coordinates: Coordinates,
    part: tuple[tuple[int, int], tuple[int, int]],
    target: tuple[int, int],
) -> Coordinates:
    """The coordinates of a part of the grid, those along an axis that is resized averaged.

    Along such an axis only those are kept that depend on nothing else.
    """
    slices = dict(zip(coordinates.dims, (slice(*bounds) for bounds in part), strict=True))
    sizes = dict(zip(coordinates.dims, target, strict=True))
    variables = {}
    for name, (dims, values, attributes) in coordinates.variables.items():
        values = values[tuple(slices[dim] for dim in dims)]
        if values.shape != tuple(sizes[dim] for dim in dims):
            resized = resize_coordinate(name, values, sizes[dims[0]], attributes)
            if resized is None:
                continue
            values = resized
        variables[name] = (dims, values, attributes)
    return replace(coordinates, variables=variables)


def resize_coordinate(
    name: str, values: NDArray[np.float64], size: int, attributes: Mapping[str, str]
) -> NDArray[np.float64] | None:
    """The coordinate of cells that are averaged to another number of cells.

    Larger cells have the mean of the cells that they cover. The coordinate of smaller cells is
    interpolated linearly between the centres of the old ones, and extrapolated at the ends.
    Longitudes that pass the date line continue beyond 180 or 360 degrees.

    Returns: `size` values; None if the coordinate is 2-D, neither rises nor falls throughout, or
        would leave the poles.
    """
    if values.ndim != 1 or values.size < 2:
        return None
    if is_longitude(name, attributes):
        values = np.unwrap(values, period=360)
    steps = np.diff(values)
    if not ((steps > 0).all() or (steps < 0).all()):
        return None
    if size < values.size:
        from skimage.transform import resize_local_mean

        mean = resize_local_mean(values, (size,), preserve_range=True)  # type: ignore[no-untyped-call]
        return np.asarray(mean, np.float64)
    ends = (2 * values[0] - values[1], 2 * values[-1] - values[-2])
    centres = (np.arange(size) + 0.5) * values.size / size  # in old cells, whose edges are integers
    finer = np.interp(
        centres, np.arange(values.size + 2) - 0.5, np.concatenate([ends[:1], values, ends[1:]])
    )
    is_off_globe = is_latitude(name, attributes) and np.abs(finer).max() > 90
    return None if is_off_globe else finer


def _parse_crop(crop: str | None, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The rows and columns of a crop, (first, last + 1) each. Raises ConfigError."""
    height, width = size
    if crop is None:
        return (0, height), (0, width)
    found = _CROP.fullmatch(crop)
    if found is None:
        raise ConfigError(
            f"crop = {crop!r}: expected ROWS,COLUMNS as first:last+1, counted from 0; for example "
            f"--crop 0:{height // 2},:"
        )
    top, bottom, left, right = (int(text) if text else None for text in found.groups())
    rows = (top or 0, height if bottom is None else bottom)
    columns = (left or 0, width if right is None else right)
    for name, (first, last), available in (("rows", rows, height), ("columns", columns, width)):
        if not first < last <= available:
            raise ConfigError(
                f"crop = {crop!r}: {name} {first}:{last} do not lie within the {available} "
                f"{name} of the frames"
            )
    return rows, columns


def _parse_size(resize: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(resize)
    if found is None:
        raise ConfigError(
            f"resize = {resize!r}: expected height and width in cells, for example 64x128"
        )
    return int(found[1]), int(found[2])


def _card_of_part(
    card: "DatasetCard",
    size: tuple[int, int],
    part: tuple[tuple[int, int], tuple[int, int]],
) -> tuple["DatasetCard", list[str]]:
    """The data card of a part of the grid: an axis that is cut is not periodic any more."""
    changes: dict[str, object] = {}
    notes = []
    for key, available, chosen in zip(("boundary_y", "boundary_x"), size, part, strict=True):
        if chosen != (0, available) and getattr(card, key) == "periodic":
            changes[key] = "zeros"
            notes.append(f"{key} is zeros instead of periodic, because the frames are cropped")
    if changes:
        changes["symmetries"] = [name for name in card.symmetries if name != "roll"]
    return card.model_copy(update=changes), notes
