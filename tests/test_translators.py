from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Simvp

from simvp.config import assignment_layer, resolve
from simvp.engine import network_cost
from simvp.errors import ConfigError
from simvp.models.simvp import SimVP, translators

ALL = translators.names()


def cost(*assignments: str) -> tuple[int, int]:
    published = ["model.hid_S=64", "model.hid_T=512", "model.N_S=4", "model.boundary=zeros"]
    given = [*published, "train.batch_size=8", *assignments]
    result = network_cost(resolve([assignment_layer(text) for text in given]), (1, 64, 64))
    return result.parameters, result.multiply_adds


PUBLISHED = (
    "convmixer convnext gsta hornet incepu mlpmixer moganet poolformer swin tau uniformer van vit"
)


def test_all_published_translators_are_there() -> None:
    assert set(PUBLISHED.split()) <= set(ALL)


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    # OpenSTL's tables for Moving MNIST, 10x1x64x64: parameters in millions, "FLOPs" in G.
    [("gsta", 46.77, 16.5), ("incepu", 58.0, 19.4), ("tau", 44.7, 16.0), ("convmixer", 3.9, 5.5)],
)
def test_cost_matches_openstl(name: str, parameters: float, multiply_adds: float) -> None:
    ours = cost(f"model.model_type={name}")
    assert ours[0] / 1e6 == pytest.approx(parameters, abs=0.06)
    assert ours[1] / 1e9 == pytest.approx(multiply_adds, abs=0.15)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [(59, 59), (50, 70), (13, 9)])
def test_frames_of_any_size(name: str, size: tuple[int, int]) -> None:
    network = SimVP((2, 1, *size), hid_S=8, hid_T=16, N_S=4, N_T=2, mlp_ratio=2.0, model_type=name)
    with torch.inference_mode():
        assert network(torch.rand(1, 2, 1, *size), 3).shape == (1, 3, 1, *size)


@pytest.mark.parametrize("name", ["hornet", "moganet", "swin", "vit", "uniformer", "incepu"])
def test_unsupported_number_of_channels_suggests_valid_ones(name: str) -> None:
    # IncepU has 8 groups if hid_T / 2 is divisible by 8, otherwise 1.
    widths = ("model.hid_T=496", "model.hid_S=6") if name == "incepu" else ("model.hid_T=500",)
    needed = "56 or 64" if name == "incepu" else "496 or 504"
    with pytest.raises(
        ConfigError, match=f"model.model_type = '{name}': .*use {needed}; the numbers"
    ):
        cost(f"model.model_type={name}", *widths)


@pytest.mark.parametrize("name", ALL)
def test_periodic_boundaries_reach_every_spatial_layer(name: str) -> None:
    """The network commutes with shifts by multiples of the downsampling factor."""
    if name in ("mlpmixer", "swin"):
        pytest.skip("not translation invariant")
    torch.manual_seed(0)
    network = SimVP(
        (2, 1, 16, 24),
        hid_S=4,
        hid_T=16,
        N_S=2,
        N_T=3,
        mlp_ratio=2.0,
        model_type=name,
        boundary=("periodic", "periodic"),
    )
    for parameter in network.parameters():  # LayerScale would hide differences
        torch.nn.init.normal_(parameter, std=0.2)
    frames = torch.rand(1, 2, 1, 16, 24, dtype=torch.float64)
    network = network.double().eval()
    with torch.inference_mode():
        rolled = network(frames.roll((4, 6), (-2, -1)))
        torch.testing.assert_close(rolled, network(frames).roll((4, 6), (-2, -1)))


def test_new_file_adds_a_translator(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(translators.__file__).parent / "plain.py"
    file.write_text(
        "from torch import nn\n\n\n"
        "def Block(channels, settings):\n    return nn.Conv2d(channels, channels, 1)\n"
    )
    try:
        assert resolve([assignment_layer("model.model_type=plain")]).model.model_type == "plain"
        network = SimVP((2, 1, 8, 8), hid_S=4, hid_T=8, N_S=2, N_T=2, model_type="plain")
        assert network(torch.rand(1, 2, 1, 8, 8)).shape == (1, 2, 1, 8, 8)
    finally:
        file.unlink()


def test_print_model_prints_the_cost_and_exits(split_data: Path, simvp: Simvp) -> None:
    lengths = ("--pre-seq-length", "4", "--aft-seq-length", "4")
    result = simvp("train", "--data-path", "data", "--print-model", *lengths)
    assert "gsta, for frames of 1x9x11" in result.stdout
    assert "M  parameters" in result.stdout
    assert not Path("work_dirs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_translator_trains_resumes_and_forecasts(name: str, simvp: Simvp) -> None:
    simvp("simulate", "--samples", "20", "--frames", "8", "--image-size", "16")
    simvp("split")
    options = [
        *("--model-type", name, "--pre-seq-length", "4", "--aft-seq-length", "4"),
        *("--batch-size", "4", "--set", "model.hid_S=8", "--set", "model.hid_T=32"),
        *("--set", "model.N_S=2", "--set", "model.N_T=2", "--set", "model.mlp_ratio=2.0"),
    ]
    simvp("train", "--epochs", "6", *options)
    simvp("train", "--resume", "--epochs", "12")
    history = np.genfromtxt("work_dirs/default/metrics.csv", delimiter=",", names=True)
    assert len(history) == 12
    assert history["train_loss"][-1] < 0.6 * history["train_loss"][0]
    assert "forecast" in simvp("test").stdout
