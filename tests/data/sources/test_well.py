"""The Well."""

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from simvp.data import open_source
from simvp.data.sources import well
from simvp.errors import ConfigError, DataError

N, T, H, W = 4, 5, 8, 9
RNG = np.random.default_rng(0)
DENSITY = RNG.random((N, T, H, W)).astype(np.float32)
VELOCITY = RNG.random((N, T, H, W, 2)).astype(np.float32)
STRESS = RNG.random((N, T, H, W, 2, 2)).astype(np.float32)


def write(path: Path, *, boundaries: Any = (("x", "PERIODIC"), ("y", "WALL"))) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(
            n_trajectories=N, n_spatial_dims=2, grid_type="cartesian", dataset_name="demo"
        )
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        for name, size in (("time", T), ("x", H), ("y", W)):
            dimensions[name] = np.arange(size, dtype=np.float32) / 4
        for number, (dims, kind) in enumerate(boundaries):
            condition = file.create_group(f"boundary_conditions/{number}")
            condition.attrs.update(associated_dims=list(dims), bc_type=kind)
        for order, (name, values) in enumerate(
            (("density", DENSITY), ("velocity", VELOCITY), ("stress", STRESS))
        ):
            add_field(file, order, name, values)
        file.create_group("scalars").attrs["field_names"] = ["Re"]
        file["scalars/Re"] = 100.0
    return path


def add_field(file: h5py.File, order: int, name: str, values: np.ndarray, **varying: Any) -> None:
    group = file.require_group(f"t{order}_fields")
    group[name] = values
    flags = {"sample_varying": True, "time_varying": True, "dim_varying": [True, True], **varying}
    group[name].attrs.update(flags)
    group.attrs["field_names"] = [*group.attrs.get("field_names", []), name]


def test_scalars_vectors_and_tensors_become_channels(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "demo.hdf5"))
    vectors, tensors = (
        ("velocity_x", "velocity_y"),
        tuple(f"stress_{d}" for d in ("xx", "xy", "yx", "yy")),
    )
    assert (source.kind, source.channels) == ("well", ("density", *vectors, *tensors))
    assert (source.shape, source.is_8_bit, source.parts) == ((7, H, W), False, {})
    assert [series.id for series in source.series] == [f"demo_{i:03d}" for i in range(N)]
    channels = [DENSITY[..., None], VELOCITY, STRESS.reshape(N, T, H, W, 4)]
    expected = np.moveaxis(np.concatenate(channels, axis=-1), -1, 2)
    for series, frames in zip(pickle.loads(pickle.dumps(source.series)), expected, strict=True):
        assert series.length == T
        np.testing.assert_array_equal(series.read(0, T), frames)
        np.testing.assert_array_equal(series.read(1, T, 2), frames[1::2])


def test_card_says_what_the_file_says(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "demo.hdf5"))
    card = source.card
    assert (card.name, card.time_step) == ("demo", "0.25 time units")
    assert (card.boundary_y, card.boundary_x) == ("periodic", "reflect")
    assert source.assumptions == (
        "rows are x and columns are y, as they are stored",
        'wall boundary along y: taken as boundary_x = "reflect"',
        "static fields are not used: Re; give them to the network with --static Re",
    )
    (tmp_path / "demo.toml").write_text('name = "mine"\nboundary_x = "replicate"\n')
    card = open_source(tmp_path / "demo.hdf5").card
    assert (card.name, card.boundary_y, card.boundary_x) == ("mine", "periodic", "replicate")


def test_components_of_vectors_are_pairs_along_columns_and_rows(tmp_path: Path) -> None:
    """The first spatial axis, x, becomes the rows."""
    path = write(tmp_path / "demo.hdf5", boundaries=[("xy", "PERIODIC")])
    add_constants(path)
    velocity, wind = ["velocity_y", "velocity_x"], ["wind_y", "wind_x"]
    assert open_source(path).card.vectors == [velocity]
    source = open_source(path, variables=["density"], static=["wind_x", "wind_y"])
    assert source.card.vectors == [wind]
    one = ["density", "velocity_x"]
    assert open_source(path, variables=one).card.vectors == []
    (tmp_path / "demo.toml").write_text("symmetries = ['flip_x']\n")
    with pytest.raises(ConfigError, match="no channel 'velocity_y', .*Use both components of"):
        open_source(path, variables=one)
    assert open_source(path, variables=["density"]).card.vectors == []
    (tmp_path / "demo.toml").write_text("vectors = []\n")
    assert open_source(path).card.vectors == []


