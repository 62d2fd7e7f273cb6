"""Muon for matrices, Adam for other weights."""

import pytest
import torch

from simvp.config.training import TrainSection
from simvp.engine.optimizer import Optimizer
from simvp.models.simvp import Network, SimVP, UNet

SMALL = {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2}
CPU = torch.device("cpu")


def test_muon_step_is_orthogonal_up_to_its_scale() -> None:
    """A step is orthogonal up to its scale, 0.2 sqrt(max(rows, columns)) of the learning rate."""
    network = SimVP((3, 1, 16, 16), **SMALL)
    optimizer = Optimizer(TrainSection(optimizer="muon", lr=0.001), network)
    weight = network.encoder.layers[1].conv.weight  # (8, 8, 3, 3)
    before = weight.detach().clone()
    network(torch.rand(4, 3, 1, 16, 16)).square().mean().backward()
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    optimizer.step(scaler, lr_factor=0.5, beta1=0.9, skip=torch.tensor(False))
    change = (weight.detach() - before).flatten(1)
    sizes = torch.linalg.svdvals(change) / (0.5 * TrainSection().muon_lr * 0.2 * 72**0.5)
    assert sizes.min() > 0.6 and sizes.max() < 1.3  # Newton-Schulz is approximate


@pytest.mark.parametrize("kind", [SimVP, UNet])
def test_each_weight_belongs_to_one_optimizer(kind: type[Network]) -> None:
    network = kind((3, 1, 16, 16), **SMALL).to(memory_format=torch.channels_last)
    for name in ("adam", "muon"):
        optimizer = Optimizer(TrainSection(optimizer=name, lr=0.001), network)
        counts = [p.numel() for part, _ in optimizer.parts.values() for p in _parameters(part)]
        assert sum(counts) == sum(p.numel() for p in network.parameters())
    matrices = {id(p) for p in _parameters(optimizer.parts["muon"][0])}
    assert matrices.isdisjoint({id(network.first.weight), id(network.readout.weight)})


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]
