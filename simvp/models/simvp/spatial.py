"""Layers that see neighbouring cells, and what they see beyond the edge of the grid.

B: batch; C: channels; H, W: height and width. Everything here works in channels-last order, where a
row, or a cell with all its channels, is one piece of memory.
"""

import functools
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simvp.models.simvp import depthwise
from simvp.physics import Boundary, BoundaryKind

_ZEROS: Boundary = ("zeros", "zeros")
_PERIODIC: Boundary = ("periodic", "periodic")


class Spatial(nn.Module):
    """A layer that sees neighbouring cells, and so has to know what is beyond the edge.

    Attributes:
        reach: how many cells away it sees.
        boundary: zeros, as in the published network, or what `set_boundary` says.
    """

    reach: int
    boundary: Boundary = _ZEROS

    @property
    def sees_more_than_zeros(self) -> bool:
        return self.reach > 0 and self.boundary != _ZEROS


def set_boundary(module: nn.Module, boundary: Boundary) -> None:
    """Let every spatial layer in `module` see this beyond the edges of the grid."""
    for part in module.modules():
        if isinstance(part, Spatial):
            part.boundary = boundary


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
        if self.dilation != (1, 1):
            return self._dilated(x)
        if not self.sees_more_than_zeros:
            return self._convolve(x, padding=self.reach)
        return self._convolve(extend(x, self.reach, self.boundary), padding=0)

    def _dilated(self, x: Tensor) -> Tensor:
        """Every d-th row and column make a grid by themselves, on which the convolution is a plain
        one: the same sums, for which there is several times faster code on CPUs.
        """
        height, width = x.shape[-2:]
        dilation, padding = self.dilation[0], self.reach // self.dilation[0]
        if self.boundary == _PERIODIC and math.gcd(height * width, dilation) == 1:
            # Steps of d cells around the grid come by every cell: there is one such grid.
            there = (dilation, dilation)
            back = (pow(dilation, -1, height), pow(dilation, -1, width))
            x = self._convolve(extend(x, padding, _PERIODIC, there), padding=0)
            return extend(x, 0, _PERIODIC, back)
        if self.sees_more_than_zeros:
            x, padding = extend(x, self.reach, self.boundary), 0
        grids = self._convolve(_interleaved(x, dilation), padding=padding)
        return _whole(grids, dilation)[..., :height, :width]

    def _convolve(self, x: Tensor, *, padding: int) -> Tensor:
        if self.groups == self.in_channels == self.out_channels and self.stride == (1, 1):
            return depthwise.convolve(x, self.weight, self.bias, padding=padding)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)


class SpatialMean(Spatial):
    """The mean of the cells around each, itself included; zeros beyond the edge do not count."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size, self.reach = kernel_size, kernel_size // 2

    def forward(self, x: Tensor) -> Tensor:
        if not self.sees_more_than_zeros:
            return F.avg_pool2d(x, self.kernel_size, 1, self.reach, count_include_pad=False)
        return F.avg_pool2d(extend(x, self.reach, self.boundary), self.kernel_size, 1)


def _interleaved(x: Tensor, step: int) -> Tensor:
    """Each grid of every `step`-th row and column: (B, C, H, W) -> (B * step**2, C, h, w).

    h, w: H / step and W / step, rounded up; cells that are missing in the last ones are zeros.
    """
    batch, channels, height, width = x.shape
    h, w = -(-height // step), -(-width // step)
    padded = F.pad(x, (0, w * step - width, 0, h * step - height))
    cells = padded.permute(0, 2, 3, 1).reshape(batch, h, step, w, step, channels)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(-1, h, w, channels).permute(0, 3, 1, 2)


def _whole(grids: Tensor, step: int) -> Tensor:
    """The grid that was interleaved: (B * step**2, C, h, w) -> (B, C, h * step, w * step)."""
    _, channels, h, w = grids.shape
    cells = grids.permute(0, 2, 3, 1).reshape(-1, step, step, h, w, channels)
    rows = cells.permute(0, 3, 1, 4, 2, 5).reshape(-1, h * step, w * step, channels)
    return rows.permute(0, 3, 1, 2)


def extend(x: Tensor, reach: int, boundary: Boundary, steps: tuple[int, int] = (1, 1)) -> Tensor:
    """Add what lies beyond the edges: (B, C, H, W) -> (B, C, H + 2 reach, W + 2 reach).

    The reach may exceed the grid. The result is in channels-last order.

    Args:
        steps: how many cells to go from one to the next, along y and x. More than 1 is for
            periodic grids, whose size has no divisor in common with it.
    """
    rows = x.permute(0, 2, 3, 1)
    for dim, kind, step in zip((1, 2), boundary, steps, strict=True):
        if kind == "zeros":
            rows = F.pad(rows, (0, 0) * (3 - dim) + (reach, reach))
        else:
            make = _plan if torch.compiler.is_compiling() else _kept_plan
            plan = make(rows.shape[dim], reach, kind, step, rows.device)
            rows = _Extension.apply(rows, dim, *plan)  # type: ignore[no-untyped-call]
    return rows.permute(0, 3, 1, 2)


class _Plan(NamedTuple):
    """Which cell is seen at each place of an extended axis, and the way back for gradients.

    Attributes:
        sources: the cell at each place, from `reach` before the first to `reach` after the last.
        own_places: for each cell, its place between the edges.
        other_places, other_sources: the places beyond the edges, and the cells seen there.
    """

    sources: Tensor
    own_places: Tensor
    other_places: Tensor
    other_sources: Tensor


def _plan(size: int, reach: int, kind: BoundaryKind, step: int, device: torch.device) -> _Plan:
    places = torch.arange(-reach, size + reach, device=device)
    if kind == "periodic":
        sources = places * step % size
    elif kind == "replicate":
        sources = places.clamp(0, size - 1)
    else:  # reflect: 3 2 1 | 0 1 2 3 | 2 1 0
        period = max(2 * (size - 1), 1)
        there = places.abs() % period
        sources = torch.minimum(there, period - there)
    order = torch.arange(size + 2 * reach, device=device)
    own = reach + sources[reach : size + reach].argsort()
    beyond = torch.cat([order[:reach], order[size + reach :]])
    return _Plan(sources, own, beyond, sources[beyond])


@functools.cache
def _kept_plan(size: int, reach: int, kind: BoundaryKind, step: int, device: torch.device) -> _Plan:
    with torch.inference_mode(False):  # else no gradient could pass by it later
        return _plan(size, reach, kind, step, device)


class _Extension(torch.autograd.Function):
    """`index_select`, with gradients gathered in two pieces instead of added up row by row."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, dim: int, sources: Tensor, *back: Tensor) -> Tensor:
        ctx.dim = dim
        ctx.save_for_backward(*back)
        return rows.index_select(dim, sources)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        own_places, other_places, other_sources = ctx.saved_tensors
        own = gradient.index_select(ctx.dim, own_places)
        beyond = gradient.index_select(ctx.dim, other_places)
        own.index_add_(ctx.dim, other_sources, beyond)
        return own, None, None, None, None, None
