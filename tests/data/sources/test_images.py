"""Folders of pictures."""

import pickle
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers import TESTS
from PIL import Image

from simvp.data import open_source
from simvp.data.series import Source
from simvp.data.sources.images import matches
from simvp.errors import ConfigError, DataError

CASE = TESTS / "cases" / "png_folders"


def values(*shape: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    top = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    return (top * np.random.default_rng(seed).random(shape)).astype(dtype)


def save(folder: Path, pictures: np.ndarray, *, name: str = "frame_{}.png") -> None:
    """Save pictures (T, H, W) or (T, H, W, C) with Pillow."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / name.format(number))


def write_deep_png(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, C) of 16 bits as the PNG specification says; odd rows with the filter Sub."""
    height, width, count = picture.shape
    rows = picture.astype(">u2").view(np.uint8).reshape(height, -1)
    lines = []
    for number, row in enumerate(rows):
        left = np.concatenate([np.zeros(2 * count, np.uint8), row[: -2 * count]])
        lines.append(bytes([number % 2]) + (row - left if number % 2 else row).tobytes())

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    colour = {1: 0, 2: 4, 3: 2, 4: 6}[count]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(lines)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b""))


def read_all(source: Source) -> np.ndarray:
    return np.stack([series.read(0, series.length) for series in source.series])


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    stored = values(12, 8, 9)
    save(tmp_path / "a", stored)
    series = open_source(tmp_path).series[0]
    assert (series.length, series.channels, series.shape) == (12, ("value",), (1, 8, 9))
    np.testing.assert_array_equal(series.read(1, 12, 3)[:, 0], stored[1:12:3])
    assert series.locate(10) == str(tmp_path / "a" / "frame_10.png")


def test_a_folder_of_pictures_is_one_series(tmp_path: Path) -> None:
    stored = values(5, 8, 9, 3)
    save(tmp_path / "my run", stored, name="{}.bmp")
    source = open_source(tmp_path / "my run", variables=["blue", "green"])
    assert [series.id for series in source.series] == ["my run"]
    expected = stored[..., [2, 1]].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(source.series[0].read(0, 5), expected)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_deep_png_keeps_all_bits(tmp_path: Path, count: int) -> None:
    stored = values(5, 8, 9, count, dtype="uint16")
    for number, picture in enumerate(stored):
        write_deep_png(tmp_path / f"{number}.png", picture)
    source = open_source(tmp_path)
    expected = stored[..., :3].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(source.series[0].read(0, 5), expected)
    assert not source.is_8_bit
    dropped = ("the pictures have an alpha channel: it was dropped",)
    assert source.assumptions == (dropped if count == 4 else ())


def test_deep_grey_with_alpha_is_refused(tmp_path: Path) -> None:
    write_deep_png(tmp_path / "0.png", values(8, 9, 2, dtype="uint16"))
    with pytest.raises(DataError, match="0.png: is 16-bit grey with an alpha channel; expected"):
        open_source(tmp_path)


def test_alpha_is_dropped_and_said(tmp_path: Path) -> None:
    grey, colour = values(5, 8, 9, 2), values(5, 8, 9, 4)
    save(tmp_path / "grey", grey)
    save(tmp_path / "colour", colour)
    for name, expected in (("grey", grey[..., :1]), ("colour", colour[..., :3])):
        source = open_source(tmp_path / name)
        np.testing.assert_array_equal(source.series[0].read(0, 5), expected.transpose(0, 3, 1, 2))
        assert source.assumptions == ("the pictures have an alpha channel: it was dropped",)


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp"])
def test_palette_is_converted_to_rgb_and_said(tmp_path: Path, suffix: str) -> None:
    palette = values(256, 3)
    indices = values(5, 8, 9)
    for number, picture in enumerate(indices):
        image = Image.fromarray(picture, mode=None)
        image.putpalette(palette.tobytes())
        image.save(tmp_path / f"{number}.{suffix}")
    source = open_source(tmp_path)
    assert source.channels == ("red", "green", "blue")
    expected = palette[indices].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(source.series[0].read(0, 5), expected)
    assert source.assumptions == ("the pictures have a palette: they were converted to RGB",)


