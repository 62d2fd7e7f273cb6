"""Ensembles: `simvp train --members`, and what `test`, `predict` and Python make of them."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray
from helpers import OFTEN, TINY, Simvp, assert_same, kill_when, run_state

import simvp as package
from simvp.config import read_layer
from simvp.data.split import find_split, read_split

RUN = Path("work_dirs/default")
SHORT = ("train", "--data-path", "data", "--epochs", "2", *TINY)
MEMBERS = (RUN, RUN / "members" / "2", RUN / "members" / "3")


@pytest.fixture(scope="module")
def ensemble_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory for the run that the fixture `ensemble` copies."""
    return tmp_path_factory.mktemp("ensemble")


@pytest.fixture
def ensemble(ensemble_once: Path, split_data: Path, simvp: Simvp) -> Path:
    """The folder of a run of three members and two epochs, in the working directory."""
    made = ensemble_once / "work_dirs"
    if not made.exists():
        output = simvp(*SHORT, "--members", "3").stdout
        (ensemble_once / "output.txt").write_text(output)
        shutil.copytree("work_dirs", made)
    else:
        shutil.copytree(made, "work_dirs")
    return RUN


def of_each_member(simvp: Simvp) -> list[np.ndarray]:
    """The forecasts of each member for the test part, scaled, (N, T, C, H, W)."""
    found = []
    for member in MEMBERS:
        model = member / "simvp_model.pth"
        simvp("test", "--weights", str(model))
        found.append(saved("preds", RUN / "tests" / label_of(model)))
    return found


def label_of(model: Path) -> str:
    """The name of the test of weights that are not all that the run has."""
    return f"simvp_model-{hashlib.sha256(model.read_bytes()).hexdigest()[:8]}"


def saved(kind: str, folder: Path = RUN / "saved") -> np.ndarray:
    samples = sorted((folder / kind).iterdir())
    return np.stack([np.stack([np.load(f) for f in sorted(s.iterdir())]) for s in samples])


def test_members_are_the_runs_of_other_seeds(
    ensemble: Path, ensemble_once: Path, simvp: Simvp
) -> None:
    output = (ensemble_once / "output.txt").read_text()
    for seed, member in enumerate(MEMBERS):
        simvp(*SHORT, "--name", f"seed_{seed}", "--seed", str(seed))
        alone = run_state(Path(f"work_dirs/seed_{seed}"))
        assert_same(alone["best"], run_state(member)["best"])
        assert alone["history"] == run_state(member)["history"]
        kept = min(float(row["val_loss"]) for row in alone["history"])
        assert f"member {seed + 1} of 3, seed {seed}:\nepoch 1/2 " in output or not seed
        (line,) = re.findall(rf"^member {seed + 1}: .*loss (.*), mse ", output, re.MULTILINE)
        assert line == f"{kept:.4g}"
    assert "\ntrained 3 members for 2 epochs each\nmember 1: " in output
    assert "members: the same files for each of the other members\n" in output
    assert output.count("boundary: ") == 1  # the network is described once
    settings = [read_layer(member / "config.toml").tables["train"] for member in MEMBERS]
    assert [(s["seed"], s["members"]) for s in settings] == [(0, 3), (1, 1), (2, 1)]


def test_ensemble_is_scored_by_mean_and_members(ensemble: Path, simvp: Simvp) -> None:
    """CRPS, spread and mse are those that numpy finds from the forecasts of the members."""
    members, output = of_each_member(simvp), simvp("test").stdout
    truth, mean = saved("trues"), np.mean(members, axis=0)
    np.testing.assert_allclose(saved("preds"), mean, atol=1e-6)
    record = json.loads((RUN / "saved" / "metrics.json").read_text())
    assert record["mse"] == pytest.approx(
        ((mean - truth) ** 2).sum(axis=(2, 3, 4)).mean(), rel=1e-5
    )
    pairs = [np.abs(a - b) for i, a in enumerate(members) for b in members[:i]]
    error = np.mean([np.abs(m - truth) for m in members], axis=0)
    crps = (error - np.mean(pairs, axis=0) / 2).mean()
    (scores,) = record["channels"].values()
    span = read_split(find_split("", "data")).data.scaling.span[0]
    assert scores["crps"] == pytest.approx(span * crps, rel=1e-4)
    variance = np.var(members, axis=0, ddof=1).mean(axis=(-2, -1))
    assert scores["spread"] == pytest.approx(span * np.sqrt(variance).mean(), rel=1e-4)
    ratio = variance.mean() * 4 / 3 / ((mean - truth) ** 2).mean()
    assert scores["spread_skill"] == pytest.approx(np.sqrt(ratio), rel=1e-4)
    (persistence,) = record["persistence"]["channels"].values()
    last = np.abs(saved("inputs")[:, -1:, :1] - truth).mean()
    assert persistence["crps"] == pytest.approx(span * last, rel=1e-4)
    assert persistence["spread"] is None
    assert [entry["weights"] for entry in record["members"]] == [
        str(member / "simvp_model.pth") for member in MEMBERS
    ]
    assert "forecast, with the mean of 3 members in work_dirs/default\n" in output
    (line,) = (line for line in output.splitlines() if line.startswith("ensemble"))
    assert line.split()[-5:] == ["CRPS", "persistence", "RMSE", "spread", "spread-skill"]
    assert f"{scores['crps']:.3g}" in output