def test_channels_are_selected_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "demo.hdf5")
    source = open_source(path, variables=["stress_yx", "velocity_y", "stress_xy"])
    expected = np.stack([STRESS[3, ..., 1, 0], VELOCITY[3, ..., 1], STRESS[3, ..., 0, 1]], axis=1)
    np.testing.assert_array_equal(source.series[3].read(0, T), expected)
    with pytest.raises(ConfigError, match=r"no channel 'densty', only .*Did you mean 'density'\?"):
        open_source(path, variables=["densty"])
    with pytest.raises(ConfigError, match="name each channel once"):
        open_source(path, variables=["density", "density"])
    with pytest.raises(ConfigError, match="axes = 'ntyx': .*The Well.*leave out --axes"):
        open_source(path, axes="ntyx")


@pytest.mark.parametrize(
    ("boundaries", "y", "x"),
    [
        ([("xy", "periodic")], "periodic", "periodic"),
        ([("x", "Open"), ("y", "PERIODIC")], "replicate", "periodic"),
        ([("y", "OPEN"), ("x", "WALL")], "reflect", "replicate"),
        ([("xy", "WALL")], "reflect", "reflect"),
        ([("xy", "WALL"), ("xy", "PERIODIC")], "periodic", "periodic"),
        ([("x", "WALL"), ("x", "OPEN")], "zeros", "zeros"),
        ([("x", "MAGIC")], "zeros", "zeros"),
        ([], "zeros", "zeros"),
    ],
)
def test_boundaries_of_rows_and_columns(
    tmp_path: Path, boundaries: list[tuple[str, str]], y: str, x: str
) -> None:
    source = open_source(write(tmp_path / "demo.hdf5", boundaries=boundaries))
    assert (source.card.boundary_y, source.card.boundary_x) == (y, x)
    unsaid = [text for text in source.assumptions if "is left to the data card" in text]
    assert len(unsaid) == (y == "zeros") + (x == "zeros")


