"""NumPy arrays with an axis of time: .npy, .npz, and folders of them."""

import pickle
import re
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import TESTS

from simvp.data import memory_cache, npz, open_source
from simvp.data.segments import Segment, check_finite
from simvp.data.series import Source
from simvp.data.sources import arrays
from simvp.errors import ConfigError, DataError

CASES = TESTS / "cases"
N, T, C, H, W = 4, 5, 3, 8, 9


def draw(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return (100 * np.random.default_rng(0).random(shape)).astype(dtype)


def read_all(source: Source) -> np.ndarray:
    return np.stack([series.read(0, series.length) for series in source.series])


def test_three_axes_are_time_rows_columns_and_the_reading_is_stated(tmp_path: Path) -> None:
    values = draw(T, H, W)
    np.save(tmp_path / "run.npy", values)
    source = open_source(tmp_path / "run.npy")
    assert (source.kind, source.channels, source.shape) == ("arrays", ("value",), (1, H, W))
    assert [(series.id, series.length) for series in source.series] == [("run", T)]
    assert source.assumptions == (
        "the axes 5 x 8 x 9 are read as t y x (t time, y rows, x columns)",
    )
    np.testing.assert_array_equal(read_all(source)[0, :, 0], values)
    frames = source.series[0].read(1, 5, 2)
    np.testing.assert_array_equal(frames[:, 0], values[1:5:2])
    assert frames.dtype == np.float32 and frames.flags.c_contiguous


@pytest.mark.parametrize("axes", ["ntcyx", "tncyx", "nctyx", "ntyxc", "nyxtc", "xyctn"])
@pytest.mark.parametrize("suffix", [".npy", ".npz", "compressed.npz"])
def test_any_order_of_the_axes_gives_the_same_series(
    tmp_path: Path, axes: str, suffix: str
) -> None:
    values = draw(N, T, C, H, W)
    stored = values.transpose(["ntcyx".index(axis) for axis in axes])
    path = tmp_path / f"run{suffix}"
    save = np.savez_compressed if suffix.startswith("c") else np.savez
    np.save(path, stored) if suffix == ".npy" else save(path, u=stored)
    source = open_source(path, axes=axes)
    assert [series.id[-2:] for series in source.series] == ["_0", "_1", "_2", "_3"]
    np.testing.assert_array_equal(read_all(source), values)
    np.testing.assert_array_equal(source.series[2].read(1, 4, 2), values[2, 1:4:2])
    assert source.assumptions == ()


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", ">f4", ">f8", "uint8", "int16", ">i4", "int64", "uint64"]
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "compressed.npz"])
def test_types_and_orders_of_memory_are_read_as_by_numpy(
    tmp_path: Path, dtype: str, order: str, name: str
) -> None:
    values = np.asarray(draw(T, H, W, dtype=dtype), order=order)
    if name.endswith("y"):
        np.save(tmp_path / name, values)
    else:
        (np.savez if name[0] == "a" else np.savez_compressed)(tmp_path / name, u=values)
    source = open_source(tmp_path / name)
    np.testing.assert_array_equal(read_all(source)[0, :, 0], values.astype(np.float32))
    assert source.is_8_bit == (dtype == "uint8")


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 24, 64, 64), "--axes tnyx or --axes ntyx (n series,"),
        ((6, 3, 12, 11), "--axes tnyx, --axes ntyx, --axes tcyx or --axes ctyx (n series,"),
        ((7, 38, 38, 49), "--axes nyxt (n series, t time, y rows, x columns)"),
        ((30, 9, 2, 32, 32), "--axes ntcyx or --axes tncyx (n series,"),
    ],
)
def test_four_and_more_axes_are_asked_for(
    tmp_path: Path, shape: tuple[int, ...], axes: str
) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    text = " x ".join(map(str, shape))
    expected = f"a.npy: has the shape {text}: say which axis is which with {axes}"
    with pytest.raises(ConfigError, match=re.escape(expected)):
        open_source(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(T, 1, H, W), (1, T, H, W), (1, T, 1, H, W)])