def test_scores_of_one_member_have_no_crps(ensemble: Path, simvp: Simvp) -> None:
    """They go to a folder of their own; the forecasts of the ensemble are kept."""
    simvp("test")
    before = (RUN / "saved" / "metrics.json").read_bytes()
    for member in MEMBERS:
        model = member / "simvp_model.pth"
        output = simvp("test", "--weights", str(model)).stdout
        written = RUN / "tests" / label_of(model)
        assert "CRPS" not in output and f"wrote {written}: " in output
        assert "crps" not in (written / "metrics.json").read_text()
        assert "earlier model" not in simvp("viz", "--test", written.name).stdout
    assert (RUN / "saved" / "metrics.json").read_bytes() == before


def test_changed_member_makes_the_scores_outdated(ensemble: Path, simvp: Simvp) -> None:
    simvp("test")
    assert "earlier model" not in simvp("viz").stdout
    shutil.copy(MEMBERS[1] / "simvp_model.pth", MEMBERS[2] / "simvp_model.pth")
    assert "are of an earlier model; run `simvp test` again" in simvp("viz").stdout


def test_smaller_ensemble_is_said_and_makes_the_scores_outdated(
    ensemble: Path, simvp: Simvp
) -> None:
    simvp("test")
    output = simvp("train", "--resume", "--members", "2").stdout
    assert "no longer part of the ensemble: work_dirs/default/members/3\n" in output
    assert "are of an earlier model; run `simvp test` again" in simvp("viz").stdout
    assert (
        "the scores are of an earlier model"
        in (simvp("viz", "--report"), (RUN / "report.html"))[1].read_text()
    )
    simvp("test")
    assert "earlier model" not in simvp("viz").stdout
    assert "no longer part" not in simvp("train", "--resume", "--members", "3").stdout


def test_forecasts_have_the_mean_and_the_spread(ensemble: Path, simvp: Simvp) -> None:
    found = []
    for number, member in enumerate(MEMBERS):
        weights = ("--weights", str(member / "simvp_model.pth"))
        simvp("predict", "--output", f"member_{number}.npy", *weights)
        found.append(np.load(f"member_{number}.npy"))
    output = simvp("predict", "--output", "mean.npy").stdout
    assert "mean of 3 members; to save their standard deviation too, use --output" in output
    np.testing.assert_allclose(np.load("mean.npy"), np.mean(found, axis=0), rtol=1e-5, atol=1e-6)
    output = simvp("predict", "--output", "all.nc").stdout
    assert "mean of 3 members; their standard deviation is saved as NAME_spread\n" in output
    with xarray.open_dataset("all.nc") as written:
        (name,) = (v for v in written.data_vars if not str(v).endswith("_spread"))
        mean, spread = written[name], written[f"{name}_spread"]
        np.testing.assert_allclose(mean, np.load("mean.npy")[:, :, 0])
        expected = np.std(found, axis=0, ddof=1)[:, :, 0]
        np.testing.assert_allclose(spread, expected, rtol=1e-3, atol=1e-6)
        assert spread.attrs["cell_methods"] == "realization: standard_deviation"
        assert mean.attrs["ancillary_variables"] == f"{name}_spread"
        assert mean.attrs["cell_methods"] == "realization: mean"
        assert spread.attrs.get("units") == mean.attrs.get("units")


def test_ensemble_in_python(ensemble: Path, simvp: Simvp) -> None:
    forecaster = package.load(RUN)
    assert forecaster.num_members == 3 and repr(forecaster).endswith("9x11, 3 members)")
    frames = np.random.default_rng(0).random((2, 3, 1, 9, 11), dtype=np.float32)
    members = forecaster.predict_members(frames, steps=5)
    assert members.shape == (3, 2, 5, 1, 9, 11)
    np.testing.assert_array_equal(forecaster.predict(frames, steps=5), members.mean(axis=0))
    tensor = forecaster.predict_members(torch.from_numpy(frames[0, :, 0]), steps=2)
    assert isinstance(tensor, torch.Tensor) and tensor.shape == (3, 2, 9, 11)
    for number, member in enumerate(MEMBERS[1:], 1):
        alone = package.load(member)
        assert alone.num_members == 1
        np.testing.assert_array_equal(alone.predict(frames, steps=5), members[number])
        np.testing.assert_array_equal(alone.predict_members(frames, steps=5)[0], members[number])


