"""Visual Attention Network: like gsta, but without the gate. Source: Guo et al., arXiv 2202.09741.

All tensors are (B, C, h, w); all modules preserve the shape of their input.
"""

from torch import Tensor

from simvp.models.simvp.translators import gsta


class MultiplyingLargeKernel(gsta.LargeKernel):
    """The input multiplied by its large-kernel convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.convolve(x)


class Block(gsta.Block):
    gating_unit = MultiplyingLargeKernel
