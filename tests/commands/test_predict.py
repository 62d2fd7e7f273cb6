"""`simvp predict`."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray
from helpers import TESTS, TINY, Simvp, write_sample

import simvp as package
from simvp.commands import predict
from simvp.runtime.group import Group

RUN = Path("work_dirs/default")


def test_forecasts_are_those_of_test(tested: Path, simvp: Simvp) -> None:
    """Bit for bit, with batches of one size: other sizes may round differently."""
    one = ("--set", "train.val_batch_size=1")
    simvp("test", *one)
    simvp("predict", "--at", "2", "--output", "next.npy", *one)
    source = package.data.open_source("data")  # type: ignore[attr-defined]
    ids = [series.id for series in source.series]
    values = np.load("next.npy")
    windows = list((RUN / "saved" / "preds").iterdir())
    assert values.shape == (11, 4, 1, 9, 11) and windows
    for window in windows:
        saved = np.stack([np.load(window / f"{t}.npy") for t in range(4)])
        np.testing.assert_array_equal(values[ids.index(window.name)], saved)


def test_last_frames_are_forecast_to_frames(tested: Path, simvp: Simvp) -> None:
    """More steps than trained; the values are those of the Python interface."""
    result = simvp("predict", "--steps", "6")
    folder = RUN / "forecasts" / "data"
    assert "11 forecasts of 6 steps each" in result.stdout
    assert "goes 2 steps beyond the 4 steps that the run was trained for" in result.stdout
    assert len(list(folder.iterdir())) == 11 and folder.with_suffix(".png").exists()
    sample = next(folder.iterdir())
    frames = np.stack([np.load(Path("data") / sample.name / f"{t}.npy") for t in range(8)])
    expected = package.load(RUN).predict(frames, steps=6)
    found = np.stack([np.load(sample / f"{t}.npy") for t in range(6)])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    again = simvp("predict", "--steps", "6", code=2)
    assert "data: exists already; choose another --output, or add --overwrite" in again.stderr
    simvp("predict", "--steps", "2", "--overwrite")
    assert {len(list(sample.iterdir())) for sample in folder.iterdir()} == {2}
    (folder / "notes.txt").touch()
    again = simvp("predict", "--steps", "6", "--overwrite", code=2)
    assert "is a folder already; remove it, or choose another --output" in again.stderr


def test_two_processes_write_the_same_file(tested: Path, simvp: Simvp) -> None:
    simvp("predict", "--at", "all", "--output", "one.npy")
    simvp("predict", "--at", "all", "--output", "two.npy", "--nproc", "2")
    np.testing.assert_allclose(np.load("one.npy"), np.load("two.npy"), rtol=1e-5, atol=1e-6)
    assert list(Path().glob(".simvp-*")) == []


@pytest.fixture
def ocean(tmp_path: Path, simvp: Simvp) -> Path:
    """A run that was trained on a netCDF file with land."""
    shutil.copy(TESTS / "cases" / "ocean_zarr" / "ocean.nc", tmp_path / "ocean.nc")
    simvp("split", "ocean.nc", "--every", "2")
    simvp("train", "--data-path", "ocean.nc", "--epochs", "1", *TINY)
    return tmp_path / "ocean.nc"


def test_netcdf_in_netcdf_out(ocean: Path, simvp: Simvp) -> None:
    """Another file with its channels in another order: dates continue, land is missing."""
    with xarray.open_dataset(ocean) as data:
        new = data[["uo", "sst"]].isel(time=slice(20, 61))
        new.sst.attrs["standard_name"] = "sea_surface_temperature"
        new.attrs = {"title": "North Sea", "institution": "BSH", "source": "GETM", "history": "cut"}
        new.to_netcdf("latest.nc", engine="h5netcdf")
        last, sst = new.time.values[-1], new.sst.values
        frames = np.stack([new.sst.values[-5::2], new.uo.values[-5::2]], axis=1)
    simvp("predict", "latest.nc", "--steps", "5", "--output", "next.nc")
    with xarray.open_dataset("next.nc", decode_timedelta=False) as found:
        days = (found.time.values - last) / np.timedelta64(1, "D")
        np.testing.assert_array_equal(days, [2, 4, 6, 8, 10])
        np.testing.assert_array_equal(found.lead_time, days)
        np.testing.assert_array_equal(found.within_trained_horizon, [1, 1, 1, 1, 0])
        assert (found.title, found.institution) == ("North Sea forecast", "BSH")
        assert found.source.startswith("forecast of simvp 0")
        assert found.source.endswith(", run default from data with the source: GETM")
        made, earlier = found.history.split("\n")
        assert made.endswith("Z simvp predict latest.nc --output next.nc --steps 5")
        assert earlier == "cut"
        assert found.sst.units == "degC" and found.uo.units == "m s-1"
        assert found.sst.standard_name == "sea_surface_temperature"
        assert all("_FillValue" not in variable.encoding for variable in found.coords.values())
        np.testing.assert_array_equal(np.isnan(found.sst), np.isnan(sst[:5]))
        expected = package.load(RUN).predict(frames, steps=5)
        np.testing.assert_allclose(found.sst, expected[:, 0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.uo, expected[:, 1], rtol=1e-5, atol=1e-5)


def test_date_between_two_frames_is_reported(ocean: Path, simvp: Simvp) -> None:
    result = simvp("predict", "--at", "2020-03-04T05:00", "--output", "next.nc")
    assert "no frame of ocean is at 2020-03-04T05:00; its last input" in result.stdout


def test_other_units_and_missing_channels_are_named(ocean: Path, simvp: Simvp) -> None:
    with xarray.open_dataset(ocean) as data:
        kelvin = data.copy()
        kelvin.sst.attrs["units"] = "K"
        kelvin.to_netcdf("kelvin.nc", engine="h5netcdf")
        data.rename(uo="uu").to_netcdf("other.nc", engine="h5netcdf")
    result = simvp("predict", "kelvin.nc", "--output", "next.nc")
    assert "kelvin.nc: sst is in K, but the run was trained on degC" in result.stdout
    result = simvp("predict", "other.nc", "--output", "other_next.nc", code=2)
    assert "'uo' is not a channel in other.nc" in result.stderr
    assert not Path("other_next.nc").exists()


def test_other_rows_times_and_sizes_are_said(ocean: Path, simvp: Simvp) -> None:
    with xarray.open_dataset(ocean) as data:
        lat = data.sst.dims[-2]
        data.isel({lat: slice(None, None, -1)}).to_netcdf("flipped.nc", engine="h5netcdf")
        data.isel(time=slice(None, None, 2)).to_netcdf("slower.nc", engine="h5netcdf")
        data.isel({lat: slice(1, None)}).to_netcdf("smaller.nc", engine="h5netcdf")
    said = {
        name: simvp("predict", f"{name}.nc", "--output", f"out-{name}.nc").stdout
        for name in ("ocean", "flipped", "slower", "smaller")
    }
    assert "flipped.nc: the rows are in reverse order, compared with" in said["flipped"]
    assert "slower.nc: frames are 2 days apart, but the run was trained on 1 day" in said["slower"]
    assert re.search(r"smaller.nc: frames of \d+x\d+ cells, but the run was", said["smaller"])
    for name, words in (("ocean", 0), ("flipped", 1), ("slower", 1), ("smaller", 1)):
        assert said[name].count("but the run was") + said[name].count("reverse") == words


def test_rows_in_reverse_order_are_said_by_test(ocean: Path, simvp: Simvp) -> None:
    with xarray.open_dataset(ocean) as data:
        lat = data.sst.dims[-2]
        data.isel({lat: slice(None, None, -1)}).to_netcdf("flipped.nc", engine="h5netcdf")
    simvp("split", "flipped.nc", "--output", "other")
    output = simvp("test", "--data", "other").stdout
    assert output.count("the rows are in reverse order, compared with") == 1


def test_channel_without_values_is_said(ocean: Path, simvp: Simvp) -> None:
    with xarray.open_dataset(ocean) as data:
        data.assign(uo=data.uo * np.nan).to_netcdf("empty.nc", engine="h5netcdf")
    output = simvp("predict", "empty.nc", "--output", "next.nc").stdout
    assert "warning: uo has no values at the start of 1 forecast: it is not" in output
    assert "sst has no values" not in output


def test_channels_of_frames_are_compared_with_those_of_the_run(ocean: Path, simvp: Simvp) -> None:
    """Frames without a data card take their names from the run."""
    write_sample(Path("my frames/run"), 3, frames=5)
    result = simvp("predict", "my frames", code=2)
    expected = "my frames: the number of channels is 1, but the run was trained on 2: sst, uo"
    assert expected in result.stderr and "dataset.toml" not in result.stderr
    Path("my frames/dataset.toml").write_text("[channels.sst]\n[channels.uo]\n")
    result = simvp("predict", "my frames", code=2)
    assert "my frames/dataset.toml: names 2 channels (sst, uo), but" in result.stderr


def test_axes_that_a_file_leaves_open(trained: Path, simvp: Simvp) -> None:
    frames = np.random.default_rng(0).random((1, 5, 9, 11), dtype=np.float32)
    np.save("flat.npy", frames[0].transpose(1, 2, 0))
    np.save("four.npy", np.zeros((6, 9, 11, 5)))
    assert "say which axis is which with --axes" in simvp("predict", "four.npy", code=2).stderr
    simvp("predict", "flat.npy", "--axes", "yxt", "--output", "next.npy")
    expected = package.load(RUN).predict(frames[0][:, None])
    np.testing.assert_allclose(np.load("next.npy"), expected, rtol=1e-5, atol=1e-6)
    simvp("predict", "flat.npy", "--axes", "yxt", "--output", "next.nc")
    with xarray.open_dataset("next.nc") as found:
        assert "simvp predict flat.npy --output next.nc --steps 4 --axes yxt" in found.history


def test_frames_of_another_size(trained: Path, simvp: Simvp) -> None:
    write_sample(Path("wide/run"), 3, frames=5, size=(12, 20))
    simvp("predict", "wide", "--output", "next.npy")
    frames = np.stack([np.load(f"wide/run/{t}.npy") for t in range(5)])
    values = np.load("next.npy")
    assert values.shape == (4, 1, 12, 20) and np.isfinite(values).all()
    assert not np.array_equal(values[0], frames[-1])


def test_translator_for_one_size_is_named(split_data: Path, simvp: Simvp) -> None:
    simvp("train", "--data-path", "data", "--epochs", "1", *TINY, "--model-type", "mlpmixer")
    write_sample(Path("wide/run"), 3, frames=5, size=(12, 20))
    result = simvp("predict", "wide", "--output", "next.npy", code=2)
    assert "the run was trained on 9x11, and its translator mlpmixer supports" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none"),
        (["--at", "1"], "has 2 frames up to the beginning of the forecast, but 3 are needed"),
        (["--weights", "none.pth"], "none.pth: there is no such checkpoint"),
        (["--name", "defualt"], "Did you mean 'default'?"),
        (["--output", "next.tif"], "the suffix .tif is not known"),
        (["--output", "data"], "is a folder already"),
        (["--output", "data", "--overwrite"], "is a folder already"),
        (["--output", "holes/run/0.npy/next.nc"], "holes/run/0.npy is a file, not a folder"),
        (["holes"], "0.npy: 1 of 99 values are not finite"),
    ],
)
def test_wrong_use_is_one_message_and_writes_nothing(
    trained: Path, simvp: Simvp, arguments: list[str], message: str
) -> None:
    write_sample(Path("holes/run"), 3, frames=3)
    frame = np.load("holes/run/0.npy")
    frame[0, 2, 3] = np.nan
    np.save("holes/run/0.npy", frame)
    result = simvp("predict", *arguments, code=2)
    assert message in result.stderr and result.stderr.count("error:") == 1
    assert not (RUN / "forecasts").exists() or not list((RUN / "forecasts").iterdir())


def test_existing_files_are_replaced_only_if_asked(trained: Path, simvp: Simvp) -> None:
    picture = Path("next.npy.png")
    picture.write_text("precious")
    result = simvp("predict", "--output", "next.npy", code=2)
    assert "next.npy.png: exists already" in result.stderr
    assert picture.read_text() == "precious" and not Path("next.npy").exists()
    simvp("predict", "--output", "next.nc")
    simvp("predict", "--output", "next.npy", "--overwrite")
    assert np.load("next.npy").shape == (11, 4, 1, 9, 11)


def test_picture_has_the_first_row_where_the_card_says(
    tested: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simvp.figures import pictures

    calls: list[tuple[Any, ...]] = []
    outlook = pictures.outlook

    def record(*given: Any, **texts: Any) -> Any:
        calls.append(given)
        return outlook(*given, **texts)

    monkeypatch.setattr(pictures, "outlook", record)
    Path("data/dataset.toml").write_text('origin = "lower"\n')
    simvp("predict", "--output", "next.npy")
    ((_, forecast, labels),) = calls
    np.testing.assert_array_equal(forecast, np.load("next.npy")[0, :, 0])
    assert labels.origin == "lower"


def test_two_forecasts_of_the_same_name_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in two processes: each writes to an array of its own until it is complete."""
    group = Group(0, 1, torch.device("cpu"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: os.getppid())
        with predict._shared_array(tmp_path / "next.nc", (2, 3), group) as first:
            first[:] = 1
            patch.undo()
            with predict._shared_array(tmp_path / "next.nc", (2, 3), group) as second:
                second[:] = 2
            assert (first == 1).all()
    assert list(tmp_path.iterdir()) == []
