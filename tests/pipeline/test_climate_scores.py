"""Two years of daily fields on a grid of latitudes: area weights, climatology and ACC."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray
from helpers import TINY, Simvp

from simvp.data import read_split


@pytest.fixture
def record(tmp_path: Path, simvp: Simvp) -> dict:
    """The scores of a run; its truths and forecasts are in saved/."""
    dates = xarray.date_range("2000-01-01", periods=900, use_cftime=True)
    days = np.arange(900)[:, None, None]
    y, x = np.arange(9)[:, None], np.arange(8)
    noise = np.random.default_rng(0).normal(size=(900, 9, 8))
    sst = 15 + 8 * np.sin(2 * np.pi * days / 365.25 + 0.1 * x) + np.sin(days / 5 + y) + 0.2 * noise
    sst[:, :2, :3] = np.nan
    latitude = ("lat", np.linspace(-80, 80, 9), {"units": "degrees_north"})
    data = xarray.Dataset(
        {"sst": (("time", "lat", "lon"), sst.astype(np.float32), {"units": "degC"})},
        {"time": dates, "lat": latitude},
    )
    data.to_netcdf(tmp_path / "sst.nc", engine="h5netcdf")
    simvp("split", "sst.nc")
    simvp("train", "--data-path", "sst.nc", "--epochs", "1", "--batch-size", "16", *TINY)
    output = simvp("test").stdout
    assert "RMSE, bias and ACC are weighted by the area of the cells" in output
    assert "climatology" in output
    return json.loads((tmp_path / "work_dirs/default/saved/metrics.json").read_text())


def test_scores_are_those_of_xarray(record: dict) -> None:
    data = xarray.open_dataset("sst.nc", engine="h5netcdf")
    split = read_split("sst.nc")
    (training,) = split.segments("train")
    trained = data.sst[training.start : training.stop]
    saved = Path("work_dirs/default/saved")
    area = np.sin(np.deg2rad(data.lat + 10)) - np.sin(np.deg2rad(data.lat - 10))
    area = (area / area.mean()).fillna(0)
    errors, products = [], []
    for folder in sorted((saved / "preds").iterdir()):
        start = int(folder.name.partition("@")[2]) + 3  # after the input frames
        for step in range(4):
            true = data.sst[start + step]
            pred = true.copy(data=np.load(folder / f"{step}.npy").reshape(9, 8))
            month, day = true.time.dt.month, true.time.dt.day
            usual = trained[(trained.time.dt.month == month) & (trained.time.dt.day == day)]
            assert usual.sizes["time"] > 0
            usual = usual.mean("time")
            errors.append(float(((pred - true) ** 2).weighted(area).mean()) ** 0.5)
            products.append(
                [
                    float((a * b).weighted(area).mean())
                    for p, t in [(pred - usual, true - usual)]
                    for a, b in ((p, t), (p, p), (t, t))
                ]
            )
    channel = record["channels"]["sst"]
    assert channel["rmse_unit"] == pytest.approx(np.mean(errors), rel=1e-5)
    covariance, of_pred, of_true = np.mean(products, axis=0)
    assert channel["acc"] == pytest.approx(covariance / np.sqrt(of_pred * of_true), rel=1e-4)


def test_climatology_is_a_baseline(record: dict) -> None:
    assert record["climatology"]["mse"] < record["training_mean"]["mse"]
    assert record["climatology"]["channels"]["sst"]["acc"] is None  # it has no anomalies
    assert record["useful_until"] == 0 or (
        record["per_step"]["mse"][0] < record["climatology"]["per_step"]["mse"][0]
    )
