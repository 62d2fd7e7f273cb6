"""MATLAB's files of versions 5 and 7.3."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from simvp.data import mat5, memory_cache, open_source
from simvp.data.sources import matlab
from simvp.errors import ConfigError, DataError

N, T, C, H, W = 4, 5, 3, 8, 9


def draw(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    return (100 * np.random.default_rng(0).random(shape)).astype(dtype)


def save_73(path: Path, *, chunks: bool | None = None, **variables: Any) -> None:
    """Write variables as MATLAB does: axes reversed, after a block with the signature."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            array = np.asarray(values)
            classes = {"float64": "double", "float32": "single", "bool": "logical"}
            kind = classes.get(str(array.dtype), str(array.dtype))
            stored = array.astype("u1") if kind == "logical" else array
            item = file.create_dataset(name, data=stored.T, chunks=chunks)
            item.attrs["MATLAB_class"] = np.bytes_(kind)
    with open(path, "r+b") as block:
        block.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def save(path: Path, version: str, **variables: Any) -> None:
    if version.startswith("7.3"):
        save_73(path, chunks=True if version == "7.3 chunked" else None, **variables)
    else:
        savemat(path, variables, do_compression=version == "5 compressed")


versions = pytest.mark.parametrize("version", ["5", "5 compressed", "7.3", "7.3 chunked"])


@versions
@pytest.mark.parametrize("axes", ["nyxt", "yxtn", "tnyx", "xtyn"])
def test_axes_are_in_the_order_of_matlab(tmp_path: Path, version: str, axes: str) -> None:
    values = draw(N, T, H, W)
    stored = values.transpose(["ntyx".index(axis) for axis in axes])
    save(tmp_path / "ns.mat", version, u=stored, a=draw(N, H), t=np.arange(T))
    source = open_source(tmp_path / "ns.mat", axes=axes)
    assert (source.kind, source.channels, source.shape) == ("matlab", ("u",), (1, H, W))
    assert [series.id for series in source.series] == ["ns_0", "ns_1", "ns_2", "ns_3"]
    for series, expected in zip(source.series, values.astype(np.float32), strict=True):
        np.testing.assert_array_equal(series.read(0, T)[:, 0], expected)
        np.testing.assert_array_equal(series.read(1, 4, 2)[:, 0], expected[1:4:2])


