"""Any HDF5 file, with data sets and axes named by the user."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from simvp.data import open_source
from simvp.data.cf_files import is_netcdf
from simvp.data.sources import hdf5
from simvp.errors import ConfigError, DataError, SimvpError

SIZES = {"n": 2, "t": 5, "c": 3, "y": 8, "x": 9}


def values_of(axes: str, dtype: str = "float32") -> np.ndarray:
    shape = [SIZES[axis] for axis in axes]
    return (200 * np.random.default_rng(0).random(shape)).astype(dtype)


def write(path: Path, **datasets: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file.create_dataset(name.replace("__", "/"), data=values)
    return path


@pytest.mark.parametrize(
    "axes", ["tyx", "yxt", "ntyx", "nyxt", "tcyx", "tyxc", "ntcyx", "ntyxc", "cxytn"]
)
def test_axes_are_brought_into_order(tmp_path: Path, axes: str) -> None:
    values = values_of(axes)
    source = open_source(write(tmp_path / "a.h5", u=values), variables=["/u"], axes=axes)
    num_channels = 3 if "c" in axes else 1
    assert (source.kind, source.shape) == ("hdf5", (num_channels, 8, 9))
    ids = ["a_000", "a_001"] if "n" in axes else ["a"]
    assert [series.id for series in source.series] == ids
    full = np.einsum(f"{axes}->{''.join(a for a in 'ntcyx' if a in axes)}", values)
    full = full.reshape(len(ids), 5, num_channels, 8, 9)
    for series, expected in zip(source.series, full, strict=True):
        assert series.length == 5
        np.testing.assert_array_equal(series.read(0, 5), expected)
        np.testing.assert_array_equal(series.read(1, 5, 2), expected[1:5:2])
        np.testing.assert_array_equal(series.read(4, 5), expected[4:])


@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64", "uint8", ">i2", "int64", "uint64"])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_integers_and_floats_are_read_as_float32(
    tmp_path: Path, dtype: str, compression: str | None
) -> None:
    values = values_of("tyx", dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", data=values, compression=compression)
    source = open_source(tmp_path / "a.h5", variables=["u"], axes="tyx")
    frames = source.series[0].read(0, 5)
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames[:, 0], values.astype(np.float32))
    assert source.is_8_bit == (dtype == "uint8")


def test_data_sets_become_channels_in_the_order_named(tmp_path: Path) -> None:
    u, v = values_of("tyx"), values_of("tyx", "int32")
    path = write(tmp_path / "a.h5", run__u=u, run__v=v, other__u=-u)
    source = open_source(path, variables=["/run/v", "/run/u"], axes="tyx")
    assert source.channels == ("v", "u")
    np.testing.assert_array_equal(source.series[0].read(0, 5), np.stack([v, u], axis=1))
    source = open_source(path, variables=["/run/u", "/other/u"], axes="tyx")
    assert source.channels == ("run/u", "other/u")
    np.testing.assert_array_equal(source.series[0].read(0, 5), np.stack([u, -u], axis=1))


def test_card_names_channels_and_scales_stored_values(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", w=values_of("tyxc"))
    assert open_source(path, variables=["w"], axes="tyxc").channels == ("w_0", "w_1", "w_2")
    (tmp_path / "a.toml").write_text(
        "low = 10.0\nhigh = 30.0\n[channels.u]\n[channels.v]\n[channels.p]\n"
    )
    source = open_source(path, variables=["w"], axes="tyxc")
    assert source.channels == ("u", "v", "p")
    expected = np.moveaxis(values_of("tyxc"), 3, 1) * 20 + 10
    np.testing.assert_allclose(source.series[0].read(0, 5), expected, rtol=1e-6)


def test_series_are_read_by_threads_at_once_and_after_pickling(tmp_path: Path) -> None:
    values = values_of("ntyx")
    path = write(tmp_path / "a.h5", u=values)
    series = pickle.loads(pickle.dumps(open_source(path, variables=["u"], axes="ntyx").series))
    with ThreadPoolExecutor(2) as threads:
        tasks = [(i % 2, threads.submit(series[i % 2].read, 0, 5)) for i in range(40)]
        for sample, task in tasks:
            np.testing.assert_array_equal(task.result()[:, 0], values[sample])


def test_frames_in_a_chunk_are_counted(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("chunked", data=values_of("ntyx"), chunks=(2, 3, 8, 4))
        file.create_dataset("plain", data=values_of("ntyx"))
    found = {
        name: [
            item.frames_per_chunk
            for item in open_source(tmp_path / "a.h5", variables=[name], axes="ntyx").series
        ]
        for name in ("chunked", "plain")
    }
    assert found == {"chunked": [3, 3], "plain": [1, 1]}


def test_opening_reads_no_values(tmp_path: Path) -> None:
    """Ten gigabytes, of which one frame is written."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        u = file.create_dataset("u", (10**4, 500, 512), "f4", chunks=(1, 500, 512))
        u[7] = 1
    series = open_source(tmp_path / "a.h5", variables=["u"], axes="tyx").series[0]
    assert series.length == 10**4
    assert series.read(6, 8).mean(axis=(1, 2, 3)).tolist() == [0, 1]


