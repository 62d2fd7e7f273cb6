"""TIFF stacks."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from simvp.data import open_source
from simvp.errors import ConfigError, DataError


def values(*shape: int, dtype: str = "uint16") -> np.ndarray:
    top = 1.0 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (top * np.random.default_rng(0).random(shape)).astype(dtype)


TCYX = values(5, 3, 8, 9)


def save(path: Path, stored: np.ndarray, axes: str = "TCYX", **options: Any) -> None:
    """Save a stack with named axes in the metadata."""
    options = {"photometric": "minisblack", **options}
    tifffile.imwrite(path, stored, metadata={"axes": axes}, **options)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_imagej_hyperstack(tmp_path: Path, dtype: str) -> None:
    stored = values(5, 3, 8, 9, dtype=dtype)
    metadata = {"axes": "TCYX", "finterval": 0.5, "tunit": "min"}
    tifffile.imwrite(tmp_path / "run.tif", stored, imagej=True, metadata=metadata)
    source = open_source(tmp_path / "run.tif")
    (series,) = source.series
    assert (source.kind, series.id, series.length, source.shape) == ("tiff", "run", 5, (3, 8, 9))
    assert source.channels == ("0", "1", "2") and source.assumptions == ()
    assert source.card.time_step == "0.5 min" and source.is_8_bit == (dtype == "uint8")
    np.testing.assert_array_equal(series.read(1, 5, 2), stored[1:5:2])
    assert series.read(0, 2).dtype == np.float32


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"bigtiff": True}])
@pytest.mark.parametrize("axes", ["TCYX", "CTYX"])
def test_ome_tiff_in_any_order(tmp_path: Path, options: dict[str, Any], axes: str) -> None:
    stored = TCYX if axes == "TCYX" else TCYX.swapaxes(0, 1)
    metadata = {
        "axes": axes,
        "Channel": {"Name": ["u", "v", "p"]},
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "ms",
    }
    path = tmp_path / "run.ome.tif"
    tifffile.imwrite(path, stored, metadata=metadata, byteorder=">", **options)
    source = open_source(path, variables=["p", "u"])
    assert source.series[0].id == "run" and source.channels == ("p", "u")
    assert source.card.time_step == "2.0 ms"
    np.testing.assert_array_equal(source.series[0].read(0, 5), TCYX[:, [2, 0]])
    (tmp_path / "run.ome.toml").write_text(
        "time_step = '1 s'\n[channels.a]\n[channels.b]\n[channels.c]"
    )
    source = open_source(path)
    assert (source.channels, source.card.time_step) == (("a", "b", "c"), "1 s")


def test_single_channel_time_axis(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", TCYX[:, 0], imagej=True, metadata={"axes": "TYX"})
    source = open_source(tmp_path / "a.tif")
    assert source.channels == ("value",) and source.card.time_step == ""
    np.testing.assert_array_equal(source.series[0].read(0, 5), TCYX[:, :1])


def test_colour_frames_and_their_alpha(tmp_path: Path) -> None:
    stored = values(5, 8, 9, 4, dtype="uint8")
    options: dict[str, Any] = {"photometric": "rgb", "metadata": {"axes": "TYXS"}}
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    source = open_source(tmp_path / "a.tif")
    assert source.channels == ("red", "green", "blue")
    expected = stored[..., :3].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(source.series[0].read(0, 5), expected)
    assert source.assumptions == ("the pictures have an alpha channel: it was dropped",)


def test_level_is_asked_for_and_chosen(tmp_path: Path) -> None:
    stored = values(5, 4, 3, 8, 9)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, imagej=True, metadata={"axes": "TZCYX"})
    with pytest.raises(ConfigError) as error:
        open_source(path)
    assert str(error.value) == (
        f"{path}: has axes TZCYX of (5, 4, 3, 8, 9), a vertical axis Z of 4 planes; choose one, "
        "--level 0 to --level 3"
    )
    for wrong in ("4", "-1", "top"):
        with pytest.raises(ConfigError, match=f"level = '{wrong}': .*the planes of Z are 0 to 3"):
            open_source(path, level=wrong)
    for axes in (None, "tcyx"):
        source = open_source(path, level="2", axes=axes)
        np.testing.assert_array_equal(source.series[0].read(0, 5), stored[:, 2])
        assert source.assumptions == ("level 2 of the 4 planes of the vertical axis",)


def test_frames_saved_as_planes_can_be_called_time(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, TCYX[:, 0], imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(ConfigError, match="--level 4; or, if its planes are frames, --axes tyx"):
        open_source(path)
    source = open_source(path, axes="tyx")
    np.testing.assert_array_equal(source.series[0].read(0, 5), TCYX[:, :1])
    assert source.assumptions == ("axes tyx, where a.tif says ZYX",)
    with pytest.raises(ConfigError, match="level = '1': .*there is no vertical axis"):
        open_source(path, axes="tyx", level="1")


def write_in_a_loop(path: Path, pages: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page)


@pytest.mark.parametrize("writer", ["tifffile", "plain", "loop", "pillow"])
def test_unlabelled_pages_are_taken_as_frames(tmp_path: Path, writer: str) -> None:
    path, pages = tmp_path / "a.tif", TCYX[:, 0]
    if writer == "pillow":
        images = [Image.fromarray(page) for page in pages]
        images[0].save(path, save_all=True, append_images=images[1:])
    elif writer == "loop":
        write_in_a_loop(path, pages)
    else:
        tifffile.imwrite(path, pages, **({"metadata": None} if writer == "plain" else {}))
    label = "Q" if writer == "tifffile" else "I"
    source = open_source(path)
    assert source.assumptions == (f"axes tyx, where a.tif says {label}YX",)
    np.testing.assert_array_equal(source.series[0].read(1, 4)[:, 0], pages[1:4])


def test_two_unlabelled_axes_are_asked_about(tmp_path: Path) -> None:
    stored = values(4, 5, 8, 9, dtype="float32")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored)
    choices = "--axes tcyx, --axes tnyx, --axes ctyx, --axes ntyx"
    with pytest.raises(ConfigError, match=rf"QQYX of \(4, 5, 8, 9\).* one of {choices} \("):
        open_source(path)
    expected = {"tcyx": stored, "ctyx": stored.swapaxes(0, 1)}
    for axes, frames in expected.items():
        source = open_source(path, axes=axes)
        np.testing.assert_array_equal(source.series[0].read(0, len(frames)), frames)
    series = open_source(path, axes="ntyx").series
    assert [s.id for s in series] == ["a_0", "a_1", "a_2", "a_3"]
    np.testing.assert_array_equal(series[3].read(0, 5)[:, 0], stored[3])


def test_samples_that_are_not_colours_are_asked_about(tmp_path: Path) -> None:
    path, stored = tmp_path / "a.tif", values(5, 8, 9)
    options: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "separate"}
    tifffile.imwrite(path, stored, metadata=None, **options)
    with pytest.raises(ConfigError, match=r"axes SYX of \(5, 8, 9\).*choose one of --axes tyx \("):
        open_source(path)
    source = open_source(path, axes="tyx")
    np.testing.assert_array_equal(source.series[0].read(0, 5)[:, 0], stored)


@pytest.mark.parametrize("axes", ["yx", "ttyx", "tcyx", "tzx", "cyx", "xyc"])
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", TCYX[:, 0], metadata=None)
    with pytest.raises(ConfigError, match=f"axes = '{axes}': .*IYX of .*among them t, y and x"):
        open_source(tmp_path / "a.tif", axes=axes)


@pytest.mark.parametrize("axes", ["CYX", "YX"])
def test_one_picture_is_no_series(tmp_path: Path, axes: str) -> None:
    stored = TCYX[0] if axes == "CYX" else TCYX[0, 0]
    tifffile.imwrite(tmp_path / "a.tif", stored, imagej=True, metadata={"axes": axes})
    with pytest.raises(DataError, match=f"axes {axes} of .*a series needs a time axis"):
        open_source(tmp_path / "a.tif")


def test_folder_of_stacks_has_a_series_each(tmp_path: Path) -> None:
    for number, length in ((9, 5), (10, 2)):
        path = tmp_path / f"run_{number}.tif"
        save(path, TCYX[:length], compression="zlib")
    source = open_source(tmp_path)
    assert [(s.id, s.length) for s in source.series] == [("run_09", 5), ("run_10", 2)]
    np.testing.assert_array_equal(source.series[1].read(0, 2), TCYX[:2])
    assert source.series[1].locate(1) == f"{tmp_path / 'run_10.tif'}, frame 1"
    assert source.series[1].read(2, 2).shape == (0, 3, 8, 9)


def test_folder_of_stacks_with_a_single_picture_names_it(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", TCYX)
    save(tmp_path / "b.tif", TCYX[0], "CYX")
    source = open_source(tmp_path)
    assert source.kind == "tiff"
    with pytest.raises(DataError, match=r"b.tif: has axes CYX of .*, but a.tif has TCYX"):
        source.series[1].read(0, 1)


@pytest.mark.parametrize("change", ["size", "type", "axes"])
def test_stacks_that_differ_are_refused(tmp_path: Path, change: str) -> None:
    save(tmp_path / "a.tif", TCYX)
    other = {"size": TCYX[..., :8], "type": TCYX.astype(np.uint8), "axes": TCYX.swapaxes(0, 1)}
    axes = "CTYX" if change == "axes" else "TCYX"
    save(tmp_path / "b.tif", np.ascontiguousarray(other[change]), axes)
    series = open_source(tmp_path).series[1]
    with pytest.raises(DataError, match=f"b.tif: has axes {axes} of .*, but a.tif has TCYX"):
        series.length  # noqa: B018


def test_pages_of_different_sizes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(TCYX[0, 0])
        file.write(np.ascontiguousarray(TCYX[0, 0].T))
    with pytest.raises(DataError, match=r"its pages differ, \(8, 9\) uint16 and \(9, 8\) uint16"):
        open_source(tmp_path / "a.tif")


def test_missing_value_becomes_nan(tmp_path: Path) -> None:
    stored = values(5, 8, 9, dtype="float64")
    stored[2, 3, 4] = -9999
    tag = (42113, "s", 0, "-9999", True)
    tifffile.imwrite(tmp_path / "a.tif", stored, metadata={"axes": "TYX"}, extratags=[tag])
    source = open_source(tmp_path / "a.tif")
    stored[2, 3, 4] = np.nan
    np.testing.assert_array_equal(source.series[0].read(0, 5)[:, 0], stored.astype(np.float32))
    assert source.assumptions == ("the value -9999 is missing (GDAL_NODATA)",)


@pytest.mark.parametrize("kind", ["complex", "bool", "palette", "lzw", "multifile"])
def test_unsupported_files_are_refused(tmp_path: Path, kind: str) -> None:
    path, pages = tmp_path / "a.ome.tif", TCYX[:, 0]
    options: dict[str, Any] = {"metadata": {"axes": "TYX"}}
    message = {
        "complex": "holds complex64",
        "bool": "holds bool",
        "palette": "has a palette",
        "lzw": "its compression needs a library; install it with `pip install imagecodecs`",
        "multifile": "is one file of an OME set of several",
    }[kind]
    if kind == "complex":
        tifffile.imwrite(path, pages.astype(np.complex64), **options, ome=False)
    elif kind == "bool":
        tifffile.imwrite(path, pages > 9, **options, ome=False)
    elif kind == "palette":
        colours = values(3, 256)
        tifffile.imwrite(path, pages.astype(np.uint8), **options, ome=False, colormap=colours)
    elif kind == "lzw":
        images = [Image.fromarray(page) for page in pages]
        images[0].save(path, save_all=True, append_images=images[1:], compression="tiff_lzw")
    else:
        write_ome_set(tmp_path, pages)
    with pytest.raises(DataError, match=f"a.ome.tif: {message}"):
        open_source(path, axes="tyx").series[0].read(0, 1)


def write_ome_set(folder: Path, pages: np.ndarray) -> None:
    """Write two files of which the first one's header refers to both."""
    blocks = "".join(
        f'<TiffData FirstT="{t}" PlaneCount="1"><UUID FileName="{name}.ome.tif">urn:uuid:{t}'
        "</UUID></TiffData>"
        for t, name in enumerate("ab")
    )
    header = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0"><Image>'
        '<Pixels DimensionOrder="XYCZT" SizeX="9" SizeY="8" SizeC="1" SizeZ="1" SizeT="2" '
        f'Type="uint16"><Channel SamplesPerPixel="1"/>{blocks}</Pixels></Image></OME>'
    )
    for page, name in zip(pages, "ab", strict=False):
        path = folder / f"{name}.ome.tif"
        tifffile.imwrite(path, page, description=header, metadata=None)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"imagej": True}, {"pages": 1}])
