"""`simvp test`."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TINY, Simvp, squeezed

from simvp.data import read_split

BANDS = ("low", "middle", "high")


def test_saved_frames_match_the_samples(tested: Path) -> None:
    data = tested.parent.parent / "data"
    for sample in (tested / "saved" / "trues").iterdir():
        inputs = tested / "saved" / "inputs" / sample.name
        for number in range(3):
            np.testing.assert_array_equal(
                np.load(inputs / f"{number}.npy"), np.load(data / sample.name / f"{number}.npy")
            )
        for number in range(4):
            np.testing.assert_array_equal(
                np.load(sample / f"{number}.npy"), np.load(data / sample.name / f"{number + 3}.npy")
            )


def test_metrics_match_the_saved_frames(tested: Path) -> None:
    saved = tested / "saved"
    record = json.loads((saved / "metrics.json").read_text())
    errors, persistence = {}, {}
    for sample in (saved / "trues").iterdir():
        true = np.stack([np.load(sample / f"{i}.npy") for i in range(4)]).astype(float)
        pred = np.stack([np.load(saved / "preds" / sample.name / f"{i}.npy") for i in range(4)])
        last = np.load(saved / "inputs" / sample.name / "2.npy")
        errors[sample.name] = ((pred - true) ** 2).sum(axis=(1, 2, 3))
        persistence[sample.name] = ((last - true) ** 2).sum(axis=(1, 2, 3))
    assert record["mse"] == pytest.approx(np.mean(list(errors.values())), rel=1e-6)
    assert record["persistence"]["mse"] == pytest.approx(
        np.mean(list(persistence.values())), rel=1e-6
    )
    assert record["per_step"]["mse"] == pytest.approx(np.mean(list(errors.values()), 0), rel=1e-6)
    for name, error in errors.items():
        assert record["samples"][name]["mse"] == pytest.approx(error.mean(), rel=1e-6)
    values = np.load(saved / "metrics.npy", allow_pickle=False)
    assert float(values["ssim"]) == record["ssim"]


def test_metrics_do_not_depend_on_the_batch_size(tested: Path, simvp: Simvp) -> None:
    one = json.loads((tested / "saved" / "metrics.json").read_text())
    simvp("test", "--set", "train.val_batch_size=1")
    other = json.loads((tested / "saved" / "metrics.json").read_text())
    for name in ("mse", "mae", "rmse", "psnr", "ssim"):
        assert other[name] == pytest.approx(one[name], rel=1e-6, abs=1e-6)


def test_config_of_the_run_is_read(trained: Path, simvp: Simvp) -> None:
    # The network settings come from the run, the device from the current settings.
    Path("simvp.toml").write_text("[model]\nhid_S = 32\n\n[run]\ndevice = 'cuda:7'\n")
    assert "run.device = 'cuda:7'" in simvp("test", code=2).stderr
    simvp("test", "--device", "cpu")


def test_mismatching_checkpoint_is_rejected(trained: Path, simvp: Simvp) -> None:
    result = simvp("test", "--set", "model.hid_T=12", code=2)
    assert "do not match the network" in result.stderr
    assert not (trained / "saved").exists()
    result = simvp("test", "--checkpoint", "no.pth", code=2)
    assert "no.pth: there is no such checkpoint" in result.stderr
    simvp("test", "--checkpoint", str(trained / "checkpoints" / "latest.pth"))


def test_other_weights_do_not_replace_the_scores_of_the_run(tested: Path, simvp: Simvp) -> None:
    before = (tested / "saved" / "metrics.json").read_bytes()
    other = shutil.copy(tested / "checkpoints" / "latest.pth", "other one.pth")
    output = simvp("test", "--weights", other).stdout
    digest = hashlib.sha256(Path(other).read_bytes()).hexdigest()
    written = tested / "tests" / f"other one-{digest[:8]}"
    assert "/other one-" in output and (written / "metrics.json").is_file()
    assert (tested / "saved" / "metrics.json").read_bytes() == before
    simvp("test", "--weights", str(tested / "simvp_model.pth"))
    assert [path.name for path in (tested / "tests").iterdir()] == [written.name]


def test_model_of_an_unfinished_training_is_scored_and_said_to_be(
    split_data: Path, simvp: Simvp, stop_after: Callable[[int, int], None]
) -> None:
    stop_after(4, signal.SIGINT)  # of six steps
    simvp("train", "--data-path", "data", "--epochs", "2", *TINY, "--name", "a b", code=130)
    line = "the training is not complete: 1 of 2 epochs are done\n"
    assert line in simvp("test", "--name", "a b").stdout
    assert line in simvp("predict", "--name", "a b", "--output", "next.npy").stdout
    simvp("train", "--name", "a b", "--resume")
    assert "not complete" not in simvp("test", "--name", "a b").stdout


def test_files_of_file_managers_are_no_obstacle(tested: Path, simvp: Simvp) -> None:
    for folder in ("saved", "pictures", "checkpoints"):
        (tested / folder).mkdir(exist_ok=True)
        (tested / folder / ".DS_Store").write_text("")
    simvp("test")


def test_scoring_training_samples_is_warned_of(trained: Path, simvp: Simvp) -> None:
    assert "warning" not in simvp("test").stdout
    simvp("split", "--data-path", "data", "--seed", "5")
    newest = max(Path("data").glob("*_loaders.json"), key=lambda path: path.stat().st_mtime_ns)
    output = simvp("test", "--data", str(newest)).stdout
    trained_on = {
        segment.series.id
        for segment in read_split(min(Path("data").glob("*.json"), key=os.path.getmtime)).segments(
            "train"
        )
    }
    tested = {segment.series.id for segment in read_split(newest).segments("test")}
    assert tested & trained_on
    count = len(tested & trained_on)
    assert f"warning: the run was trained on {count} of the test samples, so the" in output


def test_table_shows_the_scores_beside_the_baselines(tested: Path, simvp: Simvp) -> None:
    """Every number of the output is in metrics.json; lines fit in 80 columns."""
    text = simvp("test").stdout
    table = squeezed(text)
    record = json.loads((tested / "saved" / "metrics.json").read_text())
    for name in ("mse", "mae", "rmse", "psnr", "ssim"):
        low, high = record["interval"][name]
        baselines = f"{record['persistence'][name]:.4f} {record['training_mean'][name]:.4f}"
        expected = f"{record[name]:.4f} {low:.4g} to {high:.4g} {baselines}"
        assert expected in table
    (channel,) = record["channels"].values()
    baseline = record["persistence"]["channels"]["value"]
    names = ("rmse_unit", "bias_unit", "vrmse", *(f"spectral_{b}" for b in BANDS), "acc")
    for label, scores in (("value", channel), ("persistence", baseline)):
        assert " ".join([label, *(f"{scores[name]:.3g}" for name in names)]) in table
    until = record["useful_until"]
    expected = f"\nbetter than all baselines up to step {until} of 4\n"
    assert (expected if until else "\nnot better than the baselines at step 1\n") in text
    assert max(map(len, text.splitlines()[1:12])) <= 80


def test_all_scores_do_not_depend_on_batches_and_processes(tested: Path, simvp: Simvp) -> None:
    with_thresholds("data", 0.3, 0.6)
    simvp("test")
    one = scores_of(tested / "saved")
    assert {"csi", "fss_9"} < one["channels"]["value"]["events"][1].keys()
    for options in (["--set", "train.val_batch_size=1"], ["--nproc", "2"], ["--nproc", "3"]):
        subprocess.run([sys.executable, "-m", "simvp", "test", *options], check=True)
        assert_close(scores_of(tested / "saved"), one)


def with_thresholds(data: str, *values: float) -> None:
    """Add thresholds to a data card, after training."""
    (Path(data) / "dataset.toml").write_text(f"thresholds = {[*values]}\n")


def scores_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def assert_close(found: object, expected: object) -> None:
    """Equal but for the rounding of the network's forecast."""
    assert type(found) is type(expected)
    if isinstance(found, dict):
        assert found.keys() == expected.keys()
        for key in found:
            assert_close(found[key], expected[key])
    elif isinstance(found, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    elif isinstance(found, float):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    else:
        assert found == expected


def test_events_are_those_of_the_saved_frames(tested: Path, simvp: Simvp) -> None:
    """Thresholds that were added to the card after training are scored, without a warning."""
    value = float(np.load(next((tested / "saved" / "trues").rglob("0.npy")))[0, 3, 4])
    with_thresholds("data", value)
    output = simvp("test").stdout
    assert "warning: the data card" not in output
    pred, true = (
        np.stack([np.load(path) for path in sorted((tested / "saved" / kind).rglob("*.npy"))])
        for kind in ("preds", "trues")
    )
    (event,) = scores_of(tested / "saved")["channels"]["value"]["events"]
    assert event["threshold"] == value
    forecast, observed = pred >= np.float32(value), true >= np.float32(value)
    hits, misses = (forecast & observed).sum(), (~forecast & observed).sum()
    false_alarms = (forecast & ~observed).sum()
    assert event["csi"] == pytest.approx(hits / (hits + misses + false_alarms), rel=1e-12)
    assert event["pod"] == pytest.approx(hits / (hits + misses), rel=1e-12)
    assert event["far"] == pytest.approx(false_alarms / (hits + false_alarms), rel=1e-12)
    csi, pod, far = (f"{event[name]:.3g}" for name in ("csi", "pod", "far"))
    assert f"value >= {value:g} {csi} {pod} {far}" in squeezed(output)


def test_another_part_goes_to_a_folder_of_its_own(tested: Path, simvp: Simvp) -> None:
    before = (tested / "saved" / "metrics.json").read_bytes()
    output = simvp("test", "--part", "validation").stdout
    assert "2 validation windows, 3 frames in, 4 forecast" in output
    validation = tested / "tests" / "validation"
    listed = {s.series.id for s in read_split("data").segments("validation")}
    assert {path.name for path in (validation / "preds").iterdir()} == listed
    assert scores_of(validation)["part"] == "validation"
    assert (tested / "saved" / "metrics.json").read_bytes() == before
    # The run has kept the model of the last epoch of these.
    history = np.genfromtxt(tested / "metrics.csv", delimiter=",", names=True)
    kept = history["val_mse"][history["kept"] == 1][-1]
    assert scores_of(validation)["mse"] == pytest.approx(kept, rel=1e-5)
    simvp("test", "--part", "validation")
    assert "part" in simvp("test", "--part", "valid", code=2).stderr


@pytest.mark.parametrize("command", ["test", "predict"])
@pytest.mark.parametrize(
    ("name", "remedy"), [("pre", "train another run"), ("aft", "use --steps to forecast more")]
)
def test_lengths_are_those_of_the_training(
    command: str, name: str, remedy: str, tested: Path, simvp: Simvp
) -> None:
    before = {path: path.stat().st_mtime_ns for path in tested.rglob("*")}
    result = simvp(command, "--set", f"data.{name}_seq_length=2", code=2)
    assert f"data.{name}_seq_length = 2: work_dirs/default was trained with" in result.stderr
    assert remedy in result.stderr
    assert {path: path.stat().st_mtime_ns for path in tested.rglob("*")} == before


def test_longer_forecast_continues_the_usual_one(tested: Path, simvp: Simvp) -> None:
    output = simvp("test", "--steps", "5").stdout
    assert "the forecast goes 1 step beyond the 4 steps that the run was trained for" in output
    assert "energy low" in output
    usual, longer = scores_of(tested / "saved"), scores_of(tested / "tests" / "5-steps")
    assert longer["steps"] == 5
    assert longer["per_step"]["mse"][:4] == pytest.approx(usual["per_step"]["mse"], rel=1e-6)
    first = longer["channels"]["value"]["vrmse_above_1_from"]
    vrmse = longer["channels"]["value"]["per_step"]["vrmse"]
    assert first == next((i for i, value in enumerate(vrmse, 1) if value >= 1), None)
    refused = simvp("test", "--steps", "6", code=2).stderr
    assert "steps = 6: the longest test sample has 8 frames, enough for 5 steps" in refused


def test_another_split_goes_to_a_folder_of_its_own(tested: Path, simvp: Simvp) -> None:
    before = (tested / "saved" / "metrics.json").read_bytes()
    simvp("split", "data", "--seed", "5", "--output", "other")
    (split,) = Path("other").iterdir()
    simvp("test", "--data", str(split))
    (folder,) = (tested / "tests").iterdir()
    assert folder.name == f"data-{split.name[:8]}"
    assert (tested / "saved" / "metrics.json").read_bytes() == before
    simvp("train", "--data-path", "data", "--overwrite", "--epochs", "1", *TINY)
    assert not (tested / "tests").exists()


def test_forecast_worse_than_persistence_is_said_first(tested: Path, simvp: Simvp) -> None:
    """On frames that do not change, persistence is exact."""
    for sample in (tested.parent.parent / "data").glob("*_wave_*"):
        for number in range(1, 8):
            shutil.copy(sample / "0.npy", sample / f"{number}.npy")
    simvp("split", "data", "--output", "other")
    (split,) = Path("other").iterdir()
    lines = simvp("test", "--data", str(split)).stdout.splitlines()
    expected = (
        "data: data, split by other",
        "warning: the run was trained on 2 of the test samples",
    )
    first = next(line for line in lines if not line.startswith(expected))
    assert first.startswith("warning: the forecast is worse than persistence")
    (folder,) = (tested / "tests").iterdir()
    record = scores_of(folder)
    assert record["persistence"]["psnr"] is None and record["skill"] is None
    assert record["useful_until"] == 0


def test_training_mean_is_that_of_the_training_part(tested: Path, simvp: Simvp) -> None:
    simvp("test")
    record = json.loads((tested / "saved" / "metrics.json").read_text())
    split = read_split("data")
    training = np.stack([s.series.read(0, 8) for s in split.segments("train")]).astype(float)
    trues = np.stack(
        [
            np.stack([np.load(sample / f"{t}.npy") for t in range(4)])
            for sample in (tested / "saved" / "trues").iterdir()
        ]
    ).astype(float)
    expected = ((trues - training.mean()) ** 2).sum(axis=(2, 3, 4)).mean()
    assert record["training_mean"]["mse"] == pytest.approx(expected, rel=1e-5)


def test_weights_whose_forecast_is_not_finite_are_refused(tested: Path, simvp: Simvp) -> None:
    weights = torch.load(tested / "simvp_model.pth", weights_only=True)
    weights["decoder.readout.weight"] *= 1e38
    weights["decoder.readout.weight"].clamp_(-3e38, 3e38)
    torch.save(weights, "huge.pth")
    before = (tested / "saved" / "metrics.json").read_bytes()
    result = simvp("test", "--weights", "huge.pth", code=2)
    assert "huge.pth: the forecast of 2 samples is not finite" in result.stderr
    assert (tested / "saved" / "metrics.json").read_bytes() == before