def test_fill_values_and_the_missing_value_of_sevir_become_nan(tmp_path: Path) -> None:
    values = values_of("nyxt", "uint8")
    values[1, 2, 3, 4] = 255
    path = write(tmp_path / "sevir.h5", vil=values, id=np.array([b"S1", b"S2"]))
    source = open_source(path, variables=["/vil"], axes="nyxt")
    assert source.is_8_bit
    assert source.assumptions == ("/vil: 255 is read as missing, as SEVIR defines",)
    frames = source.series[1].read(0, 5)
    assert np.argwhere(np.isnan(frames)).tolist() == [[4, 0, 2, 3]]

    path = write(tmp_path / "b.h5", vil=values)
    assert not np.isnan(
        open_source(path, variables=["vil"], axes="nyxt").series[1].read(0, 5)
    ).any()
    with h5py.File(path, "a") as file:
        file["vil"].attrs["_FillValue"] = np.uint8(255)
        file["vil"].attrs["scale_factor"] = 0.5
    source = open_source(path, variables=["vil"], axes="nyxt")
    np.testing.assert_array_equal(source.series[1].read(0, 5), frames)
    assert source.assumptions == (
        "/vil: _FillValue = 255 is read as missing",
        "/vil: attributes not applied: scale_factor",
    )


