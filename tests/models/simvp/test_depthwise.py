"""Depthwise convolutions: their gradients match PyTorch's."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from simvp.models.simvp import depthwise
from simvp.models.simvp.spatial import SpatialConv
from simvp.runtime import devices


@pytest.mark.parametrize(("kernel", "padding"), [(5, 0), (5, 2), (7, 3), (9, 1)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_gradients_of_a_depthwise_convolution_match_pytorch(
    kernel: int, padding: int, has_bias: bool
) -> None:
    torch.manual_seed(0)
    wanted = {"dtype": torch.float64, "requires_grad": True}
    x, weight = torch.randn(2, 3, 9, 11, **wanted), torch.randn(3, 1, kernel, kernel, **wanted)
    parts = [x, weight, *([torch.randn(3, **wanted)] if has_bias else [])]
    bias = parts[2] if has_bias else None
    outputs = [
        depthwise.convolve(x, weight, bias, padding=padding),
        F.conv2d(x, weight, bias, padding=padding, groups=3),
    ]
    torch.testing.assert_close(*outputs)
    weights = torch.randn_like(outputs[0])
    ours, pytorchs = (torch.autograd.grad((y * weights).sum(), parts) for y in outputs)
    torch.testing.assert_close(ours, pytorchs)


def test_depthwise_convolution_in_bf16_has_float32_gradients() -> None:
    torch.manual_seed(0)
    layer, x = SpatialConv(4, 4, 7, groups=4), torch.randn(2, 4, 12, 8)
    gradients = []
    for forward in (layer.forward, nn.Conv2d.forward.__get__(layer)):
        with devices.autocast(torch.device("cpu"), "bf16"):
            y = forward(x)
        assert y.dtype == torch.bfloat16
        gradients.append(torch.autograd.grad(y.float().square().sum(), list(layer.parameters())))
    for ours, pytorchs in zip(*gradients, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, pytorchs, rtol=0.02, atol=0.02 * pytorchs.abs().max())
