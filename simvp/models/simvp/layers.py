"""Layers that several parts of the network share.

B: batch; C: channels; H, W: height and width.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from simvp.models.simvp.spatial import SpatialConv


def depthwise(channels: int, kernel_size: int, *, dilation: int = 1) -> SpatialConv:
    """A convolution of each channel with itself alone."""
    return SpatialConv(channels, channels, kernel_size, dilation=dilation, groups=channels)


class Pointwise(nn.Conv2d):
    """A linear map of the channels, the same in every cell: (B, C, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        # For processors without AVX-512, oneDNN's convolution takes up to twice as long as the
        # matrix product that it is.
        cells = functional.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return cells.permute(0, 3, 1, 2)


# Bytes of a tensor. To keep a smaller one takes less time than to compute it again; a larger one
# takes no less, for its memory has to be found.
_LARGE = 2**24


def recomputed(function: Callable[[Tensor], Tensor], x: Tensor, *, random: bool = False) -> Tensor:
    """`function(x)`; if x is large, what lies in between is computed again in the backward pass.

    Args:
        random: whether the function draws random numbers, which have to be the same then.
    """
    # Where there is a compiler, it decides what to keep.
    if torch.compiler.is_compiling() or x.nbytes < _LARGE or not torch.is_grad_enabled():
        return function(x)
    y: Tensor = checkpoint(function, x, use_reentrant=False, preserve_rng_state=random)
    return y


class DropPath(nn.Module):
    """Stochastic depth: in training, zero a residual branch for a whole sample with `probability`.

    What remains is scaled up, so that the expectation is unchanged. Shape in, same shape out.
    Source: Huang et al., "Deep Networks with Stochastic Depth", arXiv 1603.09382.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (mask / keep)


class LayerScale(nn.Module):
    """A learned factor for each channel of (B, C, H, W), small at first."""

    def __init__(self, channels: int, initial: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), initial))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None]


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each cell: (B, C, H, W), same out."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Expand the channels of each cell and contract them again: (B, C, H, W), same out.

    Args:
        mixes_cells: whether neighbouring cells are mixed in between, by a 3x3 convolution (Guo et
            al., "Visual Attention Network", arXiv 2202.09741).
    """

    def __init__(
        self, channels: int, hidden: int, *, drop: float, mixes_cells: bool = False
    ) -> None:
        super().__init__()
        self.fc1 = Pointwise(channels, hidden)
        self.dwconv = depthwise(hidden, 3) if mixes_cells else nn.Identity()
        self.act = nn.GELU()
        self.fc2 = Pointwise(hidden, channels)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        is_random = self.training and self.drop.p > 0
        return recomputed(self._contract, self.fc1(x), random=is_random)

    def _contract(self, x: Tensor) -> Tensor:
        x = self.drop(self.fc2(self.drop(self.act(self.dwconv(x)))))
        return x


def init_he_fan_out(module: nn.Module) -> None:
    """Initialise every convolution in `module` as He et al. (arXiv 1502.01852) for its outputs.

    As published, the fan-out counts the outputs of a group only.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fan_out = part.kernel_size[0] * part.kernel_size[1] * part.out_channels // part.groups
            nn.init.normal_(part.weight, std=math.sqrt(2.0 / fan_out))
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def init_trunc_normal(module: nn.Module) -> None:
    """Initialise every linear map and convolution in `module` normally, as transformers do."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