def test_without_variables_the_data_sets_and_a_command_are_listed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.h5", vil=values_of("nyxt", "uint8"), id=np.zeros(2), g__u=values_of("tyx")
    )
    with pytest.raises(ConfigError) as error:
        open_source(path)
    assert str(error.value) == (
        f"{path}: choose what to read. --variables names data sets, --axes gives one letter for "
        "each of their axes (n series, t time, c channel, y, x). Data sets with their shapes and "
        "types:\n"
        "  /g/u  (5, 8, 9) float32\n"
        "  /vil  (2, 8, 9, 5) uint8\n"
        "For example: --variables /g/u --axes tyx"
    )


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        ((3, 64, 64, 49), "nyxt"),
        ((20, 1000, 64, 64), "ntyx"),
        ((20, 10, 64, 64, 3), "ntyxc"),
        ((20, 10, 3, 64, 64), "ntcyx"),
        ((64, 64, 20), "yxt"),
    ],
)
def test_example_of_axes_takes_equal_neighbours_for_y_and_x(
    tmp_path: Path, shape: tuple[int, ...], example: str
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", shape, "u1")
    with pytest.raises(ConfigError, match=f"For example: --variables /u --axes {example}$"):
        open_source(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("variables", "axes", "message"),
    [
        (["/vill"], "nyxt", r"has no data set '/vill'. Did you mean '/vil'\? .*\n  /vil  \(2, 8"),
        (["/"], "nyxt", "has no data set '/'"),
        (["/."], "nyxt", "has no data set '/.'"),
        (["vil", "/vil"], "nyxt", "/vil is named twice; name each data set once"),
        (["vil"], None, r"/vil: has shape \(2, 8, 9, 5\).*says what its axes are.*--axes nyxt"),
        (
            ["vil"],
            "tyx",
            r"axes = 'tyx': does not fit .*a.h5: /vil, which has shape \(2, 8, 9, 5\)",
        ),
        (["vil"], "nyxc", "axes = 'nyxc': does not fit .*; t, y and x are required"),
        (["vil"], "tyxx", "axes = 'tyxx': does not fit"),
        (["vil"], "tyxz", "axes = 'tyxz': has the unknown letter 'z'"),
        (["vil", "u"], "nyxt", r"/vil has shape \(2, 8, 9, 5\), but /u has \(5, 8, 9\)"),
        (["flat"], "yx", r"/flat: has shape \(8, 9\); expected three to five axes"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, variables: list[str], axes: str | None, message: str
) -> None:
    path = write(tmp_path / "a.h5", vil=values_of("nyxt"), u=values_of("tyx"), flat=values_of("yx"))
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        open_source(path, variables=variables, axes=axes)


@pytest.mark.parametrize("axes", ["ntyx", "xytn", "yxct", "nyxtc"])
def test_static_fields_have_the_axes_of_the_channels_without_time(
    tmp_path: Path, axes: str
) -> None:
    rng = np.random.default_rng(1)
    values = values_of(axes)
    whole = {"depth": "yx", "mask": "yx", "viscosity": "n", "start": "nyx", "gravity": ""}
    stored = {}
    for name, letters in whole.items():
        order = [axis for axis in axes if axis in letters]
        stored[name] = rng.random([SIZES[axis] for axis in order])
        whole[name] = "".join(order)
    stored["mask"] = stored["mask"] > 0.5
    stored["depth"][1, 2] = -9
    path = write(tmp_path / "a.h5", u=values, **{f"still__{k}": v for k, v in stored.items()})
    with h5py.File(path, "a") as file:
        file["still/depth"].attrs["_FillValue"] = -9.0
    static = [f"/still/{name}" for name in stored]
    source = open_source(path, variables=["/u"], axes=axes, static=static)
    assert source.inputs == source.channels[-5:] == tuple(stored)
    assert source.assumptions == ("/still/depth: _FillValue = -9 is read as missing",)
    stored["depth"][1, 2] = np.nan
    for number, series in enumerate(source.series):
        frames = series.read(1, 5, 3)[:, -5:]
        for channel, (name, order) in enumerate(whole.items()):
            field = stored[name].astype(np.float32)
            if "n" in order:
                field = field.take(number, order.index("n"))
            field = field.T if "xy" in order.replace("n", "") else field
            expected = np.broadcast_to(field, (2, 8, 9))
            np.testing.assert_array_equal(frames[:, channel], expected, err_msg=name)


@pytest.mark.parametrize(
    ("static", "message"),
    [
        (
            ["/dept"],
            r"static: .*no data set '/dept'. Did .* '/depth'\? .*\n  /depth  \(8, 9\)",
        ),
        (
            ["turned"],
            r"/turned has shape \(9, 8\); .*ntyx has 8 x 9 \(y x\), 2 x 8 x 9 \(n y",
        ),
        (["depth", "/depth"], "/depth is named twice"),
        (["u"], "u is given twice"),
    ],
)
def test_static_fields_that_do_not_fit_are_refused(
    tmp_path: Path, static: list[str], message: str
) -> None:
    path = write(
        tmp_path / "a.h5", u=values_of("ntyx"), depth=values_of("yx"), turned=values_of("xy")
    )
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        open_source(path, variables=["u"], axes="ntyx", static=static)


def test_inputs_are_named_as_data_sets_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", g__u=values_of("tcyx"), g__v=values_of("tcyx") + 1)
    source = open_source(path, variables=["/g/v"], inputs=["/g/u"], axes="tcyx")
    assert source.channels == ("v_0", "v_1", "v_2", "u_0", "u_1", "u_2")
    assert source.inputs == ("u_0", "u_1", "u_2")
    np.testing.assert_array_equal(source.series[0].read(0, 5)[:, 3:], values_of("tcyx"))


def test_card_names_channels_beside_static_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", w=values_of("tyxc"), depth=values_of("yx"))
    (tmp_path / "a.toml").write_text(
        "[channels.u]\n[channels.v]\n[channels.p]\n[channels.depth]\nunit = 'm'\n"
    )
    source = open_source(path, variables=["w"], axes="tyxc", static=["depth"])
    assert source.channels == ("u", "v", "p", "depth")
    assert source.card.channel("depth").unit == "m"


@pytest.mark.parametrize("locking", [None, False])
def test_file_may_be_open_elsewhere_in_the_process(tmp_path: Path, locking: bool | None) -> None:
    path = write(tmp_path / "a.h5", u=values_of("tyx"))
    with h5py.File(path, "r", locking=locking):
        series = open_source(path, variables=["u"], axes="tyx").series[0]
        np.testing.assert_array_equal(series.read(0, 5)[:, 0], values_of("tyx"))


def test_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="level = '500': .*leave out --level"):
        open_source(write(tmp_path / "a.h5", u=values_of("tyx")), level="500")


def damage(file: h5py.File, kind: str) -> None:
    """Write something in the place of /u that is not a data set of numbers in this file."""
    other = Path(file.filename).with_name("other.h5")
    if kind == "external-link":
        file["u"] = h5py.ExternalLink(other.name, "/u")
    elif kind == "external-group":
        file["g"] = h5py.ExternalLink(other.name, "/")
        file["u"] = h5py.SoftLink("/g/u")
    elif kind == "virtual":
        virtual = h5py.VirtualLayout((5, 8, 9), "f4")
        virtual[:] = h5py.VirtualSource(other.name, "u", (5, 8, 9))
        file.create_virtual_dataset("u", virtual)
    elif kind == "external-storage":
        size = 5 * 8 * 9 * 4
        file.create_dataset("u", (5, 8, 9), "f4", external=[("raw.bin", 0, size)])
    elif kind == "group":
        file.create_group("u/v")
    elif kind == "null":
        file["u"] = h5py.Empty("f4")
    else:
        values = {
            "complex": np.zeros((5, 8, 9), "c8"),
            "booleans": np.zeros((5, 8, 9), "?"),
            "text": np.full((5, 8, 9), b"text"),
            "structure": np.zeros((5, 8, 9), [("a", "f4"), ("b", "f4")]),
            "empty": np.zeros((5, 0, 9)),
        }
        types = {
            "objects": h5py.string_dtype(),
            "lists": h5py.vlen_dtype(np.float32),
            "references": h5py.ref_dtype,
            "enumeration": h5py.enum_dtype({"dry": 0, "wet": 1}),
        }
        if kind in values:
            file.create_dataset("u", data=values[kind])
        else:
            file.create_dataset("u", (5, 8, 9), types[kind])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("external-link", "links to another file, other.h5; give the path of that file"),
        ("external-group", "is a soft link; use the name it points to, /g/u"),
        ("virtual", "takes its values from other files, which are not read"),
        ("external-storage", "takes its values from other files, which are not read"),
        ("group", "is a group; expected a data set of numbers"),
        ("null", "is empty, with shape None"),
        ("empty", r"is empty, with shape \(5, 0, 9\)"),
        ("complex", "holds complex64; expected integers or floats of up to 64 bits"),
        ("booleans", "holds an enumeration; expected numbers|holds bool; expected"),
        ("text", r"holds \|S4"),
        ("structure", "holds \\[\\('a'"),
        ("objects", "holds object"),
        ("lists", "holds object"),
        ("references", "holds object"),
        ("enumeration", "holds an enumeration; expected numbers"),
    ],
)
def test_hostile_data_set_is_refused_and_not_offered(
    tmp_path: Path, kind: str, message: str
) -> None:
    write(tmp_path / "other.h5", u=values_of("tyx"))
    (tmp_path / "raw.bin").write_bytes(bytes(5 * 8 * 9 * 4))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        damage(file, kind)
    with pytest.raises(DataError, match=f"a.h5: /u: .*{message}"):
        open_source(path, variables=["u"], axes="tyx")
    with pytest.raises(DataError, match="contains no data set of numbers with three axes or more"):
        open_source(path)
    if kind == "external-group":
        with pytest.raises(DataError, match="a.h5: /g/u: links to another file, other.h5"):
            open_source(path, variables=["g/u"], axes="tyx")