def test_folder_keeps_its_parts_with_equal_file_names(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        write(tmp_path / "data" / part / "demo.hdf5")
    write(tmp_path / "data" / "train" / "more.hdf5")
    (tmp_path / "data" / "train" / "stats.yaml").touch()
    for path in (tmp_path, tmp_path / "data"):
        source = open_source(path)
        assert source.kind == "well" and len(source.series) == 4 * N
        assert {part: len(ids) for part, ids in source.parts.items()} == {
            "train": 2 * N,
            "validation": N,
            "test": N,
        }
        assert source.parts["validation"] == tuple(f"valid_demo_{i:03d}" for i in range(N))
        ids = [series.id for series in source.series]
        assert ids == sorted(set(ids)) == sorted(sum(source.parts.values(), ()))
        series = next(item for item in source.series if item.id == "valid_demo_002")
        np.testing.assert_array_equal(series.read(0, T)[:, 0], DENSITY[2])


def test_entries_that_differ_between_files_are_not_used(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a.hdf5")
    path = write(tmp_path / "train" / "b.hdf5", boundaries=[("xy", "PERIODIC")])
    with h5py.File(path, "a") as file:
        file["dimensions/time"][:] *= 2
    source = open_source(tmp_path)
    assert (source.card.boundary_y, source.card.boundary_x) == ("periodic", "zeros")
    assert source.card.time_step == "" and source.parts == {}
    note = "left to the data card, as the files differ: boundary_x, time_step"
    assert note in source.assumptions


@pytest.mark.parametrize("kept", [False, True], ids=["axes left out", "axes of length 1"])
@pytest.mark.parametrize(
    "constant", ["n", "x", "y", "ny"], ids=lambda axes: f"constant along {axes}"
)
def test_fields_that_vary_along_some_axes_are_channels(
    tmp_path: Path, constant: str, kept: bool
) -> None:
    values = DENSITY + 1
    axes = tuple("ntyx".index(axis) for axis in constant)
    stored = values.mean(axis=axes, keepdims=True)
    varying = {
        "sample_varying": "n" not in constant,
        "dim_varying": [axis not in constant for axis in "yx"],
    }
    path = write(tmp_path / "demo.hdf5")
    with h5py.File(path, "a") as file:
        add_field(file, 0, "light", stored if kept else stored.squeeze(axes), **varying)
    source = open_source(path, variables=["light", "density"])
    expected = np.broadcast_to(stored, values.shape)
    for number, series in enumerate(source.series):
        frames = series.read(1, T, 2)
        np.testing.assert_array_equal(frames[:, 0], expected[number, 1::2])
        np.testing.assert_array_equal(frames[:, 1], DENSITY[number, 1::2])


def add_constants(path: Path) -> dict[str, np.ndarray]:
    """Add fields that do not vary in time; returns each as (n, y, x)."""
    fields = {"depth": DENSITY[:, 0], "floor": DENSITY[0, 1], "profile": DENSITY[0, 2, :, :1]}
    wind = VELOCITY[0, 0]
    with h5py.File(path, "a") as file:
        add_field(file, 0, "depth", fields["depth"], time_varying=False)
        still = {"time_varying": False, "sample_varying": False}
        add_field(file, 0, "floor", fields["floor"], **still)
        add_field(file, 0, "profile", fields["profile"][:, 0], dim_varying=[True, False], **still)
        add_field(file, 1, "wind", wind, **still)
        scalars = {"Ra": np.arange(N) + 0.5, "Pr": np.array([7.0]), "gate": np.arange(T)}
        for name, values in scalars.items():
            file[f"scalars/{name}"] = values
            file[f"scalars/{name}"].attrs["sample_varying"] = name == "Ra"
            file[f"scalars/{name}"].attrs["time_varying"] = name == "gate"
        file["scalars"].attrs["field_names"] = ["Re", *scalars]
    fields |= {"wind_x": wind[..., 0], "wind_y": wind[..., 1], "Re": np.array(100.0)}
    fields |= {"Ra": scalars["Ra"][:, None, None], "Pr": np.array(7.0)}
    return {name: np.broadcast_to(values, (N, H, W)) for name, values in fields.items()}


def test_fields_without_time_and_scalars_are_static_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "demo.hdf5")
    fields = add_constants(path)
    source = open_source(path)
    names = ("depth", "floor", "profile", "wind_x", "wind_y", "Re", "Ra", "Pr")
    assert len(source.channels) == 7
    assert source.assumptions[-2:] == (
        "left out, not fields over space: gate",
        f"static fields are not used: {', '.join(names)}; give them to the network with --static "
        f"{','.join(names)}",
    )
    chosen = names[::-1]
    source = open_source(path, variables=["stress_xy"], inputs=["density"], static=chosen)
    assert source.channels == ("stress_xy", "density", *chosen)
    assert source.inputs == ("density", *chosen) and len(source.assumptions) == 3
    for number, series in enumerate(pickle.loads(pickle.dumps(source.series))):
        frames = series.read(0, T, 3)
        np.testing.assert_array_equal(frames[:, 1], DENSITY[number, ::3])
        expected = np.stack([fields[name][number] for name in chosen]).astype(np.float32)
        np.testing.assert_array_equal(frames[:, 2:], np.tile(expected, (2, 1, 1, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"static": ["dept"]}, r"static: .*no static field 'dept', only depth,.*mean 'depth'\?"),
        (
            {"static": ["density"]},
            "static: density of .* varies in time; .*--inputs density",
        ),
        ({"static": ["Re", "Re"]}, "static: Re is given twice"),
        ({"variables": ["depth"]}, "variables: depth of .* has no time axis; .*--static depth"),
        ({"inputs": ["Re"]}, "inputs: Re of .* has no time axis; .* with --static Re"),
    ],
)
def test_static_fields_and_channels_are_not_interchangeable(
    tmp_path: Path, options: dict[str, list[str]], message: str
) -> None:
    add_constants(write(tmp_path / "demo.hdf5"))
    with pytest.raises(ConfigError, match=message):
        open_source(tmp_path / "demo.hdf5", **options)


def test_static_fields_of_parts_are_those_of_their_files(tmp_path: Path) -> None:
    """Scalars that are constant within a file differ between files."""
    for number, part in enumerate(("train", "valid", "test")):
        path = write(tmp_path / part / "demo.hdf5")
        with h5py.File(path, "a") as file:
            file["scalars/Re"][()] = number
    source = open_source(tmp_path, variables=["density"], static=["Re"])
    found = {series.id[:4]: series.read(0, 1)[0, 1, 0, 0] for series in source.series}
    assert found == {"trai": 0, "vali": 1, "test": 2}


