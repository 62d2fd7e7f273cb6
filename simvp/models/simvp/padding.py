"""Padding of (B, C, H, W) by a boundary condition: zeros, periodic, reflect or replicate.

`torch.nn.functional.pad` is the counterpart in PyTorch, and the tests compare with `numpy.pad`.
PyTorch's returns contiguous instead of channels-last memory, and pads by no more than the size of
the grid. With it in place of `extend`, a training step of the default network with periodic
boundaries takes 1.7 times as long in bf16 and in fp32; 1.3 times if it pads a channels-last view
(1, B, H, W, C). With the gradient of `index_select` in place of `_Extension`'s, a step takes 1.07
times as long in bf16, 1.13 times in batches of 8, and 1.02 times in fp32.

Measured on one core of a Xeon with AMX, 2 samples of 64x64 in a batch: medians of the ratios of 12
pairs of alternating steps.
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
    rows = x.permute(0, 2, 3, 1)
    for dim, kind, step in zip((1, 2), boundary, steps, strict=True):
        if kind == "zeros":
            rows = F.pad(rows, (0, 0) * (3 - dim) + (reach, reach))
        else:
            make = _indices if torch.compiler.is_compiling() else _cached_indices
            indices = make(rows.shape[dim], reach, kind, step, rows.device)
            rows = _Extension.apply(rows, dim, *indices)  # type: ignore[no-untyped-call]
    return rows.permute(0, 3, 1, 2)


class _Indices(NamedTuple):
    """The indices along an axis by which it is padded, and its gradient is collected.

    Attributes:
        sources: for each cell of the padded axis, the cell that it copies.
        inner: for each cell, the cell between the edges of the padded axis that copies it.
        outer: the cells of the padded axis beyond the edges.
        outer_sources: the cells that they copy.
    """

    sources: Tensor
    inner: Tensor
    outer: Tensor
    outer_sources: Tensor


def _indices(
    size: int, reach: int, kind: BoundaryKind, step: int, device: torch.device
) -> _Indices:
    positions = torch.arange(-reach, size + reach, device=device)
    if kind == "periodic":
        sources = positions * step % size
    elif kind == "replicate":
        sources = positions.clamp(0, size - 1)
    else:  # reflect: 3 2 1 | 0 1 2 3 | 2 1 0
        period = max(2 * (size - 1), 1)
        distance = positions.abs() % period
        sources = torch.minimum(distance, period - distance)
    before, between, after = torch.split(positions + reach, [reach, size, reach])
    outer = torch.cat([before, after])
    return _Indices(sources, reach + sources[between].argsort(), outer, sources[outer])


@functools.cache
def _cached_indices(
    size: int, reach: int, kind: BoundaryKind, step: int, device: torch.device
) -> _Indices:
    """Computing the indices takes 1 % of a step in batches of 2."""
    with torch.inference_mode(False):  # autograd cannot save tensors made in inference mode
        return _indices(size, reach, kind, step, device)


class _Extension(torch.autograd.Function):
    """`rows.index_select(dim, sources)` with a faster gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, dim: int, sources: Tensor, *collect: Tensor) -> Tensor:
        ctx.dim = dim
        ctx.save_for_backward(*collect)
        return rows.index_select(dim, sources)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inner, outer, outer_sources = ctx.saved_tensors
        # The cells between the edges are copied; only those beyond have to be added one by one.
        # `index_select` is fast for a contiguous tensor, and slow for a slice of one.
        total = gradient.index_select(ctx.dim, inner)
        total.index_add_(ctx.dim, outer_sources, gradient.index_select(ctx.dim, outer))
        return total, None, None, None, None, None