def test_link_that_replaces_a_data_set_after_opening_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "other.h5", u=values_of("tyx"))
    path = write(tmp_path / "a.h5", u=values_of("tyx"))
    series = open_source(path, variables=["u"], axes="tyx").series[0]
    with h5py.File(path, "w") as file:
        file["u"] = h5py.ExternalLink("other.h5", "/u")
    with pytest.raises(DataError, match="links to another file"):
        series.read(0, 5)
    write(path, u=values_of("tyx")[:4])
    with pytest.raises(DataError, match=r"has shape \(4, 8, 9\), but a needs \(5, 8, 9\)"):
        series.read(0, 2)
    write(path, u=values_of("ntyx"))
    with pytest.raises(DataError, match=r"has shape \(2, 5, 8, 9\); expected 3 axes \(tyx\)"):
        series.read(0, 2)
    write(path, v=values_of("tyx"))
    with pytest.raises(DataError, match="a.h5: /u: there is no such data set"):
        series.read(0, 2)
    path.unlink()
    with pytest.raises(DataError, match="a.h5: is truncated, damaged or not readable"):
        series.read(0, 2)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, part: float) -> None:
    path = write(tmp_path / "a.h5", u=values_of("ntyx"))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DataError, match="a.h5: is truncated, damaged or not readable as HDF5"):
        open_source(path)


