"""Paths that do not exist, or that cannot be read."""

import builtins
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from helpers import Simvp, write_sample

from simvp.data import open_source, read_split
from simvp.errors import DataError

DENIED = r"cannot be read \(Permission denied\)"


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Paths that open, os.listdir and os.scandir refuse to read; root may read everything."""
    paths: set[str] = set()

    def refusing(function: Any) -> Any:
        def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if str(path) in paths:
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *arguments, **options)

        return call

    monkeypatch.setattr(builtins, "open", refusing(builtins.open))
    monkeypatch.setattr("io.open", refusing(open))
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    return paths


def test_unreadable_folder_is_one_message(tmp_path: Path, locked: set[str]) -> None:
    write_sample(tmp_path / "data" / "a", 0)
    locked.add(str(tmp_path / "data"))
    with pytest.raises(DataError, match=f"data: {DENIED}"):
        open_source(tmp_path / "data")


def test_unreadable_sample_is_named(tmp_path: Path, locked: set[str]) -> None:
    write_sample(tmp_path / "a", 0)
    locked.add(str(tmp_path / "a"))
    with pytest.raises(DataError, match=f"a: {DENIED}"):
        open_source(tmp_path)
    write_sample(tmp_path / "b", 0)
    with pytest.raises(DataError, match=f"a: {DENIED}"):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["a.nc", "a.h5", "a.tif", "a.avi", "a.npy", "a.npz", "a.mat"])
def test_unreadable_file_is_one_message(tmp_path: Path, locked: set[str], name: str) -> None:
    (tmp_path / name).write_bytes(b"0123456789")
    locked.add(str(tmp_path / name))
    with pytest.raises(DataError, match=f"{name}: {DENIED}"):
        open_source(tmp_path / name)
    with pytest.raises(DataError, match=f"{name}: {DENIED}"):
        open_source(tmp_path)


@pytest.mark.parametrize("part", ["u", "u/zarr.json", "u/c/0/0/0"])
def test_unreadable_part_of_a_zarr_store_is_named(
    tmp_path: Path, locked: set[str], part: str
) -> None:
    u = ("time", "lat", "lon"), np.ones((5, 8, 9), "f4")
    xarray.Dataset({"u": u}).to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    locked.add(str(tmp_path / "a.zarr" / part))
    with pytest.raises(DataError, match=DENIED):
        (series,) = open_source(tmp_path / "a.zarr").series
        series.read(0, 5)


def test_permission_error_of_h5py_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"] = np.ones((5, 8, 9))

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Unable to open file: Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(DataError, match=f"a.h5: {DENIED}"):
        open_source(tmp_path / "a.h5")


def test_missing_paths_are_named(simvp: Simvp) -> None:
    for command in ("split nope.nc", "train --data-path nope.nc", "split nope/x_*.nc"):
        error = simvp(*command.split(), code=2).stderr
        assert "there is no such file or folder" in error or "no file matches" in error
        assert "simulate" not in error and "--data-path" not in error
    assert "no file matches this pattern" in simvp("split", "sst_*.nc", code=2).stderr
    default = simvp("split", code=2).stderr
    assert "boiling_data: there is no such file or folder; make data with `simvp sim" in default


def test_read_split_accepts_a_data_file(simvp: Simvp, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((40, 8, 9)))
    simvp("split", "a.npy")
    assert read_split("a.npy").path.name == next(tmp_path.glob("*.json")).name
    with pytest.raises(DataError, match="nope.npy: there is no such file or folder"):
        read_split("nope.npy")
