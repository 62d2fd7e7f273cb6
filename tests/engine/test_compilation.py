"""Compiled networks against uncompiled ones."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from helpers import describe_data
from torch import nn

from simvp.config import Config
from simvp.engine import build_network, compilation, learner
from simvp.engine.compilation import uncompiled
from simvp.engine.learner import Learner
from simvp.models.simvp import Network
from simvp.runtime.group import Group

CPU = torch.device("cpu")

# Warnings caused by the compiler of PyTorch 2.13.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Function.* should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a:UserWarning"),
]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """The graphs that have been compiled, without generating code, which takes a minute."""
    found: list[object] = []
    compile_any = torch.compile

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        found.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    monkeypatch.setattr(
        torch,
        "compile",
        lambda model, *, dynamic, mode=None: compile_any(model, dynamic=dynamic, backend=backend),
    )
    yield found
    torch._dynamo.reset()


def in_blocks(network: Network, device: torch.device) -> nn.Module:
    compilation.compile_blocks(network)
    return network


@pytest.mark.parametrize("kind", ["gsta", "unet"])
@pytest.mark.parametrize("parts", ["whole", "blocks"])
def test_losses_and_forecasts(
    graphs: list[object], monkeypatch: pytest.MonkeyPatch, kind: str, parts: str
) -> None:
    """Smaller batches and forecasts are not compiled."""
    if parts == "blocks":  # as with several processes
        monkeypatch.setattr(learner, "compiled", in_blocks)
    losses: dict[bool, list[float]] = {True: [], False: []}
    counts = []
    for is_compiled, of_run in losses.items():
        sizes = {"model_type": kind, "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
        model: dict[str, Any] = {**sizes, "boundary": "periodic,reflect", "standardize": True}
        train = {"compile": is_compiled, "batch_size": 2, "precision": "fp32", "lr": 0.001}
        content = {"model": model, "train": {**train, "input_noise": 0.0}}
        config = Config.model_validate({**content, "data": {"pre_seq_length": 3}})
        data = describe_data((1, 8, 8), mean=(0.5,), std=(0.3,))
        network = build_network(config, data, CPU)
        names = list(network.state_dict())
        steps = Learner(config, network, Group(0, 1, CPU))
        for size in (2, 2, 1):
            frames = torch.rand(size, 7, 1, 8, 8, generator=torch.Generator().manual_seed(size))
            torch.manual_seed(0)
            of_run.append(float(steps.step(frames, lr_factor=1.0, beta1=0.9)))
            counts.append(len(graphs))
        network.eval()
        with torch.inference_mode(), uncompiled():
            of_run.append(float(network(frames[:, :3], 4).mean()))
        assert list(network.state_dict()) == names
    assert losses[True] == pytest.approx(losses[False], rel=1e-4)
    # Two layers of the encoder, two blocks and two layers of the decoder; two merging and splitting
    # layers and two times two levels of the U-Net.
    assert counts[0] >= (1 if parts == "whole" else 4)
    assert set(counts) == {counts[0]} and len(graphs) == counts[0]


def test_every_block_is_compiled(graphs: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Six blocks of one class, and layers of encoder and decoder: more than the limit here."""
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 2)
    model = {"model_type": "gsta", "hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 6, "boundary": "zeros"}
    config = Config.model_validate({"model": {**model, "standardize": False}})
    network = build_network(config, describe_data((1, 8, 8)), CPU).train()
    compilation.compile_blocks(network)
    network(torch.rand(2, 10, 1, 8, 8))
    first = len(graphs)
    network(torch.rand(2, 10, 1, 8, 8))
    assert first >= 8 and len(graphs) == first
