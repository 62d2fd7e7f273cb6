"""Gated spatiotemporal attention, the translator of SimVP v2 (arXiv 2211.12509).

All tensors are (B, C, h, w); all modules preserve the shape of their input.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings, ResidualBlock
from simvp.models.simvp.layers import Gelu, Mlp, Pointwise, depthwise, init_he_fan_out


class LargeKernel(nn.Module):
    """A 21x21 convolution, decomposed into 5x5, dilated 7x7 and 1x1 convolutions."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv0 = depthwise(channels, 5)
        self.conv_spatial = depthwise(channels, 7, dilation=3)
        self.conv1 = Pointwise(channels, out_channels)

    def convolve(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, out_channels, h, w)."""
        return self.conv1(self.conv_spatial(self.conv0(x)))


class GatedLargeKernel(LargeKernel):
    """Half of the channels of the large-kernel convolution, gated by the other half."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.convolve(x).chunk(2, dim=1)
        return torch.sigmoid(gate) * value


class Attention(nn.Module):
    """Large-kernel attention between two 1x1 convolutions, with a residual connection."""

    def __init__(self, channels: int, gating_unit: nn.Module) -> None:
        super().__init__()
        self.proj_1 = Pointwise(channels, channels)
        self.act = Gelu()
        self.gating_unit = gating_unit
        self.proj_2 = Pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.proj_2(self.gating_unit(self.act(self.proj_1(x))))


class Block(ResidualBlock):
    """Large-kernel attention and an MLP with a 3x3 convolution."""

    gating_unit: Callable[[int], nn.Module] = GatedLargeKernel

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        attn = Attention(channels, self.gating_unit(channels))
        hidden = int(channels * settings.mlp_ratio)
        mlp = Mlp(channels, hidden, drop=settings.drop, mixes_cells=True)
        super().__init__(channels, settings, norm=nn.BatchNorm2d, attn=attn, mlp=mlp, scale=1e-2)
        init_he_fan_out(self)
