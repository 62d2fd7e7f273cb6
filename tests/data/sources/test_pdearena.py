"""PDEArena."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from simvp.data import open_source
from simvp.errors import ConfigError, DataError

N, T, H, W = 4, 5, 8, 9
VALUES = np.random.default_rng(0).random((3, N, T, H, W)).astype(np.float32)


def write(path: Path, *groups: str) -> Path:
    with h5py.File(path, "w") as file:
        for group in groups:
            for name, values in zip(("u", "vx", "vy"), VALUES, strict=True):
                file[f"{group}/{name}"] = values
            file[f"{group}/buo_y"] = np.arange(N)
            file[f"{group}/t"] = np.tile(1.5 * np.arange(T), (N, 1))
            file[f"{group}/dt"] = np.full(N, 1.5)
    return path


def test_series_hold_u_vx_vy(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "ns_train.h5", "train"))
    assert (source.kind, source.channels, source.shape) == (
        "pdearena",
        ("u", "vx", "vy"),
        (3, H, W),
    )
    assert [series.id for series in source.series] == [f"train_{i:03d}" for i in range(N)]
    assert source.parts == {}  # all in one part: not split yet
    assert source.card.time_step == "1.5 time units"
    assert source.assumptions == (
        "rows are x and columns are y, as they are stored",
        "static fields are not used: buo_y; give them to the network with --static buo_y",
    )
    for number, series in enumerate(pickle.loads(pickle.dumps(source.series))):
        assert series.length == T
        np.testing.assert_array_equal(series.read(0, T), VALUES[:, number].swapaxes(0, 1))
    assert source.card.vectors == [["vy", "vx"]]  # along columns and rows
    only = open_source(tmp_path / "ns_train.h5", variables=["vy", "u"]).series[2]
    np.testing.assert_array_equal(only.read(1, 5, 2), VALUES[[2, 0], 2, 1::2].swapaxes(0, 1))


def test_buoyancy_and_other_constants_are_static_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "ns.h5", "train", "valid")
    mask = np.random.default_rng(1).random((H, W)) > 0.5
    with h5py.File(path, "a") as file:
        for group in ("train", "valid"):
            file[f"{group}/mask"] = mask
            file[f"{group}/other"] = np.zeros((W, H))
    source = open_source(path, variables=["u"], static=["buo_y", "mask"])
    assert source.channels == ("u", "buo_y", "mask") and source.inputs == ("buo_y", "mask")
    assert "left out, not fields over time: other" in source.assumptions
    frames = source.series[2].read(0, T, 2)
    np.testing.assert_array_equal(frames[:, 0], VALUES[0, 2, ::2])
    np.testing.assert_array_equal(frames[:, 1], np.full((3, H, W), 2.0))
    np.testing.assert_array_equal(frames[:, 2], np.tile(mask, (3, 1, 1)))
    message = r"ns.h5 has no static field 'buo_x', only buo_y, mask. Did you mean 'buo_y'\?"
    with pytest.raises(ConfigError, match=message):
        open_source(path, static=["buo_x"])
    with h5py.File(path, "a") as file:
        del file["valid/mask"]
    with pytest.raises(ConfigError, match="has no static field 'mask', only buo_y"):
        open_source(path, static=["mask"])


def test_groups_of_one_file_are_its_parts(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "ns.h5", "train", "valid", "test"))
    assert len(source.series) == 3 * N
    assert list(source.parts) == ["train", "validation", "test"]
    assert source.parts["validation"] == tuple(f"valid_{i:03d}" for i in range(N))


def test_files_of_a_folder_form_parts(tmp_path: Path) -> None:
    for name, group in (("a_1", "train"), ("a_2", "train"), ("b_1", "valid"), ("c_1", "test")):
        write(tmp_path / f"{name}.h5", group)
    source = open_source(tmp_path)
    assert {part: len(ids) for part, ids in source.parts.items()} == {
        "train": 2 * N,
        "validation": N,
        "test": N,
    }
    assert source.parts["test"][0] == "test_c_1_000"


def test_other_contents_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "ns.h5", "train")
    with pytest.raises(ConfigError, match="axes = 'ntyx': .*PDEArena, whose axes are known"):
        open_source(path, axes="ntyx")
    with pytest.raises(ConfigError, match="no channel 'vz', only u, vx, vy"):
        open_source(path, variables=["vz"])
    with h5py.File(path, "a") as file:
        del file["train/vy"]
        file["train/vy"] = np.zeros((N, T, W, H))
    with pytest.raises(DataError, match="train: has shapes .*four axes"):
        open_source(path)
    with h5py.File(path, "a") as file:
        del file["train/vy"]
        file["train/vy"] = h5py.ExternalLink("other.h5", "/u")
    with pytest.raises(DataError, match="/train/vy: links to another file, other.h5"):
        open_source(path)
    with h5py.File(path, "a") as file:
        del file["train/vy"]
    assert open_source(path).channels == ("u", "vx")


def test_file_without_a_part_in_a_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", "train")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["u"] = VALUES[0]
    with pytest.raises(DataError, match="b.h5: has no group train, valid, test"):
        open_source(tmp_path)


def test_series_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", "train")
    write(tmp_path / "a.hdf5", "train")
    with pytest.raises(DataError, match="two series have the name train_a_000; rename one"):
        open_source(tmp_path)
