"""MogaNet. Source: Li et al., "Efficient Multi-order Gated Aggregation Network", arXiv 2211.03295.

All tensors are (B, C, h, w); all modules preserve the shape of their input.
"""

import torch
from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings, ResidualBlock
from simvp.models.simvp.layers import Mlp, Pointwise, depthwise, init_he_fan_out
from simvp.models.simvp.tokens import require_multiple


class MultiOrderConv(nn.Module):
    """A depthwise convolution, then larger ones on 3/8 and 4/8 of the channels, and a 1x1 one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        require_multiple(channels, 8, "split 1 : 3 : 4 between three convolutions")
        self.widths = [channels // 8, 3 * channels // 8, 4 * channels // 8]
        _, middle, wide = self.widths
        self.DW_conv0 = depthwise(channels, 5)
        self.DW_conv1 = depthwise(middle, 5, dilation=2)
        self.DW_conv2 = depthwise(wide, 7, dilation=3)
        self.PW_conv = Pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        near, middle, wide = self.DW_conv0(x).split(self.widths, dim=1)
        parts = [near, self.DW_conv1(middle), self.DW_conv2(wide)]
        return self.PW_conv(torch.cat(parts, dim=1))


class GatedAggregation(nn.Module):
    """Gated multi-order convolution with a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_1 = Pointwise(channels, channels)
        self.gate = Pointwise(channels, channels)
        self.value = MultiOrderConv(channels)
        self.proj_2 = Pointwise(channels, channels)
        self.act = nn.SiLU()
        self.sigma = nn.Parameter(torch.full((1, channels, 1, 1), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        projected = self.proj_1(x)
        detail = projected - projected.mean(dim=(2, 3), keepdim=True)
        y = self.act(projected + self.sigma * detail)
        return x + self.proj_2(self.act(self.gate(y)) * self.act(self.value(y)))


class AggregatingMlp(Mlp):
    """MLP that reweights each hidden channel relative to an aggregate of all of them."""

    def __init__(self, channels: int, hidden: int, *, drop: float) -> None:
        super().__init__(channels, hidden, drop=drop, mixes_cells=True)
        self.decompose = Pointwise(hidden, 1)
        self.sigma = nn.Parameter(torch.full((1, hidden, 1, 1), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.dwconv(self.fc1(x))))
        x = x + self.sigma * (x - self.act(self.decompose(x)))
        return self.drop(self.fc2(x))


class Block(ResidualBlock):
    """Gated aggregation, then an MLP."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        attn = GatedAggregation(channels)
        mlp = AggregatingMlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        super().__init__(channels, settings, norm=nn.BatchNorm2d, attn=attn, mlp=mlp, scale=1e-5)
        init_he_fan_out(self)
