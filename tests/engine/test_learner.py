"""One training step: what it changes, and when it must change nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import describe_data
from torch.utils._python_dispatch import TorchDispatchMode

from simvp.config import assignment_layer, resolve
from simvp.engine import build_network
from simvp.engine.learner import Learner
from simvp.engine.recipes import resolve_recipe
from simvp.runtime.group import process_group

SETTINGS = (
    *("train.batch_size=2", "train.compile=false", "train.input_noise=0.0", "train.lr=0.001"),
)
NETWORK = (
    "model.boundary=zeros",
    "model.standardize=false",
    "model.hid_S=4",
    "model.model_type=gsta",
    "model.hid_T=8",
    "model.N_T=2",
)
FRAMES = ("data.pre_seq_length=3", "data.aft_seq_length=2")

MakeLearner = Callable[..., Learner]


@pytest.fixture
def make() -> MakeLearner:
    def make(precision: str = "fp32", optimizer: str = "muon") -> Learner:
        choices = (f"train.precision={precision}", f"train.optimizer={optimizer}")
        texts = (*SETTINGS, *NETWORK, *FRAMES, *choices)
        config = resolve([assignment_layer(text) for text in texts])
        with process_group("cpu", timeout_minutes=1) as group:
            network = build_network(config, describe_data((1, 9, 11)), group.device)
            return Learner(config, network.train(), group)

    return make


def step(learner: Learner, frames: torch.Tensor) -> torch.Tensor:
    return learner.step(frames, lr_factor=1.0, beta1=0.9)


def bits(content: Any) -> Any:
    """A copy of nested content, with tensors as lists of integers: -0.0 differs from 0.0."""
    if isinstance(content, dict):
        return {key: bits(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [bits(value) for value in content]
    if isinstance(content, torch.Tensor):
        assert content.dtype == torch.float32
        return content.detach().clone().contiguous().view(torch.int32).tolist()
    return content


def state(learner: Learner) -> Any:
    """Weights; moments, momentum and step counts."""
    return bits([[*learner.network.parameters()], learner.optimizer.state_dict()])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("frame", [0, 4])  # of the input, of the truth
def test_a_non_finite_loss_leaves_weights_and_optimizer_of_the_step_before(
    make: MakeLearner, precision: str, optimizer: str, value: float, frame: int
) -> None:
    learner, frames = make(precision, optimizer), torch.rand(2, 5, 1, 9, 11)
    learner.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=precision == "fp16")
    initial = state(learner)
    step(learner, frames)
    before = state(learner)
    assert before != initial and not learner.failed  # a finite step changes them
    bad = frames.clone()
    bad[1, frame, 0, 2, 3] = value
    step(learner, bad)
    assert learner.failed
    assert state(learner) == before
    step(learner, frames)  # before the caller reads `failed`
    assert learner.failed
    assert state(learner) == before


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("part", ["encoder.layers.1.conv.weight", "decoder.readout.bias"])
def test_a_non_finite_value_in_one_gradient_does_the_same(
    make: MakeLearner, precision: str, value: float, part: str
) -> None:
    learner, frames = make(precision), torch.rand(2, 5, 1, 9, 11)
    step(learner, frames)
    before = state(learner)

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        spoiled = gradient.clone()
        spoiled[(0,) * gradient.ndim] = value
        return spoiled

    hook = learner.network.get_parameter(part).register_hook(spoil)
    loss = step(learner, frames)
    assert loss.isfinite() and learner.failed
    assert state(learner) == before
    hook.remove()
    step(learner, frames)
    assert learner.failed
    assert state(learner) == before


def test_a_gradient_that_overflows_float16_skips_one_step_and_is_no_failure(
    make: MakeLearner,
) -> None:
    learner, frames = make("fp16"), torch.rand(2, 5, 1, 9, 11)
    learner.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = bits([*learner.network.parameters()])
    step(learner, frames)
    assert not learner.failed
    assert bits([*learner.network.parameters()]) == before
    assert learner.scaler.get_scale() == 2.0**39


def test_a_loss_that_is_not_finite_makes_the_gradient_nan_for_the_other_processes(
    make: MakeLearner,
) -> None:
    learner, frames = make(), torch.rand(2, 5, 1, 9, 11)
    frames[:, 3:] = 1e20  # the square overflows float32, the gradient does not
    seen: list[torch.Tensor] = []
    learner.network.decoder.readout.bias.register_hook(seen.append)
    assert step(learner, frames).isinf()
    assert seen[0].isnan().all()
    assert learner.failed


class _HostReads(TorchDispatchMode):
    """Counts the operations that copy a value to the host, for which a GPU is synchronised."""

    count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        self.count += name in ("_local_scalar_dense", "is_nonzero", "equal", "nonzero")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_reads_nothing_on_the_host(make: MakeLearner, precision: str) -> None:
    learner, frames = make(precision), torch.rand(2, 5, 1, 9, 11)
    with _HostReads() as reads:
        for value in (0.5, torch.nan):
            frames[0, 0, 0, 0, 0] = value
            step(learner, frames)
        assert reads.count == 0
        bool(learner.failed)
        assert reads.count == 1  # the count works


def test_step_trains_the_frames_that_it_is_told_to(make: MakeLearner) -> None:
    learner = make()
    frames = torch.rand(2, 5, 1, 9, 11)
    changed = frames.clone()
    changed[:, 4] += 7

    def loss(frames: torch.Tensor, num_steps: int | None) -> float:
        torch.manual_seed(0)  # stochastic depth
        return float(learner.step(frames, lr_factor=0.0, beta1=0.9, num_steps=num_steps))

    assert loss(frames, 1) == loss(changed, 1)
    assert loss(frames, 2) == loss(frames, None)
    assert loss(changed, 2) > 10 * loss(frames, 2)


def test_input_noise_has_the_size_of_a_share_of_the_increments() -> None:
    """Input-only channels, missing values and the truth get none."""
    noise = ("train.input_noise=0.5", "train.recipe=stepwise", "train.precision=fp32")
    texts = (*SETTINGS[:2], *NETWORK, *FRAMES, *noise)
    config = resolve_recipe(resolve([assignment_layer(text) for text in texts]), None)
    statistics = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "has_missing": True}
    data = describe_data((3, 40, 50), inputs=("2",), **statistics)
    frames = torch.zeros(2, 4, 3, 40, 50)
    frames[:, :, 0, 5] = torch.nan
    received: list[torch.Tensor] = []
    with process_group("cpu", timeout_minutes=1) as group:
        network = build_network(config, data, group.device, increment_scale=(0.2, 3.0))
        network.register_forward_pre_hook(lambda module, args: received.append(args[0]))
        step(Learner(config, network.train(), group), frames)
    first, second, third = received[0].unbind(dim=2)
    assert first[:, :, 5].isnan().all() and first[:, :, 6:].isfinite().all()
    for values, size in ((first[:, :, 6:], 0.1), (second, 1.5)):
        count = values.numel()
        assert abs(float(values.mean())) < 4 * size / count**0.5
        # The standard deviation of a sample varies by its 1 / sqrt(2 n)-th part.
        assert float(values.std()) == pytest.approx(size, rel=4 / (2 * count) ** 0.5)
    assert (third == 0).all() and (frames[:, :, 1:] == 0).all()