def test_axes_of_one_entry_are_not_asked_for(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = draw(*shape)
    np.save(tmp_path / "a.npy", values)
    (series,) = open_source(tmp_path / "a.npy").series or [None]
    np.testing.assert_array_equal(series.read(0, T), values.reshape(T, 1, H, W))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("tyx", "axes = 'tyx' names 3 axes, but .*a.npy has 4: 4 x 5 x 8 x 9"),
        ("ntyz", "axes = 'ntyz': expected each of t, y and x once"),
        ("ttyx", "axes = 'ttyx': expected each of t, y and x once"),
        ("ncyx", "axes = 'ncyx': expected each of t, y and x once"),
        ("", "axes = '': expected each of t, y and x once"),
    ],
)
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str, message: str) -> None:
    np.save(tmp_path / "a.npy", draw(N, T, H, W))
    with pytest.raises(ConfigError, match=message):
        open_source(tmp_path / "a.npy", axes=axes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((H, W)), r"a.npy: has the shape 8 x 9, one frame; a series has an axis of time"),
        (np.zeros(H), "a.npy: has the shape 8, no frames"),
        (np.zeros(()), "a.npy: has the shape one value, no frames"),
        (np.zeros((1, H, W)), "has the shape 1 x 8 x 9, one frame; a series"),
        (np.zeros((0, H, W)), r"has shape \(0, 8, 9\): it is empty"),
        (np.zeros((T, H, W), complex), "holds complex128; arrays are integers or floats"),
        (np.zeros((T, H, W), bool), "holds bool; arrays are integers or floats"),
        (np.full((T, H, W), "a"), "holds <U1; arrays are integers or floats"),
        (np.zeros((T, H, W), "f4,f4"), r"holds \[.*; arrays are integers or floats"),
        (np.zeros((T, H, W), "M8[s]"), r"holds datetime64\[s\]; arrays are integers or floats"),
        (np.full((T, H, W), None), "holds Python objects, which are never loaded; save it as an a"),
    ],
)
def test_arrays_that_are_no_series_of_numbers_are_refused(
    tmp_path: Path, values: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "a.npy")


def test_a_folder_holds_one_series_a_file_of_any_length(tmp_path: Path) -> None:
    values = draw(T, H, W)
    np.save(tmp_path / "b.npy", values)
    np.save(tmp_path / "a.npy", values[:3])
    np.save(tmp_path / ".hidden.npy", np.zeros(3))
    (tmp_path / "notes.txt").touch()
    (tmp_path / "dataset.toml").write_text("unit = 'K'\nlow = 0.0\nhigh = 2.0\n")
    source = open_source(tmp_path)
    assert [(series.id, series.length) for series in source.series] == [("a", 3), ("b", T)]
    np.testing.assert_array_equal(source.series[1].read(0, T)[:, 0], 2 * values)
    np.save(tmp_path / "c.npy", values[:, 1:])
    with pytest.raises(DataError, match="c.npy: has the channels value and frames of 1 x 7 x 9"):
        open_source(tmp_path)


def test_files_that_differ_in_the_suffix_only_have_ids_of_their_own(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, u=draw(T, H, W))
    (tmp_path / "b.npz").rename(tmp_path / "a.NPZ")
    assert [series.id for series in open_source(tmp_path).series] == ["a.NPZ", "a.npz"]


