"""Translator of the original SimVP: a U-Net of Inception blocks (arXiv 2206.05099).

B: batch; C: channels; h, w: size of the grid, which all modules preserve.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from simvp.models.simvp.layers import Pointwise
from simvp.models.simvp.spatial import SpatialConv
from simvp.models.simvp.tokens import require_multiple

_KERNELS = (3, 5, 7, 11)
_GROUPS = 8


def grouped_conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
    """Grouped convolution, GroupNorm, leaky ReLU: (B, in, h, w) -> (B, out, h, w)."""
    groups = 1 if in_channels % _GROUPS else _GROUPS
    require_multiple(out_channels, groups, f"{groups} groups of channels")
    conv = SpatialConv(in_channels, out_channels, kernel_size, groups=groups)
    norm = nn.GroupNorm(groups, out_channels)
    return nn.Sequential(OrderedDict(conv=conv, norm=norm, act=nn.LeakyReLU(0.2)))


class Inception(nn.Module):
    """Sum of convolutions with several kernel sizes: (B, in, h, w) -> (B, out, h, w)."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = Pointwise(in_channels, hidden)
        self.layers = nn.ModuleList(grouped_conv(hidden, out_channels, k) for k in _KERNELS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return torch.stack([layer(x) for layer in self.layers]).sum(dim=0)


class Translator(nn.Module):
    """`num_blocks` encoder blocks and as many decoder blocks with skip connections.

    (B, T*S, h, w), same shape out.
    """

    def __init__(self, channels: int, hidden: int, num_blocks: int) -> None:
        super().__init__()
        middle = num_blocks - 1
        self.encoder = nn.ModuleList(
            Inception(width, hidden // 2, hidden) for width in [channels, *[hidden] * middle]
        )
        widths = [hidden, *[2 * hidden] * middle]
        outputs = [*[hidden] * middle, channels]
        self.decoder = nn.ModuleList(
            Inception(width, hidden // 2, output)
            for width, output in zip(widths, outputs, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        skips.pop()  # the last output is the input of the decoder
        for index, block in enumerate(self.decoder):
            x = block(x if index == 0 else torch.cat([x, skips.pop()], dim=1))
        return x
