"""The benchmark that trains other networks on the same data, `tests/bench/peers.py`."""

import json
import sys
from pathlib import Path

import peer_networks
import peer_training
import peers
import pytest
import recipes
import torch
from helpers import Simvp, write_sample

from simvp.metrics import persistence
from simvp.physics import Boundary

PERIODIC: Boundary = ("periodic", "periodic")
REPLICATE: Boundary = ("replicate", "replicate")
SMALL = ["data.pre_seq_length=3", "data.aft_seq_length=4"]


@pytest.fixture
def waves(tmp_path: Path, simvp: Simvp) -> Path:
    """A split of six samples of 9 frames of 2 channels, 16x24: four to train with."""
    for number in range(6):
        sample = tmp_path / "waves" / f"wave_{number}"
        write_sample(sample, number, frames=9, size=(16, 24), channels=2)
    simvp("split", "waves", "--train-ratio", "0.6", "--val-ratio", "0.2")
    return tmp_path / "waves"


def test_persistence_has_the_mse_that_simvp_test_reports(tested: Path) -> None:
    task = peer_training.open_task(Path("data"), ["train.recipe=direct", *SMALL])
    reported = json.loads((tested / "saved" / "metrics.json").read_text())
    found = peer_training.mse(persistence, task.test_set, task.config)
    assert found == pytest.approx(reported["persistence"]["mse"], rel=1e-6)


def test_a_forecast_that_is_not_finite_has_no_mse(waves: Path) -> None:
    task = peer_training.open_task(waves, ["train.recipe=direct", *SMALL])

    def broken(inputs: torch.Tensor, num_steps: int) -> torch.Tensor:
        frames = persistence(inputs, num_steps).clone()
        frames[0, 0] = torch.inf
        return frames

    assert not torch.tensor(peer_training.mse(broken, task.val_set, task.config)).isfinite()


@pytest.mark.parametrize(("peer", "shift"), [("unet", (8, 16)), ("fno", (1, 5))])
def test_networks_commute_with_shifts_on_a_periodic_grid(peer: str, shift: tuple[int, int]) -> None:
    """The U-Net with shifts by its stride, the FNO with all."""
    if peer == "fno":
        pytest.importorskip("neuralop")
    torch.manual_seed(0)
    frames = torch.randn(2, 3, 16, 24)
    for boundary, is_periodic in ((PERIODIC, True), (REPLICATE, False)):
        network = peer_networks.build(peer, 3, 5, boundary)
        before = network(frames.roll(shift, (-2, -1)))
        after = network(frames).roll(shift, (-2, -1))
        assert before.shape == (2, 5, 16, 24)
        assert torch.allclose(before, after, rtol=0, atol=1e-5) == is_periodic


@pytest.mark.parametrize("peer", peer_networks.PEERS)
def test_networks_have_about_as_many_parameters(peer: str) -> None:
    if peer == "fno":
        pytest.importorskip("neuralop")
    count = peer_networks.count_parameters(peer_networks.build(peer, 10, 10, PERIODIC))
    print(f"{peer}: {count} parameters")
    assert 0.6e6 < count < 0.75e6


def test_a_complex_parameter_counts_twice() -> None:
    network = torch.nn.ParameterList([torch.zeros(3), torch.zeros(2, dtype=torch.complex64)])
    assert peer_networks.count_parameters(network) == 7


def test_stepwise_forecasts_start_from_persistence(waves: Path) -> None:
    frames = torch.rand(2, 3, 2, 16, 24)
    for mode, is_persistence in (("stepwise", True), ("direct", False)):
        task = peer_training.open_task(waves, [f"train.recipe={mode}", *SMALL])
        forecast = peer_training.Forecaster("unet", task)(frames, 4)
        assert forecast.shape == (2, 4, 2, 16, 24)
        assert torch.equal(forecast, persistence(frames, 4)) == is_persistence


def test_increments_are_added_up_in_their_units(waves: Path) -> None:
    task = peer_training.open_task(waves, ["train.recipe=stepwise", *SMALL])
    forecaster = peer_training.Forecaster("unet", task)
    # With weights of 0, the forecast increments are the biases: 1, 2 and then 3, 4 units.
    forecaster.network.readout.bias.data = torch.tensor([1.0, 2.0, 3.0, 4.0])
    frames = torch.rand(1, 3, 2, 16, 24)
    units = torch.tensor([[1.0, 2.0], [4.0, 6.0], [5.0, 8.0]])[..., None, None] * forecaster.scale
    assert torch.allclose(forecaster(frames, 3), frames[:, -1:] + units, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["direct", "stepwise"])
def test_a_study_uses_the_time_and_skips_what_is_there(
    mode: str, waves: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipes, "make_data", lambda folder, system: waves)
    small = {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2}
    monkeypatch.setattr(peer_networks, "UNET_SIZES", small)
    monkeypatch.setitem(peers.LEARNING_RATES, "unet", (1e-9, 1e-2))
    arguments = "peers.py . --systems flow --peers unet --seconds 0.5 --tuning-seconds 0.5".split()
    sets = [f"--set={text}" for text in SMALL]
    monkeypatch.setattr(sys, "argv", [*arguments, f"--modes={mode}", *sets])
    peers.main()
    text = Path("peers.jsonl").read_text()
    line = json.loads(text)
    assert (line["peer"], line["mode"], line["seconds"]) == ("unet", mode, 0.5)
    # Noise is forecast best by its mean, which a learning rate of 1e-9 does not approach.
    assert line["lr"] == 1e-2
    losses = line["val_mse_of_lr"]
    assert losses["0.01"] < losses["1e-09"] and line["val_mse"] < losses["1e-09"]
    assert line["test_mse"] > 0 and line["steps"] > 2
    peers.main()
    assert Path("peers.jsonl").read_text() == text