@versions
def test_axes_are_asked_for_with_the_shape_that_matlab_shows(tmp_path: Path, version: str) -> None:
    save(tmp_path / "ns.mat", version, u=draw(N, 12, 12, 20))
    message = (
        "ns.mat: u: has the shape 4 x 12 x 12 x 20: say which axis is which with --axes nyxt "
        "(n series, t time, y rows, x columns)"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        open_source(tmp_path / "ns.mat")
    save(tmp_path / "ns.mat", version, u=draw(H, W, 7))
    with pytest.raises(ConfigError, match="shape 8 x 9 x 7: .* --axes yxt or --axes tyx"):
        open_source(tmp_path / "ns.mat")
    with pytest.raises(ConfigError, match="axes = 'nyxt' names 4 axes, but .*has 3: 8 x 9 x 7"):
        open_source(tmp_path / "ns.mat", axes="nyxt")


@versions
def test_static_fields_are_in_the_order_of_the_axes(tmp_path: Path, version: str) -> None:
    u, depth, start = draw(W, H, T, N), draw(W, H), draw(W, H, N)
    rows = {"nu": np.arange(N)[None] / 4, "g": np.array([[9.75]]), "t": np.arange(T)[None]}
    save(tmp_path / "a.mat", version, u=u, depth=depth, start=start, mask=depth > 50, **rows)
    note = "--static depth,mask,start"
    source = open_source(tmp_path / "a.mat", variables=["u"], axes="xytn")
    assert source.assumptions[0].endswith(note)
    static = ["mask", "start", "nu", "g", "depth"]
    source = open_source(tmp_path / "a.mat", axes="xytn", static=static)
    assert source.channels == ("u", *static) and source.inputs == tuple(static)
    for number, series in enumerate(source.series):
        frames = series.read(1, T, 2)
        np.testing.assert_array_equal(frames[:, 0], u[..., 1::2, number].T.astype(np.float32))
        fields = [depth.T > 50, start[..., number].T, number / 4, 9.75, depth.T]
        expected = np.stack([np.broadcast_to(field, (H, W)) for field in fields])
        np.testing.assert_array_equal(frames[:, 1:], np.tile(expected.astype("f4"), (2, 1, 1, 1)))
    message = r"a.mat: t \(1 x 5\) is no static field; .* 9 x 8 \(x y\)"
    with pytest.raises(ConfigError, match=message):
        open_source(tmp_path / "a.mat", variables=["u"], axes="xytn", static=["t"])


@versions
def test_variables_are_asked_for_and_stacked(tmp_path: Path, version: str) -> None:
    u, v = draw(H, W, T), draw(H, W, T) + 1
    save(tmp_path / "a.mat", version, a=draw(H, W, 2), u=u, v=v)
    message = r"holds 3 arrays.*: a \(8 x 9 x 2\), u \(8 x 9 x 5\), v .*Choose one with --variables"
    with pytest.raises(ConfigError, match=message):
        open_source(tmp_path / "a.mat", axes="yxt")
    source = open_source(tmp_path / "a.mat", axes="yxt", variables=["v", "u"])
    assert source.channels == ("v", "u") and source.shape == (2, H, W)
    expected = np.moveaxis(np.stack([v, u]), -1, 0).astype(np.float32)
    np.testing.assert_array_equal(source.series[0].read(0, T), expected)
    with pytest.raises(ConfigError, match="has no array 'w', only a, u, v"):
        open_source(tmp_path / "a.mat", axes="yxt", variables=["u", "w"])


@versions
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8", "uint16", "int64"])
def test_types_of_numbers_are_read(tmp_path: Path, version: str, dtype: str) -> None:
    values = draw(H, W, T, dtype=dtype)
    save(tmp_path / "a.mat", version, u=values)
    source = open_source(tmp_path / "a.mat", axes="yxt")
    assert source.is_8_bit == (values.itemsize == 1)
    expected = np.moveaxis(values, -1, 0).astype(np.float32)
    np.testing.assert_array_equal(source.series[0].read(0, T)[:, 0], expected)


def test_version_4_holds_matrices_only(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"u": draw(H, W)}, format="4")
    with pytest.raises(DataError, match="a.mat: file cannot be read .*no header of version 5"):
        open_source(tmp_path / "a.mat")


@versions
def test_other_values_than_numbers_are_refused(tmp_path: Path, version: str) -> None:
    def refused(values: Any, message: str) -> None:
        save(tmp_path / "a.mat", version, u=values)
        with pytest.raises(DataError, match=f"a.mat: u: .*{message}"):
            open_source(tmp_path / "a.mat", axes="yxt", variables=["u"]).series[0].read(0, 2)

    refused(draw(H, W, T) > 50, "holds bool")
    refused(draw(H, W), "has the shape 8 x 9, one frame")
    if version.startswith("5"):
        refused(draw(H, W, T) * 1j, "holds complex128")
        refused(np.zeros((0, H, W)), "has the shape 0 x 8 x 9: it is empty")
        refused("text", "holds <U1")
        refused({"field": 1}, "is a struct or a cell array")
        refused(np.array([[1, "a"]], object), "is a struct or a cell array")
    else:
        with h5py.File(tmp_path / "a.mat", "r+") as file:
            del file["u"]
            file["u"] = np.zeros((H, W, T), [("real", "f8"), ("imag", "f8")])
        with pytest.raises(DataError, match="u: holds complex128"):
            open_source(tmp_path / "a.mat", axes="yxt")


