"""Mean fields of the training part, against xarray and numpy."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

from simvp.data import climatology, open_source
from simvp.data.batches import WindowDataset
from simvp.data.climatology import Climatology, find_climatology
from simvp.data.frame_store import FrameStore
from simvp.data.segments import Segment
from simvp.progress import Report
from simvp.runtime.group import Group

ALONE = Group(0, 1, torch.device("cpu"))


def write(path: Path, dates: xarray.CFTimeIndex, seed: int = 0) -> xarray.Dataset:
    values = np.random.default_rng(seed).random((len(dates), 8, 9), dtype=np.float32)
    values[:, :2, :3] = np.nan  # land
    values[5, 4, 4] = np.nan  # a cloud
    data = xarray.Dataset({"sst": (("time", "lat", "lon"), values)}, {"time": dates})
    data.to_netcdf(path, engine="h5netcdf")
    return data


def find(path: Path, stop: int) -> tuple[Climatology, Segment]:
    (series,) = open_source(path).series
    segment = Segment(series, 0, stop)
    store = FrameStore([segment], scaling=None, may_miss=True)
    found = find_climatology(store, [0.25], ALONE, Report())
    assert found is not None
    return found, segment


def test_days_of_the_year_are_averaged_over_years(tmp_path: Path) -> None:
    """Days after February are the same days in leap years."""
    dates = xarray.date_range("1999-06-01", periods=1200, calendar="standard", use_cftime=True)
    data = write(tmp_path / "sst.nc", dates)
    found, segment = find(tmp_path / "sst.nc", 1000)
    assert found.is_seasonal and len(found.days) == 366
    training = data.sst[:1000]
    of_day = (training.time.dt.month == 3) & (training.time.dt.day == 5)
    assert int(of_day.sum()) == 2  # of 2000, a leap year, and 2001
    expected = training[of_day].mean("time").fillna(0.25).to_numpy()
    rest = Segment(segment.series, 900, 1200)
    windows = WindowDataset([rest], window=10, stride=1, scaling=None, may_miss=True)
    # The fifth frame of the first window is 5 March 2002.
    position = next(i for i in range(300) if (dates[900 + i].month, dates[900 + i].day) == (3, 5))
    usual = found.of(windows, [position - 4, 0], first=2)
    assert usual.shape == (2, 8, 1, 8, 9)
    np.testing.assert_allclose(usual[0, 2, 0].numpy(), expected, rtol=1e-6)


def test_monthly_dates_fall_on_the_nearest_day(tmp_path: Path) -> None:
    """Of the 16th of each month; 31 December is nearer to 16 December than to 16 January."""
    dates = xarray.date_range("2001-01-16", periods=30, freq="MS", use_cftime=True)
    dates = xarray.CFTimeIndex([date.replace(day=16) for date in dates])
    data = write(tmp_path / "sst.nc", dates)
    found, _ = find(tmp_path / "sst.nc", 24)
    assert len(found.days) == 12
    december = data.sst[:24][(data.sst[:24].time.dt.month == 12)].mean("time")
    other = xarray.date_range("2004-12-30", periods=9, calendar="standard", use_cftime=True)
    write(tmp_path / "other.nc", other)
    (series,) = open_source(tmp_path / "other.nc").series
    segment = Segment(series, 0, 9)
    windows = WindowDataset([segment], window=3, stride=1, scaling=None, may_miss=True)
    usual = found.of(windows, [0], first=1)[0, 0, 0].numpy()
    np.testing.assert_allclose(usual, december.fillna(0.25).to_numpy(), rtol=1e-6)


@pytest.mark.parametrize("calendar", ["standard", "360_day", ""])
def test_data_of_less_than_a_year_have_one_mean_field(tmp_path: Path, calendar: str) -> None:
    dates = xarray.date_range(
        "2001-01-01", periods=300, calendar=calendar or "standard", use_cftime=True
    )
    data = write(tmp_path / "sst.nc", dates)
    if not calendar:
        data = data.drop_vars("time")
        data.to_netcdf(tmp_path / "sst.nc", engine="h5netcdf")
    found, segment = find(tmp_path / "sst.nc", 200)
    assert not found.is_seasonal
    expected = data.sst[:200].mean("time").fillna(0.25).to_numpy()
    np.testing.assert_allclose(found.fields[0, 0].numpy(), expected, rtol=1e-6)
    windows = WindowDataset([segment], window=7, stride=1, scaling=None, may_miss=True)
    assert found.of(windows, [3, 4], first=5).shape == (2, 2, 1, 8, 9)


def test_climatology_that_does_not_fit_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = xarray.date_range("2001-01-01", periods=400, use_cftime=True)
    write(tmp_path / "sst.nc", dates)
    monkeypatch.setattr(climatology, "free_memory", lambda: 4 * 16 * 365 * 72 - 1)
    (series,) = open_source(tmp_path / "sst.nc").series
    store = FrameStore([Segment(series, 0, 400)], scaling=None, may_miss=True)
    assert find_climatology(store, [0.5], ALONE, Report()) is None
