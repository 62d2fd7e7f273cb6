"""PDEBench."""

import pickle
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest

from simvp.data import open_source
from simvp.data.sources import pdebench
from simvp.errors import ConfigError, DataError

N, T, C, H, W = 4, 5, 3, 8, 9
RNG = np.random.default_rng(0)
GROUPS = RNG.random((N, T, H, W, C)).astype(np.float32)
FLOW = {
    name: RNG.random((N, T, H, W)).astype(np.float32)
    for name in ("Vx", "Vy", "density", "pressure")
}
VELOCITY = RNG.random((N, T, H, W, 2)).astype(np.float32)
FORCE = RNG.random((N, H, W, 2)).astype(np.float32)
PARTICLES = RNG.random((N, T, H, W, 1)).astype(np.float32)


def write_groups(path: Path, values: np.ndarray = GROUPS) -> Path:
    with h5py.File(path, "w") as file:
        for number, series in enumerate(values):
            group = file.create_group(f"{number:04d}")
            group["data"] = series
            group["grid/t"] = np.arange(len(series)) / 2
            group.attrs["config"] = "sim: {}"
    return path


def write_compressible(path: Path, num_times: int = T) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in FLOW.items():
            file[name] = values
        file["t-coordinate"] = 0.1 * np.arange(num_times, dtype=np.float32)
        file["x-coordinate"], file["y-coordinate"] = np.arange(H), np.arange(W)
    return path