def test_bilevel_pictures_are_0_and_255(tmp_path: Path) -> None:
    stored = values(5, 8, 9) > 127
    save(tmp_path, stored)
    source = open_source(tmp_path)
    np.testing.assert_array_equal(source.series[0].read(0, 5)[:, 0], 255 * stored)
    assert source.assumptions == ("the pictures have fewer than 8 bits: black is 0, white is 255",)


def test_jpeg_is_read_as_by_pillow_and_called_lossy(tmp_path: Path) -> None:
    save(tmp_path, values(5, 8, 9, 3), name="{}.JPG")
    source = open_source(tmp_path)
    expected = np.asarray(Image.open(tmp_path / "3.JPG")).transpose(2, 0, 1)
    np.testing.assert_array_equal(source.series[0].read(3, 4)[0], expected)
    assert "lossy" in source.assumptions[0]


def test_orientation_in_exif_is_not_applied_and_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(values(8, 9)).save(tmp_path / "0.jpg", exif=exif)
    source = open_source(tmp_path)
    assert source.shape == (1, 8, 9) and "EXIF orientation" in source.assumptions[1]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "float32"])
def test_single_page_tiffs_are_an_image_folder(tmp_path: Path, dtype: str) -> None:
    stored = values(2, 5, 8, 9, dtype=dtype)
    stored.flat[100] = 0
    for sample, frames in enumerate(stored):
        (tmp_path / f"s{sample}").mkdir()
        for number, picture in enumerate(frames):
            tifffile.imwrite(tmp_path / f"s{sample}" / f"f{number}.tif", picture, byteorder=">")
    source = open_source(tmp_path)
    assert source.kind == "images" and source.is_8_bit == (dtype == "uint8")
    np.testing.assert_array_equal(read_all(source)[:, :, 0], stored)


def test_colour_tiffs_in_an_image_folder_lose_their_alpha(tmp_path: Path) -> None:
    stored = values(5, 8, 9, 4)
    for number, picture in enumerate(stored):
        tifffile.imwrite(tmp_path / f"{number}.tif", picture, photometric="rgb")
    source = open_source(tmp_path)
    expected = stored[..., :3].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(source.series[0].read(0, 5), expected)
    assert source.assumptions == ("the pictures have an alpha channel: it was dropped",)


def test_missing_value_of_a_geotiff_becomes_nan(tmp_path: Path) -> None:
    picture = values(8, 9, dtype="float32")
    picture[2, 3] = -9999
    tag = (42113, "s", 0, "-9999", True)
    tifffile.imwrite(tmp_path / "0.tif", picture, extratags=[tag])
    source = open_source(tmp_path)
    picture[2, 3] = np.nan
    np.testing.assert_array_equal(source.series[0].read(0, 1)[0, 0], picture)
    assert source.assumptions == ("the value -9999 is missing (GDAL_NODATA)",)


def test_card_names_channels_and_scales_values(tmp_path: Path) -> None:
    save(tmp_path, values(5, 8, 9, 3))
    card = "high = 2.0\nlow = 0.0\n[channels.u]\n[channels.v]\n[channels.p]\n"
    (tmp_path / "dataset.toml").write_text(card)
    source = open_source(tmp_path, variables=["p"])
    assert source.channels == ("p",) and source.series[0].stored_scaling is not None
    (tmp_path / "dataset.toml").write_text("[channels.u]\n")
    with pytest.raises(ConfigError, match="names 1 channel .*, but the frames have 3"):
        open_source(tmp_path)


def test_constant_step_is_stated_and_must_be_the_same_everywhere(tmp_path: Path) -> None:
    stored = values(5, 8, 9)
    for number, picture in enumerate(stored):
        save(tmp_path / "a", picture[np.newaxis], name=f"t{10 * number}.png")
    source = open_source(tmp_path)
    assert source.assumptions == (
        "the numbers of the frames go in steps of 10, taken as one time step",
    )
    np.testing.assert_array_equal(source.series[0].read(0, 5)[:, 0], stored)
    save(tmp_path / "b", stored)
    with pytest.raises(DataError, match="b: its frames .* in steps of 1, those of a in steps of 1"):
        open_source(tmp_path)