def test_truncated_file_is_refused_and_never_shorter(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Wherever it is cut: it cannot be opened, cannot be read, or is read in full."""
    path = tmp_path / "a.tif"
    if "pages" in options:
        images = [Image.fromarray(page) for page in TCYX[:, 0]]
        images[0].save(path, save_all=True, append_images=images[1:])
    else:
        tifffile.imwrite(path, TCYX[:, 0], metadata={"axes": "TYX"}, **options)
    whole = path.read_bytes()
    refused = 0
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        try:
            (series,) = open_source(path, axes="tyx").series
            np.testing.assert_array_equal(series.read(0, series.length), TCYX[:, :1])
        except (DataError, ConfigError) as error:
            assert "a.tif" in str(error)
            refused += 1
    assert refused > 0.6 * len(whole) / 37


def test_only_requested_pages_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.tif", TCYX, compression="zlib")
    series = open_source(tmp_path / "a.tif", variables=["2", "0"]).series[0]
    decoded = []
    for kind in (tifffile.TiffPage, tifffile.TiffFrame):
        original = kind.asarray
        monkeypatch.setattr(kind, "asarray", lambda p, o=original: decoded.append(p.index) or o(p))
    np.testing.assert_array_equal(series.read(1, 5, 3), TCYX[1:5:3, [2, 0]])
    assert set(decoded) == {3, 5, 12, 14}


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_series_are_read_from_two_threads_and_after_pickling(
    tmp_path: Path, compression: str | None
) -> None:
    save(tmp_path / "a.tif", TCYX, compression=compression)
    series = pickle.loads(pickle.dumps(open_source(tmp_path / "a.tif").series[0]))
    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(lambda start: series.read(start, 5, 2), [0, 1] * 20))
    for start, frames in zip([0, 1] * 20, read, strict=True):
        np.testing.assert_array_equal(frames, TCYX[start::2])


def test_truncated_file_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values(6, 8, 9), photometric="minisblack", metadata=None)
    path.write_bytes(path.read_bytes()[:900])
    command = [sys.executable, "-m", "simvp", "split", "a.tif"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
