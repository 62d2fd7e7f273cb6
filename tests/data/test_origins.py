"""Where forecasts begin."""

from pathlib import Path

import numpy as np
import pytest
import xarray
from helpers import write_sample

from simvp.data import Series, open_source
from simvp.data.origins import describe_date, find_origins
from simvp.data.scaling import Scaling
from simvp.data.times import parse_date
from simvp.errors import ConfigError, DataError


@pytest.fixture
def series(tmp_path: Path) -> list[Series]:
    for index, frames in enumerate((8, 12, 3)):
        write_sample(tmp_path / f"run_{index}", index, frames=frames)
    return list(open_source(tmp_path).series)


@pytest.mark.parametrize(
    ("at", "step", "expected", "left_out"),
    [
        ("", 1, [("run_0", 7), ("run_1", 11)], ["run_2"]),
        ("", 3, [("run_1", 11)], ["run_0", "run_2"]),
        ("all", 2, [("run_0", 6), ("run_0", 7), *(("run_1", i) for i in range(6, 12))], ["run_2"]),
    ],
)
def test_last_input_frames(
    series: list[Series], at: str, step: int, expected: list[tuple[str, int]], left_out: list[str]
) -> None:
    origins, short = find_origins(series, at, inputs=4, step=step)
    assert [(origin.series.id, origin.last) for origin in origins] == expected
    assert short == left_out


def test_input_frames_are_read_in_network_units(series: list[Series]) -> None:
    (origin,), _ = find_origins(series[1:2], "9", inputs=3, step=4)
    stored = series[1].read(1, 10, 4)
    scaling = Scaling((-1.0,), (3.0,))
    frames = origin.read(scaling, may_miss=False)
    np.testing.assert_allclose(frames, (stored + 1) / 4, rtol=1e-6)
    assert origin.start(2).times is None


@pytest.mark.parametrize(
    ("at", "error", "message"),
    [
        ("12", ConfigError, "at = 12: sample run_0 has the frames 0 to 7"),
        ("2000-01-01", ConfigError, "run_0 has no dates; give the number of a frame, from 0 to 7"),
        ("2", DataError, "run_0: has 3 frames up to the beginning of the forecast, but 4 are need"),
    ],
)
def test_origin_that_does_not_exist_is_one_message(
    series: list[Series], at: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        find_origins(series, at, inputs=4, step=1)


def test_dates_of_origin_and_forecast(tmp_path: Path) -> None:
    """The last frame at a date or before; the forecast continues every second day."""
    times = xarray.date_range("2001-02-20", periods=10, calendar="noleap", use_cftime=True)
    values = np.random.default_rng(0).random((10, 8, 9), dtype=np.float32)
    dataset = xarray.Dataset({"sst": (("time", "lat", "lon"), values)}, {"time": times})
    dataset.to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    series = open_source(tmp_path / "daily.nc").series
    (origin,), _ = find_origins(series, "2001-02-27T18:00", inputs=3, step=2)
    assert origin.last == 7
    assert describe_date([origin], "2001-02-27T18:00") == [
        "no frame of daily is at 2001-02-27T18:00; its last input frame is the one before, at "
        "2001-02-27"
    ]
    for exact in ("2001-02-27", "7", "all", ""):
        assert describe_date([origin], exact) == []
    found = origin.start(2).times
    dates = ["2001-02-27", "2001-03-01", "2001-03-03"]
    assert found is not None
    assert found.values.tolist() == [parse_date(date, "noleap") for date in dates]
    assert origin.labels(2) == ["2001-02-23", "2001-02-25", *dates]
    with pytest.raises(ConfigError, match="sample daily has frames from 2001-02-20 to 2001-03-01"):
        find_origins(series, "2001-03-02", inputs=3, step=1)
    with pytest.raises(ConfigError, match="expected a date, .* the number of a frame, .*, or all"):
        find_origins(series, "march", inputs=3, step=1)


def test_series_without_the_frame_are_left_out(series: list[Series]) -> None:
    origins, short = find_origins(series, "8", inputs=4, step=1)
    assert [(origin.series.id, origin.last) for origin in origins] == [("run_1", 8)]
    assert short == ["run_0", "run_2"]


@pytest.fixture
def record(tmp_path: Path) -> list[Series]:
    """Twenty days without the eighth one: a piece of seven frames and one of twelve."""
    times = xarray.date_range("2001-02-20", periods=20, calendar="noleap", use_cftime=True)
    values = np.random.default_rng(0).random((20, 8, 9), dtype=np.float32)
    dataset = xarray.Dataset({"sst": (("time", "lat", "lon"), values)}, {"time": times})
    dataset = dataset.isel(time=[i for i in range(20) if i != 7])
    dataset.to_netcdf(tmp_path / "daily.nc", engine="h5netcdf")
    return list(open_source(tmp_path / "daily.nc").series)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("", [("daily_1", 11)]),  # what follows the end of the record
        ("6", [("daily_0", 6)]),
        ("10", [("daily_1", 3)]),  # the fourth frame after the gap
        ("2001-03-03", [("daily_1", 3)]),
        ("2001-02-27", [("daily_0", 6)]),  # the missing day: the frame before it
        ("all", [*(("daily_0", i) for i in range(2, 7)), *(("daily_1", i) for i in range(2, 12))]),
    ],
)
def test_frames_of_a_record_with_a_gap_are_counted_from_its_start(
    record: list[Series], at: str, expected: list[tuple[str, int]]
) -> None:
    origins, short = find_origins(record, at, inputs=3, step=1)
    assert [(origin.series.id, origin.last) for origin in origins] == expected
    assert not short


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("19", "sample daily has the frames 0 to 18"),
        ("2001-03-12", "sample daily has frames from 2001-02-20 to 2001-03-11"),
    ],
)
def test_frame_that_a_record_does_not_have_is_refused(
    record: list[Series], at: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        find_origins(record, at, inputs=3, step=1)
    with pytest.raises(DataError, match="sample daily_1: has 2 frames up to the beginning"):
        find_origins(record, "8", inputs=3, step=1)


def test_input_frame_without_values_is_refused(tmp_path: Path) -> None:
    """The last frames of a file that is filled day by day."""
    values = np.random.default_rng(0).random((6, 8, 9), dtype=np.float32)
    values[:, :2, :3] = np.nan
    values[4:] = np.nan
    dataset = xarray.Dataset({"sst": (("time", "lat", "lon"), values)})
    dataset.to_netcdf(tmp_path / "sst.nc", engine="h5netcdf")
    series = open_source(tmp_path / "sst.nc").series
    (origin,), _ = find_origins(series, "", inputs=3, step=1)
    with pytest.raises(DataError, match="time index 4: has no values, .* with --at"):
        origin.read(Scaling((0.0,), (1.0,)), may_miss=True)
    (origin,), _ = find_origins(series, "3", inputs=3, step=1)
    assert origin.read(Scaling((0.0,), (1.0,)), may_miss=True).shape == (3, 1, 8, 9)
