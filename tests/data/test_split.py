"""Split files: reading, and data that do not match them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Simvp, only_split

from simvp.data import open_source, read_split
from simvp.data.split import describe_choice, find_split
from simvp.errors import DataError


def test_data_folder_can_be_moved(split_data: Path) -> None:
    moved = split_data.parent / "else where"
    shutil.move(split_data, moved)
    segment = read_split(only_split(moved)).segments("train")[0]
    expected = np.load(moved / segment.series.id / "3.npy")
    np.testing.assert_array_equal(segment.series.read(3, 4)[0], expected)


@pytest.mark.parametrize("card", ["", "low = 250.0\nhigh = 300.0\n"])
def test_statistics_in_network_units_are_those_of_the_scaled_frames(
    split_data: Path, simvp: Simvp, card: str
) -> None:
    (split_data / "dataset.toml").write_text(card)
    only_split(split_data).unlink()
    simvp("split", "data")
    # Files of scaled values stay as they are when the units of the card are corrected.
    (split_data / "dataset.toml").write_text(card.replace("250", "200"))
    split = read_split(split_data)
    frames = np.concatenate([s.read_stored(0, 8) for s in split.segments("train")])
    assert split.data.mean == pytest.approx([frames.mean()], rel=1e-5)
    assert split.data.std == pytest.approx([frames.std()], rel=1e-5)


def test_split_of_replaced_data_is_refused(split_data: Path) -> None:
    for file in split_data.glob("*/*.npy"):
        np.save(file, np.zeros((1, 8, 8), np.float32))
    with pytest.raises(DataError, match=r"have changed since .* was written \(now .*1, 8, 8\)"):
        read_split(only_split(split_data))


def test_deleted_sample_is_named(split_data: Path) -> None:
    series = read_split(only_split(split_data)).segments("test")[0].series
    shutil.rmtree(split_data / series.id)
    with pytest.raises(DataError, match=f"{series.id} is listed in .*, but there is no such"):
        read_split(only_split(split_data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(format=3), "was written by a newer version"),
        (lambda r: r["train"]["segments"][0].pop("stop"), "train.segments.0.stop: Field required"),
        (lambda r: r["test"]["segments"][0].update(series=3), "test.segments.0.series: should be"),
        (
            lambda r: r["test"]["segments"].append(r["train"]["segments"][0]),
            "is listed in train an",
        ),
        (lambda r: r["test"]["segments"][0].update(stop=0), "fingerprint has 64 digits"),
        (
            lambda r: r["test"]["segments"][0].update(stop=0, fingerprint=""),
            "has no frames in test",
        ),
        (lambda r: r["scaling"].update(low=[1.0]), "low = 1 is not below high = 1"),
        (lambda r: r["scaling"].update(low=[]), "scaling: 0 values for low, but 1 for high"),
        (lambda r: r["channels"].append("b"), "split: 1 scalings for 2 channels"),
        (lambda r: r["source"].update(path="../else"), "else: there is no such file or folder"),
    ],
)
def test_damaged_split_file_of_format_2_is_one_message(
    split_data: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    path = only_split(split_data)
    record = json.loads(path.read_bytes())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=message):
        read_split(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "has no samples"),
        ('{"train": 3}', "is not a split file: train"),
        ('{"train": {"samples": [[1, 2]]}}', "is not a split file: train"),
        ('{"train": {"samples": [["a/0.pkl"]]}}', "is not a split file: train"),
        ('{"train": {"samples": [[]]}}', "is not a split file: train"),
        (
            '{"train": {"samples": [["a/0.npy"]]}, "test": {"samples": [["a/0.npy"]]}}',
            "sample a is listed in train and again in test",
        ),
    ],
)
def test_invalid_split_file_is_one_message(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x_loaders.json"
    path.write_text(content)
    with pytest.raises(DataError, match=f"x_loaders.json: .*{message}"):
        read_split(path)


def test_missing_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x_loaders.json"
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "0.npy", np.zeros((9, 11)))
    path.write_text('{"train": {"samples": [["a/0.npy"]]}}')
    with pytest.raises(DataError, match="has no test samples"):
        read_split(path).segments("test")


def test_split_of_a_file_is_found_beside_splits_of_others(
    tmp_path: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(["b.npy", "a.npy"]):
        np.save(tmp_path / name, np.random.default_rng(number).random((30, 8, 9)))
        simvp("split", name)
    for name in ("a.npy", "b.npy"):
        path = find_split("", name)
        assert json.loads(path.read_bytes())["source"]["path"] == name
    newest = read_split(find_split("", "."))
    assert newest.source == Path("a.npy")
    first, second = describe_choice(newest, "", ".")
    assert first == f"data: a.npy, split by {newest.path}"
    assert second.startswith(". has splits of a.npy, b.npy: the newest is used; choose another")
    assert len(describe_choice(newest, str(newest.path), ".")) == 1
    assert len(describe_choice(newest, "", "a.npy")) == 1
    np.save(tmp_path / "c.npy", np.zeros((30, 8, 9)))
    with pytest.raises(DataError, match="c.npy: has no split file"):
        find_split("", "c.npy")


def test_split_of_a_folder_comes_before_those_of_files_in_it(tmp_path: Path, simvp: Simvp) -> None:
    for number in range(3):
        np.save(tmp_path / f"run_{number}.npy", np.random.default_rng(number).random((30, 8, 9)))
    simvp("split", ".")
    simvp("split", "run_1.npy")
    assert read_split(find_split("", ".")).source == Path(".")
    assert read_split(find_split("", "run_1.npy")).source == Path("run_1.npy")


def test_folder_without_data_says_what_was_found(tmp_path: Path) -> None:
    for name in ("notes.txt", "paper.pdf"):
        (tmp_path / name).write_text("x")
    with pytest.raises(
        DataError, match=r"no data in a known format \(found notes.txt, paper.pdf\)"
    ):
        open_source(tmp_path)