def write_incompressible(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["velocity"], file["particles"] = VELOCITY, PARTICLES
        file["force"] = FORCE
        file["t"] = np.tile(0.005 * np.arange(T), (N, 1))
    return path


def test_each_group_is_a_series_with_channels_last(tmp_path: Path) -> None:
    source = open_source(write_groups(tmp_path / "rd.h5"))
    assert (source.kind, source.channels, source.shape) == ("pdebench", ("0", "1", "2"), (C, H, W))
    assert [series.id for series in source.series] == ["0000", "0001", "0002", "0003"]
    assert source.card.time_step == "0.5 time units"
    for series, values in zip(pickle.loads(pickle.dumps(source.series)), GROUPS, strict=True):
        assert series.length == T
        np.testing.assert_array_equal(series.read(0, T), np.moveaxis(values, 3, 1))
        np.testing.assert_array_equal(series.read(1, T, 2), np.moveaxis(values[1::2], 3, 1))


def test_card_names_the_channels_of_groups(tmp_path: Path) -> None:
    path = write_groups(tmp_path / "rd.h5")
    (tmp_path / "rd.toml").write_text("[channels.u]\n[channels.v]\n[channels.w]\n")
    source = open_source(path, variables=["w", "u"])
    expected = np.moveaxis(GROUPS[2][..., [2, 0]], 3, 1)
    np.testing.assert_array_equal(source.series[2].read(0, T), expected)
    (tmp_path / "rd.toml").write_text("[channels.u]\n[channels.v]\n")
    with pytest.raises(ConfigError, match="names 2 channels .*, but the frames have 3"):
        open_source(path)


def test_groups_are_listed_without_opening_them(tmp_path: Path) -> None:
    path = write_groups(tmp_path / "rd.h5", np.zeros((1500, 1, 2, 3, 1), np.float32))
    opened = []
    original = h5py.Group.__getitem__

    def record(group: h5py.Group, name: str) -> object:
        opened.append(name)
        return original(group, name)

    with mock.patch.object(h5py.Group, "__getitem__", record):
        source = open_source(path)
    assert len(source.series) == 1500 and source.series[-1].id == "1499"
    assert source.series[-1].length == 1
    assert 0 < len(opened) < 500


def test_series_of_groups_may_differ_in_length_but_not_in_shape(tmp_path: Path) -> None:
    path = write_groups(tmp_path / "rd.h5")
    with h5py.File(path, "a") as file:
        del file["0001/data"], file["0002/data"], file["0003/data"]
        file["0001/data"] = GROUPS[1][:2]
        file["0002/data"] = GROUPS[2].swapaxes(1, 2)
    source = open_source(path)
    assert [series.length for series in source.series[:2]] == [5, 2]
    np.testing.assert_array_equal(source.series[1].read(0, 9), np.moveaxis(GROUPS[1][:2], 3, 1))
    with pytest.raises(DataError, match=r"/0002/data: has shape \(5, 9, 8, 3\), but 0002 needs"):
        source.series[2].read(0, 1)
    with pytest.raises(DataError, match="rd.h5: /0003/data: there is no such data set"):
        source.series[3].length  # noqa: B018


@pytest.mark.parametrize("num_times", [T, T + 1])
def test_compressible_flow(tmp_path: Path, num_times: int) -> None:
    source = open_source(write_compressible(tmp_path / "cfd.hdf5", num_times))
    assert source.channels == ("density", "pressure", "Vx", "Vy")
    assert [series.id for series in source.series] == [f"cfd_{i:03d}" for i in range(N)]
    assert source.card.time_step == "0.1 time units"
    for number, series in enumerate(source.series):
        assert series.length == T
        expected = np.stack([FLOW[name][number] for name in source.channels], axis=1)
        np.testing.assert_array_equal(series.read(0, T), expected)


def test_incompressible_flow(tmp_path: Path) -> None:
    source = open_source(write_incompressible(tmp_path / "ns.h5"))
    assert source.channels == ("velocity_x", "velocity_y", "particles")
    assert source.card.time_step == "0.005 time units"
    assert source.assumptions == (
        "rows are x and columns are y, as they are stored",
        "static fields are not used: force_x, force_y; give them to the network with --static "
        "force_x,force_y",
    )
    expected = np.moveaxis(np.concatenate([VELOCITY, PARTICLES], axis=-1), -1, 2)
    for series, frames in zip(source.series, expected, strict=True):
        np.testing.assert_array_equal(series.read(0, T), frames)
    only = open_source(tmp_path / "ns.h5", variables=["particles", "velocity_y"])
    np.testing.assert_array_equal(only.series[1].read(2, 4), expected[1, 2:4][:, [2, 1]])


def test_components_of_vectors_are_pairs_along_columns_and_rows(tmp_path: Path) -> None:
    """The first spatial axis, x, becomes the rows, so y is along the columns."""
    path = write_compressible(tmp_path / "cfd.h5")
    assert open_source(path).card.vectors == [["Vy", "Vx"]]
    assert open_source(path, variables=["density", "Vx"]).card.vectors == []
    path = write_incompressible(tmp_path / "ns.h5")
    velocity, force = ["velocity_y", "velocity_x"], ["force_y", "force_x"]
    assert open_source(path).card.vectors == [velocity]
    assert open_source(path, static=["force_x", "force_y"]).card.vectors == [velocity, force]
    assert open_source(write_groups(tmp_path / "sw.h5")).card.vectors == []
    (tmp_path / "ns.toml").write_text("vectors = []\n")
    assert open_source(path).card.vectors == []


def test_force_and_other_constants_are_static_fields(tmp_path: Path) -> None:
    path = write_incompressible(tmp_path / "ns.h5")
    with h5py.File(path, "a") as file:
        file["viscosity"] = np.arange(N) / 8
    static = ["force_y", "viscosity", "force_x"]
    source = open_source(path, variables=["particles"], static=static)
    assert source.inputs == source.channels[1:] == tuple(static)
    for number, series in enumerate(source.series):
        frames = series.read(1, T, 3)
        np.testing.assert_array_equal(frames[:, :1], PARTICLES[number, 1::3, None, :, :, 0])
        force = np.tile(FORCE[number], (2, 1, 1, 1))
        np.testing.assert_array_equal(frames[:, 1], force[..., 1])
        np.testing.assert_array_equal(frames[:, 3], force[..., 0])
        np.testing.assert_array_equal(frames[:, 2], np.full((2, H, W), number / 8))
    message = "no static field 'force', only viscosity, force_x, force_y. Did you mean 'force_"
    with pytest.raises(ConfigError, match=message):
        open_source(path, static=["force"])
    message = "groups.h5 has no static field 'nu', and no other"
    with pytest.raises(ConfigError, match=message):
        open_source(write_groups(tmp_path / "groups.h5"), static=["nu"])


def test_folder_of_files_is_one_data_set(tmp_path: Path) -> None:
    write_incompressible(tmp_path / "ns-0.h5")
    write_incompressible(tmp_path / "ns-1.h5")
    source = open_source(tmp_path)
    assert [series.id for series in source.series][3:5] == ["ns-0_003", "ns-1_000"]
    write_groups(tmp_path / "ns-1.h5")
    with pytest.raises(DataError, match="ns-1.h5: has channels 0, 1, 2 .*all series need the same"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"0000/data": (T, H, C)}, r"/0000/data: has shape \(5, 8, 3\); expected four axes"),
        ({"0000/data": (T, H, W, 2, C)}, "expected four axes .*only 2-D fields are read"),
        ({"density": (N, T, H), "pressure": (N, T, H), "Vx": (N, T, H)}, "only 2-D fields"),
        ({"velocity": (N, T, H, W, 2), "particles": (N, T, H, W)}, "only 2-D fields are read"),
        ({"velocity": (N, T, H, W, 2), "particles": (N, T, W, H, 1)}, "the fields differ in shape"),
    ],
)
def test_other_shapes_are_refused(
    tmp_path: Path, datasets: dict[str, tuple[int, ...]], message: str
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, shape in datasets.items():
            file[name] = np.zeros(shape)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "a.h5")


def test_fewer_components_than_channels_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["velocity"], file["particles"] = VELOCITY[..., :1], PARTICLES
    with pytest.raises(DataError, match=r"/velocity: has shape .*1\), but a_000 needs .*2\)"):
        open_source(tmp_path / "a.h5").series[0].read(0, 1)


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    write_groups(tmp_path / "other.h5")
    with h5py.File(write_groups(tmp_path / "a.h5"), "a") as file:
        del file["0001"], file["0000/data"]
        file["0001"] = h5py.ExternalLink("other.h5", "/0001")
        file["0000/data"] = GROUPS[0]
    source = open_source(tmp_path / "a.h5")
    with pytest.raises(DataError, match="/0001/data: links to another file, other.h5"):
        source.series[1].read(0, 1)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["0000"] = h5py.ExternalLink("other.h5", "/0000")
    assert not pdebench.matches(tmp_path / "b.h5")


def test_options_of_axes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="axes = 'tyxc': .*PDEBench, whose axes are known"):
        open_source(write_groups(tmp_path / "a.h5"), axes="tyxc")
    with pytest.raises(ConfigError, match=r"no channel 'densty', only .*Did you mean 'density'\?"):
        open_source(write_compressible(tmp_path / "b.h5"), variables=["densty"])
