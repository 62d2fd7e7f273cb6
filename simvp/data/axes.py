"""Which axis of an array is which: n series, t time, c channel, y rows, x columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from simvp.errors import ConfigError, DataError

_MEANING = {"n": "series", "t": "time", "c": "channel", "y": "rows", "x": "columns"}

# Suggested only for axes of at most so many entries, or at least so many cells.
_MOST_CHANNELS = 8
_FEWEST_CELLS = 5

# Usual orders by the number of axes; MATLAB has time last, and names no axis.
_USUAL = {
    "numpy": {
        3: ("tyx",),
        4: ("tnyx", "ntyx", "tcyx", "ctyx", "tyxc", "nyxt"),
        5: ("ntcyx", "tncyx", "nctyx", "ntyxc", "tnyxc", "nyxtc", "nyxct"),
    },
    "matlab": {
        3: ("yxt", "tyx"),
        4: ("nyxt", "yxtn", "yxct", "ntyx", "tnyx"),
        5: ("nyxtc", "nyxct", "yxctn", "ntyxc", "ntcyx"),
    },
}

Convention = Literal["numpy", "matlab"]


def as_text(shape: Sequence[int]) -> str:
    """`20 x 24 x 64 x 64`."""
    return " x ".join(map(str, shape)) or "one value"


def choose_axes(
    axes: str | None, shape: tuple[int, ...], where: str | Path, convention: Convention
) -> str:
    """The order of the axes of an array, as letters of "ntcyx".

    Axes of length 1 before the last two hold one series or one channel, so an array of NumPy
    (T, 1, H, W) has one reading only.

    Args:
        axes: the user's choice; None to find the only reading.
        where: names the array in messages.
        convention: of the software that wrote the file; three axes of NumPy are t y x.
    Raises: ConfigError if `axes` does not fit or has to be given; DataError if the array is no
        series.
    """
    long = [i for i, size in enumerate(shape) if size > 1 or i >= len(shape) - 2]
    if len(shape) < 3 or (axes is None and len(long) < 3):
        what = "one frame" if len(shape) > 1 else "no frames"
        raise DataError(
            f"{where}: has the shape {as_text(shape)}, {what}; a series has an axis of time and "
            "two of space"
        )
    if axes is not None:
        _check(axes, shape, where)
        return axes
    if len(long) == 3 and convention == "numpy":
        return _fill("tyx", long, len(shape), shape, where)
    choices = [f"--axes {reading}" for reading in readings(shape, convention)]
    listed = ", ".join(choices[:-1]) + (" or " if choices[1:] else "") + "".join(choices[-1:])
    letters = [a for a in _MEANING if any(a in choice[7:] for choice in choices)]
    raise ConfigError(
        f"{where}: has the shape {as_text(shape)}: say which axis is which with "
        f"{listed or '--axes, a letter for each axis'} "
        f"({', '.join(f'{a} {_MEANING[a]}' for a in letters or _MEANING)})"
    )


def readings(shape: tuple[int, ...], convention: Convention) -> list[str]:
    """The usual orders of the axes that make sense for these sizes."""
    usual = _USUAL[convention].get(len(shape), ())
    sizes = {reading: dict(zip(reading, shape, strict=True)) for reading in usual}
    likely = [
        reading
        for reading, size in sizes.items()
        if size.get("c", 0) <= _MOST_CHANNELS
        and size["t"] > 1
        and min(size["y"], size["x"]) >= _FEWEST_CELLS
    ]
    square = [reading for reading in likely if sizes[reading]["y"] == sizes[reading]["x"]]
    return square or likely or list(usual)


def fit_axes(shape: Sequence[int], letters: str, sizes: Mapping[str, int]) -> str | None:
    """The letter of each axis of an array that has the axes `letters`, in this order.

    Further axes of length 1 are allowed, and get the letter 1: (4, 1, 8, 9) has the axes "n1yx".

    Args:
        sizes: the size of each axis by its letter; those of an unknown size are left out.
    Returns: the letters; None if the array has other axes.
    """
    axes, left = "", letters
    for size in shape:
        if left and size == sizes.get(left[0], size):
            axes, left = axes + left[0], left[1:]
        elif size == 1:
            axes += "1"
        else:
            return None
    return None if left else axes


def static_axes(shape: Sequence[int], axes: str, sizes: Mapping[str, int]) -> str | None:
    """The axes of a field without time beside arrays with `axes`, as in `fit_axes`.

    In the order of `axes`: those of space, those of space and series, or of series alone; or none,
    for one number.
    """
    fitting = (fit_axes(shape, letters, sizes) for letters in _static_orders(axes))
    return next((found for found in fitting if found is not None), None)


def static_shapes(axes: str, sizes: Mapping[str, int]) -> str:
    """The shapes of fields without time: `8 x 9 (y x), 4 x 8 x 9 (n y x), 4 (n) or one value`."""
    shapes = [
        f"{as_text([sizes[letter] for letter in letters])} ({' '.join(letters)})"
        for letters in filter(None, _static_orders(axes))
    ]
    return f"{', '.join(shapes)} or one value"


def _static_orders(axes: str) -> list[str]:
    """The orders that axes of a field without time can have."""
    orders = ["".join(a for a in axes if a in letters) for letters in ("yx", "nyx", "n")]
    return [*dict.fromkeys(filter(None, orders)), ""]


def _fill(
    reading: str, long: list[int], count: int, shape: Sequence[int], where: str | Path
) -> str:
    """The letters of the long axes, with c and n for the others."""
    letters = dict(zip(long, reading, strict=True))
    others = iter("cn")
    axes = "".join(letters.get(i) or next(others, "?") for i in range(count))
    if "?" in axes:
        raise _too_many(shape, where)
    return axes


def _check(axes: str, shape: tuple[int, ...], where: str | Path) -> None:
    """Raises ConfigError if the axes that the user gave are not valid for the shape."""
    if len(shape) > len(_MEANING):
        raise _too_many(shape, where)
    if set(axes) - set(_MEANING) or len(set(axes)) < len(axes) or not set("tyx") <= set(axes):
        raise ConfigError(
            f"axes = {axes!r}: expected each of t, y and x once, and n (series) and c (channel) "
            "for further axes"
        )
    if len(axes) != len(shape):
        raise ConfigError(
            f"axes = {axes!r} names {len(axes)} axes, but {where} has {len(shape)}: "
            f"{as_text(shape)}"
        )


def _too_many(shape: Sequence[int], where: str | Path) -> ConfigError:
    return ConfigError(
        f"{where}: has the shape {as_text(shape)}; at most five axes are read: series, time, "
        "channel, rows, columns"
    )
