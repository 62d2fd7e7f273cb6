"""`simvp viz`: which files it writes, and what they show."""

import csv
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from helpers import GOLDEN, TRAIN, Simvp
from matplotlib.figure import Figure

from simvp.figures import pictures
from simvp.figures.plots import plot
from simvp.figures.report.charts import Chart


@pytest.fixture
def sample(tested: Path) -> str:
    return next(path.name for path in sorted((tested / "saved" / "trues").iterdir()))


@pytest.fixture
def three_channels(tested: Path, sample: str) -> Path:
    """The run with three channels, whose values are those of the first one plus 1 and plus 2."""
    record = json.loads((tested / "data.json").read_bytes())
    record |= {"channels": ["u", "v", "w"], "shape": [3, 9, 11], "mean": None, "std": None}
    record["scaling"] = {"low": [0, 0, 0], "high": [3, 3, 3]}
    record["card"] |= {"channels": {name: {"unit": "m"} for name in "uvw"}, "origin": "lower"}
    (tested / "data.json").write_text(json.dumps(record))
    for file in (tested / "saved").rglob("*/*/*.npy"):
        frame = np.load(file)
        np.save(file, np.concatenate([frame, frame + 1, frame + 2]))
    return tested


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arguments of each figure that is drawn."""
    calls: list[Any] = []
    grid = pictures.grid

    def record(*arguments: Any, **options: Any) -> Any:
        calls.append((*arguments, options))
        return grid(*arguments, **options)

    monkeypatch.setattr(pictures, "grid", record)
    return calls


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_suffix_gives_the_format(
    tested: Path, simvp: Simvp, sample: str, suffix: str, start: bytes
) -> None:
    simvp("viz", sample, "--output", f"figure{suffix}")
    assert Path(f"figure{suffix}").read_bytes().startswith(start)
    message = simvp("viz", sample, "--output", "figure.jpg", code=2).stderr
    assert "ends in .png or .pdf or .svg" in message


def test_every_channel_has_a_file_with_its_name(
    three_channels: Path, simvp: Simvp, sample: str, drawn: list[Any]
) -> None:
    output = simvp("viz", sample, "--channel", "all", "--columns", "2").stdout
    files = [f"{sample}_{name}.png" for name in "uvw"]
    assert output == "".join(f"wrote work_dirs/default/pictures/{name}\n" for name in files)
    for number, (inputs, truth, forecast, labels, options) in enumerate(drawn):
        arrays = (("inputs", inputs), ("trues", truth), ("preds", forecast))
        for kind, found in arrays:
            stored = np.load(three_channels / "saved" / kind / sample / "1.npy")[number]
            np.testing.assert_array_equal(found[1], stored)
        assert options["columns"] == 2
        assert labels.caption == f"{'uvw'[number]} (m)" and labels.unit == "m"
        assert labels.title == f"{sample}, {'uvw'[number]}" and labels.origin == "lower"


def test_colours_are_scaled_like_the_data(
    three_channels: Path, simvp: Simvp, sample: str, drawn: list[Any]
) -> None:
    output = simvp("viz", sample, "--channel", "rgb").stdout
    assert output.endswith(f"{sample}_rgb.png\n")
    stored = np.load(three_channels / "saved" / "trues" / sample / "2.npy")
    np.testing.assert_allclose(drawn[0][1][2], stored / 3, rtol=1e-6)


@pytest.fixture
def version_1(tmp_path: Path, simvp: Simvp) -> Path:
    """The folder of a run that version 1 trained and tested; its data are not there any more."""
    path = tmp_path / "work_dirs" / "default"
    shutil.copytree(GOLDEN / "version_1", path)
    return path


def test_runs_of_version_1_are_drawn(version_1: Path, simvp: Simvp, drawn: list[Any]) -> None:
    listed = simvp("viz").stdout.splitlines()
    assert [line.split()[-1] for line in listed[1:3]] == ["wave_0", "wave_1"]
    simvp("viz", "wave_0")
    assert (version_1 / "pictures" / "wave_0.png").is_file()
    ((inputs, truth, forecast, labels, _),) = drawn
    assert (labels.caption, labels.title) == ("height (m)", "waves: wave_0")
    assert labels.frames == [["−1 day", "0 days", "+1 day", "+2 days", "+3 days"]]
    for kind, found in (("inputs", inputs), ("trues", truth), ("preds", forecast)):
        stored = np.load(version_1 / "saved" / kind / "wave_0" / "1.npy")[0]
        np.testing.assert_allclose(found[1], 4 * stored, rtol=1e-6)  # low = 0, high = 4
    simvp("viz", "wave_0", "--gif")
    simvp("viz", "--curves")
    simvp("viz", "--report")
    page = (version_1 / "report.html").read_text(encoding="utf-8")
    assert "an earlier version of simvp computed the scores" in page and "not recorded" in page
    for setting in ("train.recipe=direct", "model.drop_path_first=0.01", "model.standardize=false"):
        assert setting in page  # of the commands that make the run again
    shutil.copytree(version_1, version_1.parent / "other")
    simvp("viz", "--report", "--with", "other")
    message = " ".join(simvp("viz", "--compare", "default", "other", code=2).stderr.split())
    assert "has no scores by channel" in message and "`simvp test` again" in message


def test_colours_need_three_channels(tested: Path, simvp: Simvp, sample: str) -> None:
    message = simvp("viz", sample, "--channel", "rgb", code=2).stderr
    assert "--channel = 'rgb': needs three channels" in message


def test_video_has_a_frame_for_each_step(tested: Path, simvp: Simvp, sample: str) -> None:
    pytest.importorskip("av")
    simvp("viz", sample, "--mp4")
    video = iio.imread(tested / "pictures" / f"{sample}.mp4", plugin="pyav")
    assert len(video) == 4 and video.shape[1] % 2 == video.shape[2] % 2 == 0
    renamed = tested / "pictures" / "of another sample.mp4"
    (tested / "pictures" / f"{sample}.mp4").rename(renamed)
    simvp("viz", "--curves", "--output", "work_dirs/default/pictures/losses.pdf")
    simvp("viz", "--report")
    simvp(*TRAIN, "--epochs", "1", "--overwrite")
    assert not (tested / "report.html").exists()
    assert not renamed.exists()


@pytest.fixture
def plotted(monkeypatch: pytest.MonkeyPatch) -> list[Chart]:
    """The charts that are drawn."""
    calls: list[Chart] = []

    def record(charts: Sequence[Chart]) -> Figure:
        calls.extend(charts)
        return plot(charts)

    monkeypatch.setattr("simvp.commands.curves.plot", record)
    return calls


def test_curves_show_the_history(tested: Path, simvp: Simvp, plotted: list[Chart]) -> None:
    simvp("viz", "--curves")
    assert (tested / "pictures" / "curves.png").exists()
    with (tested / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for line, name in zip(plotted[0].lines, ("val_loss", "train_loss"), strict=True):
        assert list(line.x) == [1, 2]
        assert list(line.y) == [float(row[name]) for row in rows]
    assert plotted[0].mark is not None
    assert plotted[0].mark[1] == min(float(row["val_loss"]) for row in rows)
    (tested / "metrics.csv").unlink()
    assert "metrics.csv: is missing" in simvp("viz", "--curves", code=2).stderr


def test_two_runs_are_compared(tested: Path, simvp: Simvp, plotted: list[Chart]) -> None:
    shutil.copytree(tested, tested.parent / "other")
    simvp("viz", "--compare", "other", "default")
    assert (tested.parent / "other" / "pictures" / "other_default.png").exists()
    record = json.loads((tested / "saved" / "metrics.json").read_bytes())
    error, skill = plotted
    of_channel = record["channels"]["value"]
    assert [line.label for line in error.lines] == [
        *("other", "default", "persistence", "training mean")
    ]
    assert list(error.lines[1].y) == of_channel["per_step"]["rmse_unit"]
    assert (
        list(error.lines[2].y)
        == (record["persistence"]["channels"]["value"]["per_step"]["rmse_unit"])
    )
    assert list(skill.lines[0].y) == of_channel["skill_per_step"]
    message = simvp("viz", "--compare", "other", "other", code=2).stderr
    assert "--compare other: cannot be shown beside other: it is the same run" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gif"], "--gif and --mp4 need a SAMPLE_ID"),
        (["x", "--gif", "--mp4"], "--gif and --mp4 cannot be combined"),
        (["x", "--report"], "SAMPLE_ID and --report cannot be combined"),
        (["--curves", "--report"], "--curves and --report cannot be combined"),
    ],
)
def test_options_that_exclude_each_other(options: list[str], message: str, simvp: Simvp) -> None:
    assert message in " ".join(simvp("viz", *options, code=2).stderr.split())


def test_forecasts_of_another_test_can_be_drawn(tested: Path, simvp: Simvp) -> None:
    output = simvp("test", "--part", "validation").stdout
    assert "--test validation" in output.splitlines()[-1]
    listed = simvp("viz", "--test", "validation").stdout
    sample = min(path.name for path in (tested / "tests" / "validation" / "preds").iterdir())
    assert sample in listed and "next: simvp viz SAMPLE_ID --test validation" in listed
    simvp("viz", sample, "--test", "validation")
    assert (tested / "pictures" / f"validation_{sample}.png").is_file()
    refused = simvp("viz", "--test", "validtion", code=2).stderr
    assert "contains no forecasts. Did you mean 'validation'?" in refused


def test_scores_of_an_earlier_model_are_reported(tested: Path, simvp: Simvp) -> None:
    warning = "are of an earlier model; run `simvp test` again"
    assert warning not in simvp("viz").stdout
    simvp("train", "--resume", "--epochs", "3", "--lr", "1e-3")
    found = simvp("viz").stdout, simvp("viz", "--report").stdout
    changed = (tested / "saved" / "metrics.json").read_text()
    digest = hashlib.sha256((tested / "simvp_model.pth").read_bytes()).hexdigest()
    assert digest not in changed  # the third epoch is the best one
    assert all(warning in text for text in found)
    assert "the scores are of an earlier model" in (tested / "report.html").read_text()
    simvp("test")
    assert digest in (tested / "saved" / "metrics.json").read_text()
    assert warning not in simvp("viz").stdout


@pytest.mark.parametrize("header", ["epoch,lr,train_loss", "epoch,lr,val_loss"])
def test_history_without_validation_is_damaged(header: str, tested: Path, simvp: Simvp) -> None:
    (tested / "metrics.csv").write_text(f"{header}\n1,0.1,\n")
    for what in ("--curves", "--report"):
        assert "metrics.csv: is damaged" in simvp("viz", what, code=2).stderr
