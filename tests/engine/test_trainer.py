"""Training runs: exact resuming, precision, checkpoints."""

import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, TRAIN, Simvp, assert_same, run_state
from torch.nn import functional as F

from simvp.data import augmentation, read_split
from simvp.data.augmentation import Vector
from simvp.data.batches import WindowDataset
from simvp.engine.forecaster import load
from simvp.engine.state import State
from simvp.storage import checkpoint


@pytest.fixture
def straight(trained_once: Path) -> dict[str, Any]:
    """The state of a run with `TRAIN` that was not interrupted."""
    return run_state(trained_once / "straight" / "work_dirs" / "default")


@pytest.mark.parametrize(
    ("step", "signum", "code"),
    [
        (1, signal.SIGINT, 130),
        (3, signal.SIGINT, 130),
        (5, signal.SIGTERM, 143),
        (9, signal.SIGINT, 130),
    ],
    ids=["first-step", "end-of-epoch-1", "within-epoch-2", "end-of-epoch-3"],
)
def test_interrupted_and_resumed_run_is_bitwise_equal(
    split_data: Path,
    straight: dict[str, Any],
    simvp: Simvp,
    stop_after: Any,
    step: int,
    signum: int,
    code: int,
) -> None:
    stop_after(step, signum)
    result = simvp(*TRAIN, "--name", "stopped", code=code)
    assert "saved; continue with `simvp train --name stopped --resume`" in result.stderr
    simvp("train", "--name", "stopped", "--resume")
    assert_same(straight, run_state(Path("work_dirs/stopped")))


def test_resumed_run_with_augmentation_is_bitwise_equal(
    split_data: Path, simvp: Simvp, stop_after: Any
) -> None:
    (split_data / "dataset.toml").write_text(
        "boundary_x = 'periodic'\nboundary_y = 'periodic'\nsymmetries = ['roll', 'flip_x']\n"
    )
    result = simvp(*TRAIN, "--name", "straight")
    assert "boundary: periodic; augmented by roll,flip_x" in result.stdout
    stop_after(5, signal.SIGINT)
    simvp(*TRAIN, "--name", "stopped", code=130)
    simvp("train", "--name", "stopped", "--resume")
    runs = split_data.parent / "work_dirs"
    assert_same(run_state(runs / "straight"), run_state(runs / "stopped"))


STEPWISE = ("--recipe", "stepwise", "--set", "data.stride=1", "--set", "train.windows_per_epoch=8")


def test_resumed_run_of_the_unet_is_bitwise_equal(
    split_data: Path, simvp: Simvp, stop_after: Any
) -> None:
    unet = ("--model-type", "unet", "--set", "model.N_S=4", "--set", "model.drop_path_first=0.1")
    assert "unet, 0.01 M" in simvp(*TRAIN, *unet, "--name", "straight").stdout
    stop_after(5, signal.SIGINT)
    simvp(*TRAIN, *unet, "--name", "stopped", code=130)
    simvp("train", "--name", "stopped", "--resume")
    assert_same(*(run_state(Path("work_dirs", name)) for name in ("straight", "stopped")))


@pytest.mark.parametrize("step", [2, 6, 10], ids=["one-pass", "end-of-epoch-2", "two-passes"])
def test_resumed_stepwise_run_is_bitwise_equal(
    split_data: Path, simvp: Simvp, stop_after: Any, step: int
) -> None:
    """Four epochs of three steps, of which the last five train two passes."""
    (split_data / "dataset.toml").write_text(
        "boundary_x = 'periodic'\nboundary_y = 'reflect'\nsymmetries = ['flip_y', 'flip_x']\n"
    )
    result = simvp(*TRAIN, *STEPWISE, "--name", "straight")
    assert "stepwise: 2 frames per pass from the last 2, as increments" in result.stdout
    assert "3 steps of 3 windows per epoch" in result.stdout
    stop_after(step, signal.SIGINT)
    simvp(*TRAIN, *STEPWISE, "--name", "stopped", code=130)
    simvp("train", "--name", "stopped", "--resume")
    assert_same(*(run_state(Path("work_dirs", name)) for name in ("straight", "stopped")))


