"""Damaged and hostile data files: `simvp split` reads them, or refuses them with one message."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
import xarray
from fuzzing import FUZZ, Worker, changed, check, damaged, files
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

T, H, W = 6, 8, 9
FIELDS = (100 * np.random.default_rng(0).random((T, H, W))).astype(np.float32)
NUMBERS = itertools.count()

# Writes a valid file or folder into a folder; returns its name and the options of `split`.
Writer = Callable[[Path], tuple[str, list[str]]]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    modules = ["simvp.commands.split", "xarray", "h5netcdf", "zarr", "scipy.io", "tifffile"]
    modules += ["PIL.Image", "av", "cftime"]
    found = Worker(tmp_path_factory.mktemp("worker"), *modules)
    yield found
    found.close()


def frames(folder: Path) -> tuple[str, list[str]]:
    for series, number in np.ndindex(3, 2):
        (folder / "data" / f"s{series}").mkdir(parents=True, exist_ok=True)
        np.save(folder / f"data/s{series}/{number}.npy", FIELDS[number] + series)
    return "data", []


def npy(folder: Path) -> tuple[str, list[str]]:
    np.save(folder / "data.npy", FIELDS)
    return "data.npy", []


def npz(folder: Path) -> tuple[str, list[str]]:
    np.savez(folder / "data.npz", u=FIELDS, units=np.array("K"), mask=np.ones((H, W)))
    return "data.npz", []


def npz_compressed(folder: Path) -> tuple[str, list[str]]:
    np.savez_compressed(folder / "data.npz", u=FIELDS)
    return "data.npz", []


def mat(folder: Path) -> tuple[str, list[str]]:
    scipy.io.savemat(folder / "data.mat", {"u": FIELDS, "t": np.arange(3)})
    return "data.mat", ["--axes", "tyx"]


def mat_compressed(folder: Path) -> tuple[str, list[str]]:
    scipy.io.savemat(folder / "data.mat", {"u": FIELDS}, do_compression=True)
    return "data.mat", ["--axes", "tyx"]


def tiff(folder: Path) -> tuple[str, list[str]]:
    tifffile.imwrite(folder / "data.tif", FIELDS, metadata={"axes": "TYX"})
    return "data.tif", []


def tiff_pages(folder: Path) -> tuple[str, list[str]]:
    with tifffile.TiffWriter(folder / "data.tif") as file:
        for page in FIELDS:
            file.write(page, compression="zlib", contiguous=False, metadata=None)
    return "data.tif", []


def tiff_ome(folder: Path) -> tuple[str, list[str]]:
    metadata = {"axes": "TYX", "Channel": {"Name": "u"}, "TimeIncrement": 2.0}
    tifffile.imwrite(folder / "data.ome.tif", FIELDS, metadata=metadata)
    return "data.ome.tif", []


def tiff_imagej(folder: Path) -> tuple[str, list[str]]:
    metadata = {"axes": "TYX", "finterval": 0.5, "tunit": "min"}
    tifffile.imwrite(folder / "data.tif", FIELDS, imagej=True, metadata=metadata)
    return "data.tif", []


def png(folder: Path) -> tuple[str, list[str]]:
    (folder / "data").mkdir()
    for number, values in enumerate(FIELDS):
        Image.fromarray(values.astype(np.uint8)).save(folder / f"data/{number}.png")
    return "data", []


def jpeg(folder: Path) -> tuple[str, list[str]]:
    (folder / "data").mkdir()
    for number, values in enumerate(FIELDS):
        Image.fromarray(values.astype(np.uint8)).save(folder / f"data/{number}.jpg", exif=b"Exif")
    return "data", []


def bmp(folder: Path) -> tuple[str, list[str]]:
    (folder / "data").mkdir()
    for number, values in enumerate(FIELDS):
        Image.fromarray(values.astype(np.uint8)).save(folder / f"data/{number}.bmp")
    return "data", []


def _video(path: Path, codec: str, pixels: str) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, pixels
        for number in range(T):
            values = np.full((24, 32, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(values, format="rgb24")))
        container.mux(stream.encode(None))


def avi(folder: Path) -> tuple[str, list[str]]:
    _video(folder / "data.avi", "ffv1", "bgr0")
    return "data.avi", []


def mp4(folder: Path) -> tuple[str, list[str]]:
    _video(folder / "data.mp4", "mpeg4", "yuv420p")
    return "data.mp4", []


def _ocean() -> xarray.Dataset:
    coordinates = {
        "time": ("time", np.arange(T, dtype="i4"), {"units": "days since 2020-02-27"}),
        "lat": ("lat", np.linspace(40, 5, H), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(W, dtype="f8"), {"units": "degrees_east"}),
    }
    values = {"units": "K", "_FillValue": np.float32(-999), "long_name": "temperature"}
    depth = (("lat", "lon"), FIELDS[0], {"units": "m"})
    return xarray.Dataset(
        {"sst": (("time", "lat", "lon"), FIELDS, values), "depth": depth}, coordinates
    )


def netcdf3(folder: Path) -> tuple[str, list[str]]:
    _ocean().to_netcdf(folder / "data.nc", engine="scipy", format="NETCDF3_64BIT")
    return "data.nc", []


def netcdf4(folder: Path) -> tuple[str, list[str]]:
    _ocean().to_netcdf(folder / "data.nc", engine="h5netcdf")
    return "data.nc", []


def zarr2(folder: Path) -> tuple[str, list[str]]:
    data = _ocean()
    del data.sst.attrs["_FillValue"]
    data.to_zarr(folder / "data.zarr", zarr_format=2, consolidated=False)
    return "data.zarr", []


def zarr3(folder: Path) -> tuple[str, list[str]]:
    data = _ocean()
    del data.sst.attrs["_FillValue"]
    data.to_zarr(folder / "data.zarr", zarr_format=3, consolidated=False)
    return "data.zarr", []


def hdf5(folder: Path) -> tuple[str, list[str]]:
    with h5py.File(folder / "data.h5", "w") as file:
        file.create_dataset("u", data=FIELDS, chunks=(2, H, W), compression="gzip")
        file.attrs["title"] = "x"
        file["u"].attrs["units"] = "K"
    return "data.h5", ["--variables", "u", "--axes", "tyx"]


def mat73(folder: Path) -> tuple[str, list[str]]:
    with h5py.File(folder / "data.mat", "w", userblock_size=512) as file:
        file["u"] = FIELDS.T
        file["u"].attrs["MATLAB_class"] = np.bytes_("single")
    with open(folder / "data.mat", "r+b") as block:
        block.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return "data.mat", ["--axes", "tyx"]


def well(folder: Path) -> tuple[str, list[str]]:
    with h5py.File(folder / "data.hdf5", "w") as file:
        file.attrs.update(n_trajectories=2, n_spatial_dims=2, grid_type="cartesian")
        file.attrs["dataset_name"] = "demo"
        file.create_group("dimensions").attrs["spatial_dims"] = ["x", "y"]
        for name, size in (("time", T), ("x", H), ("y", W)):
            file[f"dimensions/{name}"] = np.arange(size, dtype=np.float32)
        condition = file.create_group("boundary_conditions/0")
        condition.attrs.update(associated_dims=["x"], bc_type="PERIODIC")
        group = file.create_group("t0_fields")
        group["u"] = np.stack([FIELDS, FIELDS + 1])
        flags = {"sample_varying": True, "time_varying": True, "dim_varying": [True, True]}
        group["u"].attrs.update(flags)
        group.attrs["field_names"] = ["u"]
        file.create_group("t1_fields").attrs["field_names"] = []
        file.create_group("scalars").attrs["field_names"] = ["Re"]
        file["scalars/Re"] = 100.0
    return "data.hdf5", []


def pdebench(folder: Path) -> tuple[str, list[str]]:
    with h5py.File(folder / "data.h5", "w") as file:
        for number in range(3):
            file[f"{number:04d}/data"] = FIELDS[..., None] + number
            file[f"{number:04d}/grid/t"] = np.arange(T) / 2
    return "data.h5", []


def pdebench_compressible(folder: Path) -> tuple[str, list[str]]:
    with h5py.File(folder / "data.h5", "w") as file:
        for name in ("Vx", "Vy", "density", "pressure"):
            file[name] = np.stack([FIELDS, FIELDS + 1])
        file["t-coordinate"] = 0.1 * np.arange(T, dtype=np.float32)
        file["x-coordinate"], file["y-coordinate"] = np.arange(H), np.arange(W)
    return "data.h5", []


def pdearena(folder: Path) -> tuple[str, list[str]]:
    with h5py.File(folder / "data.h5", "w") as file:
        for name in ("u", "vx", "vy"):
            file[f"train/{name}"] = np.stack([FIELDS, FIELDS + 1])
        file["train/buo_y"] = np.arange(2)
        file["train/t"] = np.tile(1.5 * np.arange(T), (2, 1))
        file["train/dt"] = np.full(2, 1.5)
    return "data.h5", []


HDF5: list[Writer] = [hdf5, mat73, well, pdebench, pdebench_compressible, pdearena, netcdf4]
WRITERS: list[Writer] = [
    *(frames, npy, npz, npz_compressed, mat, mat_compressed, tiff, tiff_pages, tiff_ome),
    *(tiff_imagej, png, jpeg, bmp, avi, mp4, netcdf3, zarr2, zarr3, *HDF5),
]
by_name = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str, list[str]]]:
    """A folder with the valid file of each kind, its name and the options of `split`."""
    found = {}
    for write in WRITERS:
        folder = tmp_path_factory.mktemp(write.__name__)
        found[write.__name__] = (folder, *write(folder))
    return found


def split(worker: Worker, folder: Path, name: str, options: list[str]) -> int:
    """Run `simvp split` and check how it ended; it leaves nothing behind if it fails."""
    before = files(folder)
    answer = worker.run(folder, ["split", name, *options])
    check(answer)
    if answer.code:
        assert files(folder) == before
    return answer.code


@pytest.fixture
def place(tmp_path: Path) -> Callable[[], Path]:
    return lambda: tmp_path / str(next(NUMBERS))


@by_name
def test_damaged_bytes(
    write: Writer, originals: dict[str, Any], worker: Worker, tmp_path: Path
) -> None:
    original, name, options = originals[write.__name__]
    assert split(worker, Path(shutil.copytree(original, tmp_path / "valid")), name, options) == 0
    paths = sorted(p.relative_to(original) for p in original.rglob("*") if p.is_file())

    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        folder = tmp_path / str(next(NUMBERS))
        shutil.copytree(original, folder)
        file = folder / data.draw(st.sampled_from(paths))
        file.write_bytes(data.draw(damaged(file.read_bytes())))
        split(worker, folder, name, options)
        shutil.rmtree(folder)

    run()


@pytest.mark.parametrize("write", [zarr2, zarr3], ids=lambda write: write.__name__)
def test_changed_zarr_metadata(
    write: Writer, originals: dict[str, Any], worker: Worker, tmp_path: Path
) -> None:
    original, name, options = originals[write.__name__]
    metadata = [
        p.relative_to(original)
        for p in original.rglob("*")
        if p.name in (".zarray", ".zattrs", ".zgroup", "zarr.json")
    ]

    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        folder = tmp_path / str(next(NUMBERS))
        shutil.copytree(original, folder)
        file = folder / data.draw(st.sampled_from(sorted(metadata)))
        file.write_text(json.dumps(data.draw(changed(json.loads(file.read_text())))))
        split(worker, folder, name, options)
        shutil.rmtree(folder)

    run()


_ATTRIBUTES: list[Any] = [
    *(0, -1, 2**40, 1e308, float("nan"), float("inf"), "", "x", "a" * 200, "days since", "1"),
    *("days since 2020-99-99", "seconds since 0000-00-00", "time", "\0", b"\xff\xfe"),
    *(np.bool_(True), [1, 2, 3], ["a", "b"], np.zeros(0), np.zeros((2, 2)), np.complex64(1j)),
    *(np.array([("a", 1)], dtype=[("x", "S1"), ("y", "i4")]), h5py.Empty("f4")),
]
_NAMES = ["units", "calendar", "scale_factor", "add_offset", "_FillValue", "missing_value"]
_NAMES += ["coordinates", "grid_mapping", "valid_range", "valid_min", "axis", "bounds", "positive"]
_NAMES += ["standard_name", "long_name", "flag_values", "field_names", "spatial_dims", "dtype"]
_NAMES += ["n_trajectories", "bc_type", "associated_dims", "sample_varying", "MATLAB_class"]
_NAMES += ["DIMENSION_LIST", "CLASS", "NAME", "_Netcdf4Dimid", "boundary_y", "Conventions"]
_TYPES = ["u1", "i8", "f2", "f8", "f4", ">f4", "c8", "S3", "bool", "M8[s]", "V4"]
_SHAPES = [(), (0,), (1,), (3, 8, 9), (6, 8, 9), (6, 9, 8), (2, 6, 8, 9), (6, 8, 0), (1,) * 20]


def damage_hdf5(draw: Any, file: h5py.File) -> None:
    """Change an attribute, or replace a data set or group by something else."""
    names: list[str] = []
    file.visit(names.append)
    name = draw(st.sampled_from(["/", *sorted(names)]))
    kind = draw(st.sampled_from("attribute attribute drop delete replace huge link loop".split()))
    if kind == "attribute":
        attribute = draw(st.sampled_from([*_NAMES, *sorted(file[name].attrs)]))
        file[name].attrs[attribute] = draw(st.sampled_from(_ATTRIBUTES))
    elif kind == "drop" and len(file[name].attrs):
        del file[name].attrs[draw(st.sampled_from(sorted(file[name].attrs)))]
    elif name != "/":
        attributes = dict(file[name].attrs)
        del file[name]
        if kind == "replace":
            shape, dtype = draw(st.sampled_from(_SHAPES)), draw(st.sampled_from(_TYPES))
            stored = dtype if not dtype.startswith("M8") else h5py.opaque_dtype(np.dtype(dtype))
            file.create_dataset(name, shape, stored)
        elif kind == "huge":
            shape = draw(st.sampled_from([(2**40, 8, 9), (6, 2**31, 2**31), (6, 2**20, 2**20)]))
            chunks = tuple(min(n, 64) for n in shape)
            file.create_dataset(name, shape, "f4", chunks=chunks, compression="gzip")
        elif kind == "link":
            target = draw(st.sampled_from(["/nowhere", "/"]))
            others = [h5py.ExternalLink("/etc/passwd", "/x"), h5py.ExternalLink("data.h5", name)]
            file[name] = draw(st.sampled_from([h5py.SoftLink(target), *others]))
        elif kind == "loop":
            file[name] = file["/"]
        if kind in ("replace", "huge"):
            for key, value in attributes.items():
                if key != "DIMENSION_LIST":
                    file[name].attrs[key] = value


@pytest.mark.parametrize("write", HDF5, ids=lambda write: write.__name__)
def test_changed_hdf5(
    write: Writer, originals: dict[str, Any], worker: Worker, tmp_path: Path
) -> None:
    original, name, options = originals[write.__name__]

    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        folder = tmp_path / str(next(NUMBERS))
        shutil.copytree(original, folder)
        with h5py.File(folder / name, "r+") as file:
            for _ in range(data.draw(st.integers(1, 2))):
                damage_hdf5(data.draw, file)
        split(worker, folder, name, options)
        shutil.rmtree(folder)

    run()
