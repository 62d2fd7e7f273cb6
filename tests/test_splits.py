import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Simvp, write_sample

from simvp.commands.split import choose_frames, part_sizes
from simvp.config import assignment_layer, resolve
from simvp.config.sections import SplitSection
from simvp.data import split as splits
from simvp.errors import DataError


def only_split(data: Path) -> Path:
    (path,) = data.glob("*_loaders.json")
    return path


def test_split_is_disjoint_and_complete(split_data: Path) -> None:
    parts = splits.read(only_split(split_data)).parts
    ids = [sample.id for part in parts.values() for sample in part]
    assert [len(part) for part in parts.values()] == [7, 2, 2]
    assert sorted(ids) == sorted(path.name for path in split_data.iterdir() if path.is_dir())


def test_split_is_repeatable_and_its_name_is_the_hash_of_its_content(
    split_data: Path, simvp: Simvp
) -> None:
    path = only_split(split_data)
    content = path.read_bytes()
    path.unlink()
    simvp("split", "--data-path", "data", "--train-ratio", "0.65", "--val-ratio", "0.2")
    assert only_split(split_data).read_bytes() == content
    assert path.name == f"{json.loads(content)['id']}_loaders.json"
    simvp("split", "--data-path", "data", "--seed", "1")
    assert len(list(split_data.glob("*_loaders.json"))) == 2


def test_ratios_are_recorded(split_data: Path) -> None:
    record = json.loads(only_split(split_data).read_bytes())
    ratios = {name: record[name]["ratio"] for name in ("train", "validation", "test")}
    assert ratios == {"train": 0.65, "validation": 0.2, "test": 0.15}


def test_a_data_folder_can_be_moved(split_data: Path) -> None:
    moved = split_data.parent / "else where"
    shutil.move(split_data, moved)
    sample = splits.read(only_split(moved)).parts["train"][0]
    assert all(Path(frame).exists() for frame in sample.frames)


@pytest.mark.parametrize("absolute", [False, True])
def test_the_old_scripts_files_load(split_data: Path, absolute: bool) -> None:
    path = only_split(split_data)
    record = json.loads(path.read_bytes())
    base = split_data if absolute else Path("data")
    for part in ("train", "validation", "test"):
        lists = record[part]["samples"]
        record[part]["samples"] = [[str(base / frame) for frame in frames] for frames in lists]
    old = split_data / "old_loaders.json"
    old.write_text(json.dumps(record, indent=4))
    for new, loaded in zip(
        splits.read(path).parts["test"], splits.read(old).parts["test"], strict=True
    ):
        assert loaded.id == new.id
        assert all(Path(frame).exists() for frame in loaded.frames)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "needs a JSON object"),
        ("{}", "has no samples"),
        ('{"train": 3}', "train: needs `samples`"),
        ('{"train": {"samples": [[1, 2]]}}', "train: needs `samples`"),
        ('{"train": {"samples": [["a/0.pkl"]]}}', "train: needs `samples`"),
        ('{"train": {"samples": [[]]}}', "train: needs `samples`"),
        (
            '{"train": {"samples": [["a/0.npy"]]}, "test": {"samples": [["a/0.npy"]]}}',
            "sample a is listed in train and again in test",
        ),
    ],
)
def test_a_bad_split_file_is_one_message(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x_loaders.json"
    path.write_text(content)
    with pytest.raises(DataError, match=f"x_loaders.json: .*{message}"):
        splits.read(path)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x_loaders.json"
    path.write_text('{"train": {"samples": [["a/0.npy"]]}}')
    with pytest.raises(DataError, match="has no test samples"):
        splits.read(path).part("test")


def settings(*assignments: str) -> SplitSection:
    return resolve([assignment_layer(f"split.{text}") for text in assignments]).split


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ([], "0123456789"),
        (["total_length=4"], "0123"),
        (["start_index=7"], "789"),
        (["start_index=2", "total_length=3"], "234"),
        (["init_final_only=true"], "09"),
        (["start_index=2", "total_length=3", "init_final_only=true"], "24"),
        (["total_length=4", "reverse=true"], "3210"),
        (["init_final_only=true", "reverse=true"], "90"),
    ],
)
def test_which_frames_are_used(assignments: list[str], expected: str) -> None:
    rng = np.random.default_rng(0)
    assert "".join(
        choose_frames(list("0123456789"), settings(*assignments), rng, where=Path())
    ) == (expected)


def test_a_random_start_covers_every_window() -> None:
    rng = np.random.default_rng(0)
    options = settings("start_index=-1", "total_length=8")
    drawn = {
        "".join(choose_frames(list("0123456789"), options, rng, where=Path())) for _ in range(60)
    }
    assert drawn == {"01234567", "12345678", "23456789"}


@pytest.mark.parametrize("assignment", ["total_length=11", "start_index=10"])
def test_frames_beyond_the_end_are_refused(assignment: str) -> None:
    with pytest.raises(DataError, match="wave_3: has 10 frames"):
        choose_frames(
            list("0123456789"),
            settings(assignment),
            np.random.default_rng(0),
            where=Path("wave_3"),
        )


@pytest.mark.parametrize(("count", "sizes"), [(100, [70, 15, 15]), (11, [8, 2, 1]), (6, [4, 1, 1])])
def test_part_sizes(count: int, sizes: list[int]) -> None:
    assert part_sizes(count, settings()) == sizes


def test_a_part_without_samples_is_refused() -> None:
    with pytest.raises(DataError, match="3 samples split into 2 train, 0 validation and 1 test"):
        part_sizes(3, settings())


def test_samples_of_different_lengths_are_refused_with_the_way_out(
    data: Path, simvp: Simvp
) -> None:
    write_sample(data / "99abc_wave_99", 99, frames=5)
    result = simvp("split", "--data-path", "data", code=2)
    assert "use --total-length 5" in result.stderr
    simvp("split", "--data-path", "data", "--total-length", "5")
    parts = splits.read(only_split(data)).parts
    assert {len(sample.frames) for part in parts.values() for sample in part} == {5}


def test_samples_of_different_shapes_are_refused(data: Path, simvp: Simvp) -> None:
    write_sample(data / "99abc_wave_99", 99, size=(11, 9))
    result = simvp("split", "--data-path", "data", code=2)
    assert "all samples need one shape" in result.stderr
    assert list(data.glob("*.json")) == []


def test_a_subset_is_drawn_at_random(data: Path, simvp: Simvp) -> None:
    simvp("split", "--data-path", "data", "--samples", "7")
    parts = splits.read(only_split(data)).parts
    assert [len(part) for part in parts.values()] == [5, 1, 1]
    result = simvp("split", "--data-path", "data", "--samples", "12", code=2)
    assert "data holds 11" in result.stderr
