"""Muon against PyTorch's implementation."""

import pytest
import torch
from torch import nn

from simvp.engine.muon import Muon
from simvp.runtime import devices


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_muon_matches_pytorch(precision: str) -> None:
    """PyTorch always multiplies in bfloat16; this implementation uses the network's precision."""
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in [(12, 30), (30, 12), (12, 30)]]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    before = [weight.detach().clone() for weight in ours]
    optimizers = [
        Muon(ours, lr=0.1),
        torch.optim.Muon(theirs, lr=0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(3):
        for pair in zip(ours, theirs, strict=True):
            pair[0].grad = torch.randn_like(pair[0])
            pair[1].grad = pair[0].grad.clone()
        with devices.autocast(torch.device("cpu"), precision):
            for optimizer in optimizers:
                optimizer.step()
    for a, b, start in zip(ours, theirs, before, strict=True):
        assert (a - b).norm() < 0.02 * (b - start).norm()