def test_damaged_bytes_lead_to_an_error_message_or_to_values(tmp_path: Path) -> None:
    """Never to another exception, whichever bytes of the structure are damaged."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", data=values_of("tyx"), compression="gzip")
    content = (tmp_path / "a.h5").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        for position in rng.integers(8, len(content), 4):
            damaged[position] = rng.integers(256)
        (tmp_path / "a.h5").write_bytes(damaged)
        try:
            source = open_source(tmp_path / "a.h5", variables=["u"], axes="tyx")
            source.series[0].read(0, 1)
        except SimvpError:
            refused += 1
    assert refused > 30


def test_only_hdf5_of_no_other_layout_matches(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.dat", u=values_of("tyx"))
    assert hdf5.matches(plain) and not is_netcdf(plain)
    with h5py.File(tmp_path / "block.h5", "w", userblock_size=512) as file:
        file["u"] = values_of("tyx")
    assert hdf5.matches(tmp_path / "block.h5")
    matlab = bytearray((tmp_path / "block.h5").read_bytes())
    matlab[:19] = b"MATLAB 7.3 MAT-file"
    (tmp_path / "a.mat").write_bytes(matlab)
    assert not hdf5.matches(tmp_path / "a.mat")
    (tmp_path / "text.h5").write_text("not HDF5")
    os.mkfifo(tmp_path / "fifo.h5")
    for name in ("text.h5", "fifo.h5", "none.h5"):
        assert not hdf5.matches(tmp_path / name) and not is_netcdf(tmp_path / name)


@pytest.mark.parametrize("kind", ["properties", "scale"])
def test_netcdf_is_left_to_its_own_module(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "a.h5", u=values_of("tyx"), time=np.arange(5.0))
    with h5py.File(path, "a") as file:
        if kind == "properties":
            file.attrs["_NCProperties"] = b"version=2,h5netcdf=1.8.2,hdf5=2.0.0,h5py=3.16.0"
        else:
            file["time"].make_scale("time")
    assert is_netcdf(path) and not hdf5.matches(path)


def test_folder_holds_a_series_or_more_in_each_file(tmp_path: Path) -> None:
    first, second = values_of("ntyx"), values_of("ntyx")[:1, :4] + 1
    write(tmp_path / "a.h5", u=first, depth=first[0, 0])
    write(tmp_path / "b.hdf5", u=second, depth=first[0, 1])
    source = open_source(tmp_path, variables=["/u"], axes="ntyx", static=["/depth"])
    assert (source.kind, source.inputs) == ("hdf5", ("depth",))
    assert [series.id for series in source.series] == ["a_000", "a_001", "b"]
    np.testing.assert_array_equal(source.series[1].read(0, 5)[:, 0], first[1])
    np.testing.assert_array_equal(source.series[2].read(0, 4)[:, 0], second[0])
    np.testing.assert_array_equal(source.series[2].read(0, 1)[0, 1], first[0, 1])
    with pytest.raises(ConfigError, match=r"a\.h5: choose what to read"):
        open_source(tmp_path)


def test_files_of_a_folder_are_compared(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", u=np.ones((5, 8, 9)))
    write(tmp_path / "b.h5", u=np.ones((5, 9, 9)))
    with pytest.raises(DataError, match=r"b\.h5: has channels u of \(9, 9\)"):
        open_source(tmp_path, variables=["u"], axes="tyx")
    write(tmp_path / "b.h5", v=np.ones((5, 8, 9)))
    with pytest.raises(ConfigError, match=r"b\.h5 has no data set '/u'"):
        open_source(tmp_path, variables=["u"], axes="tyx")
    (tmp_path / "b.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match=r"b\.h5: is truncated, damaged"):
        open_source(tmp_path, variables=["u"], axes="tyx")


def test_dimension_scales_on_some_axes_do_not_make_netcdf(tmp_path: Path) -> None:
    values = values_of("tyx")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["temp"], file["t"] = values, np.arange(5.0)
        file["t"].make_scale("t")
        file["temp"].dims[0].attach_scale(file["t"])
    source = open_source(tmp_path / "a.h5", variables=["/temp"], axes="tyx")
    assert source.kind == "hdf5"
    np.testing.assert_array_equal(source.series[0].read(0, 5)[:, 0], values)


def test_unusable_data_sets_are_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", a=np.ones((5, 8, 9), "c8"), b=np.ones(3))
    with pytest.raises(DataError, match=r"/a  \(5, 8, 9\) complex64\n  /b  \(3,\) float64"):
        open_source(path)


def test_unknown_input_is_reported_as_input(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", u=values_of("tyx"))
    with pytest.raises(ConfigError, match="inputs: .*no data set '/nope'"):
        open_source(path, variables=["u"], inputs=["nope"], axes="tyx")
