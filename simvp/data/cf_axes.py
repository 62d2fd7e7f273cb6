"""Axes of CF variables, by letters: t time, z vertical, y rows, x columns, n series, c channels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.data.cf_values import as_text
from simvp.errors import ConfigError

_STANDARD_NAMES = {
    "time": "t",
    **dict.fromkeys(("latitude", "grid_latitude", "projection_y_coordinate"), "y"),
    **dict.fromkeys(("longitude", "grid_longitude", "projection_x_coordinate"), "x"),
    **dict.fromkeys(("air_pressure", "height", "depth", "altitude", "model_level_number"), "z"),
    "realization": "n",
}
_NAMES = {
    "t": "time t times datetime date valid_time time_counter",
    "z": "lev level levels depth plev z height altitude pressure pressure_level bottom_top sigma "
    "isobaricinhpa deptht depthu depthv depthw olevel hybrid",
    "y": "lat latitude y rlat nlat nj j south_north yc yh yq eta_rho eta_u eta_v northing row rows",
    "x": "lon longitude x rlon nlon ni i west_east xc xh xq xi_rho xi_u xi_v easting "
    "column columns",
    "n": "member ensemble number realization ens ensemble_member",
}
_LETTER_OF_NAME = {name: letter for letter, names in _NAMES.items() for name in names.split()}
_DEGREES = {
    f"{degree}{separator}{direction}": letter
    for letter, directions in (("y", ("north", "n")), ("x", ("east", "e")))
    for direction in directions
    for degree in ("degree", "degrees")
    for separator in ("_", "")
}
_PRESSURE_UNITS = {"pa", "hpa", "mbar", "millibar", "millibars", "bar", "dbar"}


@dataclass(frozen=True)
class Layout:
    """What the dimensions of a variable are.

    Attributes:
        dims: names of the dimensions as stored.
        sizes: their sizes.
        letters: their letters, None where not recognised; "1" for a dimension of size 1 that is
            none of t, y and x.
    """

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    letters: tuple[str | None, ...]

    def dim(self, letter: str) -> str | None:
        """The dimension of a letter, None if there is none."""
        return self.dims[self.letters.index(letter)] if letter in self.letters else None

    def size(self, letter: str) -> int:
        return self.sizes[self.letters.index(letter)]

    @property
    def is_clear(self) -> bool:
        """Whether frames can be read: t, y and x, and nothing else that is not known."""
        return {"t", "y", "x"} <= set(self.letters) and None not in self.letters

    @property
    def is_static(self) -> bool:
        return {"y", "x"} <= set(self.letters) and "t" not in self.letters

    def __str__(self) -> str:
        return ", ".join(f"{d} {s}" for d, s in zip(self.dims, self.sizes, strict=True))

    def question(self, name: str) -> str:
        """Ask which axis is which, with the answers to choose from."""
        asked = [letter for letter in self.letters if letter != "z"]
        unknown = [letter for letter in asked if letter is None]
        needed = [letter for letter in "tyx" if letter not in asked]
        needed += [letter for letter in "nc" if letter not in asked]
        required = set("tyx") - set(asked)
        answers = []
        for chosen in permutations(needed, min(len(unknown), len(needed))):
            rest = iter(chosen)
            # Dimensions of size 1 can be given any unused letter; channels suit.
            letters = [next(rest, "?") if x is None else "c" if x == "1" else x for x in asked]
            if required <= set(chosen) and "?" not in letters:
                answers.append(f"--axes {''.join(letters)}")
        advice = " or ".join(answers[:6]) or "the axes of another variable with --variables"
        return (
            f"cannot tell the axes of {name} ({self}); give {advice} (a letter per dimension: "
            "t time, y rows, x columns, n series, c channels)"
        )


def recognise(
    dims: Sequence[str], sizes: Sequence[int], letter_of: Mapping[str, str | None]
) -> Layout:
    """Recognise the dimensions of a variable; those with the same letter are not known.

    A single dimension that is not recognised beside t, y and x counts series.
    """
    letters = [letter_of.get(dim) for dim in dims]
    letters = [
        "1" if size == 1 and (letter is None or letter in "zn") else letter
        for letter, size in zip(letters, sizes, strict=True)
    ]
    letters = [None if x not in (None, "1") and letters.count(x) > 1 else x for x in letters]
    has_frames = {"t", "y", "x"} <= set(letters)
    if has_frames and letters.count(None) == 1 and "n" not in letters:
        letters[letters.index(None)] = "n"
    return Layout(tuple(dims), tuple(sizes), tuple(letters))


def given(layout: Layout, axes: str) -> Layout | None:
    """The layout by the letters of the user; None if their number does not fit the variable."""
    letters: list[str | None] = list(layout.letters)
    asked = [i for i, letter in enumerate(letters) if letter != "z"]
    if len(axes) == len(letters):
        asked = list(range(len(letters)))
    if len(axes) != len(asked):
        return None
    for position, letter in zip(asked, axes, strict=True):
        letters[position] = letter
    return Layout(layout.dims, layout.sizes, tuple(letters))


def check_axes(axes: str) -> None:
    """Raises ConfigError unless `axes` has t, y and x, and each letter once."""
    if len(set(axes)) != len(axes) or not {"t", "y", "x"} <= set(axes) <= set("ntcyx"):
        raise ConfigError(
            f"axes = {axes!r}: expected t, y and x, and n or c if there are more dimensions, each "
            "once, in the order of the dimensions in the file; for example tyx"
        )


def letter_of(dim: str, coordinates: Iterable[tuple[str, Mapping[str, Any]]]) -> str | None:
    """The letter of a dimension by its coordinates (name, attributes), or by its name."""
    found = {
        _by_attributes(attributes) or _LETTER_OF_NAME.get(name.lower())
        for name, attributes in coordinates
    } - {None}
    # Stations and trajectories have latitudes as well as longitudes along one dimension.
    return found.pop() if len(found) == 1 else _LETTER_OF_NAME.get(dim.lower())


def is_horizontal(attributes: Mapping[str, Any]) -> bool:
    """Whether a variable holds latitudes or longitudes."""
    standard_name = as_text(attributes, "standard_name")
    units = as_text(attributes, "units").lower()
    return standard_name in ("latitude", "longitude") or units in _DEGREES


def is_latitude(name: str, attributes: Mapping[str, Any]) -> bool:
    """Whether a coordinate holds latitudes in degrees, of the earth or of a rotated grid."""
    return _is_in_degrees(name, attributes, "y", ("lat", "latitude"))


def is_longitude(name: str, attributes: Mapping[str, Any]) -> bool:
    """Whether a coordinate holds longitudes in degrees, of the earth or of a rotated grid."""
    return _is_in_degrees(name, attributes, "x", ("lon", "longitude"))


def _is_in_degrees(
    name: str, attributes: Mapping[str, Any], letter: str, names: tuple[str, str]
) -> bool:
    if as_text(attributes, "standard_name") in (names[1], f"grid_{names[1]}"):
        return True
    units = as_text(attributes, "units").lower()
    return _DEGREES.get(units) == letter or (not units and name.lower() in names)


def _by_attributes(attributes: Mapping[str, Any]) -> str | None:
    axis = as_text(attributes, "axis").lower()
    if axis in ("t", "z", "y", "x"):
        return axis
    standard_name = as_text(attributes, "standard_name")
    if standard_name in _STANDARD_NAMES:
        return _STANDARD_NAMES[standard_name]
    units = as_text(attributes, "units").lower()
    if " since " in units:
        return "t"
    if units in _PRESSURE_UNITS or as_text(attributes, "positive").lower() in ("up", "down"):
        return "z"
    return _DEGREES.get(units)


def choose_level(
    where: str, dim: str, levels: NDArray[np.float64], unit: str, level: str | None
) -> tuple[int, str]:
    """Choose a level of a vertical axis.

    Args:
        where: names the variable in messages.
        levels: values of the levels.
        unit: their unit, or empty.
        level: the value of a level, or else an index.
    Returns: its index, and a description. A rounded value means the level nearest to it.
    Raises: ConfigError if no level is chosen, or one that does not exist.
    """
    size = levels.size
    choices = ", ".join(f"{value:.6g}" for value in levels[:40]) + (", ..." * (size > 40))
    listed = f"{choices} {unit}".strip()
    if level is None:
        raise ConfigError(
            f"{where}: has a vertical axis {dim} of {size} levels; choose one with --level, by "
            f"its value ({listed}) or its index (0 to {size - 1})"
        )
    try:
        wanted = float(level)
    except ValueError:
        wanted = np.nan
    near = np.flatnonzero(np.isclose(levels, wanted, rtol=1e-5, atol=0.0))
    if near.size == 0 and level.isdecimal() and int(level) < size:
        near = np.array([int(level)])
    is_assumed = near.size == 0
    if is_assumed:
        near = _nearest(levels, wanted)
    if near.size == 0:
        raise ConfigError(
            f"level = {level!r}: {where} has no such level on {dim}; give one of the values "
            f"({listed}) or an index (0 to {size - 1})"
        )
    index = int(near[0])
    text = f"{dim} {levels[index]:.6g} {unit}".strip() + f" (index {index})"
    return index, text + f", assumed as the level nearest to {level}" * is_assumed


def _nearest(levels: NDArray[np.float64], wanted: float) -> NDArray[np.int64]:
    """Index of the level within half of the distance to the next one; empty if there is none."""
    distances = np.abs(levels - wanted)
    if levels.size < 2 or not np.isfinite(distances).all():
        return np.array([], np.int64)
    index = int(distances.argmin())
    spacing = np.abs(np.delete(levels, index) - levels[index]).min()
    return np.array([index] if distances[index] < spacing / 2 else [], np.int64)


def closes_circle(longitudes: NDArray[np.float64]) -> bool:
    """Whether evenly spaced longitudes in degrees go once round the globe."""
    steps = (np.diff(longitudes) + 180.0) % 360.0 - 180.0
    if steps.size < 2 or not np.isfinite(steps).all():
        return False
    spacing = float(np.abs(steps.mean()))
    is_even = np.allclose(steps, steps.mean(), rtol=1e-2, atol=0.0)
    return is_even and abs(spacing * longitudes.size - 360.0) < 0.36