def test_uneven_times_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "demo.hdf5")
    with h5py.File(path, "a") as file:
        file["dimensions/time"][-1] = 7
    source = open_source(path)
    assert source.card.time_step == ""
    assert any("dimensions/time are not evenly spaced" in text for text in source.assumptions)
    with h5py.File(path, "a") as file:
        del file["dimensions/time"]
    assert any("the time step is unknown" in text for text in open_source(path).assumptions)


def break_file(file: h5py.File, how: str) -> None:
    if how == "3-D":
        file.attrs["n_spatial_dims"] = 3
        file["dimensions"].attrs["spatial_dims"] = ["x", "y", "z"]
    elif how == "sizes":
        add_field(file, 0, "other", np.zeros((N, T, W, H)))
    elif how == "axes":
        add_field(file, 1, "other", np.zeros((N, T, H, W, 3)))
    elif how == "missing":
        file["t0_fields"].attrs["field_names"] = ["density", "gone"]
    elif how == "link":
        del file["t1_fields/velocity"]
        file["t1_fields/velocity"] = h5py.ExternalLink("other.hdf5", "/u")
    elif how == "text":
        del file["t0_fields/density"]
        file["t0_fields/density"] = np.full((N, T, H, W), b"text")
    elif how == "no-field":
        del file["t1_fields"], file["t2_fields"], file["t0_fields"]
        add_field(file, 0, "mask", np.zeros((H, W)), sample_varying=False, time_varying=False)
    elif how == "dims":
        file["t0_fields/density"].attrs["dim_varying"] = [True, True, True]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("3-D", r"has 3 spatial dimensions \(x, y, z\); only 2-D fields are read"),
        ("sizes", r"/t0_fields/other: has shape \(4, 5, 9, 8\); expected \(series, time, x, y\)"),
        ("axes", r"/t1_fields/other: has shape .*; expected \(series, time, x, y, 2\)"),
        ("missing", "/t0_fields/gone: there is no such data set"),
        ("link", "/t1_fields/velocity: links to another file, other.hdf5"),
        ("text", r"/t0_fields/density: holds \|S4"),
        ("dims", "/t0_fields/density: its attribute dim_varying has 3 entries; expected one for"),
        ("no-field", "has no field that varies in time, or none that varies along x or y"),
    ],
)
def test_file_that_does_not_fit_the_layout_is_refused(
    tmp_path: Path, how: str, message: str
) -> None:
    path = write(tmp_path / "demo.hdf5")
    with h5py.File(path, "a") as file:
        break_file(file, how)
    with pytest.raises(DataError, match=f"demo.hdf5: {message}"):
        open_source(path)


def test_files_of_different_fields_or_layouts_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a.hdf5")
    with h5py.File(write(tmp_path / "train" / "b.hdf5"), "a") as file:
        add_field(file, 0, "extra", DENSITY)
    with pytest.raises(DataError, match=r"b.hdf5: has channels density, extra, .*a.hdf5 has dens"):
        open_source(tmp_path)
    with h5py.File(tmp_path / "train" / "b.hdf5", "w") as file:
        file["u"] = DENSITY
    with pytest.raises(DataError, match="b.hdf5: has no group dimensions"):
        open_source(tmp_path)
    (tmp_path / "train" / "b.hdf5").write_bytes((tmp_path / "train" / "a.hdf5").read_bytes()[:999])
    with pytest.raises(DataError, match="b.hdf5: is truncated, damaged or not readable"):
        open_source(tmp_path)


def test_card_that_contradicts_the_boundaries_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "demo.hdf5")
    (tmp_path / "demo.toml").write_text('symmetries = ["rot90"]\n')
    with pytest.raises(ConfigError, match="data card does not fit .*rot90 needs both boundaries"):
        open_source(path)


def test_other_folders_and_files_do_not_match(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "plain.hdf5", "w") as file:
        file["t0_fields/u"] = DENSITY
    assert not well.matches(tmp_path / "plain.hdf5") and not well.matches(tmp_path)


def test_folder_without_parts_is_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.hdf5")
    source = open_source(tmp_path)
    assert (source.kind, source.parts) == ("well", {})
    assert [s.id for s in source.series] == [f"{f}_{i:03d}" for f in "ab" for i in range(N)]
