"""Layers that several parts of the network share.

B: batch; C: channels; H, W: height and width.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simvp.physics import Boundary, BoundaryKind


class Spatial(nn.Module):
    """A layer that sees neighbouring cells, and so has to know what is beyond the edge.

    Attributes:
        reach: how many cells away it sees.
        boundary: zeros, as in the published network, or what `set_boundary` says.
    """

    reach: int
    boundary: Boundary = ("zeros", "zeros")

    @property
    def sees_more_than_zeros(self) -> bool:
        return self.reach > 0 and self.boundary != ("zeros", "zeros")


class SpatialConv(Spatial, nn.Conv2d):
    """A convolution with an odd kernel and "same" padding.

    (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        reach = dilation * (kernel_size // 2)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=groups,
            padding=reach,
        )
        self.reach = reach

    def forward(self, x: Tensor) -> Tensor:
        if not self.sees_more_than_zeros:
            return super().forward(x)
        x = extend(x, self.reach, self.boundary)
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def set_boundary(module: nn.Module, boundary: Boundary) -> None:
    """Let every spatial layer in `module` see this beyond the edges of the grid."""
    for part in module.modules():
        if isinstance(part, Spatial):
            part.boundary = boundary


def extend(x: Tensor, reach: int, boundary: Boundary) -> Tensor:
    """Add what lies beyond the edges: (B, C, H, W) -> (B, C, H + 2 reach, W + 2 reach).

    The reach may exceed the grid. The result is in channels-last order.
    """
    # A row, or a cell with all its channels, is one piece of memory in this order.
    rows = x.permute(0, 2, 3, 1)
    for dim, kind in zip((1, 2), boundary, strict=True):
        size = rows.shape[dim]
        if kind == "zeros":
            rows = F.pad(rows, (0, 0) * (3 - dim) + (reach, reach))
        else:
            rows = rows.index_select(dim, _sources(size, reach, kind, rows.device))
    return rows.permute(0, 3, 1, 2)


def _sources(size: int, reach: int, kind: BoundaryKind, device: torch.device) -> Tensor:
    """Which of `size` cells is seen at each place from -reach to size + reach - 1."""
    places = torch.arange(-reach, size + reach, device=device)
    if kind == "periodic":
        return places % size
    if kind == "replicate":
        return places.clamp(0, size - 1)
    period = max(2 * (size - 1), 1)  # reflect: 3 2 1 | 0 1 2 3 | 2 1 0
    there = places.abs() % period
    return torch.minimum(there, period - there)


class SpatialMean(Spatial):
    """The mean of the cells around each, itself included; zeros beyond the edge do not count."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size, self.reach = kernel_size, kernel_size // 2

    def forward(self, x: Tensor) -> Tensor:
        if not self.sees_more_than_zeros:
            return F.avg_pool2d(x, self.kernel_size, 1, self.reach, count_include_pad=False)
        return F.avg_pool2d(extend(x, self.reach, self.boundary), self.kernel_size, 1)


def depthwise(channels: int, kernel_size: int, *, dilation: int = 1) -> SpatialConv:
    """A convolution of each channel with itself alone."""
    return SpatialConv(channels, channels, kernel_size, dilation=dilation, groups=channels)


def pointwise(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A linear map of the channels, the same in every cell."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1)


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
        self.fc1 = pointwise(channels, hidden)
        self.dwconv = depthwise(hidden, 3) if mixes_cells else nn.Identity()
        self.act = nn.GELU()
        self.fc2 = pointwise(hidden, channels)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.dwconv(self.fc1(x))))
        x = self.drop(self.fc2(x))
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