@pytest.mark.parametrize(
    ("steps", "trained"),
    [(4, 0), (6, 0), (10, 1)],
    ids=["member-1", "end-of-member-1", "member-2"],
)
def test_interrupted_ensemble_is_resumed(
    steps: int,
    trained: int,
    ensemble: Path,
    simvp: Simvp,
    stop_after: Callable[[int, int], None],
) -> None:
    """Each member has two epochs of three steps. What has been trained is not trained again."""
    expected = [run_state(member) for member in MEMBERS]
    stop_after(steps, signal.SIGINT)
    result = simvp(*SHORT, "--members", "3", "--name", "stopped", code=130)
    assert "continue with `simvp train --name stopped --resume`" in result.stderr
    number = 1 + (steps - 1) // 6
    assert (f" of work_dirs/stopped/members/{number}, saved" in result.stderr) == (number > 1)
    refused = simvp("test", "--name", "stopped", code=2).stderr
    assert f"{trained} of 3 members have been trained for 2 epochs; finish it with" in refused
    simvp("train", "--name", "stopped", "--resume")
    stopped = Path("work_dirs/stopped")
    for member, state in zip(MEMBERS, expected, strict=True):
        assert_same(state, run_state(stopped / member.relative_to(RUN)))


def test_killed_member_is_resumed(ensemble: Path, simvp: Simvp) -> None:
    command = [sys.executable, "-m", "simvp", *SHORT, "--members", "3", *OFTEN, "--name", "killed"]
    killed = Path("work_dirs/killed")
    for member in MEMBERS:
        saved = killed / member.relative_to(RUN) / "checkpoints" / "latest.pth"
        assert kill_when([*command, "--resume"], saved.exists) == -signal.SIGKILL
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=240)
    for member in MEMBERS:
        assert_same(run_state(member), run_state(killed / member.relative_to(RUN)))
    assert not list(killed.rglob(".simvp-*"))


def test_members_are_added_to_a_trained_run(
    trained: Path, ensemble_once: Path, simvp: Simvp
) -> None:
    before = (trained / "simvp_model.pth").stat().st_mtime_ns
    output = simvp("train", "--resume", "--members", "2").stdout
    assert "member 2 of 2, seed 1:\nepoch 1/2 " in output
    assert (trained / "simvp_model.pth").stat().st_mtime_ns == before
    simvp("train", "--name", "other", "--data-path", "data", "--epochs", "2", *TINY, "--seed", "1")
    other = Path("work_dirs/other")
    assert_same(run_state(trained / "members" / "2"), run_state(other))


def test_longer_training_is_that_of_all_members(ensemble: Path, simvp: Simvp) -> None:
    simvp("train", "--resume", "--epochs", "3")
    assert [len(run_state(member)["history"]) for member in MEMBERS] == [3, 3, 3]


def test_member_without_checkpoints_is_not_trained_again(ensemble: Path, simvp: Simvp) -> None:
    shutil.rmtree(MEMBERS[1] / "checkpoints")
    before = (MEMBERS[1] / "simvp_model.pth").read_bytes()
    message = simvp("train", "--resume", code=2).stderr
    assert "members/2: has results but no checkpoints to resume from" in message
    assert (MEMBERS[1] / "simvp_model.pth").read_bytes() == before


def test_new_run_replaces_all_members_but_no_other_files(ensemble: Path, simvp: Simvp) -> None:
    foreign = MEMBERS[2] / "notes.txt"
    foreign.write_text("mine")
    refused = simvp(*SHORT, "--overwrite", code=2).stderr
    assert "contains files that simvp did not write (members/3/notes.txt)" in refused
    foreign.unlink()
    simvp(*SHORT, "--overwrite")
    assert not (RUN / "members").exists()
    assert "members" not in simvp("test").stdout


def test_missing_member_is_named(ensemble: Path, simvp: Simvp) -> None:
    (MEMBERS[2] / "simvp_model.pth").unlink()
    for command in ("test", "predict"):
        message = simvp(command, code=2).stderr
        assert "work_dirs/default: 2 of 3 members have been trained for 2 epochs; finish" in message
    with pytest.raises(package.errors.RunError, match="2 of 3 members"):
        package.load(RUN)
    fewer = "leave out the others with `simvp train --resume --members 2`, or use a single member"
    assert fewer in message
    simvp("train", "--resume", "--members", "2")
    assert "mean of 2 members" in simvp("predict").stdout
    (MEMBERS[1] / "simvp_model.pth").unlink()
    simvp("train", "--resume", "--members", "3")
    assert "mean of 3 members" in simvp("test").stdout


def test_reports_show_the_scores_of_an_ensemble(ensemble: Path, simvp: Simvp) -> None:
    simvp("test")
    simvp("viz", "--report")
    page: Any = (RUN / "report.html").read_text()
    assert (
        "CRPS" in page
        and "An ensemble of 3 SimVP networks (gsta) that" in page
        and "spread of default" in page
    )


def test_weights_of_a_damaged_record_are_refused(ensemble: Path, simvp: Simvp) -> None:
    simvp("test")
    path = RUN / "saved" / "metrics.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "members": "ab"}))
    assert "is damaged (members: " in simvp("viz", code=2).stderr
