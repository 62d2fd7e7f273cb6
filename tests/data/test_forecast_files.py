"""Forecasts in files, read back with xarray and numpy."""

from pathlib import Path

import numpy as np
import pytest
import xarray

from simvp.data.card import ChannelCard, DatasetCard
from simvp.data.forecast_files import Forecasts, Start, check_output, write
from simvp.data.scaling import Scaling
from simvp.data.series import Coordinates
from simvp.data.times import Times, parse_date
from simvp.errors import ConfigError

S, C, H, W = 3, 2, 4, 5
LATITUDES = np.array([60.0, 50.0, 40.0, 30.0])
COORDINATES = Coordinates(
    ("lat", "lon"),
    {
        "lat": (("lat",), LATITUDES, {"units": "degrees_north"}),
        "lon": (("lon",), np.arange(W) * 2.0, {"units": "degrees_east"}),
        "area": (("lat", "lon"), np.ones((H, W)), {"units": "km2"}),
    },
    {"sst": {"standard_name": "sea_surface_temperature", "long_name": "old name"}},
)
CARD = DatasetCard(
    name="ocean",
    channels={"sst": ChannelCard(unit="degC", quantity="temperature"), "uo": ChannelCard()},
)


def forecasts(*starts: Start) -> Forecasts:
    values = np.random.default_rng(0).normal(size=(len(starts), S, C, H, W)).astype(np.float32)
    values[..., 0, 1] = np.nan
    return Forecasts(values, starts, ("sst", "uo"), CARD, COORDINATES, trained_steps=2)


def times(calendar: str, *dates: str) -> Times:
    return Times(np.array([parse_date(date, calendar) for date in dates]), "second", calendar)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_one_forecast_continues_the_time_axis(tmp_path: Path, suffix: str) -> None:
    dates = ("2003-02-27", "2003-02-28", "2003-03-01", "2003-03-02")
    given = forecasts(Start("ocean", 41, times("standard", *dates)))
    path = tmp_path / f"next{suffix}"
    write(path, given, None)
    engine = {".nc": "h5netcdf", ".zarr": "zarr"}[suffix]
    with xarray.open_dataset(path, engine=engine, decode_timedelta=False) as found:
        assert found.sst.dims == ("time", "lat", "lon")
        np.testing.assert_array_equal(found.time, np.array(dates[1:], "datetime64[ns]"))
        assert found.forecast_reference_time == np.datetime64("2003-02-27")
        assert found.lead_time.units == "days"
        np.testing.assert_array_equal(found.lead_time, [1, 2, 3])
        np.testing.assert_array_equal(found.within_trained_horizon, [1, 1, 0])
        np.testing.assert_array_equal(found.uo, given.values[0, :, 1])
        np.testing.assert_array_equal(found.lat, LATITUDES)
        assert found.area.dims == ("lat", "lon") and found.lon.units == "degrees_east"
        assert found.sst.attrs == {
            "standard_name": "sea_surface_temperature",
            "long_name": "temperature",
            "units": "degC",
        }
        assert (found.title, found.trained_steps) == ("ocean forecast", 2)


def test_several_forecasts_of_another_calendar(tmp_path: Path) -> None:
    starts = [
        Start("a", 9, times("360_day", "2000-02-28", "2000-02-29", "2000-02-30", "2000-03-01")),
        Start("a", 12, times("360_day", "2000-03-01", "2000-03-02", "2000-03-03", "2000-03-04")),
        Start("b", 9, times("360_day", "2001-01-01", "2001-01-02", "2001-01-03", "2001-01-04")),
    ]
    given = forecasts(*starts)
    write(tmp_path / "next.nc", given, None)
    with xarray.open_dataset(tmp_path / "next.nc") as found:
        assert found.sst.dims == ("forecast", "step", "lat", "lon")
        np.testing.assert_array_equal(found.sst, given.values[:, :, 0])
        assert list(found.series.values) == ["a", "a", "b"]
        assert str(found.time.values[0, 1]) == "2000-02-30 00:00:00"
        assert str(found.forecast_reference_time.values[1]) == "2000-03-01 00:00:00"
        np.testing.assert_array_equal(found.step, [1, 2, 3])
    assert given.names() == ["a@9", "a@12", "b"]


def test_forecast_without_times(tmp_path: Path) -> None:
    given = forecasts(Start("run", 9, None))
    write(tmp_path / "next.nc", given, None)
    with xarray.open_dataset(tmp_path / "next.nc") as found:
        assert found.sst.dims == ("step", "lat", "lon") and "time" not in found
        np.testing.assert_array_equal(found.step, [1, 2, 3])


def test_time_without_dates(tmp_path: Path) -> None:
    given = forecasts(Start("run", 9, Times(np.array([4.5, 5.0, 5.5, 6.0]), "hour")))
    write(tmp_path / "next.nc", given, None)
    with xarray.open_dataset(tmp_path / "next.nc", decode_times=False) as found:
        np.testing.assert_array_equal(found.time, [5.0, 5.5, 6.0])
        np.testing.assert_array_equal(found.lead_time, [0.5, 1.0, 1.5])
        assert found.time.units == found.lead_time.units == "hour"


def test_arrays_and_frames_hold_the_values(tmp_path: Path) -> None:
    one, two = forecasts(Start("a", 9, None)), forecasts(Start("a", 9, None), Start("b", 9, None))
    write(tmp_path / "one.npy", one, None)
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), one.values[0])
    write(tmp_path / "two.npy", two, None)
    np.testing.assert_array_equal(np.load(tmp_path / "two.npy"), two.values)
    scaling = Scaling((-2.0, 0.0), (2.0, 4.0))
    write(tmp_path / "frames", two, scaling)
    frame = np.load(tmp_path / "frames" / "b" / "2.npy")
    expected = (two.values[1, 2] - np.array([-2, 0])[:, None, None]) / 4
    np.testing.assert_allclose(frame, expected, rtol=1e-6)


def test_existing_output_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "next.nc").write_text("precious")
    with pytest.raises(ConfigError, match=r"next\.nc: exists already; .* --overwrite"):
        check_output(tmp_path / "next.nc", tmp_path, overwrite=False)
    check_output(tmp_path / "next.nc", tmp_path, overwrite=True)
    with pytest.raises(ConfigError, match=r"suffix \.tif is not known; use \.nc"):
        check_output(tmp_path / "next.tif", tmp_path, overwrite=False)
