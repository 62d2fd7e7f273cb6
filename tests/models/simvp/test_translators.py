"""All translators."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import Simvp

from simvp.config import assignment_layer, resolve
from simvp.models.simvp import SimVP, translators

ALL = translators.names()


PUBLISHED = (
    "convmixer convnext gsta hornet incepu mlpmixer moganet poolformer swin tau uniformer van vit"
)


def test_all_published_translators_are_there() -> None:
    assert set(PUBLISHED.split()) <= set(ALL)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [(59, 59), (50, 70), (13, 9)])
def test_frames_of_any_size(name: str, size: tuple[int, int]) -> None:
    network = SimVP((2, 1, *size), hid_S=8, hid_T=16, N_S=4, N_T=2, mlp_ratio=2.0, model_type=name)
    with torch.inference_mode():
        assert network(torch.rand(1, 2, 1, *size), 3).shape == (1, 3, 1, *size)


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


def test_new_file_adds_a_translator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain.py").write_text(
        "from torch import nn\n\n\n"
        "def Block(channels, settings):\n    return nn.Conv2d(channels, channels, 1)\n"
    )
    monkeypatch.setattr(translators, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(translators, "__path__", [str(tmp_path)])
    assert resolve([assignment_layer("model.model_type=plain")]).model.model_type == "plain"
    network = SimVP((2, 1, 8, 8), hid_S=4, hid_T=8, N_S=2, N_T=2, model_type="plain")
    assert network(torch.rand(1, 2, 1, 8, 8)).shape == (1, 2, 1, 8, 8)


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
