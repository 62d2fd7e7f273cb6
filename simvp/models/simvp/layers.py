"""Common layers.

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
    """Depthwise convolution: one filter per channel."""
    return SpatialConv(channels, channels, kernel_size, dilation=dilation, groups=channels)


class Pointwise(nn.Conv2d):
    """1x1 convolution: (B, C, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        # On CPUs without AVX-512, oneDNN's convolution takes up to twice as long as the equivalent
        # matrix product.
        cells = functional.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return cells.permute(0, 3, 1, 2)


# Bytes. On a CPU, saving smaller tensors is faster than recomputing them. For larger ones it is
# not, because their memory has to be allocated. On a GPU it is already there.
_RECOMPUTE_FROM = 2**24


def recomputed(function: Callable[[Tensor], Tensor], x: Tensor, *, random: bool = False) -> Tensor:
    """`function(x)`; for large x on a CPU, the backward pass recomputes intermediate tensors.

    Args:
        random: whether the function draws random numbers, which the recomputation has to repeat.
    """
    if torch.compiler.is_compiling():  # the compiler decides what to recompute
        return function(x)
    if x.is_cuda or x.nbytes < _RECOMPUTE_FROM or not torch.is_grad_enabled():
        return function(x)
    return checkpoint(function, x, use_reentrant=False, preserve_rng_state=random)


class DropPath(nn.Dropout):
    """Stochastic depth: in training, set a sample's residual branch to zero with probability `p`.

    Other samples are scaled up, so that the expectation is unchanged. Any shape, same shape out.
    Source: Huang et al., "Deep Networks with Stochastic Depth", arXiv 1603.09382.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * super().forward(x.new_ones(x.shape[:1] + (1,) * (x.ndim - 1)))


class LayerScale(nn.Module):
    """Multiply (B, C, H, W) by a learned factor per channel, which starts at `initial`."""

    def __init__(self, channels: int, initial: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), initial))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None]


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each grid cell: (B, C, H, W), same shape out."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Gelu(nn.GELU):
    """GELU of (B, C, H, W) in channels-last memory format, same shape out."""

    def forward(self, x: Tensor) -> Tensor:
        # For tensors that are contiguous in their own order, PyTorch has faster code on CPUs.
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Two-layer MLP over the channels of each grid cell: (B, C, H, W), same shape out.

    Args:
        mixes_cells: whether to insert a 3x3 depthwise convolution (Guo et al., "Visual Attention
            Network", arXiv 2202.09741).
    """

    def __init__(
        self, channels: int, hidden: int, *, drop: float, mixes_cells: bool = False
    ) -> None:
        super().__init__()
        self.fc1 = Pointwise(channels, hidden)
        self.dwconv = depthwise(hidden, 3) if mixes_cells else nn.Identity()
        self.act = Gelu()
        self.fc2 = Pointwise(hidden, channels)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        is_random = self.training and self.drop.p > 0
        return recomputed(self._contract, self.fc1(x), random=is_random)

    def _contract(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(self.act(self.dwconv(x)))))


def init_he_fan_out(module: nn.Module) -> None:
    """He initialisation with fan-out mode (arXiv 1502.01852) for all convolutions in `module`.

    As in OpenSTL, the fan-out is that of one group.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fan_out = part.kernel_size[0] * part.kernel_size[1] * part.out_channels // part.groups
            nn.init.normal_(part.weight, std=math.sqrt(2.0 / fan_out))
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def init_trunc_normal(module: nn.Module) -> None:
    """Truncated normal initialisation for all linear layers and convolutions in `module`."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