def test_version_73_names_structures_texts_and_empty_variables(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    save_73(path, e=np.array([0, 3]), s=np.zeros((1, 4), np.uint16), c=np.zeros((T, 2)))
    with h5py.File(path, "r+") as file:
        file["e"].attrs["MATLAB_empty"] = 1
        file["s"].attrs["MATLAB_class"] = np.bytes_("char")
        file.create_group("q")
        file.create_group("#refs#")
    message = "found c (5 x 2), e (0 x 0), q (1 x 1 object), s (1 x 4 <U1)"
    with pytest.raises(DataError, match=re.escape(message)):
        open_source(path)


def test_version_73_reads_no_other_files(tmp_path: Path) -> None:
    values = draw(H, W, T)
    save_73(tmp_path / "other.mat", u=values)
    save_73(tmp_path / "a.mat", v=values)
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        file["u"] = h5py.ExternalLink(str(tmp_path / "other.mat"), "/u")
        file["w"] = h5py.SoftLink("/v")
    with pytest.raises(ConfigError, match="has no array 'u', only v"):
        open_source(tmp_path / "a.mat", axes="yxt", variables=["v", "u"])
    layout = h5py.VirtualLayout((T, W, H), "f8")
    layout[:] = h5py.VirtualSource(tmp_path / "other.mat", "u", (T, W, H))
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        file.create_virtual_dataset("x", layout)
    with pytest.raises(DataError, match="a.mat: x is stored in another file"):
        open_source(tmp_path / "a.mat")
    save_73(tmp_path / "a.mat", v=values)
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        external = [(str(tmp_path / "other.mat"), 0, 8 * H * W * T)]
        file.create_dataset("x", (T, W, H), "f8", external=external)
    with pytest.raises(DataError, match="a.mat: x is stored in another file"):
        open_source(tmp_path / "a.mat")


@versions
def test_damaged_files_are_refused_with_their_name(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.mat"
    save(path, version, u=draw(H, W, T))
    good = path.read_bytes()
    for damaged in (good[:-200], good[:600], good[:130], b"hello" * 50, b""):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="a.mat: .*damaged, or not a MATLAB file|no array in"):
            open_source(path, axes="yxt").series[0].read(0, T)


@pytest.mark.parametrize("version", ["5 compressed", "7.3 chunked"])
def test_variables_are_loaded_once(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.mat", version, u=draw(N, H, W, T))
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "a.mat", axes="nyxt")))
    calls = []
    for cls, name in ((mat5.Mat5Array, "_decompress"), (matlab.Mat73Array, "_read")):
        load = getattr(cls, name)
        monkeypatch.setattr(cls, name, lambda *a, load=load: calls.append(1) or load(*a))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda item: item.read(0, T), 3 * list(source.series)))
    assert len(calls) == 1 and len(read) == 12


def test_large_variables_are_read_in_pieces_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = draw(N, H, W, T)
    monkeypatch.setattr(memory_cache, "memory_limit", lambda: values.nbytes - 1)
    save(tmp_path / "a.mat", "7.3 chunked", u=values)
    source = open_source(tmp_path / "a.mat", axes="nyxt")
    with ThreadPoolExecutor(4) as pool:
        read = np.stack(list(pool.map(lambda item: item.read(1, T, 2), source.series)))
    expected = np.moveaxis(values, -1, 1)[:, 1::2].astype(np.float32)
    np.testing.assert_array_equal(read[:, :, 0], expected)
    save(tmp_path / "a.mat", "5 compressed", u=values)
    with pytest.raises(DataError, match="a.mat: u needs 0.0 GB of memory"):
        open_source(tmp_path / "a.mat", axes="nyxt").series[0].read(0, 1)


def test_folder_holds_one_series_a_file(tmp_path: Path) -> None:
    save(tmp_path / "a.mat", "5", u=draw(H, W, T))
    save(tmp_path / "b.mat", "7.3", u=draw(H, W, 3) + 1)
    source = open_source(tmp_path, axes="yxt")
    assert [(series.id, series.length) for series in source.series] == [("a", T), ("b", 3)]


def test_content_decides_about_the_format(tmp_path: Path) -> None:
    for version in ("5", "7.3"):
        save(tmp_path / "a.mat", version, u=draw(H, W, T))
        (tmp_path / "a.mat").rename(tmp_path / "data")
        assert matlab.matches(tmp_path / "data")
    with h5py.File(tmp_path / "plain.mat", "w") as file:
        file["u"] = draw(T, H, W)
    assert not matlab.matches(tmp_path / "plain.mat")  # written by h5py: axes are not reversed
    assert not matlab.matches(tmp_path / "missing.mat")


def test_struct_is_named(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"S": {"u": draw(H, W, T)}})
    with pytest.raises(DataError, match="S: is a struct or a cell array; save its field as an arr"):
        open_source(tmp_path / "a.mat", axes="yxt")
