"""A convolution of each channel with itself alone, as fast in training as in a forecast.

B: batch; C: channels; H, W: height and width; h, w: the same of the output; k: kernel size.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# What oneDNN computes the weights' gradient of by code of its own: kernels of at most three columns
# in images without padding. For others it takes up to twenty times as long, many times a forecast.
_FAST_COLUMNS = 3


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, *, padding: int) -> Tensor:
    """(B, C, H, W) with a kernel (C, 1, k, k) of each channel's own -> (B, C, h, w).

    Args:
        bias: (C,), or None.
        padding: rows and columns of zeros around the grid.
    """
    is_plain = x.device.type != "cpu" or torch.compiler.is_compiling()
    if is_plain or weight.shape[-1] <= _FAST_COLUMNS or not torch.is_grad_enabled():
        return F.conv2d(x, weight, bias, padding=padding, groups=len(weight))
    if torch.is_autocast_enabled("cpu"):  # which does not see what happens in the backward pass
        dtype = torch.get_autocast_dtype("cpu")
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    y: Tensor = _Depthwise.apply(x, weight, bias, padding)  # type: ignore[no-untyped-call]
    return y


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return F.conv2d(x, weight, bias, padding=padding, groups=len(weight))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        of_x = of_weight = of_bias = None
        if needs_x:  # what each cell gave to its neighbours comes back from them
            padding = weight.shape[-1] - 1 - ctx.padding
            of_x = F.conv2d(gradient, weight.flip(2, 3), padding=padding, groups=len(weight))
        if needs_weight:
            of_weight = _weight_gradient(gradient, F.pad(x, (ctx.padding,) * 4), weight)
        if needs_bias:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias, None


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The kernels' gradient (C, 1, k, k), few columns at a time.

    The columns from the c-th on are kernels that see x without its first c columns.
    """
    channels, ones, zeros, only_weight = len(weight), [1, 1], [0, 0], [False, True, False]
    pieces: list[Tensor] = []
    for first in range(0, weight.shape[-1], _FAST_COLUMNS):
        kernels = weight[..., first : first + _FAST_COLUMNS]
        seen = x[..., first : first + gradient.shape[-1] + kernels.shape[-1] - 1]
        _, piece, _ = torch.ops.aten.convolution_backward(
            gradient, seen, kernels, None, ones, zeros, ones, False, zeros, channels, only_weight
        )
        pieces.append(piece)
    return torch.cat(pieces, dim=-1)
