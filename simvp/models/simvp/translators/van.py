"""Visual Attention Network: gsta without the gate. Source: Guo et al., arXiv 2202.09741.

All tensors are (B, C, h, w), and every module here keeps its input's shape.
"""

from torch import Tensor

from simvp.models.simvp.translators import gsta


class MultiplyingLargeKernel(gsta.LargeKernel):
    """The input times what its neighbourhood says."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.neighbourhood(x)


class Block(gsta.Block):
    gating_unit = MultiplyingLargeKernel
