"""`simvp split`."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import Simvp, only_split, write_sample

from simvp.commands.split import choose_segment
from simvp.config import assignment_layer, resolve
from simvp.config.sections import SplitSection
from simvp.data import Series, open_source, read_split
from simvp.errors import DataError


@pytest.mark.parametrize("fault", ["missing", "truncated", "mis-shaped", "infinite"])
def test_split_refuses_a_bad_frame_and_writes_nothing(data: Path, simvp: Simvp, fault: str) -> None:
    frame = next(data.iterdir()) / "3.npy"
    values = np.load(frame)
    if fault == "missing":
        frame.unlink()
    elif fault == "truncated":
        frame.write_bytes(frame.read_bytes()[:-9])
    else:
        np.save(
            frame,
            {
                "mis-shaped": values[:, :-1],
                "infinite": np.where(values == values.max(), np.inf, values),
            }[fault],
        )
    result = simvp("split", "--data-path", "data", code=2)
    assert result.stderr.startswith("error: ")
    assert "3.npy" in result.stderr
    assert list(data.glob("*.json")) == []


def test_split_is_disjoint_and_complete(split_data: Path) -> None:
    parts = read_split(only_split(split_data)).parts
    ids = [segment.series.id for part in parts.values() for segment in part]
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


def test_split_file_describes_the_data(split_data: Path) -> None:
    """Scaling and statistics are computed from the training part only."""
    path = only_split(split_data)
    record, split = json.loads(path.read_bytes()), read_split(path)
    training = np.stack([s.series.read(s.start, s.stop) for s in split.segments("train")])
    assert record["format"] == 2
    assert record["source"] == {"kind": "frames", "path": ".", "stored": "physical"}
    assert (record["channels"], record["shape"]) == (["value"], [1, 9, 11])
    assert record["scaling"] == {"low": [0.0], "high": [1.0]}
    statistics = record["statistics"]
    assert statistics["low"] == [training.min()] and statistics["high"] == [training.max()]
    np.testing.assert_allclose(statistics["mean"], training.mean(dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(statistics["std"], training.std(dtype=np.float64), rtol=1e-7)


def shifted(data: Path, offset: float, factor: float) -> None:
    for file in data.glob("*/*.npy"):
        np.save(file, (offset + factor * np.load(file)).astype(np.float32))


def test_data_outside_0_to_1_are_scaled_by_the_training_range(data: Path, simvp: Simvp) -> None:
    shifted(data, 250.0, 50.0)
    result = simvp("split", "--data-path", "data", "--train-ratio", "0.65", "--val-ratio", "0.2")
    split = read_split(only_split(data))
    training = np.stack([s.series.read(s.start, s.stop) for s in split.segments("train")])
    assert split.data.scaling.low == (training.min(),) and split.data.scaling.high == (
        training.max(),
    )
    assert f"value: {training.min():.4g} to {training.max():.4g}" in result.stdout


def test_card_determines_the_scaling_of_physical_values(data: Path, simvp: Simvp) -> None:
    shifted(data, 250.0, 50.0)
    card = data / "dataset.toml"
    card.write_text("[channels.sst]\nunit = 'K'\nlow = 240.0\nhigh = 310.0\n")
    assert "sst (K): 250" in simvp("split", "--data-path", "data").stdout
    split = read_split(only_split(data))
    assert split.data.scaling.low == (240.0,) and split.data.scaling.high == (310.0,)
    assert split.data.channels == ("sst",)
    split.check_scaling()
    card.write_text("[channels.sst]\nunit = 'K'\nlow = 230.0\nhigh = 310.0\n")
    with pytest.raises(DataError, match="was made with other values of `stored`, `low` or `high`"):
        read_split(only_split(data)).check_scaling()


def test_top_level_low_and_high_mean_scaled_files_unless_stored_is_physical(
    data: Path, simvp: Simvp
) -> None:
    shifted(data, 250.0, 50.0)
    card = data / "dataset.toml"
    card.write_text("low = 250.0\nhigh = 300.0\n")
    result = simvp("split", "--data-path", "data", code=2)
    assert "mean that all values are scaled to [0, 1]" in result.stderr
    assert list(data.glob("*.json")) == []
    card.write_text("stored = 'physical'\nlow = 250.0\nhigh = 300.0\n")
    simvp("split", "--data-path", "data")
    split = read_split(only_split(data))
    assert split.data.stored == "physical" and split.data.scaling.high == (300.0,)


def test_frames_of_8_bits_are_scaled_from_0_to_255(data: Path, simvp: Simvp) -> None:
    for file in data.glob("*/*.npy"):
        np.save(file, (20 + 100 * np.load(file)).astype(np.uint8))
    simvp("split", "--data-path", "data")
    split = read_split(only_split(data))
    assert split.data.scaling.low == (0.0,) and split.data.scaling.high == (255.0,)


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
def test_selected_frames(data: Path, assignments: list[str], expected: str) -> None:
    assert "".join(map(str, chosen(ten_frames(data), assignments))) == expected


def ten_frames(data: Path) -> Series:
    write_sample(data / "wave_3", 0, frames=10)
    return next(series for series in open_source(data).series if series.id == "wave_3")


def chosen(series: Series, assignments: list[str], seed: int = 0) -> list[int]:
    rng = np.random.default_rng(seed)
    return list(choose_segment(series, settings(*assignments), rng).frames)


def test_segment_is_read_in_its_frame_order(data: Path) -> None:
    series = ten_frames(data)
    rng = np.random.default_rng(0)
    frames = series.read(0, 10)
    backwards = choose_segment(series, settings("reverse=true", "total_length=4"), rng)
    np.testing.assert_array_equal(backwards.read_stored(0, 4), frames[[3, 2, 1, 0]])
    np.testing.assert_array_equal(backwards.read_stored(1, 3), frames[[2, 1]])
    ends = choose_segment(series, settings("init_final_only=true"), rng)
    np.testing.assert_array_equal(ends.read_stored(0, 2), frames[[0, 9]])


def test_random_start_covers_every_window(data: Path) -> None:
    series = ten_frames(data)
    drawn = {chosen(series, ["start_index=-1", "total_length=8"], seed)[0] for seed in range(60)}
    assert drawn == {0, 1, 2}


@pytest.mark.parametrize("assignment", ["total_length=11", "start_index=10"])
def test_frames_beyond_the_end_are_refused(data: Path, assignment: str) -> None:
    with pytest.raises(DataError, match="wave_3: has 10 frames"):
        chosen(ten_frames(data), [assignment])


def test_one_series_is_split_by_time(tmp_path: Path, simvp: Simvp) -> None:
    """In the order training, validation, test, with a gap of two frames."""
    write_sample(tmp_path / "my data" / "run", 0, frames=24)
    result = simvp("split", "my data", "--gap", "2")
    assert "split: by time" in result.stdout
    split = read_split(tmp_path / "my data")
    (train,), (validation,), (test,) = split.parts.values()
    assert (train.frames, validation.frames, test.frames) == (
        range(14),
        range(16, 19),
        range(21, 24),
    )
    assert "4 frames of these samples are not used" in result.stdout
    assert (
        "simvp train --data-path 'my data' --pre-seq-length 1 --aft-seq-length 1" in result.stdout
    )
    training = train.read_stored(0, 14)
    assert split.data.scaling.is_identity and split.statistics is not None
    np.testing.assert_allclose(split.statistics.mean, training.mean(dtype=float))


def test_every_nth_frame(data: Path, simvp: Simvp) -> None:
    simvp("split", "data", "--every", "3")
    segment = read_split(data).segments("train")[0]
    assert list(segment.frames) == [0, 3, 6]
    whole = segment.series.read(0, 8)
    np.testing.assert_array_equal(segment.read_stored(1, 3), whole[[3, 6]])


def test_samples_of_different_lengths_are_used_whole(data: Path, simvp: Simvp) -> None:
    write_sample(data / "99abc_wave_99", 99, frames=5)
    result = simvp("split", "--data-path", "data")
    assert "12 samples of 5 to 8 frames" in result.stdout
    result = simvp("split", "--data-path", "data", "--total-length", "5")
    assert "33 frames of these samples are not used" in result.stdout


def test_samples_of_different_shapes_are_refused(data: Path, simvp: Simvp) -> None:
    write_sample(data / "99abc_wave_99", 99, size=(11, 9))
    result = simvp("split", "--data-path", "data", code=2)
    assert "all frames of all samples need one shape" in result.stderr
    assert list(data.glob("*.json")) == []


def test_subset_is_drawn_at_random(data: Path, simvp: Simvp) -> None:
    simvp("split", "--data-path", "data", "--samples", "7")
    parts = read_split(only_split(data)).parts
    assert [len(part) for part in parts.values()] == [5, 1, 1]
    result = simvp("split", "--data-path", "data", "--samples", "12", code=2)
    assert "data contains 11" in result.stderr
