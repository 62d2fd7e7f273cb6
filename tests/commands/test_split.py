"""`simvp split`."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import Simvp, only_split, squeezed, write_sample

from simvp.data import read_split
from simvp.data.card import read_card
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
    assert f"value {training.min():.4g} {training.max():.4g}" in squeezed(result.stdout)


def test_card_determines_the_scaling_of_physical_values(data: Path, simvp: Simvp) -> None:
    shifted(data, 250.0, 50.0)
    card = data / "dataset.toml"
    card.write_text("[channels.sst]\nunit = 'K'\nlow = 240.0\nhigh = 310.0\n")
    assert "sst K 250" in squeezed(simvp("split", "--data-path", "data").stdout)
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
    assert "in no part: 4 frames of these samples (4 left out by --gap 2)\n" in result.stdout
    assert (
        "simvp train --data-path 'my data' --pre-seq-length 1 --aft-seq-length 1" in result.stdout
    )
    training = train.read_stored(0, 14)
    assert split.data.scaling.is_identity and split.statistics is not None
    np.testing.assert_allclose(split.statistics.mean, training.mean(dtype=float))


def test_every_nth_frame(data: Path, simvp: Simvp) -> None:
    result = simvp("split", "data", "--every", "3")
    assert result.stdout.startswith("frames: 11 samples of 8 frames, one in 3 used, 9x11\n")
    segment = read_split(data).segments("train")[0]
    assert list(segment.frames) == [0, 3, 6]
    whole = segment.series.read(0, 8)
    np.testing.assert_array_equal(segment.read_stored(1, 3), whole[[3, 6]])


def test_samples_of_different_lengths_are_used_whole(data: Path, simvp: Simvp) -> None:
    write_sample(data / "99abc_wave_99", 99, frames=5)
    result = simvp("split", "--data-path", "data")
    assert "12 samples of 5 to 8 frames" in result.stdout
    assert "the shortest sample is 99abc_wave_99 with 5 frames" in result.stdout
    result = simvp("split", "--data-path", "data", "--total-length", "5")
    unused = "in no part: 33 frames of these samples (33 left out by --total-length)\n"
    assert unused in result.stdout
    np.save(data / "99abc_wave_99" / "4.npy", np.full((9, 11), np.nan))
    result = simvp("split", "data", "--total-length", "5", "--samples", "11", "--by", "series")
    assert (
        "in no part: 1 of 12 samples (1 left out by --total-length, --samples)\n" in result.stdout
    )
    result = simvp("split", "data")
    assert "in no part: 1 frames of these samples (1 without any value)\n" in result.stdout


def test_copied_frames_are_reported(data: Path, simvp: Simvp) -> None:
    """Whichever samples the copies are in, as long as the parts differ."""
    assert "equal" not in simvp("split", "data").stdout
    parts = read_split(only_split(data)).parts
    (train, test) = (parts[name][0].series.id for name in ("train", "test"))
    for number in (2, 6):
        shutil.copy(data / train / f"{number}.npy", data / test / f"{number - 1}.npy")
    assert (
        f"warning: frames 2, 6 of {train} (training) equal frames 1, 5 of {test} (test)\n"
        "frames that are in two parts make scores too good; remove the copies\n"
    ) in simvp("split", "data").stdout


def test_channels_without_limits_are_scaled_by_quantiles(data: Path, simvp: Simvp) -> None:
    """Of the training part; the card gives the upper limit."""
    shifted(data, 250.0, 50.0)
    (data / "dataset.toml").write_text("[channels.sst]\nhigh = 305.0\n")
    simvp("split", "data", "--scale", "quantile")
    split = read_split(only_split(data))
    training = np.stack([s.series.read(s.start, s.stop) for s in split.segments("train")])
    low, high = np.quantile(training.astype(np.float64), [0.001, 0.999])
    assert split.statistics is not None
    np.testing.assert_allclose(split.data.scaling.low, low)
    assert split.data.scaling.high == (305.0,)
    np.testing.assert_allclose(split.statistics.low_quantile, low)
    np.testing.assert_allclose(split.statistics.high_quantile, high)


@pytest.mark.parametrize("card", ["low = 0.0\nhigh = 1.0", "[channels.u]\nlow = 0.0\nhigh = 2.0"])
def test_quantiles_are_refused_if_the_card_gives_all_limits(
    data: Path, simvp: Simvp, card: str
) -> None:
    (data / "dataset.toml").write_text(card)
    result = simvp("split", "data", "--scale", "quantile", code=2)
    assert "dataset.toml gives the scaling of every channel" in result.stderr
    assert list(data.glob("*.json")) == []


def test_split_files_without_quantiles_are_read(split_data: Path) -> None:
    """As earlier versions wrote them."""
    path = only_split(split_data)
    record = json.loads(path.read_text())
    for name in ("low_quantile", "high_quantile"):
        del record["statistics"][name]
    path.write_text(json.dumps(record))
    statistics = read_split(path).statistics
    assert statistics is not None and statistics.low_quantile == ()


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
    assert "the data contain 11" in result.stderr


def test_summary_of_channels_and_parts(data: Path, simvp: Simvp) -> None:
    """Every number of the tables, against numpy."""
    (data / "dataset.toml").write_text(
        "time_step = '6 hours'\nstored = 'physical'\n"
        "[channels.depth]\nunit = 'm'\nlow = -1.0\nhigh = 3.0\n"
    )
    options = ("--set", "data.pre_seq_length=2", "--set", "data.aft_seq_length=3")
    text = squeezed(simvp("split", "data", *options).stdout)
    split = read_split(only_split(data))
    values = np.stack([s.series.read(0, 8) for s in split.segments("train")]).astype(float)
    numbers = " ".join(f"{f(values):.4g}" for f in (np.min, np.max, np.mean, np.std))
    assert "frames: 11 samples of 8 frames, 6 hours apart, 9x11\n" in text
    assert f"depth m {numbers} 0 -1 to 3\n" in text
    # 8 training samples of 8 frames have 4 windows of 5; of the others one is used, with 3 left.
    assert "train 8 64 32 0\n" in text and "validation 1 8 2 0\n" in text
    assert "test 2 16 4 0\n" in text
    assert "split: whole samples, at random; windows of 2 input and 3 forecast frames" in text


def test_card_is_written_with_what_is_known(data: Path, simvp: Simvp) -> None:
    shifted(data, 250.0, 50.0)
    result = simvp("split", "data", "--write-card")
    card = read_card(data / "dataset.toml")
    split = read_split(only_split(data))
    assert "wrote data/dataset.toml" in result.stdout
    assert (card.channels["value"].low, card.channels["value"].high) == (
        split.data.scaling.low[0],
        split.data.scaling.high[0],
    )
    split.check_scaling()
    split_of_card = simvp("split", "data").stdout
    assert squeezed(split_of_card).split("wrote")[0] == squeezed(result.stdout).split("wrote")[0]
    again = simvp("split", "data", "--write-card", code=2)
    assert "dataset.toml: exists already" in again.stderr


def test_split_file_in_another_folder(data: Path, simvp: Simvp) -> None:
    result = simvp("split", "data", "--output", "my splits")
    (file,) = (data.parent / "my splits").glob("*.json")
    assert list(data.glob("*.json")) == []
    assert f"next: simvp train --data 'my splits/{file.name}'" in result.stdout
    segment = read_split(file).segments("train")[0]
    np.testing.assert_array_equal(
        segment.series.read(3, 4)[0], np.load(data / segment.series.id / "3.npy")
    )


def test_samples_of_a_group_stay_in_one_part(data: Path, simvp: Simvp) -> None:
    for index in range(11, 30):
        write_sample(data / f"{index:02}abc_wave_{index}", index)
    simvp("split", "data", "--group", r"^\d")
    parts = read_split(only_split(data)).parts
    groups = [[segment.series.id[0] for segment in part] for part in parts.values()]
    assert sorted(groups) == [["0"] * 10, ["1"] * 10, ["2"] * 10]


def test_next_command_does_not_fail(tmp_path: Path, simvp: Simvp) -> None:
    """Samples of three frames are too short for the default windows."""
    for index in range(6):
        write_sample(tmp_path / "my data" / f"run_{index}", index, frames=3)
    *lines, last = simvp("split", "my data").stdout.splitlines()
    assert not [line for line in lines if line.startswith("warning: ")]
    command = shlex.split(last.removeprefix("next: simvp "))
    assert command[-4:] == ["--pre-seq-length", "1", "--aft-seq-length", "1"]
    tiny = ["--epochs", "1", "--set", "model.hid_S=4", "--set", "model.hid_T=8"]
    simvp(*command, *tiny, "--set", "model.N_T=2")


@pytest.mark.parametrize(
    ("value", "said"),
    [(-9999.0, "minimum of -9999"), (9.96921e36, "maximum of 9.96921e+36"), (-9998.0, "")],
)
def test_what_looks_like_a_fill_value_is_warned_of(
    value: float, said: str, tmp_path: Path, simvp: Simvp
) -> None:
    frames = np.random.default_rng(0).random((60, 9, 11), dtype=np.float32)
    frames[:, 2:4] = value
    np.save("land.npy", frames)
    output = simvp("split", "land.npy", "--by", "time").stdout
    assert output.count("looks like a fill value; store missing values as NaN") == bool(said)
    assert said in output


def test_part_that_is_too_short_for_a_window_is_warned_of(tmp_path: Path, simvp: Simvp) -> None:
    """The training part is long enough, so that the next command would not say why it differs."""
    write_sample(tmp_path / "data" / "run", 0, frames=40)
    lines = simvp("split", "data", "--by", "time").stdout.splitlines()
    assert [line for line in lines if line.startswith("warning: ")] == [
        f"warning: the {part} part is too short: a window has 20 frames, its longest segment 6; "
        "the next command has shorter windows"
        for part in ("validation", "test")
    ]
    assert lines[-1].endswith("--pre-seq-length 3 --aft-seq-length 3")


def test_output_below_a_file_is_refused_before_frames_are_read(data: Path, simvp: Simvp) -> None:
    Path("file").touch()
    sample = next(data.iterdir())
    (sample / "3.npy").write_text("damaged")
    result = simvp("split", "data", "--output", "file", code=2)
    assert "file is a file, not a folder; choose another path" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "series", "--gap", "2"], "--gap = 2: samples are not divided in time"),
        (["--by", "time", "--group", "a"], "group and by = 'time' exclude each other"),
        (["--group", "("], "is not a regular expression"),
        (["--group", r"wave_\d\d\d"], r"group = 'wave_\d\d\d': does not match the id of"),
        (["--group", "wave_[0-3]"], "does not match the id of sample"),
        (["--parts", "none.toml"], "there is no such file; expected train = ["),
        (["--start", "1990-01-01"], "has no dates; give the number of a frame, from 0 to 8"),
        (["--start", "8"], "no sample has frames between them"),
    ],
)
def test_options_that_do_not_fit_are_one_message(
    data: Path, simvp: Simvp, options: list[str], message: str
) -> None:
    result = simvp("split", "data", *options, code=2)
    assert message in result.stderr
    assert list(data.glob("*.json")) == []