def test_gap_names_the_missing_number(tmp_path: Path) -> None:
    save(tmp_path / "a", values(5, 8, 9))
    (tmp_path / "a" / "frame_2.png").unlink()
    with pytest.raises(DataError, match="a: number 2 is missing between frame_1.png and frame_3"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (values(9, 8), r"shape \(1, 9, 8\) .* type uint8"),
        (values(8, 9, 3), r"shape \(3, 8, 9\)"),
        (values(8, 9, dtype="uint16"), "type uint16"),
    ],
)
def test_pictures_that_differ_are_refused(tmp_path: Path, other: np.ndarray, found: str) -> None:
    save(tmp_path / "a", values(5, 8, 9))
    Image.fromarray(other).save(tmp_path / "a" / "frame_3.png")
    series = open_source(tmp_path).series[0]
    assert series.read(0, 3).shape == (3, 1, 8, 9)
    with pytest.raises(
        DataError, match=rf"frame_3.png: has .*{found}.*, but the first picture has"
    ):
        series.read(2, 5)


def damage(path: Path, how: str) -> None:
    good = path.read_bytes()
    if how == "animation":
        frames = [Image.fromarray(picture) for picture in values(3, 8, 9)]
        frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:])
    elif how == "cmyk":
        Image.new("CMYK", (9, 8)).save(path, format="JPEG")
    elif how == "stack":
        tifffile.imwrite(path, values(5, 8, 9), metadata=None)
    elif how == "link":
        path.unlink()
        path.symlink_to("gone.png")
    elif how == "bomb":
        header = struct.pack(">IIBBBBB", 10**6, 10**6, 8, 0, 0, 0, 0)
        checksum = struct.pack(">I", zlib.crc32(b"IHDR" + header))
        path.write_bytes(good[:16] + header + checksum + good[33:])
    else:
        contents = {"empty": b"", "text": b"not a picture", "truncated": good[:-60]}
        path.write_bytes({**contents, "script": b"%!PS-Adobe-3.0\n"}[how])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("animation", "is an animation of 3 frames"),
        ("cmyk", "has the colour mode CMYK"),
        ("stack", r"has axes IYX of \(5, 8, 9\); expected one picture per file"),
        ("link", "is empty, or no regular file"),
        ("bomb", "cannot be read as a picture .*decompression bomb"),
        ("empty", "is empty, or no regular file"),
        ("text", "cannot be read as a picture"),
        ("truncated", "cannot be read as a picture"),
        ("script", "cannot be read as a picture"),
    ],
)
def test_damaged_picture_is_refused_with_its_name(tmp_path: Path, how: str, message: str) -> None:
    save(tmp_path / "a", values(5, 8, 9))
    damage(tmp_path / "a" / "frame_3.png", how)
    series = open_source(tmp_path).series[0]
    with pytest.raises(DataError, match=rf"frame_3.png: {message}"):
        series.read(0, 5)


def test_folders_that_are_not_image_folders_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a", values(5, 8, 9))
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="b: contains no pictures"):
        open_source(tmp_path)
    (tmp_path / "b").rmdir()
    save(tmp_path, values(5, 8, 9))
    with pytest.raises(DataError, match=r"holds pictures \(frame_0.png\) and folders of pictures"):
        open_source(tmp_path)


@pytest.mark.parametrize("case", ["not a picture", "figures of something else"])
def test_other_folders_are_not_image_folders(tmp_path: Path, case: str) -> None:
    save(tmp_path, values(1, 8, 9))
    assert matches(tmp_path)
    if case == "not a picture":
        (tmp_path / "frame_0.png").write_text("text")
    else:
        (tmp_path / "2001.nc").touch()
    assert not matches(tmp_path)


def test_options_without_use_are_refused(tmp_path: Path) -> None:
    save(tmp_path, values(5, 8, 9))
    with pytest.raises(ConfigError, match="axes = 'tyx': .* holds pictures, .*leave out --axes"):
        open_source(tmp_path, axes="tyx")
    with pytest.raises(ConfigError, match="level = '0': .*leave out --level"):
        open_source(tmp_path, level="0")


def test_series_are_read_from_two_threads_and_after_pickling() -> None:
    series = pickle.loads(pickle.dumps(open_source(CASE).series[1]))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda start: series.read(start, 12, 2), (0, 1))
    np.testing.assert_array_equal(first, series.read(0, 12)[::2])
    np.testing.assert_array_equal(second, series.read(0, 12)[1::2])
