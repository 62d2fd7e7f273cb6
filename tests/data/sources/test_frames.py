"""Frames in .npy files."""

from pathlib import Path

import numpy as np
import pytest

from simvp.data import open_source
from simvp.data.sources.frames import frame_files, list_samples, read_frame, write_frames
from simvp.errors import ConfigError, DataError


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    np.save(tmp_path / "0.npy", np.full((1, 9, 11), 0.5, dtype=np.float32))
    return tmp_path / "0.npy"


def damage(path: Path, how: str) -> None:
    good = path.read_bytes()
    arrays = {
        "too-many-axes": np.zeros((2, 1, 9, 11)),
        "no-axes": np.zeros(()),
        "zero-size": np.zeros((1, 0, 11)),
        "complex": np.zeros((1, 9, 11), dtype=np.complex64),
        "text-array": np.array([["a", "b"]]),
    }
    if how in arrays:
        np.save(path, arrays[how])
    elif how == "objects":
        np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    elif how == "archive":
        np.savez(path.with_suffix(".npz"), x=np.zeros(3))
        path.with_suffix(".npz").rename(path)
    elif how == "missing":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "text": b"hello, this is not an array",
                "truncated": good[:-40],
                "trailing": good + b"more",
                "header-cut": good[:20],
                "huge-claim": good[:128].replace(b"(1, 9, 11)", b"(9999, 9999, 99)")[:128],
            }[how]
        )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("too-many-axes", r"has shape \(2, 1, 9, 11\)"),
        ("no-axes", r"has shape \(\)"),
        ("zero-size", r"has shape \(1, 0, 11\)"),
        ("complex", "holds complex64; frames are integers or floats up to 64 bits"),
        ("text-array", "holds <U1"),
        ("objects", "holds Python objects, which are never loaded"),
        ("archive", r"is an .npz archive"),
        ("missing", "expected the file of a frame, found nothing"),
        ("folder", "expected the file of a frame, found something else"),
        ("empty", "is truncated, or not an .npy file of numbers"),
        ("text", "is truncated, or not an .npy file of numbers"),
        ("truncated", "is truncated, or not an .npy file of numbers"),
        ("trailing", "has 528 bytes, but its header says 524"),
        ("header-cut", "is truncated, or not an .npy file of numbers"),
        ("huge-claim", "is truncated, or not an .npy file of numbers"),
    ],
)
def test_invalid_frame_is_refused_with_its_name_and_the_reason(
    frame: Path, how: str, message: str
) -> None:
    damage(frame, how)
    with pytest.raises(DataError, match=f"0.npy: .*{message}"):
        read_frame(frame)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "uint8", "int16", ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_frames_are_read_as_by_numpy(tmp_path: Path, dtype: str, order: str) -> None:
    values = (100 * np.random.default_rng(0).random((9, 11))).astype(dtype, order=order)
    np.save(tmp_path / "0.npy", values)
    frame = read_frame(tmp_path / "0.npy")
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, values.astype(np.float32)[np.newaxis])


def save_sample(folder: Path, frames: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        np.save(folder / f"{number}.npy", frame)


def test_source_lists_series_and_reads_physical_values(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(280, 5, (2, 6, 3, 8, 9)).astype(np.float32)
    for number, frames in enumerate(values):
        save_sample(tmp_path / f"run_{number}", frames)
    (tmp_path / "notes.txt").touch()
    source = open_source(tmp_path)
    assert [series.id for series in source.series] == ["run_0", "run_1"]
    series = source.series[1]
    assert (series.length, series.channels, series.shape) == (6, ("0", "1", "2"), (3, 8, 9))
    np.testing.assert_array_equal(series.read(1, 6, 2), values[1, 1:6:2])
    assert series.read(0, 2).dtype == np.float32


def test_channels_are_selected_by_name_and_channel_last_frames_are_transposed(
    tmp_path: Path,
) -> None:
    values = np.random.default_rng(0).random((4, 8, 9, 3)).astype(np.float32)
    save_sample(tmp_path / "a", values)
    (tmp_path / "dataset.toml").write_text(
        "[channels.u]\n[channels.v]\n[channels.p]\nunit = 'Pa'\n"
    )
    source = open_source(tmp_path, variables=["p", "u"], axes="yxc")
    assert source.channels == ("p", "u") and source.shape == (2, 8, 9)
    expected = np.moveaxis(values[..., [2, 0]], -1, 1)
    np.testing.assert_array_equal(source.series[0].read(0, 4), expected)
    with pytest.raises(ConfigError, match="has no channel 'w', only u, v, p"):
        open_source(tmp_path, variables=["w"], axes="yxc")
    with pytest.raises(ConfigError, match="names 3 channels .*, but the frames have 8"):
        open_source(tmp_path)
    with pytest.raises(ConfigError, match="axes = 'xyc': the axes of .npy frames are cyx or yxc"):
        open_source(tmp_path, axes="xyc")


def test_scaled_files_are_read_in_the_units_of_the_card(tmp_path: Path) -> None:
    save_sample(tmp_path / "a", np.full((2, 8, 9), 0.5))
    (tmp_path / "dataset.toml").write_text("unit = 'K'\nlow = 250.0\nhigh = 300.0\n")
    np.testing.assert_array_equal(open_source(tmp_path).series[0].read(0, 2), 275.0)


def test_frames_of_different_shapes_are_refused(tmp_path: Path) -> None:
    save_sample(tmp_path / "a", np.zeros((1, 9, 11)))
    np.save(tmp_path / "a" / "1.npy", np.zeros((11, 9)))
    with pytest.raises(DataError, match=r"1.npy: has shape \(1, 11, 9\).*has \(1, 9, 11\)"):
        open_source(tmp_path).series[0].read(0, 2)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.npy", "2.npy"], "1.npy is missing although there is 2.npy"),
        (["1.npy", "2.npy"], "0.npy is missing although there is 2.npy"),
        (["0.npy", "00.npy"], "00.npy: is not a frame number"),
        (["0.npy", "mean.npy"], "mean.npy: is not a frame number"),
        (["notes.txt"], "contains no frames"),
    ],
)
def test_invalid_frame_names_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=message):
        frame_files(tmp_path)


def test_frames_are_sorted_by_number_and_other_files_ignored(tmp_path: Path) -> None:
    for name in [*(f"{i}.npy" for i in range(12)), ".DS_Store", "._0.npy", "readme.txt"]:
        (tmp_path / name).touch()
    assert [Path(path).name for path in frame_files(tmp_path)] == [f"{i}.npy" for i in range(12)]


def test_data_folder_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty.*simvp simulate"):
        list_samples(tmp_path)


def test_failed_write_leaves_no_partial_sample(tmp_path: Path) -> None:
    class Fails(np.ndarray):
        def __iter__(self):  # noqa: ANN204
            yield np.zeros((1, 2, 2), dtype=np.float32)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_frames(tmp_path / "sample", np.zeros((3, 1, 2, 2), dtype=np.float32).view(Fails))
    assert list(tmp_path.iterdir()) == []
