from pathlib import Path

import numpy as np
import pytest

from simvp.data.frames import frame_files, list_samples, read_frame, read_sample, write_frames
from simvp.errors import DataError


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    np.save(tmp_path / "0.npy", np.full((1, 9, 11), 0.5, dtype=np.float32))
    return tmp_path / "0.npy"


def damage(path: Path, how: str) -> None:
    good = path.read_bytes()
    arrays = {
        "3-axes-too-many": np.zeros((2, 1, 9, 11)),
        "no-axes": np.zeros(()),
        "zero-size": np.zeros((1, 0, 11)),
        "integers": np.zeros((1, 9, 11), dtype=np.int64),
        "complex": np.zeros((1, 9, 11), dtype=np.complex64),
        "text-array": np.array([["a", "b"]]),
        "nan": np.where(np.arange(99).reshape(1, 9, 11) == 13, np.nan, 0.5),
        "infinite": np.full((1, 9, 11), np.inf),
        "above-one": np.full((1, 9, 11), 1.5),
        "negative": np.full((1, 9, 11), -0.1),
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
        ("3-axes-too-many", r"has shape \(2, 1, 9, 11\)"),
        ("no-axes", r"has shape \(\)"),
        ("zero-size", r"has shape \(1, 0, 11\)"),
        ("integers", "holds int64; frames are float16, float32 or float64"),
        ("complex", "holds complex64"),
        ("text-array", "holds <U1"),
        ("objects", "holds object"),
        ("nan", r"1 of 99 values are not finite, the first \(nan\) at index \(0, 1, 2\)"),
        ("infinite", "99 of 99 values are not finite"),
        ("above-one", "values from 1.5 to 1.5, needed within"),
        ("negative", "values from -0.1 to -0.1, needed within"),
        ("archive", r"is not an .npy file but a file that starts with b'PK"),
        ("missing", "needs a frame's file, found nothing"),
        ("folder", "needs a frame's file, found something else"),
        ("empty", "is not an .npy file but an empty file"),
        ("text", "is not an .npy file but a file that starts with b'hello,'"),
        ("truncated", "is truncated: 484 bytes, but its header says 524"),
        ("trailing", "is followed by other bytes: 528 bytes, but its header says 524"),
        ("header-cut", "its .npy header is damaged"),
        ("huge-claim", "its .npy header is damaged|is truncated"),
    ],
)
def test_a_bad_frame_is_named_and_explained(frame: Path, how: str, message: str) -> None:
    damage(frame, how)
    with pytest.raises(DataError, match=f"0.npy: .*{message}"):
        read_frame(frame)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_frames_are_read_as_numpy_reads_them(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.random.default_rng(0).random((9, 11)).astype(dtype, order=order)
    np.save(tmp_path / "0.npy", values)
    frame = read_frame(tmp_path / "0.npy")
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, values.astype(np.float32)[np.newaxis])


def test_frames_of_different_shapes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", np.zeros((9, 11)))
    np.save(tmp_path / "1.npy", np.zeros((11, 9)))
    with pytest.raises(DataError, match=r"1.npy: has shape \(1, 11, 9\).*0.npy has \(1, 9, 11\)"):
        read_sample(frame_files(tmp_path))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.npy", "2.npy"], "1.npy is missing although there is 2.npy"),
        (["1.npy", "2.npy"], "0.npy is missing although there is 2.npy"),
        (["0.npy", "00.npy"], "00.npy: is not a frame number"),
        (["0.npy", "mean.npy"], "mean.npy: is not a frame number"),
        (["notes.txt"], "holds no frames"),
    ],
)
def test_odd_frame_names_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=message):
        frame_files(tmp_path)


def test_frames_are_ordered_by_number_and_other_files_passed_over(tmp_path: Path) -> None:
    for name in [*(f"{i}.npy" for i in range(12)), ".DS_Store", "._0.npy", "readme.txt"]:
        (tmp_path / name).touch()
    assert [Path(path).name for path in frame_files(tmp_path)] == [f"{i}.npy" for i in range(12)]


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_a_data_folder_without_samples_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "my data"
    if kind == "file":
        folder.touch()
    if kind == "empty":
        folder.mkdir()
    needed = {"missing": "found nothing", "file": "found a file", "empty": "is empty"}[kind]
    with pytest.raises(DataError, match=f"my data: .*{needed}.*simvp simulate"):
        list_samples(folder)


def test_a_sample_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    class Fails(np.ndarray):
        def __iter__(self):  # noqa: ANN204
            yield np.zeros((1, 2, 2), dtype=np.float32)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_frames(tmp_path / "sample", np.zeros((3, 1, 2, 2), dtype=np.float32).view(Fails))
    assert list(tmp_path.iterdir()) == []