def test_stepwise_run_is_used_as_it_was_trained(split_data: Path, simvp: Simvp) -> None:
    simvp(*TRAIN, *STEPWISE, "--test")
    run = Path("work_dirs/default")
    forecaster = load(run)
    network = forecaster.network
    assert (network.history, network.block_frames) == (2, 2)
    scale = checkpoint.load(run / "simvp_model.pth")["increment_scale"]
    assert torch.equal(network.increment_scale, scale) and scale.item() != 1
    for folder in (run / "saved" / "preds").iterdir():
        inputs, saved = (
            np.stack([np.load(run / "saved" / kind / folder.name / f"{i}.npy") for i in range(n)])
            for kind, n in (("inputs", 3), ("preds", 4))
        )
        np.testing.assert_allclose(forecaster.predict(inputs), saved, rtol=0, atol=1e-6)
        inputs[0] = 0.5  # the network uses the last two frames
        np.testing.assert_allclose(forecaster.predict(inputs), saved, rtol=0, atol=1e-6)
    refused = simvp("test", "--set", "model.target=frames", code=2)
    assert "were trained to forecast increments; use --set model.target=auto" in refused.stderr
    refused = simvp("train", "--resume", "--set", "model.block_frames=1", code=2)
    assert "model.block_frames was 2, now 1" in refused.stderr
    start = ("--init-from", str(run / "simvp_model.pth"), "--name", "more")
    simvp("train", "--data-path", "data", "--epochs", "1", *TINY, *STEPWISE, *start)


def test_stepwise_windows_are_shorter_than_inputs_and_forecast(
    split_data: Path, simvp: Simvp
) -> None:
    options = ("--recipe", "stepwise", "--set", "data.stride=1", "--epochs", "1")
    result = simvp("train", "--data-path", "data", *TINY, *options)
    samples = len(read_split(split_data).segments("train"))
    assert f"{3 * samples} training and" in result.stdout  # 8 frames, windows of 2 + 2 * 2