def test_channels_are_named_by_the_card_and_selected(tmp_path: Path) -> None:
    values = draw(T, C, H, W)
    np.save(tmp_path / "a.npy", values)
    (tmp_path / "a.toml").write_text("[channels.u]\n[channels.v]\n[channels.p]\nunit = 'Pa'\n")
    source = open_source(tmp_path / "a.npy", axes="tcyx", variables=["p", "u"])
    assert source.channels == ("p", "u") and source.card.channel("p").unit == "Pa"
    np.testing.assert_array_equal(read_all(source)[0], values[:, [2, 0]])
    with pytest.raises(ConfigError, match="has no channel 'uu', only u, v, p. Did you mean 'u'"):
        open_source(tmp_path / "a.npy", axes="tcyx", variables=["uu"])
    with pytest.raises(ConfigError, match="variables: p is given twice; name each channel once"):
        open_source(tmp_path / "a.npy", axes="tcyx", variables=["p", "p"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_named_arrays_are_stacked_as_channels(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "flow.npz"
    u, v = draw(T, H, W), draw(T, H, W) + 1
    meta = np.array({"run": 1}, dtype=object)
    save(path, u=u, v=v, wide=draw(T, H, 2 * W), x=np.arange(W), units="m s-1", meta=meta)
    source = open_source(path, variables=["v", "u"])
    assert (source.channels, source.shape) == (("v", "u"), (2, H, W))
    assert source.card.unit == ""  # of which array is not known
    np.testing.assert_array_equal(read_all(source)[0], np.stack([v, u], 1))
    message = (
        "flow.npz: holds 3 arrays that can be series: u (5 x 8 x 9), v (5 x 8 x 9), wide "
        "(5 x 8 x 18). Choose one with --variables u, or several of one shape as channels with "
        "--variables u,v"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        open_source(path)
    with pytest.raises(ConfigError, match=r"u \(5 x 8 x 9\) and wide \(5 x 8 x 18\) differ in sha"):
        open_source(path, variables=["u", "wide"])
    with pytest.raises(ConfigError, match="has no array 'wid', only .*Did you mean 'wide'"):
        open_source(path, variables=["u", "wid"])
    with pytest.raises(ConfigError, match="has no array 'widd', only u, v, wide"):
        open_source(path, variables=["widd"])
    with pytest.raises(ConfigError, match="is given twice"):
        open_source(path, variables=["u", "u"])
    with pytest.raises(DataError, match="flow.npz: meta: holds Python objects"):
        open_source(path, variables=["meta"])
    with pytest.raises(DataError, match="flow.npz: units: holds <U5"):
        open_source(path, variables=["units"])
    with pytest.raises(DataError, match="flow.npz: x: has the shape 9, no frames"):
        open_source(path, variables=["x"])


def test_channels_of_named_arrays_are_numbered_or_named_by_the_card(tmp_path: Path) -> None:
    values = draw(T, C, H, W)
    np.savez(tmp_path / "a.npz", u=values)
    assert open_source(tmp_path / "a.npz", axes="tcyx").channels == ("u_0", "u_1", "u_2")
    source = open_source(tmp_path / "a.npz", axes="tcyx", variables=["u_2"])
    np.testing.assert_array_equal(read_all(source)[0], values[:, 2:])
    (tmp_path / "a.toml").write_text("[channels.r]\n[channels.g]\n[channels.b]\n")
    assert open_source(tmp_path / "a.npz", axes="tcyx").channels == ("r", "g", "b")
    (tmp_path / "a.toml").write_text("[channels.r]\nunit = 'K'\n")
    with pytest.raises(ConfigError, match="a.toml: names the channels r, but .* has u_0, u_1"):
        open_source(tmp_path / "a.npz", axes="tcyx")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("axes", ["ntyx", "xytn", "ntcyx"])
def test_static_fields_follow_the_channels(tmp_path: Path, save: Any, axes: str) -> None:
    sizes = {"n": N, "t": T, "c": C, "y": H, "x": W}
    u = draw(*(sizes[axis] for axis in axes))
    whole = {"depth": "yx", "start": "nyx", "viscosity": "n", "gravity": "", "mask": "yx"}
    orders = {name: [a for a in axes if a in letters] for name, letters in whole.items()}
    stored = {
        name: draw(*(sizes[axis] for axis in order)) + number
        for number, (name, order) in enumerate(orders.items())
    }
    stored["mask"] = stored["mask"] > 50
    save(tmp_path / "a.npz", u=u, **stored)
    source = open_source(tmp_path / "a.npz", variables=["u"], axes=axes, static=list(stored)[::-1])
    names = tuple(stored)[::-1]
    assert source.inputs == source.channels[-5:] == names
    for number, series in enumerate(source.series):
        frames = series.read(1, T, 3)
        for channel, name in enumerate(names, source.shape[0] - 5):
            order = orders[name]
            field = stored[name].take(number, order.index("n")) if "n" in order else stored[name]
            field = field.T if axes == "xytn" else field
            np.testing.assert_array_equal(
                frames[:, channel], np.broadcast_to(field, (2, H, W)).astype(np.float32)
            )


def test_static_fields_are_found_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    u, depth = draw(N, T, H, W), draw(H, W)
    np.savez(path, u=u, depth=depth, start=draw(N, H, W), viscosity=np.arange(N), x=np.arange(W))
    note = (
        "static fields are not used: depth, start; give them to the network with --static "
        "depth,start"
    )
    assert open_source(path, variables=["u"], axes="ntyx").assumptions == (note,)
    with pytest.raises(ConfigError, match="holds 2 arrays that can be series: u .*, start"):
        open_source(path, axes="ntyx")
    source = open_source(path, axes="ntyx", static=["start", "depth"])
    assert source.channels == ("u", "start", "depth") and source.assumptions == ()
    np.testing.assert_array_equal(source.series[1].read(0, 1)[0, 2], depth)
    with pytest.raises(ConfigError, match=r"has no static field 'dept', only depth.*'depth'\?"):
        open_source(path, variables=["u"], axes="ntyx", static=["dept"])
    message = r"a.npz: x \(9\) is no static field; one beside u of axes ntyx holds numbers, 8 x 9 "
    with pytest.raises(ConfigError, match=message + r"\(y x\), 4 x 8 x 9 \(n y x\), 4 \(n\)"):
        open_source(path, variables=["u"], axes="ntyx", static=["x"])
    with pytest.raises(ConfigError, match="static: u is given twice with --variables and --static"):
        open_source(path, variables=["u"], axes="ntyx", static=["u"])
    np.save(tmp_path / "b.npy", u[0])
    with pytest.raises(ConfigError, match="b.npy has no static field 'depth', and no other"):
        open_source(tmp_path / "b.npy", static=["depth"])


def test_each_file_has_its_static_fields(tmp_path: Path) -> None:
    for number in range(3):
        np.savez(tmp_path / f"run_{number}.npz", u=draw(T, H, W), viscosity=number, c=draw(H, W))
    (tmp_path / "dataset.toml").write_text("[channels.u]\n[channels.viscosity]\nunit = 'Pa s'\n")
    assert "--static c" in open_source(tmp_path).assumptions[-1]
    source = open_source(tmp_path, static=["viscosity"])
    assert source.card.channel("viscosity").unit == "Pa s"
    assert [series.read(0, 1)[0, 1, 3, 4] for series in source.series] == [0, 1, 2]
    np.savez(tmp_path / "run_3.npz", u=draw(T, H, W))
    with pytest.raises(ConfigError, match="run_3.npz has no static field 'viscosity', and no"):
        open_source(tmp_path, static=["viscosity"])
    assert len(open_source(tmp_path).assumptions) == 1


def test_inputs_may_be_arrays_of_several_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", u=draw(T, C, H, W), v=draw(T, C, H, W) + 1)
    source = open_source(tmp_path / "a.npz", variables=["v"], inputs=["u"], axes="tcyx")
    assert source.channels[3:] == source.inputs == ("u_0", "u_1", "u_2")
    source = open_source(tmp_path / "a.npz", variables=["u"], axes="tcyx")
    assert source.inputs == ()


def test_archive_without_series_lists_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((H, W)), z=np.zeros((T, H, W), complex))
    message = re.escape("found x (8 x 9), z (5 x 8 x 9 complex128)")
    with pytest.raises(DataError, match=f"no array in it has three axes.*; {message}"):
        open_source(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=np.zeros((H, W)))
    with pytest.raises(DataError, match="a.npz: x: has the shape 8 x 9, one frame"):
        open_source(tmp_path / "a.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_openstl_sets_are_joined_in_time_and_keep_their_test_part(
    tmp_path: Path, save: Any
) -> None:
    x, y = draw(11, 4, 2, H, W), draw(11, 3, 2, H, W) + 1
    (tmp_path / "taxibj").mkdir()
    save(
        *(tmp_path / "taxibj" / "dataset.npz",),
        **{"X_train": x, "Y_train": y, "X_test": x[:2] + 5, "Y_test": y[:2] + 5},
    )
    for path in (tmp_path / "taxibj", tmp_path / "taxibj" / "dataset.npz"):
        source = open_source(path)
        assert source.parts["test"] == ("test_0", "test_1")
        assert source.parts["train"] == tuple(f"train_{i:02}" for i in range(11))
        assert [series.id for series in source.series] == [
            *source.parts["test"],
            *source.parts["train"],
        ]
        assert source.assumptions[0].endswith("the frames of Y follow those of X")
    joined = np.concatenate([x, y], 1)
    series = source.series[2 + 7]
    assert series.length == 7
    np.testing.assert_array_equal(series.read(0, 7), joined[7])
    np.testing.assert_array_equal(series.read(1, 7, 2), joined[7, 1:7:2])
    np.testing.assert_array_equal(series.read(4, 6), joined[7, 4:6])
    np.testing.assert_array_equal(series.read(3, 3), joined[7, 3:3])
    np.testing.assert_array_equal(source.series[1].read(0, 7), joined[1] + 5)
    selected = open_source(path, variables=["1"])
    np.testing.assert_array_equal(selected.series[9].read(0, 7), joined[7, :, 1:])
    single = open_source(path, variables=["X_train"], axes="ntcyx")
    assert len(single.series) == 11 and single.parts == {}


def test_series_are_read_after_pickling_and_from_several_threads(tmp_path: Path) -> None:
    values = draw(N, T, H, W)
    np.savez(tmp_path / "a.npz", u=values)
    np.savez_compressed(tmp_path / "b.npz", u=values)
    np.save(tmp_path / "c.npy", values)
    for name in ("a.npz", "b.npz", "c.npy"):
        source = pickle.loads(pickle.dumps(open_source(tmp_path / name, axes="ntyx")))
        with ThreadPoolExecutor(4) as pool:
            read = list(pool.map(lambda item: item.read(0, T), 10 * list(source.series)))
        np.testing.assert_array_equal(np.stack(read)[:, :, 0], np.tile(values, (10, 1, 1, 1)))
        assert len(pickle.dumps(source.series[0])) < values.nbytes


def test_compressed_arrays_are_decompressed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", u=draw(N, T, H, W))
    source = open_source(tmp_path / "a.npz", axes="ntyx")
    calls, load = [], npz.NpzArray._load
    barrier = threading.Barrier(4)

    def read(series: Any) -> None:
        barrier.wait()
        series.read(0, T)

    monkeypatch.setattr(npz.NpzArray, "_load", lambda self: calls.append(1) or load(self))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, source.series))
    assert len(calls) == 1


def test_compressed_array_that_exceeds_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", u=np.zeros((100, 200, 300), np.float32))
    monkeypatch.setattr(memory_cache, "memory_limit", lambda: 20_000_000)
    source = open_source(tmp_path / "bomb.npz")
    with pytest.raises(DataError, match=r"bomb.npz: u needs 0.0 GB of memory, but 0.0 GB are ava"):
        source.series[0].read(0, 2)


def member(header: bytes, body: bytes) -> bytes:
    padded = header + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + body


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (b"(1000000000, 8, 9)", "u has 704 bytes, but its header says 288000000128"),
        (b"(1, 8, 9)", "u has 704 bytes, but its header says 416"),
        (b"(-2, -8, 9)", "u is damaged, or not an array of numbers"),
        (b"(" * 3000, "u is damaged, or not an array of numbers"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(
    tmp_path: Path, method: int, shape: bytes, message: str
) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': %b}" % shape
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("u.npy", member(header, bytes(2 * 8 * 9 * 4)))
    with pytest.raises(DataError, match=f"a.npz: {message}"):
        open_source(tmp_path / "a.npz")


def test_encrypted_damaged_and_truncated_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, u=draw(T, H, W))
    good = path.read_bytes()
    central = good.rindex(b"PK\x01\x02")
    path.write_bytes(good[: central + 8] + b"\x01" + good[central + 9 :])
    with pytest.raises(DataError, match="a.npz: u is encrypted"):
        open_source(path)
    path.write_bytes(good[:-50])
    with pytest.raises(DataError, match="a.npz: archive cannot be read .*File is not a zip file"):
        open_source(path)
    path.write_bytes(good[: central - 200] + bytes(9) + good[central - 191 :])
    with pytest.raises(DataError, match="a.npz: u cannot be read"):
        open_source(path).series[0].read(0, 1)
    path.write_bytes(b"hello")
    with pytest.raises(DataError, match="a.npz: is truncated, or not an .npy file of numbers"):
        open_source(path)


def test_content_decides_about_the_format(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", draw(T, H, W))
    (tmp_path / "a.npy").rename(tmp_path / "a.dat")
    np.savez(tmp_path / "b.npz", u=draw(T, H, W))
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    assert open_source(tmp_path / "a.dat").series[0].length == T
    assert open_source(tmp_path / "b.npy").channels == ("u",)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    (tmp_path / "d").write_bytes(b"PK\x03\x04")
    names = ("c.zip", "d", "missing.npy", "")
    assert not any(arrays.matches(tmp_path / "x" / name) for name in names)
    assert not arrays.matches(tmp_path / "c.zip") and not arrays.matches(tmp_path / "d")


def test_file_that_changes_while_it_is_in_use_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", draw(T, H, W))
    source = open_source(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", draw(T, W, H))
    with pytest.raises(DataError, match="a.npy: has changed while it was in use"):
        source.series[0].read(0, 1)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(DataError, match="a.npy: expected the file of an array, found nothing"):
        source.series[0].read(0, 1)


def test_case_moving_mnist_is_time_first(tmp_path: Path) -> None:
    """As `mnist_test_seq.npy`: uint8, physical values 0..255."""
    values = draw(20, 24, 64, 64, dtype=np.uint8)
    np.save(tmp_path / "mnist_test_seq.npy", values)
    source = open_source(tmp_path / "mnist_test_seq.npy", axes="tnyx")
    assert source.is_8_bit and source.series[7].id == "mnist_test_seq_07"
    np.testing.assert_array_equal(read_all(source)[:, :, 0], values.swapaxes(0, 1))


def test_case_leak_rednoise() -> None:
    source = open_source(CASES / "leak_rednoise" / "series.npy")
    assert (source.series[0].length, source.shape) == (240, (1, 16, 16))
    stored = np.load(CASES / "leak_rednoise" / "series.npy")
    np.testing.assert_array_equal(read_all(source)[0, :, 0], stored)


def test_case_radar_norain() -> None:
    path = CASES / "radar_norain" / "radar.npz"
    with pytest.raises(ConfigError, match="dbz: has the shape 14 x 12 x 32 x 32: say which axis"):
        open_source(path)
    source = open_source(path, axes="ntyx")
    values = read_all(source)
    assert values.shape == (14, 12, 1, 32, 32)
    assert (values.min(), values.max(), values[7, 6, 0, 16, 16]) == (0, 50, 0)
    assert values.mean(dtype=float) == pytest.approx(0.659983, abs=1e-6)
    assert source.card.label("dbz") == "dbz (dBZ)"
    assert not values[[2, 9]].any() and not values[5, 6:].any() and values[5, :6].any()


def test_archive_without_arrays_is_no_npy_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    with pytest.raises(DataError, match="a.npz: no array in it has three axes .* found nothing"):
        open_source(tmp_path / "a.npz")


def test_level_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", draw(T, H, W))
    with pytest.raises(ConfigError, match="level = '1': .*a.npy names no levels; leave out"):
        open_source(tmp_path / "a.npy", level="1")


def test_values_beyond_float32_are_named_with_their_file(tmp_path: Path) -> None:
    values = draw(T, H, W, dtype=np.float64)
    values[2, 3, 4] = -1e300
    np.save(tmp_path / "a.npy", values)
    (series,) = open_source(tmp_path / "a.npy").series
    message = r"a.npy: a, frame 2: 1 of 72 values are not finite or exceed the range of float32"
    with pytest.raises(DataError, match=message):
        check_finite(Segment(series, 0, T), series.read(0, T), 0)


def test_array_that_cannot_be_allocated_is_to_be_saved_uncompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", u=draw(T, H, W))
    (series,) = open_source(tmp_path / "a.npz").series

    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("Unable to allocate 8.00 GiB")

    monkeypatch.setattr(np.lib.format, "read_array", fail)
    with pytest.raises(DataError, match="cannot be allocated; save it uncompressed, as an .npy"):
        series.read(0, 1)
