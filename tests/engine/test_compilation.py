"""Compiled blocks against uncompiled ones."""

import pytest
import torch
from helpers import describe_data
from torch import nn

from simvp.config import Config
from simvp.engine import build_network
from simvp.engine.compilation import uncompiled
from simvp.engine.learner import Learner
from simvp.runtime.group import Group


# Warnings caused by the compiler of PyTorch 2.13.
@pytest.mark.filterwarnings("ignore:.*Function.* should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_blocks_give_the_same_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller batches and forecasts are not compiled."""
    graphs: list[object] = []
    counts: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    compile_module = nn.Module.compile
    monkeypatch.setattr(
        nn.Module,
        "compile",
        lambda self, **options: compile_module(self, backend=backend, **options),
    )
    losses: dict[bool, list[float]] = {True: [], False: []}
    for is_compiled, of_run in losses.items():
        model = {"hid_S": 4, "hid_T": 8, "N_S": 2, "N_T": 2}
        model |= {"boundary": "periodic,reflect", "standardize": True}
        train = {"compile": is_compiled, "batch_size": 2, "precision": "fp32", "input_noise": 0.0}
        lengths = {"pre_seq_length": 3}
        config = Config.model_validate({"model": model, "train": train, "data": lengths})
        data = describe_data((1, 8, 8), mean=(0.5,), std=(0.3,))
        network = build_network(config, data, torch.device("cpu"))
        names = list(network.state_dict())
        learner = Learner(config, network, Group(0, 1, torch.device("cpu")))
        for size in (2, 2, 1):
            frames = torch.rand(size, 7, 1, 8, 8, generator=torch.Generator().manual_seed(size))
            torch.manual_seed(0)
            of_run.append(float(learner.step(frames, lr_factor=1.0, beta1=0.9)))
            counts.append(len(graphs))
        network.eval()
        with torch.inference_mode(), uncompiled():
            of_run.append(float(network(frames[:, :3], 4).mean()))
        assert list(network.state_dict()) == names
    assert losses[True] == pytest.approx(losses[False], rel=1e-4)
    assert counts[0] >= 6  # two layers of the encoder, two blocks, two layers of the decoder
    assert set(counts) == {counts[0]} and len(graphs) == counts[0]
