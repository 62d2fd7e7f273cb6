"""Videos."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvp.data import open_source
from simvp.errors import ConfigError, DataError

av = pytest.importorskip("av")

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 24, 32, 3), dtype=np.uint8)


def smooth(length: int = 12) -> np.ndarray:
    """Frames (T, H, W, 3) of even colours, which lossy compression changes little."""
    frames = np.zeros((length, 24, 32, 3), np.uint8)
    for number in range(length):
        frames[number, :, :, 0] = 20 * number
        frames[number, 12:, :, 1] = 240 - 20 * number
        frames[number, :, 16:, 2] = 100
    return frames


def write(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "ffv1",
    pixels: str = "bgr0",
    rate: Any = 25,
    stamps: list[int] | None = None,
    **options: str,
) -> None:
    source = {4: "rgb24", 3: "gray16le" if frames.dtype == np.uint16 else "gray"}[frames.ndim]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        for number, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format=source)
            if stamps is not None:
                frame.pts, frame.time_base = stamps[number], Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.avi", "ffv1", "bgr0"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.mov", "png", "rgb24"),
    ],
)
def test_lossless_colour_video_is_read_exactly(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    write(tmp_path / name, COLOUR, codec=codec, pixels=pixels)
    source = open_source(tmp_path / name)
    (series,) = source.series
    assert (source.kind, series.id, series.length) == ("video", "a", 12)
    assert (source.channels, source.shape) == (("red", "green", "blue"), (3, 24, 32))
    assert source.is_8_bit and source.assumptions == ()
    assert source.card.time_step == "0.04 s"
    expected = COLOUR.transpose(0, 3, 1, 2)
    for start, stop, step in ((0, 12, 1), (7, 12, 2), (11, 12, 1), (1, 10, 4), (3, 3, 1)):
        frames = series.read(start, stop, step)
        assert frames.dtype == np.float32
        np.testing.assert_array_equal(frames, expected[start:stop:step])


@pytest.mark.parametrize(("pixels", "dtype"), [("gray", "uint8"), ("gray16le", "uint16")])
def test_grey_video_has_one_channel(tmp_path: Path, pixels: str, dtype: str) -> None:
    stored = RNG.integers(0, np.iinfo(dtype).max, (5, 24, 32)).astype(dtype)
    write(tmp_path / "a.avi", stored, pixels=pixels)
    source = open_source(tmp_path / "a.avi")
    assert source.channels == ("value",) and source.is_8_bit == (dtype == "uint8")
    np.testing.assert_array_equal(source.series[0].read(1, 5)[:, 0], stored[1:])


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"bf": "2", "g": "5"}),
        ("a.mov", "libx264", {}),
        ("a.mp4", "mpeg4", {"g": "5"}),
        ("a.avi", "mpeg4", {"bf": "2"}),
    ],
)
def test_any_frame_of_a_lossy_video_is_found(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    stored = smooth().transpose(0, 3, 1, 2).astype(np.float32)
    write(tmp_path / name, smooth(), codec=codec, pixels="yuv420p", **options)
    source = open_source(tmp_path / name, variables=["green", "red"])
    series = source.series[0]
    assert series.length == 12
    whole = series.read(0, 12)
    assert abs(whole - stored[:, [1, 0]]).mean() < 5  # frames differ by 20
    for start in range(12):
        np.testing.assert_array_equal(series.read(start, 12, 3), whole[start::3])
    name = {"libx264": "h264"}.get(codec, codec)
    assert source.assumptions == (
        f"lossy compression ({name}) has changed the values",
        "colours were converted to RGB",
    )


def test_variable_frame_rate_is_stated(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 5, 6, 10]
    write(tmp_path / "a.mp4", smooth(6), codec="mpeg4", pixels="yuv420p", stamps=stamps)
    source = open_source(tmp_path / "a.mp4")
    assert source.series[0].length == 6 and source.series[0].read(3, 6).shape == (3, 3, 24, 32)
    assert any("the frame rate varies" in note for note in source.assumptions)


def test_folder_of_videos_has_a_series_each(tmp_path: Path) -> None:
    write(tmp_path / "run10.avi", COLOUR[:3])
    write(tmp_path / "run9.avi", COLOUR)
    source = open_source(tmp_path)
    assert [(s.id, s.length) for s in source.series] == [("run09", 12), ("run10", 3)]
    np.testing.assert_array_equal(source.series[1].read(2, 3)[0], COLOUR[2].transpose(2, 0, 1))
    assert source.card.time_step == "0.04 s"
    write(tmp_path / "run10.avi", COLOUR, rate=50)
    source = open_source(tmp_path)
    assert source.card.time_step == ""
    assert source.assumptions == ("frame rates differ, 25 to 50 per second; time steps differ",)
    write(tmp_path / "run10.avi", COLOUR[:, :, :30])
    with pytest.raises(DataError, match=r"run10.avi: has frames of \(24, 30\) \(bgr0\), but the"):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_truncated_video_is_refused_and_never_shorter(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    codec, pixels = ("ffv1", "bgr0") if name == "a.avi" else ("libx264rgb", "rgb24")
    write(path, COLOUR, codec=codec, pixels=pixels)
    whole = path.read_bytes()
    expected = open_source(path).series[0].read(0, 12)
    last_chunk = whole.rindex(b"00dc", 0, whole.rindex(b"idx1")) if name == "a.avi" else 0
    refused = 0
    for size in (*range(0, len(whole) - 1, len(whole) // 15), last_chunk):
        path.write_bytes(whole[:size])
        try:
            (series,) = open_source(path).series
            np.testing.assert_array_equal(series.read(0, series.length), expected)
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused >= 15


@pytest.mark.parametrize("kind", ["text", "playlist", "sound"])
def test_file_without_pictures_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mp4"
    if kind == "sound":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=44100)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        message = "a.mp4: cannot be read as a video .there is no video stream"
    else:
        text = "#EXTM3U\nhttp://localhost/a.ts\n"
        path.write_bytes(b"\0\0\0\x20ftypisom" + text.encode() if kind == "text" else text.encode())
        message = "cannot be read as a video" if kind == "text" else "found a file"
    with pytest.raises(DataError, match=message):
        open_source(path)


def test_unknown_codec_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    write(path, COLOUR)
    path.write_bytes(path.read_bytes().replace(b"FFV1", b"????"))
    with pytest.raises(DataError, match="a.avi: cannot be read as a video .its codec is not known"):
        open_source(path)


def test_missing_library_is_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.avi", COLOUR)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r'needs PyAV; install it with `pip install "simvp\[vid'):
        open_source(tmp_path / "a.avi")


def test_options_without_use_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.avi", COLOUR)
    with pytest.raises(ConfigError, match="axes = 'tyx': .* holds videos, .*leave out --axes"):
        open_source(tmp_path / "a.avi", axes="tyx")


def test_series_are_read_from_two_threads_and_after_pickling(tmp_path: Path) -> None:
    write(tmp_path / "a.avi", COLOUR)
    series = pickle.loads(pickle.dumps(open_source(tmp_path / "a.avi").series[0]))
    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(lambda start: series.read(start, 12, 2), [0, 1] * 10))
    for start, frames in zip([0, 1] * 10, read, strict=True):
        np.testing.assert_array_equal(frames, COLOUR[start::2].transpose(0, 3, 1, 2))
