"""netCDF and Zarr after the CF conventions."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import xarray
from helpers import Simvp, only_split

from simvp.data import cf_files, open_source, read_split
from simvp.data.sources.cf import matches
from simvp.errors import ConfigError, DataError

T, H, W = 5, 8, 9
FORMATS = ["nc3", "nc4", "zarr2", "zarr3"]
Variables = Mapping[str, tuple[Any, ...]]


def grid(**changes: Any) -> dict[str, tuple[Any, ...]]:
    """Coordinates of T daily frames of H x W; None removes one."""
    coordinates = {
        "time": ("time", np.arange(T, dtype="i4"), {"units": "days since 2020-02-27"}),
        "lat": ("lat", np.linspace(40, 5, H), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(W, dtype="f8"), {"units": "degrees_east"}),
        **changes,
    }
    return {name: value for name, value in coordinates.items() if value is not None}


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(280, 5, shape).astype("f4")


def save(folder: Path, variables: Variables, kind: str = "nc4", name: str = "data") -> Path:
    """Write variables as they are, without any encoding."""
    data = xarray.Dataset(dict(variables))
    if kind.startswith("zarr"):
        path = folder / f"{name}.zarr"
        encoding = {}
        for key, variable in data.variables.items():
            variable.encoding = {"chunks": tuple(min(2, n) for n in variable.shape)}
            if kind == "zarr2":  # the convention of xarray: _FillValue is the array's fill_value
                variable.encoding["_FillValue"] = variable.attrs.pop("_FillValue", None)
            encoding[key] = variable.encoding
        data.to_zarr(path, zarr_format=int(kind[-1]), consolidated=False)
    else:
        path = folder / f"{name}.nc"
        for variable in data.variables.values():
            variable.encoding["_FillValue"] = variable.attrs.pop("_FillValue", None)
        engine, version = {"nc3": ("scipy", "NETCDF3_64BIT"), "nc4": ("h5netcdf", None)}[kind]
        data.to_netcdf(path, engine=engine, format=version)
    return path


def read(path: Path, **options: Any) -> np.ndarray:
    """All frames of the only series."""
    (series,) = open_source(path, **options).series
    return series.read(0, series.length)


@pytest.mark.parametrize("kind", FORMATS)
def test_all_formats_give_the_same_source(tmp_path: Path, kind: str) -> None:
    packed = np.random.default_rng(1).integers(-3000, 3000, (T, H, W)).astype("i2")
    packed[:, 2, 3] = -32768
    about = {
        "units": "degC",
        "long_name": "sea surface temperature",
        "_FillValue": np.int16(-32768),
    }
    speed = numbers(T, H, W)
    path = save(
        tmp_path,
        {
            "sst": (
                ("time", "lat", "lon"),
                packed,
                {**about, "scale_factor": 0.001, "add_offset": 10.0},
            ),
            "uo": (("time", "lat", "lon"), speed, {"units": "m s-1", "standard_name": "u"}),
            **grid(),
        },
        kind,
    )
    source = open_source(path)
    assert (source.kind, source.channels, source.shape) == ("cf", ("sst", "uo"), (2, H, W))
    assert [series.id for series in source.series] == ["data"]
    card = source.card
    assert [card.label(name) for name in source.channels] == ["sst (degC)", "uo (m s-1)"]
    assert card.channel("sst").quantity == "sea surface temperature"
    assert card.channel("uo").quantity == "u"
    assert (card.time_step, card.boundary_x, source.is_8_bit) == ("1 day", "zeros", False)
    assert source.assumptions == () and source.parts == {}
    expected = np.stack([packed * 0.001 + 10.0, speed], axis=1).astype("f4")
    expected[:, 0, 2, 3] = np.nan
    frames = read(path)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(source.series[0].read(1, 5, 2), expected[1:5:2])
    chosen = open_source(path, variables=["uo"])
    np.testing.assert_array_equal(chosen.series[0].read(0, T), expected[:, 1:])
    assert source.series[0].locate(3) == f"{path}, time index 3"


@pytest.mark.parametrize("kind", FORMATS)
def test_series_are_read_by_threads_and_after_pickling(tmp_path: Path, kind: str) -> None:
    values = numbers(T, H, W)
    path = save(tmp_path, {"v": (("time", "lat", "lon"), values), **grid()}, kind)
    (series,) = open_source(path).series
    copy = pickle.loads(pickle.dumps(series))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda i: copy.read(i % T, i % T + 1), range(40)))
    np.testing.assert_array_equal(np.concatenate(results)[:, 0], np.tile(values, (8, 1, 1)))


@pytest.mark.parametrize("kind", FORMATS)
def test_only_the_requested_frames_are_read(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}, kind)
    (series,) = open_source(path).series
    shapes = []
    actual = cf_files.decode
    monkeypatch.setattr(
        cf_files,
        "decode",
        lambda raw, attrs, **more: shapes.append(raw.shape) or actual(raw, attrs, **more),
    )
    series.read(1, 4, 2)
    assert shapes == [(2, H, W)]
    assert not cf_files.opened(path)["v"].variable._in_memory


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_in_a_chunk_are_counted(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path, {"sst": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}, kind)
    expected = 2 if kind.startswith("zarr") else 1
    assert [item.frames_per_chunk for item in open_source(path).series] == [expected]


def test_frames_in_a_chunk_of_compressed_netcdf_are_counted(tmp_path: Path) -> None:
    """Chunks that are larger than a frame in time only."""
    dataset = xarray.Dataset({"sst": (("time", "lat", "lon"), numbers(T, H, W)), **grid()})
    encoding = {"sst": {"zlib": True, "chunksizes": (3, H, 4)}}
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding=encoding)
    (item,) = open_source(tmp_path / "a.nc").series
    assert item.frames_per_chunk == 3


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    first, second = numbers(T, H, W), numbers(T, H, W) + 1
    path = save(tmp_path, {"v": (("time", "lat", "lon"), first), **grid()})
    (series,) = open_source(path).series
    np.testing.assert_array_equal(series.read(0, T)[:, 0], first)
    other = save(tmp_path, {"v": (("time", "lat", "lon"), second), **grid()}, name="other")
    other.replace(path)
    np.testing.assert_array_equal(series.read(0, T)[:, 0], second)


@pytest.mark.parametrize(
    ("dims", "coordinates"),
    [
        (("time", "latitude", "longitude"), {}),
        (("t", "rlat", "rlon"), {}),
        (("time", "nj", "ni"), {}),
        (("Time", "south_north", "west_east"), {}),
        (("a", "b", "c"), {"a": {"axis": "T"}, "b": {"axis": "Y"}, "c": {"axis": "X"}}),
        (
            ("a", "b", "c"),
            {
                "a": {"standard_name": "time"},
                "b": {"standard_name": "projection_y_coordinate"},
                "c": {"standard_name": "projection_x_coordinate"},
            },
        ),
        (
            ("a", "b", "c"),
            {
                "a": {"units": "hours since 1900-01-01"},
                "b": {"units": "degrees_north"},
                "c": {"units": "degreesE"},
            },
        ),
        (("x", "t", "y"), {"x": {"axis": "T"}, "t": {"axis": "Y"}, "y": {"axis": "X"}}),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_axes_are_recognised(
    tmp_path: Path, dims: tuple[str, ...], coordinates: dict[str, Any], order: tuple[int, ...]
) -> None:
    values = numbers(T, H, W)
    stored = values.transpose(order), tuple(dims[i] for i in order)
    sizes = dict(zip(dims, (T, H, W), strict=True))
    axes = {
        dim: ((dim,), np.arange(sizes[dim], dtype="f8"), attributes)
        for dim, attributes in coordinates.items()
    }
    path = save(tmp_path, {"v": (stored[1], stored[0]), **axes})
    np.testing.assert_array_equal(read(path)[:, 0], values)


def test_axes_are_recognised_by_coordinates_of_other_names(tmp_path: Path) -> None:
    values = numbers(T, H, W)
    names = {"p": ("a", "lat"), "q": ("b", "lon")}
    axes = {new: (dim, grid()[old][1], grid()[old][2]) for new, (dim, old) in names.items()}
    path = save(tmp_path, {"v": (("time", "a", "b"), values), "time": grid()["time"], **axes})
    np.testing.assert_array_equal(read(path)[:, 0], values)


def test_unknown_axes_are_asked_for_and_taken_from_the_option(tmp_path: Path) -> None:
    values = numbers(T, H, W)
    path = save(tmp_path, {"v": (("time", "p", "q"), values)})
    with pytest.raises(ConfigError) as raised:
        open_source(path)
    assert str(raised.value) == (
        f"{path}: cannot tell the axes of v (time 5, p 8, q 9); give --axes tyx or --axes txy (a "
        "letter per dimension: t time, y rows, x columns, n series, c channels)"
    )
    np.testing.assert_array_equal(read(path, axes="tyx")[:, 0], values)
    np.testing.assert_array_equal(read(path, axes="txy")[:, 0], values.swapaxes(1, 2))
    for wrong in ("tyy", "ty", "tyxz", "nyx"):
        with pytest.raises(ConfigError, match=f"axes = '{wrong}': expected t, y and x"):
            open_source(path, axes=wrong)
    with pytest.raises(ConfigError, match=r"cannot tell the axes of v"):
        open_source(path, axes="ntyx")


def test_hdf5_without_dimension_names_is_asked_for(tmp_path: Path) -> None:
    values = numbers(T, H, W)
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["v"] = values
    with pytest.raises(ConfigError, match=r"axes of v \(phony_dim_0 5, .*--axes tyx or --axes txy"):
        open_source(tmp_path / "a.nc")
    np.testing.assert_array_equal(read(tmp_path / "a.nc", axes="tyx")[:, 0], values)


def test_time_of_an_unusual_name_is_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path, {"v": (("year", "lat", "lon"), numbers(T, H, W)), **grid(time=None)})
    with pytest.raises(ConfigError, match=r"of v \(year 5, lat 8, lon 9\); give --axes tyx \("):
        open_source(path)
    assert open_source(path, axes="tyx").series[0].length == T


def test_channels_may_lie_along_an_axis(tmp_path: Path) -> None:
    values = numbers(T, 3, H, W)
    path = save(tmp_path, {"v": (("time", "band", "lat", "lon"), values), **grid()})
    source = open_source(path, axes="tcyx")
    assert source.channels == ("v_0", "v_1", "v_2")
    np.testing.assert_array_equal(source.series[0].read(0, T), values)


@pytest.mark.parametrize(
    ("level", "index"), [("0.5", 0), ("10", 1), ("2", 2), ("10.0", 1), ("50.0000001", 2)]
)
def test_level_is_a_value_or_an_index(tmp_path: Path, level: str, index: int) -> None:
    values = numbers(T, 3, H, W)
    depth = ("depth", [0.5, 10.0, 50.0], {"units": "m"})
    variables = {"thetao": (("time", "depth", "lat", "lon"), values), "depth": depth, **grid()}
    path = save(tmp_path, variables)
    np.testing.assert_array_equal(read(path, level=level)[:, 0], values[:, index])
    text = f"thetao is read at depth {depth[1][index]:g} m (index {index})"
    assert open_source(path, level=level).assumptions == (text,)


def test_inputs_may_lie_along_an_axis(tmp_path: Path) -> None:
    """The other variables are the channels, as with --variables u --inputs v."""
    dims = ("time", "band", "lat", "lon")
    u, v = numbers(T, 2, H, W), 2 * numbers(T, 3, H, W)
    path = save(tmp_path, {"v": (dims, v), "u": (dims[:1] + ("pair", *dims[2:]), u), **grid()})
    source = open_source(path, axes="tcyx", inputs=["v"])
    assert source.channels == ("u_0", "u_1", "v_0", "v_1", "v_2")
    assert source.inputs == ("v_0", "v_1", "v_2")
    np.testing.assert_array_equal(source.series[0].read(0, T), np.concatenate([u, v], axis=1))
    named = open_source(path, axes="tcyx", variables=["u"], inputs=["v"])
    assert (named.channels, named.inputs) == (source.channels, source.inputs)


def test_level_is_asked_for_with_the_levels(tmp_path: Path) -> None:
    depth = ("depth", [0.5, 10.0, 50.0], {"units": "m"})
    thetao = (("time", "depth", "lat", "lon"), numbers(T, 3, H, W))
    sst = (("time", "lat", "lon"), numbers(T, H, W))
    path = save(tmp_path, {"thetao": thetao, "sst": sst, "depth": depth, **grid()})
    with pytest.raises(ConfigError) as raised:
        open_source(path)
    assert str(raised.value) == (
        f"{path}: thetao: has a vertical axis depth of 3 levels; choose one with --level, by its "
        "value (0.5, 10, 50 m) or its index (0 to 2)"
    )
    with pytest.raises(ConfigError, match=r"level = '30': .*no such level on depth.*0.5, 10, 50 m"):
        open_source(path, level="30")
    with pytest.raises(ConfigError, match="sst of .* have no vertical axis.*leave out --level"):
        open_source(path, variables=["sst"], level="7")
    assert open_source(path, variables=["sst"]).channels == ("sst",)
    assert open_source(path, level="10").channels == ("thetao", "sst")


def test_axis_of_size_one_is_dropped(tmp_path: Path) -> None:
    values = numbers(T, 1, H, W)
    path = save(tmp_path, {"v": (("time", "height", "lat", "lon"), values), **grid()})
    np.testing.assert_array_equal(read(path), values)


@pytest.mark.parametrize(("dim", "note"), [("member", ()), ("scenario", ("scenario is taken",))])
def test_members_become_series(tmp_path: Path, dim: str, note: tuple[str, ...]) -> None:
    values = numbers(T, 11, H, W)
    path = save(tmp_path, {"v": (("time", dim, "lat", "lon"), values), **grid()})
    source = open_source(path)
    assert [s.id for s in source.series] == [f"data_{dim}_{i:02d}" for i in range(11)]
    np.testing.assert_array_equal(source.series[3].read(0, T)[:, 0], values[:, 3])
    assert [text[: len(note[0])] for text in source.assumptions] == list(note)


def test_two_unknown_axes_are_asked_for(tmp_path: Path) -> None:
    values = numbers(T, 2, 4, H, W)
    path = save(tmp_path, {"v": (("time", "a", "b", "lat", "lon"), values), **grid()})
    with pytest.raises(ConfigError, match=r"a 2, b 4.*give --axes tncyx or --axes tcnyx \("):
        open_source(path)
    source = open_source(path, axes="tncyx")
    assert len(source.series) == 2 and source.shape == (4, H, W)
    np.testing.assert_array_equal(source.series[1].read(0, T), values[:, 1])


def test_static_and_auxiliary_variables_are_not_channels(tmp_path: Path) -> None:
    flat = np.zeros((H, W))
    about = {"coordinates": "nav geo", "grid_mapping": "crs"}
    time = ("time", np.arange(T), {"units": "days since 2020-01-01", "bounds": "time_edges"})
    path = save(
        tmp_path,
        {
            "v": (("time", "y", "x"), numbers(T, H, W), about),
            "mask": (("y", "x"), flat),
            "nav": (("y", "x"), flat),
            "geo": (("y", "x"), flat),
            "XLAT": (("time", "y", "x"), numbers(T, H, W), {"units": "degree_north"}),
            "time_edges": (("time", "y", "x"), numbers(T, H, W)),
            "crs": ((), np.int32(0)),
            "time": time,
        },
    )
    source = open_source(path)
    assert source.channels == ("v",)
    note = "static fields are not used: mask; give them to the network with --static mask"
    assert source.assumptions == (note,)
    with pytest.raises(ConfigError, match="'mask' of .* has no time axis; .* with --static mask"):
        open_source(path, variables=["mask"])
    with pytest.raises(ConfigError, match="'V1' is not a channel in .*; the channels are v"):
        open_source(path, variables=["V1"])


@pytest.mark.parametrize("kind", FORMATS)
def test_static_fields_follow_the_channels(tmp_path: Path, kind: str) -> None:
    values = numbers(T, H, W)
    depth = np.random.default_rng(1).integers(0, 3000, (W, H)).astype("i2")
    depth[4, 3] = -1
    about = {"units": "m", "long_name": "sea floor depth", "scale_factor": 0.5}
    path = save(
        tmp_path,
        {
            "v": (("time", "lat", "lon"), values),
            "depth": (("lon", "lat"), depth, {**about, "_FillValue": np.int16(-1)}),
            "mask": (("surface", "lat", "lon"), (values[:1] > 280).astype("i1")),
            "weight": (("lat",), np.arange(H) / 4),
            "rate": (("lon",), np.arange(W) / 8),
            "gravity": ((), np.float64(9.75), {"units": "m s-2"}),
            **grid(),
        },
        kind,
    )
    source = open_source(path)
    listed = {"depth", "mask"}  # a Zarr store has no order
    assert set(source.assumptions[0].rpartition(" ")[2].split(",")) == listed
    static = ["gravity", "depth", "lat", "mask", "rate", "weight"]
    source = open_source(path, static=static)
    assert source.channels == ("v", *static) and source.inputs == tuple(static)
    assert not source.is_8_bit
    assert all("chunks without a file" in note for note in source.assumptions)
    assert source.card.channel("depth").quantity == "sea floor depth"
    assert [source.card.channel(name).unit for name in static[:2]] == ["m s-2", "m"]
    fields = [
        np.full((H, W), 9.75),
        np.where(depth == -1, np.nan, depth * 0.5).T,
        np.tile(grid()["lat"][1][:, None], W),
        values[0] > 280,
        np.tile(np.arange(W) / 8, (H, 1)),
        np.tile(np.arange(H)[:, None] / 4, W),
    ]
    (series,) = pickle.loads(pickle.dumps(source.series))
    frames = series.read(1, T, 3)
    np.testing.assert_array_equal(frames[:, 0], values[1::3])
    expected = np.stack(fields).astype("f4")
    np.testing.assert_array_equal(frames[:, 1:], np.tile(expected, (2, 1, 1, 1)))


def test_static_fields_may_have_members_and_levels(tmp_path: Path) -> None:
    values, soil = numbers(T, 3, 2, H, W), numbers(H, 3, W, 2)
    start, friction = numbers(2, H, W), np.array([0.5, 0.25])
    path = save(
        tmp_path,
        {
            "v": (("time", "depth", "member", "lat", "lon"), values),
            "soil": (("lat", "depth", "lon", "member"), soil),
            "start": (("member", "lat", "lon"), start),
            "friction": (("member",), friction),
            "depth": ("depth", [0.5, 10.0, 50.0], {"units": "m"}),
            **grid(),
        },
    )
    source = open_source(path, static=["soil", "friction", "start"], level="10")
    assert source.assumptions == (
        "v is read at depth 10 m (index 1)",
        "soil is read at depth 10 m (index 1)",
    )
    for member, series in enumerate(source.series):
        frames = series.read(0, 2)
        np.testing.assert_array_equal(frames[:, 0], values[:2, 1, member])
        fields = [soil[:, 1, :, member], np.full((H, W), friction[member]), start[member]]
        np.testing.assert_array_equal(frames[:, 1:], np.tile(np.stack(fields), (2, 1, 1, 1)))
    surface = {"v": (("time", "lat", "lon"), values[:, 0, 0])}
    surface |= {"soil": (("depth", "lat", "lon"), soil[..., 0].swapaxes(0, 1)), **grid()}
    path = save(tmp_path, surface, name="surface")
    with pytest.raises(ConfigError, match="soil: has a vertical axis depth of 3 levels; choose"):
        open_source(path, static=["soil"])
    with pytest.raises(ConfigError, match="level = '1': v of .* have no vertical axis"):
        open_source(path, level="1")
    frames = open_source(path, static=["soil"], level="1").series[0].read(0, 1)
    np.testing.assert_array_equal(frames[0, 1], soil[:, 1, :, 0])


def test_static_fields_have_the_grid_and_axes_of_the_channels(tmp_path: Path) -> None:
    values, flat = numbers(T, H, W), numbers(H, W)
    path = save(
        tmp_path,
        {
            "v": (("time", "p", "q"), values),
            "depth": (("q", "p"), flat.T),
            "month": (("m", "p", "q"), numbers(12, H, W)),
            "wide": (("lat", "lon"), numbers(3, 4)),
        },
    )
    source = open_source(path, variables=["v"], axes="tyx", static=["depth"])
    np.testing.assert_array_equal(source.series[0].read(0, 2)[:, 1], np.stack([flat, flat]))
    note = "static fields are not used: depth; give them to the network with --static depth"
    assert note in open_source(path, variables=["v"], axes="tyx").assumptions
    for name in ("wide", "month", "deep"):
        hint = ". Did you mean 'depth'" if name == "deep" else "."
        with pytest.raises(ConfigError, match=f"no static field '{name}', only depth{hint}"):
            open_source(path, variables=["v"], axes="tyx", static=[name])


def test_channels_and_static_fields_are_not_interchangeable(tmp_path: Path) -> None:
    v, depth = (("time", "lat", "lon"), numbers(T, H, W)), (("lat", "lon"), numbers(H, W))
    path = save(tmp_path, {"v": v, "w": v, "depth": depth, **grid()})
    with pytest.raises(ConfigError, match="static: v of .* varies in time; .* with --inputs v"):
        open_source(path, static=["v"])
    with pytest.raises(ConfigError, match="'depth' of .* has no time axis; .*--static depth"):
        open_source(path, inputs=["depth"])
    source = open_source(path, inputs=["v"], static=["depth"])
    assert (source.channels, source.inputs) == (("w", "v", "depth"), ("v", "depth"))


def test_static_fields_are_read_from_the_file_of_the_frames(tmp_path: Path) -> None:
    values = yearly(tmp_path)
    for number, name in enumerate(("sst_b", "sst_c", "sst_a")):
        with h5py.File(tmp_path / f"{name}.nc", "a") as file:
            file["rate"] = number / 2
    source = open_source(tmp_path, static=["rate"])
    frames = source.series[0].read(0, 15)
    np.testing.assert_array_equal(frames[:, 0], values)
    np.testing.assert_array_equal(frames[:, 1, 3, 4], np.repeat([0, 0.5, 1], T))
    save(tmp_path, other_file(), name="sst_d")
    with pytest.raises(DataError, match="sst_d.nc: has no variable rate, which the first file"):
        open_source(tmp_path, static=["rate"])


def test_unknown_variable_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    variables = {"salinity": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}
    with pytest.raises(ConfigError, match="channels are salinity. Did you mean 'salinity'?"):
        open_source(save(tmp_path, variables), variables=["salinty"])


def test_variables_of_different_grids_are_refused(tmp_path: Path) -> None:
    a, b = (("time", "lat", "lon"), numbers(T, H, W)), (("time", "y", "x"), numbers(T, 3, 4))
    path = save(tmp_path, {"a": a, "b": b, **grid()})
    with pytest.raises(ConfigError, match=r"give --variables a \(time 5, lat 8.* or --variables b"):
        open_source(path)
    assert open_source(path, variables=["b"]).shape == (1, 3, 4)


def test_calendars_give_the_time_step(tmp_path: Path) -> None:
    cases = {
        "days": ([0, 1, 2, 3, 4], "days since 2001-01-01", "standard", "1 day"),
        "hours": ([0, 6, 12, 18, 24], "hours since 2001-01-01", "noleap", "6 hours"),
        "minutes": ([0, 0.25, 0.5, 0.75, 1.0], "hours since 2001-01-01", "standard", "15 minutes"),
        "months": ([0, 31, 59, 90, 120], "days since 2001-01-01", "noleap", "1 month"),
        "middle": ([15.5, 45, 74.5, 105, 135.5], "days since 2001-01-01", "standard", "1 month"),
        "thirty": ([0, 30, 60, 90, 120], "days since 2001-01-01", "360_day", "1 month"),
        "even": ([0, 30, 60, 90, 120], "days since 2001-01-01", "standard", "30 days"),
        "years": ([0, 365, 730, 1095, 1461], "days since 2001-01-01", "standard", "1 year"),
        "old": ([0, 1, 2, 3, 4], "months since 1800-01-01", "standard", "1 month"),
        "zero": ([0, 1, 2, 3, 4], "days since 0000-01-01", "standard", "1 day"),
    }
    for name, (values, units, calendar, step) in cases.items():
        time = ("time", np.array(values, "f8"), {"units": units, "calendar": calendar})
        variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(time=time)}
        source = open_source(save(tmp_path, variables, name=name))
        assert (source.card.time_step, source.assumptions) == (step, ()), name


def test_gaps_cut_the_series(tmp_path: Path) -> None:
    values = numbers(8, H, W)
    days = ("time", [0, 1, 2, 5, 6, 7, 9, 10], {"units": "days since 2020-02-27"})
    path = save(tmp_path, {"v": (("time", "lat", "lon"), values), **grid(time=days)})
    source = open_source(path)
    assert [(s.id, s.length) for s in source.series] == [
        ("data_0", 3),
        ("data_1", 3),
        ("data_2", 2),
    ]
    np.testing.assert_array_equal(source.series[1].read(1, 3)[:, 0], values[4:6])
    assert source.series[1].locate(1) == f"{path}, time index 4"
    assert source.assumptions == (
        "3 frames are missing at the usual step of 1 day (2 between 2020-02-29 and 2020-03-03; 1 "
        "between 2020-03-05 and 2020-03-07): the series is cut there",
    )


def test_a_missing_month_is_a_gap_but_a_long_month_is_not(tmp_path: Path) -> None:
    days = ("time", [0, 31, 59, 120, 151], {"units": "days since 2001-01-01"})
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(time=days)}
    source = open_source(save(tmp_path, variables))
    assert [s.length for s in source.series] == [3, 2] and source.card.time_step == "1 month"
    assert "1 frame is missing at the usual step of 1 month" in source.assumptions[0]


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ([0, 1, 1, 2, 3], "time index 2 has 2020-01-02 after 2020-01-02"),
        ([4, 3, 2, 1, 0], "time index 1 has 2020-01-04 after 2020-01-05"),
        ([0, 1, np.nan, 3, 4], "time index 2 has no time"),
    ],
)
def test_disordered_times_are_refused(tmp_path: Path, days: list[float], message: str) -> None:
    time = ("time", np.array(days, "f8"), {"units": "days since 2020-01-01"})
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(time=time)})
    with pytest.raises(DataError, match=f"data.nc: {message}; times must ascend"):
        open_source(path)


def test_frames_without_times_are_taken_as_even(tmp_path: Path) -> None:
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(time=None)}
    source = open_source(save(tmp_path, variables))
    assert source.card.time_step == "" and source.series[0].length == T
    assert source.assumptions == ("time has no coordinate: the frames are taken as evenly spaced",)


@pytest.mark.parametrize(
    ("longitudes", "boundary"),
    [
        (np.arange(W) * 40.0, "periodic"),
        ((np.arange(W) * 40.0 + 180) % 360 - 180, "periodic"),
        (np.arange(W) * 40.02, "periodic"),
        (np.arange(W) * 40.1, "zeros"),
        (np.arange(W) * 45.0, "zeros"),
    ],
)
def test_longitudes_round_the_globe_are_periodic(
    tmp_path: Path, longitudes: np.ndarray, boundary: str
) -> None:
    lon = ("lon", longitudes, {"units": "degrees_east"})
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(lon=lon)})
    source = open_source(path)
    assert (source.card.boundary_x, source.card.boundary_y) == (boundary, "zeros")
    note = "boundary_x is periodic: lon goes once round the globe"
    assert source.assumptions == ((note,) if boundary == "periodic" else ())
    path.with_suffix(".toml").write_text("boundary_x = 'reflect'\n[channels.v]\nunit = 'K'\n")
    card = open_source(path).card
    assert (card.boundary_x, card.channel("v").unit) == ("reflect", "K")


def test_card_that_contradicts_the_files_is_refused(tmp_path: Path) -> None:
    lon = ("lon", np.arange(W) * 40.0, {"units": "degrees_east"})
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(lon=lon)})
    path.with_suffix(".toml").write_text("symmetries = ['rot90']\n")
    with pytest.raises(ConfigError, match="contradicts the files .*rot90.*set boundary_x"):
        open_source(path)


def yearly(folder: Path, *, kind: str = "nc4") -> np.ndarray:
    """Three files whose names are not in order of time, with different packing and epochs."""
    raw = np.random.default_rng(0).integers(-99, 99, (3, T, H, W)).astype("i2")
    values = []
    for year, (name, scale) in enumerate([("sst_b", 0.5), ("sst_c", 0.25), ("sst_a", 2.0)]):
        time = ("time", np.arange(T), {"units": f"days since 2020-01-{1 + T * year:02d}"})
        sst = (("time", "lat", "lon"), raw[year], {"units": "K", "scale_factor": scale})
        save(folder, {"sst": sst, **grid(time=time)}, kind, name)
        values.append(raw[year] * scale)
    return np.concatenate(values)


@pytest.mark.parametrize("kind", ["nc3", "nc4"])
def test_files_are_joined_in_order_of_time(tmp_path: Path, kind: str) -> None:
    values = yearly(tmp_path, kind=kind)
    for path, name in [(tmp_path / "sst_*.nc", "sst"), (tmp_path, tmp_path.name)]:
        source = open_source(path)
        assert [s.id for s in source.series] == [name.strip("_")]
        fill = "default fill values of netCDF are read as missing: -32767"
        assert source.assumptions == (fill, "3 files are joined along time")
        assert source.card.time_step == "1 day"
        np.testing.assert_array_equal(read(path)[:, 0], values)
        (series,) = source.series
        np.testing.assert_array_equal(series.read(3, 13, 4)[:, 0], values[3:13:4])
        np.testing.assert_array_equal(series.read(7, 8)[:, 0], values[7:8])
        assert series.locate(7) == f"{tmp_path / 'sst_c.nc'}, time index 2"
    (tmp_path / "dataset.toml").write_text("name = 'North Sea'\n")
    names = [open_source(path).card.name for path in (tmp_path, tmp_path / "sst_*.nc")]
    assert names == ["North Sea", "North Sea"]


def test_a_missing_file_is_a_gap(tmp_path: Path) -> None:
    values = yearly(tmp_path)
    (tmp_path / "sst_c.nc").unlink()
    source = open_source(tmp_path / "sst_[ab].nc")
    assert [(s.id, s.length) for s in source.series] == [("sst_ab_0", T), ("sst_ab_1", T)]
    np.testing.assert_array_equal(source.series[1].read(0, T)[:, 0], values[2 * T :])
    assert "5 frames are missing" in source.assumptions[-1]


def other_file(**changes: Any) -> dict[str, Any]:
    """Variables of a file after those of `yearly`, with changes."""
    time = ("time", np.arange(T), {"units": "days since 2020-01-16"})
    sst = (("time", "lat", "lon"), numbers(T, H, W), {"units": "K"})
    return {"sst": sst, **grid(time=time), **changes}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            other_file(sst=(("time", "lat", "lon"), numbers(T, H, W), {"units": "degC"})),
            "sst is in degC, but the first file has K",
        ),
        (
            {**grid(), "mask": (("lat", "lon"), np.zeros((H, W)))},
            "has no variable sst, which the first file has",
        ),
        (
            other_file(lat=("lat", np.linspace(5, 40, H), {"units": "degrees_north"})),
            "has other values of lat than the first file",
        ),
        (
            other_file(sst=(("time", "lat", "lon"), numbers(T, H, 4)), lon=("lon", np.arange(4.0))),
            "sst has dimensions time 5, lat 8, lon 4, but the first file has time 5, lat 8, lon 9",
        ),
        (
            other_file(time=("time", np.arange(T), {"units": "days since 2020-01-05"})),
            "begins at 2020-01-05, but .* ends at 2020-01-05; files along time must not overlap",
        ),
        (
            other_file(
                time=(
                    "time",
                    np.arange(T),
                    {"units": "days since 2020-02-01", "calendar": "noleap"},
                )
            ),
            "times are in second of calendar noleap",
        ),
        (other_file(time=("time", np.arange(T))), "times are in no unit of calendar unknown"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    tmp_path: Path, variables: dict[str, Any], message: str
) -> None:
    yearly(tmp_path)
    save(tmp_path, variables, name="sst_z")
    with pytest.raises(DataError, match=f"(sst_z|sst_c).nc: {message}"):
        open_source(tmp_path)


def test_files_with_other_levels_are_refused(tmp_path: Path) -> None:
    for day, levels in [("1", [0.5, 10.0]), ("6", [10.0, 0.5])]:
        time = ("time", np.arange(T), {"units": f"days since 2020-01-{day}"})
        thetao = (("time", "depth", "lat", "lon"), numbers(T, 2, H, W))
        variables = {"thetao": thetao, "depth": ("depth", levels), **grid(time=time)}
        save(tmp_path, variables, name=f"file_{day}")
    with pytest.raises(DataError, match="file_6.nc: has other values of depth"):
        open_source(tmp_path, level="0.5")


def test_times_without_unit_are_cut_at_gaps(tmp_path: Path) -> None:
    time = ("time", [0, 1, 2, 4, 5])
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(time=time)}
    source = open_source(save(tmp_path, variables))
    assert [s.length for s in source.series] == [3, 2] and source.card.time_step == ""
    assert "1 frame is missing at the usual step of 1 (" in source.assumptions[0]


def test_uneven_times_are_told(tmp_path: Path) -> None:
    time = ("time", np.array([0, 10, 20, 31, 41], "i4"), {"units": "days since 2021-01-01"})
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid(time=time)}
    source = open_source(save(tmp_path, variables))
    assert source.assumptions == (
        "time steps vary from 10 days to 11 days; they are taken as 10 days",
    )


def break_chunk(path: Path, kind: str) -> None:
    (path / "v" / {"zarr2": "1.0.0", "zarr3": "c/1/0/0"}[kind]).unlink()


@pytest.mark.parametrize("kind", ["zarr2", "zarr3"])
def test_chunks_without_a_file_are_told(tmp_path: Path, kind: str) -> None:
    """They hold the fill value: zarr does not write chunks of nothing else."""
    values = numbers(T, H, W).astype("i2")
    values[2:4, 2:6] = values[4, 0, 0] = 0
    about = {"scale_factor": 0.5, "add_offset": 10.0}
    variables = {"v": (("time", "lat", "lon"), values, about), "u": grid()["lat"], **grid()}
    path = save(tmp_path, variables, kind)
    note = (
        "chunks without a file hold the fill value of the Zarr array: v (10 of 60, read as 10); "
        "copy the store again if files were lost"
    )
    assert open_source(path).assumptions == (note,)
    np.testing.assert_array_equal(read(path)[:, 0], values * 0.5 + 10)
    break_chunk(path, kind)
    source = open_source(path)
    assert "v (11 of 60, read as 10)" in source.assumptions[0]
    assert (source.series[0].read(2, 4)[:, 0, :2, :2] == 10).all()


@pytest.mark.parametrize("kind", ["zarr2", "zarr3"])
def test_chunks_without_a_file_are_missing_if_declared(tmp_path: Path, kind: str) -> None:
    about = {"_FillValue": np.int16(0)}
    values = numbers(T, H, W).astype("i2")
    path = save(tmp_path, {"v": (("time", "lat", "lon"), values, about), **grid()}, kind)
    break_chunk(path, kind)
    source = open_source(path)
    assert not any("chunks" in note for note in source.assumptions)
    frames = source.series[0].read(1, 3)
    assert np.isnan(frames[1, 0, :2, :2]).all() and np.isnan(frames).sum() == 4


def test_chunks_lost_since_the_split_are_found(tmp_path: Path, simvp: Simvp) -> None:
    values = numbers(20, H, W).astype("i2")
    time = ("time", np.arange(20), {"units": "days since 2020-02-27"})
    path = save(tmp_path, {"v": (("time", "lat", "lon"), values), **grid(time=time)}, "zarr3")
    simvp("split", str(path))
    break_chunk(path, "zarr3")
    segment = read_split(only_split(tmp_path)).segments("train")[0]
    with pytest.raises(DataError, match="its frames have changed since the split was made"):
        segment.check_unchanged(segment.read_stored(0, 4), 0)


def test_shards_without_a_file_are_told(tmp_path: Path) -> None:
    values = np.ones((T, H, W), "i2")
    values[:2] = 0
    data = xarray.Dataset({"v": (("time", "lat", "lon"), values)})
    data.v.encoding = {"chunks": (1, H, W), "shards": (2, H, W)}
    data.to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    assert "v (1 of 3, read as 0)" in open_source(tmp_path / "a.zarr").assumptions[0]
    np.testing.assert_array_equal(read(tmp_path / "a.zarr")[:, 0], values)


def test_zeros_of_zarr_2_that_count_as_missing_are_told(tmp_path: Path) -> None:
    variables = {"v": (("time", "lat", "lon"), np.ones((T, H, W)), {"_FillValue": 0.0}), **grid()}
    assert open_source(save(tmp_path, variables, "zarr2")).assumptions == (
        "the value 0 counts as missing, since it is the fill_value of the Zarr array: v",
    )


@pytest.mark.parametrize(("dtype", "expected"), [("u1", True), ("i2", False), ("f4", False)])
def test_bytes_are_8_bit_unless_packed(tmp_path: Path, dtype: str, expected: bool) -> None:
    values = np.ones((T, H, W), dtype)
    variables = {"v": (("time", "lat", "lon"), values), **grid()}
    assert open_source(save(tmp_path, variables)).is_8_bit is expected
    variables["v"] = (*variables["v"], {"scale_factor": 0.5})
    assert open_source(save(tmp_path, variables, name="packed")).is_8_bit is False


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((T, H, W), "c8"), "v holds complex64; expected integers or floats"),
        (np.full((T, H, W), "text", object), "v holds "),
        (np.ones((T, H, W), bool), "v holds bool"),
        (np.ones((T, 0, W)), r"v is empty \(time 5, lat 0, lon 9\)"),
    ],
)
def test_other_types_and_empty_variables_are_refused(
    tmp_path: Path, values: np.ndarray, message: str
) -> None:
    path = save(tmp_path, {"v": (("time", "lat", "lon"), values)}, "zarr3")
    with pytest.raises(DataError, match=f"data.zarr: {message}"):
        open_source(path)


def test_infinite_values_are_passed_to_the_caller(tmp_path: Path) -> None:
    values = np.full((T, H, W), 1e300)
    path = save(tmp_path, {"v": (("time", "lat", "lon"), values), **grid()})
    assert np.isinf(read(path)).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_wrong_attributes_are_refused(tmp_path: Path, kind: str) -> None:
    variables = {
        "v": (("time", "lat", "lon"), numbers(T, H, W), {"missing_value": "none"}),
        **grid(),
    }
    path = save(tmp_path, variables, kind)
    with pytest.raises(DataError, match="v: attribute missing_value = .*none.* is not a number"):
        read(path)


@pytest.mark.parametrize("kind", ["nc3", "nc4"])
@pytest.mark.parametrize("size", [5, 60, 1500])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, size: int) -> None:
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}, kind)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match="data.nc: "):
        read(path)


def test_netcdf_of_the_64_bit_data_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"CDF\x05" + bytes(60))
    with pytest.raises(DataError, match="a.nc: is netCDF in the 64-bit data format.*nccopy"):
        open_source(tmp_path / "a.nc")


def test_damaged_chunk_is_refused(tmp_path: Path) -> None:
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}
    path = save(tmp_path, variables, "zarr3")
    (path / "v" / "c/1/0/0").write_bytes(b"no data")
    with pytest.raises(DataError, match="data.zarr: v cannot be read .*the file is damaged"):
        read(path)


@pytest.mark.parametrize("where", ["filters", "compressor"])
def test_pickled_arrays_are_refused_before_they_are_read(tmp_path: Path, where: str) -> None:
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}
    path = save(tmp_path, variables, "zarr2")
    metadata = json.loads((path / "time" / ".zarray").read_text())
    codec = {"id": "pickle", "protocol": 5}
    metadata[where] = [codec] if where == "filters" else codec
    (path / "time" / ".zarray").write_text(json.dumps(metadata))
    with pytest.raises(DataError, match=r"time/.zarray: the array is encoded by pickle"):
        open_source(path)


@pytest.mark.parametrize("kind", ["zarr2", "zarr3"])
def test_zarr_without_names_or_with_damaged_metadata_is_refused(tmp_path: Path, kind: str) -> None:
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}
    path = save(tmp_path, variables, kind)
    shutil.copytree(path / "v", tmp_path / "single")
    with pytest.raises(DataError, match="single: is a single Zarr array; expected a group"):
        open_source(tmp_path / "single")
    name = {"zarr2": ".zarray", "zarr3": "zarr.json"}[kind]
    (path / "v" / name).write_text("{")
    with pytest.raises(DataError, match=f"v/{name}: is not valid metadata"):
        open_source(path)


def test_data_without_frames_are_refused_with_what_is_there(tmp_path: Path) -> None:
    places = {"lat": ("station", np.arange(H)), "lon": ("station", np.arange(H))}
    path = save(tmp_path, {"v": (("time", "station"), numbers(T, H)), **places})
    with pytest.raises(
        DataError, match=r"no variable has dimensions .*found v \(time 5, station 8"
    ):
        open_source(path)


def test_variables_in_groups_are_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["group/v"] = numbers(T, H, W)
    with pytest.raises(DataError, match="a.nc: .*found no variables outside groups"):
        open_source(tmp_path / "a.nc")


def test_a_file_that_disappears_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()})
    (series,) = open_source(path).series
    path.unlink()
    with pytest.raises(DataError, match=r"data.nc: cannot be read \(No such file or directory\)"):
        series.read(0, 1)


def test_content_decides_whether_a_path_matches(tmp_path: Path) -> None:
    variables = {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}
    checks: dict[Path, bool] = {save(tmp_path, variables, k, k): True for k in FORMATS}
    (tmp_path / "nc3.nc").rename(tmp_path / "nc3.dat")
    checks[tmp_path / "nc3.dat"] = checks.pop(tmp_path / "nc3.nc")
    (tmp_path / "nc4.nc").rename(tmp_path / "nc4.h5")
    checks[tmp_path / "nc4.h5"] = checks.pop(tmp_path / "nc4.nc")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["v"] = np.zeros((T, H, W))
    (tmp_path / "text.nc").write_text("hello")
    (tmp_path / "empty.nc").touch()
    (tmp_path / "folder").mkdir()
    for name in ("other.hdf5", "text.nc", "empty.nc", "folder", "none", "none_*.nc", "a\0"):
        checks[tmp_path / name] = False
    checks[tmp_path / "nc*"] = True
    assert {path: matches(path) for path in checks} == checks


@pytest.mark.parametrize("unlimited", [False, True])
def test_classic_files_of_scipy_are_read(tmp_path: Path, unlimited: bool) -> None:
    values = numbers(T, H, W).astype(">f4")
    with scipy.io.netcdf_file(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", None if unlimited else T)
        file.createDimension("lat", H)
        file.createDimension("lon", W)
        file.createVariable("v", ">f4", ("time", "lat", "lon"))[:] = values
        file.variables["v"].units = "K"
        file.createVariable("u", ">i2", ("time", "lat", "lon"))[:] = np.full((T, H, W), 3)
    source = open_source(tmp_path / "a.nc")
    assert source.channels == ("v", "u") and source.card.channel("v").unit == "K"
    np.testing.assert_array_equal(source.series[0].read(0, T)[:, 0], values)


def test_hdf5_with_dimensions_is_read_whatever_wrote_it(tmp_path: Path) -> None:
    """Not only files that the netCDF library has marked."""
    values = np.random.default_rng(0).random((5, 8, 9)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"] = values
        for axis, (name, size) in enumerate(zip(("time", "y", "x"), values.shape, strict=True)):
            file[name] = np.arange(float(size))
            file[name].make_scale(name)
            file["u"].dims[axis].attach_scale(file[name])
    for _ in range(2):  # the first time leaves the file open
        series = open_source(tmp_path / "a.h5").series[0]
        np.testing.assert_array_equal(series.read(0, 5), values[:, np.newaxis])


def test_dimensions_that_are_named_in_part_are_no_netcdf(tmp_path: Path) -> None:
    values = numbers(T, H, W)
    for name in ("a.nc", "a.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["u"], file["time"] = values, np.arange(float(T))
            file["time"].make_scale("time")
            file["u"].dims[0].attach_scale(file["time"])
    message = "a.nc: u has dimension scales on some of its axes only.* to a.h5 .*--variables /u"
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "a.nc")
    with pytest.raises(ConfigError, match="choose what to read.*"):
        open_source(tmp_path / "a.h5")
    source = open_source(tmp_path / "a.h5", variables=["u"], axes="tyx")
    np.testing.assert_array_equal(source.series[0].read(0, T)[:, 0], values)


def test_file_that_the_process_has_open_already(tmp_path: Path) -> None:
    """By xarray or h5py, with or without locks; and xarray can open it afterwards."""
    path = save(tmp_path, {**grid(), "sst": (("time", "lat", "lon"), numbers(T, H, W))})
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        np.testing.assert_array_equal(read(path)[:, 0], data.sst)
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data.sst.shape == (T, H, W)
    other = shutil.copy(path, tmp_path / "other.nc")
    with h5py.File(other, "r", locking=False) as file:
        np.testing.assert_array_equal(read(Path(other))[:, 0], file["sst"])


def test_rounded_level_means_the_nearest_one(tmp_path: Path) -> None:
    levels = np.array([0.494025, 1.541375, 2.645669], "f4")
    values = numbers(T, 3, H, W)
    thetao, depth = (("time", "depth", "lat", "lon"), values), ("depth", levels, {"units": "m"})
    path = save(tmp_path, {"thetao": thetao, "depth": depth, **grid()})
    np.testing.assert_array_equal(read(path, level="0.5")[:, 0], values[:, 0])
    assert open_source(path, level="0.5").assumptions == (
        "thetao is read at depth 0.494025 m (index 0), assumed as the level nearest to 0.5",
    )
    np.testing.assert_array_equal(read(path, level="1")[:, 0], values[:, 1])  # an index
    for level in ("9.5", "-1", "nan", "inf", "top"):
        with pytest.raises(ConfigError, match=r"values \(0.494025, 1.54138, 2.64567 m\)"):
            open_source(path, level=level)


def test_axes_that_contradict_coordinates_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()})
    message = "contradict the coordinates of v .* time is t, lat is y, lon is x; leave out --axes"
    for axes in ("txy", "xyt"):
        with pytest.raises(ConfigError, match=message):
            open_source(path, axes=axes)
    assert open_source(path, axes="tyx").shape == (1, H, W)
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W))}, name="names_only")
    assert open_source(path, axes="txy").shape == (1, W, H)


@pytest.mark.parametrize("kind", ["nc3", "nc4", "zarr2"])
@pytest.mark.parametrize(("dtype", "fill"), [("i2", -32767), ("i4", -2147483647)])
def test_default_fill_values_of_netcdf_are_missing(
    tmp_path: Path, kind: str, dtype: str, fill: int
) -> None:
    values = np.arange(T * H * W).reshape(T, H, W).astype(dtype)
    values[1, 2, 3] = fill
    path = save(tmp_path, {"v": (("time", "lat", "lon"), values), **grid()}, kind)
    is_missing = kind != "zarr2"
    expected = np.where(values == fill, np.nan if is_missing else fill, values).astype("f4")
    np.testing.assert_array_equal(read(path)[:, 0], expected)
    notes = open_source(path).assumptions
    assert any(f"read as missing: {fill}" in note for note in notes) == is_missing
    filled = ("time", "lat", "lon"), values, {"_FillValue": values.dtype.type(7)}
    path = save(tmp_path, {"v": filled, **grid()}, kind, name="filled")
    assert read(path)[1, 0, 2, 3] == np.float32(fill)


def test_repeated_and_unknown_names_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()})
    with pytest.raises(ConfigError, match="^variables: v is given twice; name each channel once"):
        open_source(path, variables=["v", "v"])
    with pytest.raises(ConfigError, match="^inputs: v is given twice with --variables and --inp"):
        open_source(path, variables=["v"], inputs=["v"])
    with pytest.raises(ConfigError, match="^inputs: 'nope' is not a channel in"):
        open_source(path, inputs=["nope"])


def test_truncated_netcdf_3_is_one_message(tmp_path: Path) -> None:
    path = save(tmp_path, {"v": (("time", "lat", "lon"), numbers(T, H, W)), **grid()}, "nc3")
    path.write_bytes(path.read_bytes()[:-900])
    command = [sys.executable, "-m", "simvp", "split", str(path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
