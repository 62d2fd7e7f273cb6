"""One file of each format, from the file to a scored forecast, without a line of own code."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
import xarray
from helpers import TESTS, TINY, Simvp, only_split, squeezed
from PIL import Image

from simvp.data import read_split

N, T, C, H, W = 6, 8, 2, 16, 17
WAVE = np.sin(
    np.arange(N)[:, None, None, None]
    + 0.5 * np.arange(T)[:, None, None]
    + 0.4 * np.arange(H)[:, None]
    + 0.7 * np.arange(W)
)
# (N, T, C, H, W) in physical units: far from [0, 1], of different magnitudes.
FIELDS = np.stack([280 + 10 * WAVE, 0.01 * WAVE[::-1]], axis=2).astype(np.float32)
BYTES = (128 + 100 * WAVE).astype(np.uint8)

# Writes a data set into a folder. Returns its name, options of `split`, and the stored values.
Writer = Callable[[Path], tuple[str, list[str], np.ndarray]]


def frames(folder: Path) -> tuple[str, list[str], np.ndarray]:
    for n, t in np.ndindex(N, T):
        (folder / "my data" / f"run_{n}").mkdir(parents=True, exist_ok=True)
        np.save(folder / "my data" / f"run_{n}" / f"{t}.npy", FIELDS[n, t])
    return "my data", [], FIELDS


def npy(folder: Path) -> tuple[str, list[str], np.ndarray]:
    np.save(folder / "all.npy", FIELDS.transpose(1, 0, 2, 3, 4).astype(">f8"))
    return "all.npy", ["--axes", "tncyx"], FIELDS


def npz(folder: Path) -> tuple[str, list[str], np.ndarray]:
    np.savez_compressed(folder / "all.npz", u=FIELDS[:, :, 0], v=FIELDS[:, :, 1], grid=np.ones(3))
    return "all.npz", ["--variables", "u,v", "--axes", "ntyx"], FIELDS


def matlab(folder: Path) -> tuple[str, list[str], np.ndarray]:
    scipy.io.savemat(folder / "ns.mat", {"u": FIELDS[:, :, 0].transpose(0, 3, 2, 1)})
    return "ns.mat", ["--axes", "nxyt"], FIELDS[:, :, :1]


def ocean(folder: Path) -> xarray.Dataset:
    values = FIELDS.transpose(2, 0, 1, 3, 4).reshape(C, 1, N * T, H, W).copy()
    values[..., :5, :4] = np.nan
    return xarray.Dataset(
        {
            "sst": (("time", "lat", "lon"), values[0, 0], {"units": "K"}),
            "uo": (("time", "lat", "lon"), values[1, 0], {"units": "m s-1"}),
        },
        {
            "time": xarray.date_range("2001-01-01", periods=N * T, freq="6h"),
            "lat": ("lat", np.linspace(60, 20, H), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(W, dtype=float), {"units": "degrees_east"}),
        },
    )


def netcdf(folder: Path) -> tuple[str, list[str], np.ndarray]:
    data = ocean(folder)
    data.to_netcdf(folder / "ocean.nc", engine="h5netcdf")
    values = np.stack([data.sst, data.uo], axis=1)[None]
    return "ocean.nc", [], values


def zarr(folder: Path) -> tuple[str, list[str], np.ndarray]:
    data = ocean(folder)
    data.to_zarr(folder / "ocean.zarr", zarr_format=3, consolidated=False)
    return "ocean.zarr", ["--variables", "uo,sst"], np.stack([data.uo, data.sst], axis=1)[None]


def well(folder: Path) -> tuple[str, list[str], np.ndarray]:
    with h5py.File(folder / "demo.hdf5", "w") as file:
        file.attrs.update(n_trajectories=N, n_spatial_dims=2, dataset_name="demo")
        file.create_group("dimensions").attrs["spatial_dims"] = ["x", "y"]
        file["dimensions/time"] = np.arange(T) / 4
        for name, channel in (("density", 0), ("energy", 1)):
            file[f"t0_fields/{name}"] = FIELDS[:, :, channel]
        file["t0_fields"].attrs["field_names"] = ["density", "energy"]
    return "demo.hdf5", [], FIELDS


def pdebench(folder: Path) -> tuple[str, list[str], np.ndarray]:
    with h5py.File(folder / "2D_rdb.h5", "w") as file:
        for n in range(N):
            file[f"{n:04}/data"] = np.moveaxis(FIELDS[n], 1, -1)
            file[f"{n:04}/grid/t"] = np.arange(T) / 4
    return "2D_rdb.h5", [], FIELDS


def pdearena(folder: Path) -> tuple[str, list[str], np.ndarray]:
    with h5py.File(folder / "ns.h5", "w") as file:
        for name, channel in (("u", 0), ("vx", 1), ("vy", 1)):
            file[f"train/{name}"] = FIELDS[:, :, channel]
        file["train/t"] = np.tile(np.arange(T), (N, 1))
    return "ns.h5", ["--variables", "u,vx"], FIELDS


def hdf5(folder: Path) -> tuple[str, list[str], np.ndarray]:
    with h5py.File(folder / "any.h5", "w") as file:
        file["run/height"] = np.moveaxis(FIELDS[:, :, 0], 1, -1)
    return "any.h5", ["--variables", "/run/height", "--axes", "nyxt"], FIELDS[:, :, :1]


def images(folder: Path) -> tuple[str, list[str], np.ndarray]:
    for n, t in np.ndindex(N, T):
        (folder / "film" / f"scene {n}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(BYTES[n, t]).save(folder / "film" / f"scene {n}" / f"frame_{t}.png")
    return "film", [], BYTES[:, :, None]


def tiff(folder: Path) -> tuple[str, list[str], np.ndarray]:
    (folder / "cells").mkdir()
    for n in range(N):
        path = folder / "cells" / f"cell_{n}.tif"
        tifffile.imwrite(path, FIELDS[n], imagej=True, metadata={"axes": "TCYX"})
    return "cells", [], FIELDS


def video(folder: Path) -> tuple[str, list[str], np.ndarray]:
    av = pytest.importorskip("av")
    (folder / "films").mkdir()
    for n in range(N):
        with av.open(str(folder / "films" / f"film_{n}.avi"), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = H, W, "gray"
            for frame in BYTES[n]:
                image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")
                container.mux(stream.encode(image))
            container.mux(stream.encode(None))
    return "films", [], BYTES[:, :, None]


def number_of(series_id: str) -> int:
    """Position of a series: the digits at the end of its id; 0 for the only series of a file."""
    return int(re.search(r"(\d*)$", series_id)[1] or 0)  # type: ignore[index]


WRITERS: list[Writer] = [frames, npy, npz, matlab, netcdf, zarr, well]
WRITERS += [pdebench, pdearena, hdf5, images, tiff, video]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_from_a_file_to_a_scored_forecast(tmp_path: Path, simvp: Simvp, write: Writer) -> None:
    name, options, stored = write(tmp_path)
    simvp("split", name, *options)
    simvp("train", "--data-path", name, "--epochs", "1", *TINY)
    simvp("test")
    saved = tmp_path / "work_dirs" / "default" / "saved"
    windows = sorted(path.name for path in (saved / "trues").iterdir())
    listing = simvp("viz").stdout
    assert windows and all(window in listing for window in windows)
    data = tmp_path / name
    segments = read_split(only_split(data if data.suffix == "" else tmp_path)).segments("test")
    for window in windows:
        series_id, _, first = window.partition("@")
        segment = next(item for item in segments if item.series.id == series_id)
        start = int(first or segment.start) + 3
        expected = stored[number_of(series_id), start : start + 4]
        trues, preds = (
            np.stack([np.load(saved / kind / window / f"{t}.npy") for t in range(4)])
            for kind in ("trues", "preds")
        )
        np.testing.assert_allclose(trues, expected, rtol=1e-5)
        np.testing.assert_array_equal(np.isnan(preds), np.isnan(expected))
    scores = json.loads((saved / "metrics.json").read_text())
    assert np.isfinite([scores[score] for score in ("mse", "mae", "rmse", "psnr", "ssim")]).all()


def test_four_commands_from_a_zarr_store_to_a_forecast(tmp_path: Path, simvp: Simvp) -> None:
    """The commands that are recommended; land is neither scored nor forecast, units are right."""
    store = TESTS / "cases" / "ocean_zarr" / "ocean.zarr"
    (tmp_path / "ocean.zarr").symlink_to(store)
    simvp("split", "ocean.zarr")
    simvp("train", "--data-path", "ocean.zarr", "--epochs", "1", *TINY)
    tested = simvp("test").stdout
    *_, last = tested.splitlines()
    assert last.startswith("next: simvp viz ")
    simvp("viz", last.removeprefix("next: simvp viz "))
    assert "\nsst degC " in squeezed(tested) and "\nuo m s-1 " in squeezed(tested)
    sst = xarray.open_zarr(store).sst.values
    for folder in (tmp_path / "work_dirs" / "default" / "saved" / "preds").iterdir():
        frame = np.load(folder / "0.npy")
        np.testing.assert_array_equal(np.isnan(frame[0]), np.isnan(sst[0]))
