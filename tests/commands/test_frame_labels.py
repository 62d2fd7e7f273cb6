"""Dates, lead times and coordinates beside frames."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import Simvp, describe_data

from simvp.commands.frame_labels import (
    frame_axes,
    frame_interval,
    frame_labels,
    sample_times,
    time_after,
)
from simvp.data import open_source
from simvp.data.card import DatasetCard
from simvp.data.series import Coordinates
from simvp.data.split import find_split, read_split


def write_ocean(path: Path, latitudes: np.ndarray) -> None:
    values = np.random.default_rng(0).random((40, 8, 9))
    dataset = xr.Dataset(
        {"sst": (("time", "lat", "lon"), values, {"units": "degC"})},
        {
            "time": np.arange("2001-01-01", "2001-02-10", dtype="datetime64[D]").astype("M8[ns]"),
            "lat": ("lat", latitudes, {"units": "degrees_north", "long_name": "latitude"}),
            "lon": ("lon", np.linspace(-4, 8, 9), {"units": "degrees_east"}),
        },
    )
    dataset.to_netcdf(path, engine="h5netcdf")


@pytest.mark.parametrize("latitudes", [np.linspace(49, 57, 8), np.linspace(57, 49, 8)])
def test_north_is_at_the_top_of_an_ocean(
    latitudes: np.ndarray, tmp_path: Path, simvp: Simvp
) -> None:
    write_ocean(Path("ocean.nc"), latitudes)
    origin = open_source("ocean.nc").card.origin
    assert origin == ("lower" if latitudes[0] < latitudes[-1] else "upper")
    simvp("split", "ocean.nc")
    split = read_split(find_split("", "ocean.nc"))
    y, x = frame_axes(split.coordinates, (8, 9))
    assert y is not None and x is not None
    np.testing.assert_array_equal(y.values, latitudes)
    assert (y.label, x.label) == ("latitude (°N)", "lon (°E)")
    segment = split.segments("train")[0]
    times = sample_times(split, f"{segment.series.id}@5", 3)
    assert times == ["2001-01-06", "2001-01-07", "2001-01-08"]
    assert sample_times(split, "another@5", 3) == sample_times(None, "ocean@5", 3) == []


def coordinates(x: list[float], attributes: Mapping[str, str]) -> Coordinates:
    return Coordinates(variables={"x": (("x",), np.array(x), attributes)})


def test_longitudes_across_the_end_of_the_circle_ascend() -> None:
    _, axis = frame_axes(coordinates([358, 359, 0, 1], {"units": "degrees_east"}), (2, 4))
    assert axis is not None and axis.period == 360
    assert axis.values.tolist() == [358, 359, 360, 361]


@pytest.mark.parametrize("x", [[0, 1, 1, 2], [0, 2, 1, 3], [0, np.nan, 2, 3], [0, 1, 2]])
def test_coordinates_that_do_not_ascend_are_not_shown(x: list[float]) -> None:
    assert frame_axes(coordinates(x, {}), (2, 4)) == (None, None)


@pytest.mark.parametrize(
    ("time_step", "count", "expected"),
    [
        *(("1 step", 1, "1 step"), ("1 step", 3, "3 steps"), ("30 steps", 2, "60 steps")),
        *(("6 hours", 1, "6 hours"), ("0.2 s", 3, "0.6 s"), ("1e-3 ms", 2, "0.002 ms")),
        *(("1 day", -2, "\N{MINUS SIGN}2 days"), ("0.5 years", 2, "1 year"), ("5", 2, "10")),
        *(("", 3, ""), ("daily", 3, ""), ("1 time units", 2, "2 time units")),
    ],
)
def test_time_after_some_frames(time_step: str, count: int, expected: str) -> None:
    assert time_after(DatasetCard(time_step=time_step), count) == expected


def test_frames_are_labelled_by_dates_and_by_lead_times() -> None:
    card, counts = DatasetCard(time_step="1 day"), {"num_inputs": 2, "num_steps": 2}
    times = ["2001-01-01 06:00:00", "2001-01-04", "2001-01-07", "2001-01-10"]
    leads = ["\N{MINUS SIGN}3 days", "0 days", "+3 days", "+6 days"]
    assert frame_labels(card, 3, **counts, times=times) == [
        ["2001-01-01\n06:00:00", *times[1:]],
        leads,
    ]
    assert frame_labels(card, 3, **counts, times=[]) == [leads]
    assert frame_labels(DatasetCard(), 1, **counts, times=[]) == []


@pytest.mark.parametrize(
    ("time_step", "every", "expected"),
    [
        ("1 day", 1, "1 day"),
        ("1 day", 3, "3 days"),
        ("0.2 s", 2, "0.4 s"),
        ("1 step", 1, ""),
        ("", 2, "2 steps"),
        ("weekly", 1, "weekly"),
        ("weekly", 2, "2 x weekly"),
    ],
)
def test_interval_of_the_frames_that_are_used(time_step: str, every: int, expected: str) -> None:
    data = describe_data((1, 3, 5), step=every)
    data = data.model_copy(update={"card": DatasetCard(time_step=time_step)})
    assert frame_interval(data) == expected
