"""Visual Attention Network: gsta without the gate. Source: Guo et al., arXiv 2202.09741.

All tensors are (B, C, h, w), and every module here keeps its input's shape.
"""

from torch import Tensor, nn

from simvp.model.layers import depthwise, pointwise
from simvp.model.translators import gsta


class LargeKernel(nn.Module):
    """The input times what a 21x21 neighbourhood says of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = depthwise(channels, 5)
        self.conv_spatial = depthwise(channels, 7, dilation=3)
        self.conv1 = pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.conv1(self.conv_spatial(self.conv0(x)))
        return x


class Block(gsta.Block):
    gating_unit = LargeKernel
