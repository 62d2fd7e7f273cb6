"""One training step: what it changes, and when it must change nothing."""

import pytest
import torch

from simvp.config import assignment_layer, resolve
from simvp.engine import build_network
from simvp.engine.learner import Learner
from simvp.runtime.group import process_group

SETTINGS = ("train.precision=fp32", "train.batch_size=2", "train.compile=false")
NETWORK = ("model.boundary=zeros", "model.hid_S=4", "model.hid_T=8", "model.N_T=2")
FRAMES = ("data.pre_seq_length=3", "data.aft_seq_length=2")


@pytest.fixture
def learner() -> Learner:
    config = resolve([assignment_layer(text) for text in (*SETTINGS, *NETWORK, *FRAMES)])
    with process_group("cpu", timeout_minutes=1) as group:
        return Learner(config, build_network(config, (1, 9, 11), group.device).train(), group)


def weights(learner: Learner) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in learner.network.parameters()]


def step(learner: Learner, frames: torch.Tensor) -> torch.Tensor:
    return learner.step(frames, lr_factor=1.0, beta1=0.9)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("frame", [0, 4])  # of the input, of the truth
def test_a_step_with_a_non_finite_value_leaves_the_weights_of_the_step_before(
    learner: Learner, value: float, frame: int
) -> None:
    frames = torch.rand(2, 5, 1, 9, 11)
    initial = weights(learner)
    step(learner, frames)
    before = weights(learner)
    # The negative control: a finite step changes the weights, and is no failure.
    assert not any(torch.equal(a, b) for a, b in zip(initial, before, strict=True) if a.any())
    assert not learner.failed
    frames[1, frame, 0, 2, 3] = value
    step(learner, frames)
    assert learner.failed
    assert all(torch.equal(a, b) for a, b in zip(before, weights(learner), strict=True))


def test_a_non_finite_gradient_of_a_finite_loss_leaves_the_weights(learner: Learner) -> None:
    frames = torch.rand(2, 5, 1, 9, 11)
    before = weights(learner)
    readout = learner.network.decoder.readout.weight
    readout.register_hook(lambda gradient: torch.full_like(gradient, torch.inf))
    loss = step(learner, frames)
    assert loss.isfinite()
    assert learner.failed
    assert all(torch.equal(a, b) for a, b in zip(before, weights(learner), strict=True))