def test_resumed_run_differs_without_random_states(
    split_data: Path,
    straight: dict[str, Any],
    simvp: Simvp,
    stop_after: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control of the tests of resuming."""
    stop_after(3, signal.SIGINT)
    simvp(*TRAIN, "--name", "stopped", code=130)
    monkeypatch.setattr("torch.set_rng_state", lambda state: None)
    simvp("train", "--name", "stopped", "--resume")
    with pytest.raises(AssertionError):
        assert_same(straight, run_state(Path("work_dirs/stopped")))


def test_resumed_run_differs_if_batches_are_not_skipped(
    split_data: Path,
    straight: dict[str, Any],
    simvp: Simvp,
    stop_after: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control of the tests of resuming."""
    original = State.restore

    def without_skip(self: State, *arguments: Any) -> None:
        original(self, *arguments)
        assert self.progress.batch == 2
        self.progress.batch = 0

    stop_after(5, signal.SIGINT)
    simvp(*TRAIN, "--name", "stopped", code=130)
    monkeypatch.setattr(State, "restore", without_skip)
    simvp("train", "--name", "stopped", "--resume")
    with pytest.raises(AssertionError):
        assert_same(straight, run_state(Path("work_dirs/stopped")))


def test_runs_with_the_same_seed_are_bitwise_equal(
    split_data: Path, straight: dict[str, Any], simvp: Simvp
) -> None:
    simvp(*TRAIN)
    assert_same(straight, run_state(Path("work_dirs/default")))
    simvp(*TRAIN, "--name", "other", "--seed", "1")
    assert run_state(Path("work_dirs/other"))["history"] != straight["history"]


def test_loss_falls(split_data: Path, simvp: Simvp) -> None:
    drop = [*TINY, "--set", "model.drop=0.0", "--set", "model.drop_path=0.0"]
    simvp("train", "--data-path", "data", "--epochs", "25", "--lr", "1e-2", *drop)
    history = np.genfromtxt("work_dirs/default/metrics.csv", delimiter=",", names=True)
    first, last = history["train_loss"][[0, -1]]
    # The frames are noise of variance 1/12. A smaller loss means that they are memorised.
    assert last < min(1 / 12, 0.8 * first)


def test_kept_weights_are_those_of_the_last_epoch_that_is_marked(trained: Path) -> None:
    latest = checkpoint.load(trained / "checkpoints" / "latest.pth")
    progress = latest["progress"]
    assert progress["best_loss"] == min(row["val_loss"] for row in progress["history"])
    assert progress["best_loss"] == pytest.approx(np.mean(progress["best_losses"]), rel=1e-12)
    marked = [row["epoch"] for row in progress["history"] if row["kept"]]
    weights = checkpoint.load(trained / "checkpoints" / f"epoch_{marked[-1]}.pth")["model"]
    assert_same(dict(weights), checkpoint.load(trained / "simvp_model.pth"))


def test_resuming_a_complete_run_changes_nothing(trained: Path, simvp: Simvp) -> None:
    before = run_state(trained)
    assert "already complete" in simvp("train", "--resume").stdout
    assert_same(before, run_state(trained))


def test_finished_run_resumes_if_more_epochs_are_requested(trained: Path, simvp: Simvp) -> None:
    simvp("train", "--resume", "--epochs", "4")
    history = np.genfromtxt(trained / "metrics.csv", delimiter=",", names=True)
    assert history["epoch"].tolist() == [1, 2, 3, 4]


def test_resume_without_a_run_starts_one(split_data: Path, simvp: Simvp) -> None:
    result = simvp("train", "--data-path", "data", "--epochs", "1", "--resume", *TINY)
    assert "nothing to resume" in result.stdout


def test_resume_with_another_network_is_refused(trained: Path, simvp: Simvp) -> None:
    result = simvp("train", "--resume", "--set", "model.hid_S=6", code=2)
    assert "model.hid_S was 4, now 6" in result.stderr


def test_existing_run_is_overwritten_only_on_request(trained: Path, simvp: Simvp) -> None:
    before = run_state(trained)
    result = simvp("train", "--data-path", "data", "--epochs", "1", *TINY, code=2)
    for way_out in ("--resume", "--name", "--overwrite"):
        assert way_out in result.stderr
    assert_same(before, run_state(trained))
    simvp("train", "--data-path", "data", "--epochs", "1", "--overwrite", *TINY)
    assert len((trained / "metrics.csv").read_text().splitlines()) == 2


def test_run_of_version_1_is_tested_and_resumed_without_standardisation(
    split_data: Path, simvp: Simvp, stop_after: Any
) -> None:
    off = ("--set", "model.standardize=false")
    simvp(*TRAIN, *off, "--name", "straight")
    simvp("test", "--name", "straight")
    stop_after(5, signal.SIGINT)
    simvp(*TRAIN, *off, "--name", "old", code=130)
    old = Path("work_dirs/old")
    text = (old / "config.toml").read_text()
    assert text.count("\nstandardize = false\n") == 1
    new = (
        "standardize|history|block_frames|target|recipe|windows_per_epoch|rollout|rollout_share|"
        "input_noise"
    )
    old_text, count = re.subn(rf"^({new}) = .*\n", "", text, flags=re.MULTILINE)
    assert count == 9
    (old / "config.toml").write_text(old_text)
    (old / "data.json").unlink()
    content = checkpoint.load(old / "checkpoints" / "latest.pth")
    assert content["made_with"].pop("model.standardize") is False
    for name in ("model.history", "model.block_frames", "model.target", "train.recipe"):
        del content["made_with"][name]
    for name in ("windows_per_epoch", "rollout", "rollout_share", "input_noise"):
        del content["made_with"][f"train.{name}"]
    checkpoint.save_training(old / "checkpoints", checkpoint.LATEST, content)
    on = ("--set", "model.standardize=true")
    for command in (("train", "--resume"), ("test",)):
        refused = simvp(*command, "--name", "old", *on, code=2)
        assert "were trained without standardisation of the input; use --set" in refused.stderr
    simvp("test", "--name", "old")
    assert not load(old).network.is_standardizing
    simvp("train", "--name", "old", "--resume")
    simvp("test", "--name", "old")
    states = [run_state(Path("work_dirs", name)) for name in ("straight", "old")]
    assert_same(*states)
    saved = [Path("work_dirs", name, "saved", "metrics.npy") for name in ("straight", "old")]
    assert saved[0].read_bytes() == saved[1].read_bytes()


def test_training_turns_the_vectors_of_the_card(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in split_data.glob("*/*.npy"):
        np.save(file, np.concatenate([np.load(file), 1 - np.load(file)]))
    card = split_data / "dataset.toml"
    card.write_text("symmetries = ['flip_x']\nvectors = [['0', '1']]\n")
    simvp("split", "data")
    used: list[Any] = []
    original = augmentation.apply

    def recording(frames: torch.Tensor, numbers: torch.Tensor, vectors: Any) -> torch.Tensor:
        used.append(vectors)
        return original(frames, numbers, vectors)

    monkeypatch.setattr(augmentation, "apply", recording)
    simvp("train", "--data-path", "data", "--epochs", "1", *TINY)
    assert used and used[0] == [Vector(channels=(0, 1), zero=(0.0, 0.0), span=(1.0, 1.0))]
    card.write_text("symmetries = ['flip_x']\n")
    refused = simvp("train", "--resume", "--epochs", "2", code=2)
    assert "vectors of the data card was [[0, 1]], now []" in refused.stderr


def test_non_finite_loss_stops_training_and_names_the_samples(
    split_data: Path, simvp: Simvp
) -> None:
    result = simvp(*TRAIN, "--lr", "1e30", code=1)
    assert "the loss or its gradient is not finite (samples: " in result.stderr
    assert "abc_wave_" in result.stderr


def test_checkpoints_are_written_at_the_interval_and_at_the_end(
    split_data: Path, simvp: Simvp
) -> None:
    simvp(*TRAIN, "--checkpoint-interval", "3")
    folder = split_data.parent / "work_dirs" / "default" / "checkpoints"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["epoch_3.pth", "epoch_4.pth", "latest.pth", "previous.pth"]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_run_in_each_precision_resumes_with_float32_weights(
    split_data: Path, simvp: Simvp, precision: str
) -> None:
    train = ["train", "--data-path", "data", *TINY, "--set", f"train.precision={precision}"]
    result = simvp(*train, "--epochs", "1")
    assert f"computing in {precision}" in result.stderr + result.stdout
    simvp(*train, "--epochs", "2", "--resume")
    weights = torch.load("work_dirs/default/simvp_model.pth", weights_only=True)
    assert {w.dtype for w in weights.values() if w.is_floating_point()} == {torch.float32}
    saved = Path("work_dirs/default/config.toml").read_text()
    assert f'precision = "{precision}"' in saved
    simvp("test", "--set", f"metrics.precision={precision}")


def test_losses_in_bf16_are_close_to_fp32(split_data: Path, simvp: Simvp) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        options = ["--set", f"train.precision={precision}", "--name", precision, "--epochs", "3"]
        simvp("train", "--data-path", "data", *TINY, *options)
        rows = Path("work_dirs", precision, "metrics.csv").read_text().splitlines()[1:]
        losses[precision] = [float(row.split(",")[2]) for row in rows]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


def test_model_trained_in_bf16_is_validated_in_fp32(split_data: Path, simvp: Simvp) -> None:
    options = ["--set", "train.precision=bf16", "--epochs", "1"]
    result = simvp("train", "--data-path", "data", *TINY, *options)
    assert "; forecasts in fp32" in result.stdout
    row = Path("work_dirs/default/metrics.csv").read_text().splitlines()[1].split(",")
    segments = read_split(split_data).segments("validation")
    val_set = WindowDataset(segments, window=7, stride=4, scaling=None)
    frames = val_set.read(list(range(len(val_set))))[1]
    with torch.inference_mode():
        forecast = load("work_dirs/default").network(frames[:, :3], 4)
    loss = F.mse_loss(forecast, frames[:, 3:]).item()
    assert loss == pytest.approx(float(row[3]), rel=1e-5)


@pytest.mark.parametrize("lr", ["1e10", "1e38"])
def test_update_that_overflows_is_not_saved(split_data: Path, simvp: Simvp, lr: str) -> None:
    """Loss and gradients are finite, and then the updated weights are not usable."""
    options = ["--lr", lr, "--set", f"train.muon_lr={lr}", "--epochs", "3"]
    result = simvp("train", "--data-path", "data", *TINY, *options, code=1)
    assert "not finite" in result.stderr and "training stopped" in result.stderr
    assert "best" not in result.stdout
    run = Path("work_dirs/default")
    assert not (run / "simvp_model.pth").exists()
    assert list((run / "checkpoints").iterdir()) == []
