"""Padding of (B, C, H, W) by a boundary condition: zeros, periodic, reflect or replicate.

`torch.nn.functional.pad` is the counterpart in PyTorch, and the tests compare with `numpy.pad`.
PyTorch's returns contiguous instead of channels-last memory, pads one axis after the other, and by
no more than the size of the grid. With it in place of `extend`, a training step of the default
network with periodic boundaries takes 1.5 times as long; 1.24 times if it pads a channels-last view
(1, B, H, W, C). With the gradient of `index_select` in place of `_Extension`'s, a step takes 1.03
times as long.

Measured in fp32 on one core of an AMD EPYC with AVX2, 2 samples of 64x64 in a batch: medians of the
ratios of 8 pairs of alternating steps.
"""

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from simvp.physics import Boundary, BoundaryKind


def extend(x: Tensor, reach: int, boundary: Boundary, *, steps: tuple[int, int] = (1, 1)) -> Tensor:
    """Pad each edge by `reach` cells: (B, C, H, W) -> (B, C, H + 2 reach, W + 2 reach).

    The reach may exceed the grid. The result is in channels-last memory format.

    Args:
        boundary: what lies beyond the edges, along y and along x.
        steps: reorder a periodic grid to every n-th cell along y and along x, around the grid, as
            in `dilated`. The size must have no divisor in common with n.
    """
    height, width = x.shape[-2:]
    top, left = (0 if kind == "zeros" else reach for kind in boundary)
    make = _indices if torch.compiler.is_compiling() else _cached_indices
    indices = make((height, width), (top, left), boundary, steps, x.device)
    cells = x.permute(0, 2, 3, 1).flatten(1, 2)
    cells = _Extension.apply(cells, *indices)  # type: ignore[no-untyped-call]
    rows = cells.unflatten(1, (height + 2 * top, width + 2 * left))
    if (top, left) != (reach, reach):
        rows = F.pad(rows, (0, 0, *[reach - left] * 2, *[reach - top] * 2))
    extended: Tensor = rows.permute(0, 3, 1, 2)
    return extended


class _Indices(NamedTuple):
    """The indices of cells by which a grid, as (B, H * W, C), is padded and its gradient collected.

    Attributes:
        sources: for each cell of the padded grid, the cell that it copies.
        inner: for each cell, the cell between the edges of the padded grid that copies it.
        outer: the cells of the padded grid beyond the edges.
        outer_sources: the cells that they copy.
    """

    sources: Tensor
    inner: Tensor
    outer: Tensor
    outer_sources: Tensor


def _indices(
    size: tuple[int, int],
    reach: tuple[int, int],
    boundary: Boundary,
    steps: tuple[int, int],
    device: torch.device,
) -> _Indices:
    (height, width), (top, left) = size, reach
    y, x = (_sources(*axis, device) for axis in zip(size, reach, boundary, steps, strict=True))
    sources = y[:, None] * width + x
    padded = torch.arange(sources.numel(), device=device).view(sources.shape)
    middle = slice(top, top + height)
    between = padded[middle, left : left + width]
    beyond = [
        padded[:top],
        padded[top + height :],
        padded[middle, :left],
        padded[middle, left + width :],
    ]
    order = sources[middle, left : left + width].flatten().argsort()
    outer = torch.cat([cells.flatten() for cells in beyond])
    sources = sources.flatten()
    return _Indices(sources, between.flatten()[order], outer, sources[outer])


def _sources(size: int, reach: int, kind: BoundaryKind, step: int, device: torch.device) -> Tensor:
    """For each position along a padded axis, the position in the grid that it copies."""
    positions = torch.arange(-reach, size + reach, device=device)
    if kind == "periodic":
        return positions * step % size
    if kind != "reflect":  # replicate, or zeros, which are added later
        return positions.clamp(0, size - 1)
    period = max(2 * (size - 1), 1)  # 3 2 1 | 0 1 2 3 | 2 1 0
    distance = positions.abs() % period
    return torch.minimum(distance, period - distance)


@functools.cache
def _cached_indices(
    size: tuple[int, int],
    reach: tuple[int, int],
    boundary: Boundary,
    steps: tuple[int, int],
    device: torch.device,
) -> _Indices:
    """Computing the indices takes 1 % of a step in batches of 2."""
    with torch.inference_mode(False):  # autograd cannot save tensors made in inference mode
        return _indices(size, reach, boundary, steps, device)


class _Extension(torch.autograd.Function):
    """`cells.index_select(1, sources)` with a faster gradient."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, sources: Tensor, *collect: Tensor) -> Tensor:
        ctx.save_for_backward(*collect)
        return cells.index_select(1, sources)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inner, outer, outer_sources = ctx.saved_tensors
        # The cells between the edges are copied; only those beyond have to be added one by one.
        # `index_select` is fast for a contiguous tensor, and slow for a slice of one.
        total = gradient.index_select(1, inner)
        total.index_add_(1, outer_sources, gradient.index_select(1, outer))
        return total, None, None, None, None
