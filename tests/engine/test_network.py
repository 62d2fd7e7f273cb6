"""Memory layout of the network."""

import pytest
import torch
from helpers import describe_data
from torch import nn

from simvp.config import Config
from simvp.engine import build_network
from simvp.models.simvp.layers import Pointwise
from simvp.models.simvp.spatial import SpatialConv


def test_fast_layouts_match_the_plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain network has contiguous memory and PyTorch's dilated convolution."""
    model = {"hid_S": 8, "hid_T": 16, "N_S": 2, "N_T": 2, "boundary": "zeros", "standardize": False}
    config = Config.model_validate({"model": model})
    network = build_network(config, describe_data((1, 16, 16)), torch.device("cpu")).eval()
    frames = torch.rand(2, 10, 1, 16, 16)
    with torch.inference_mode():
        fast = network(frames)
    for layer in (SpatialConv, Pointwise):
        monkeypatch.setattr(layer, "forward", nn.Conv2d.forward)
    with torch.inference_mode():
        plain = network.to(memory_format=torch.contiguous_format)(frames)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=0)
