"""A GPU against the CPU, whose results the other tests check; run with `pytest -m gpu`."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TRAIN, Simvp, describe_data

from simvp.config import assignment_layer, resolve
from simvp.engine import build_network
from simvp.engine.learner import Learner
from simvp.engine.muon import orthogonalize
from simvp.engine.recipes import resolve_recipe
from simvp.runtime import devices
from simvp.runtime.group import Group
from simvp.storage import checkpoint

pytestmark = pytest.mark.gpu

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
SMALL = (
    *("model.hid_S=8", "model.hid_T=16", "model.N_S=2", "model.standardize=false"),
    *("data.pre_seq_length=3", "data.aft_seq_length=3", "train.batch_size=4"),
    *("train.recipe=direct", "train.lr=0.003", "train.compile=false", "train.precision=fp32"),
)

# On the GPU, tensor cores round the inputs of convolutions unless this is off.
devices.configure_backend(GPU)


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(4, 6, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def make(device: torch.device, *settings: str) -> Learner:
    texts = (*SMALL, "model.boundary=zeros", *settings)
    config = resolve_recipe(resolve([assignment_layer(text) for text in texts]), None)
    network = build_network(config, describe_data((1, 32, 32)), device)
    return Learner(config, network.train(), Group(0, 1, device))


def losses(learner: Learner, frames: torch.Tensor, steps: int = 5) -> list[float]:
    moved = frames.to(learner.device)
    return [float(learner.step(moved, lr_factor=1.0, beta1=0.9)) for _ in range(steps)]


@pytest.mark.parametrize("boundary", ["zeros", "periodic", "reflect,replicate"])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("kind", ["gsta", "unet"])
def test_training_steps(frames: torch.Tensor, kind: str, boundary: str, optimizer: str) -> None:
    settings = (f"model.boundary={boundary}", f"train.optimizer={optimizer}")
    settings += (f"model.model_type={kind}",)
    expected = losses(make(CPU, *settings), frames)
    assert losses(make(GPU, *settings), frames) == pytest.approx(expected, rel=1e-3)
    assert expected[-1] < expected[0]


@pytest.mark.parametrize("compiles", ["false", "true"])
def test_training_steps_in_bfloat16(frames: torch.Tensor, compiles: str) -> None:
    expected = losses(make(GPU), frames)
    learner = make(GPU, "train.precision=bf16", f"train.compile={compiles}")
    assert losses(learner, frames) == pytest.approx(expected, rel=0.03)
    assert all(p.dtype == torch.float32 for p in learner.network.parameters())


@pytest.mark.parametrize("kind", ["gsta", "unet"])
def test_compiled_training_steps(frames: torch.Tensor, kind: str) -> None:
    settings = (f"model.model_type={kind}",)
    expected = losses(make(GPU, *settings), frames)
    compiled = make(GPU, *settings, "train.compile=true")
    assert losses(compiled, frames) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_that_is_not_finite_leaves_the_weights(frames: torch.Tensor, precision: str) -> None:
    learner = make(GPU, f"train.precision={precision}")
    losses(learner, frames, 1)
    before = {name: p.clone() for name, p in learner.network.named_parameters()}
    frames[0, 0, 0, 0, 0] = torch.inf
    learner.step(frames.to(GPU), lr_factor=1.0, beta1=0.9)
    assert learner.failed
    for name, parameter in learner.network.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_orthogonal_directions_of_muon() -> None:
    matrices = torch.randn(3, 20, 50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        orthogonalize(matrices.to(GPU)).cpu(), orthogonalize(matrices), atol=1e-4, rtol=0
    )


def test_an_interrupted_run_ends_as_one_that_was_not(
    simvp: Simvp, split_data: Path, stop_after: Callable[[int, int], None]
) -> None:
    """Up to the order of additions on the GPU; dropout draws the same numbers."""
    options = (*TRAIN, "--set", "run.device=cuda:0", "--set", "train.precision=fp32")
    output = simvp(*options, "--name", "straight").stdout
    assert torch.cuda.get_device_name(0) in output
    stop_after(5, signal.SIGTERM)
    simvp(*options, "--name", "resumed", code=128 + signal.SIGTERM)
    simvp(*options, "--name", "resumed", "--resume")
    straight, resumed = (
        checkpoint.load(Path("work_dirs") / name / "checkpoints" / "latest.pth")["model"]
        for name in ("straight", "resumed")
    )
    for name, tensor in straight.items():
        torch.testing.assert_close(resumed[name], tensor, atol=1e-4, rtol=1e-3, msg=name)


def test_a_gpu_forecasts_what_the_cpu_does(simvp: Simvp, trained: Path) -> None:
    for device in ("cpu", "cuda:0"):
        simvp("test", "--set", f"run.device={device}")
        Path("work_dirs/default/saved").rename(device)
    pairs = [
        (path, Path("cuda:0") / path.relative_to("cpu")) for path in Path("cpu").rglob("*.npy")
    ]
    assert len(pairs) > 3
    for on_cpu, on_gpu in pairs:
        if on_cpu.name != "metrics.npy":
            np.testing.assert_allclose(np.load(on_gpu), np.load(on_cpu), atol=1e-5)
