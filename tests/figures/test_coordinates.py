"""Ticks: at the coordinates of their labels, and without overprinting."""

import numpy as np
import pytest

from simvp.figures.coordinates import TICK_SIZE, Axis, text_width


def number(label: str) -> float:
    return float(label.replace("\N{MINUS SIGN}", "-"))


AXES = {
    "ascending": np.linspace(49, 57, 24),
    "descending": np.linspace(57, 49, 24),
    "uneven": np.geomspace(1, 500, 40),
    "large": np.linspace(5_431_000, 5_490_000, 60),
    "fine": np.linspace(-0.004, 0.0031, 77),
    "pixels": np.arange(432.0),
}


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("length", [0.42, 0.85, 2.0, 4.0])
@pytest.mark.parametrize("is_vertical", [False, True])
def test_labels_are_the_coordinates_of_their_positions(
    name: str, length: float, is_vertical: bool
) -> None:
    values = AXES[name]
    ticks = Axis("x", values).ticks(length, 0.04, is_vertical=is_vertical)
    for cell, label in ticks:
        there = np.interp(cell, np.arange(len(values)), values)
        assert there == pytest.approx(number(label), abs=1e-6 * np.ptp(values))
    assert len(ticks) >= (0 if length < 2 else 1 if name == "uneven" else 2)


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("length", [0.42, 0.6, 0.85, 2.0])
def test_labels_neither_overlap_nor_reach_the_next_panel(name: str, length: float) -> None:
    values = AXES[name]
    ends = [
        (centre - text_width(label, TICK_SIZE) / 2, centre + text_width(label, TICK_SIZE) / 2)
        for cell, label in Axis("x", values).ticks(length, 0.04)
        for centre in [(cell + 0.5) / len(values) * length]
    ]
    edges = [-0.04, *(edge for pair in sorted(ends) for edge in pair), length + 0.04]
    assert edges == sorted(edges)


def test_longitudes_start_again_at_the_end_of_the_circle() -> None:
    axis = Axis("lon", np.arange(350.0, 372.0), period=360.0)
    labels = [label for _, label in axis.ticks(3.0, 0.04)]
    assert labels == ["350", "355", "0", "5", "10"]
    assert [cell for cell, _ in axis.ticks(3.0, 0.04)] == [0, 5, 10, 15, 20]


def test_single_cell_has_its_coordinate() -> None:
    assert Axis("lat", np.array([54.25])).ticks(2.0, 0.04) == [(0.0, "54.25")]
    assert Axis.of_pixels("x", 1).ticks(0.1, 0.04) == [(0.0, "0")]


def test_labels_that_do_not_fit_are_left_out() -> None:
    assert Axis("x", np.array([1234567.0, 1234568.0])).ticks(0.2, 0.04) == []
