"""Suggested orders of the axes, and those taken without asking."""

import pytest

from simvp.data.axes import choose_axes, fit_axes, readings, static_axes, static_shapes
from simvp.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("shape", "convention", "expected"),
    [
        ((20, 24, 64, 64), "numpy", ["tnyx", "ntyx"]),
        ((12, 12, 32, 32), "numpy", ["tnyx", "ntyx"]),
        ((50, 3, 32, 48), "numpy", ["tnyx", "ntyx", "tcyx"]),
        ((50, 32, 48, 3), "numpy", ["tyxc", "nyxt"]),
        ((7, 384, 384, 49), "numpy", ["nyxt"]),
        ((9, 4, 2, 32, 32), "numpy", ["ntcyx", "tncyx", "nctyx"]),
        ((9, 20, 32, 32, 3), "numpy", ["ntyxc", "tnyxc"]),
        ((64, 64, 20), "matlab", ["yxt"]),
        ((20, 64, 64, 30), "matlab", ["nyxt"]),
        ((64, 64, 30, 20), "matlab", ["yxtn"]),
        ((2, 2, 2, 2), "numpy", ["tnyx", "ntyx", "tcyx", "ctyx", "tyxc", "nyxt"]),
    ],
)
def test_readings_that_make_sense_are_suggested(
    shape: tuple[int, ...], convention: str, expected: list[str]
) -> None:
    assert readings(shape, convention) == expected


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 8, 9), "tyx"),
        ((5, 1, 8, 9), "tcyx"),
        ((1, 5, 8, 9), "ctyx"),
        ((1, 5, 1, 8, 9), "ctnyx"),
    ],
)
def test_the_only_reading_is_taken(shape: tuple[int, ...], axes: str) -> None:
    assert choose_axes(None, shape, "a", "numpy") == axes
    with pytest.raises(ConfigError, match="say which axis is which"):
        choose_axes(None, shape, "a", "matlab")


def test_more_than_five_axes_and_single_frames_are_refused() -> None:
    for axes in (None, "ntcyx"):
        with pytest.raises(ConfigError, match="has the shape 2 x 2 x 2 x 2 x 8 x 9"):
            choose_axes(axes, (2, 2, 2, 2, 8, 9), "a", "numpy")
    with pytest.raises(DataError, match="a: has the shape 1 x 1 x 8 x 9, one frame"):
        choose_axes(None, (1, 1, 8, 9), "a", "numpy")


@pytest.mark.parametrize(
    ("shape", "letters", "expected"),
    [
        ((8, 9), "yx", "yx"),
        ((4, 1, 8, 9), "nyx", "n1yx"),
        ((4, 1), "n", "n1"),
        ((1, 1), "", "11"),
        ((), "", ""),
        ((9, 8), "yx", None),
        ((4, 8, 9), "yx", None),
        ((8,), "yx", None),
        ((8, 7), "yz", "yz"),  # the size of z is not known
    ],
)
def test_axes_of_known_sizes_are_fitted(
    shape: tuple[int, ...], letters: str, expected: str | None
) -> None:
    assert fit_axes(shape, letters, {"n": 4, "y": 8, "x": 9}) == expected


def test_static_fields_are_described_in_the_order_of_the_axes() -> None:
    sizes = {"n": 4, "t": 5, "y": 8, "x": 9}
    assert static_shapes("xytn", sizes) == "9 x 8 (x y), 9 x 8 x 4 (x y n), 4 (n) or one value"
    assert static_shapes("tyx", sizes) == "8 x 9 (y x) or one value"
    assert static_axes((9, 8), "xytn", sizes) == "xy"
    assert static_axes((8, 9), "xytn", sizes) is None
