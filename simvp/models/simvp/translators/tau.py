"""Temporal Attention Unit: large-kernel attention times a weight for each channel, that is for
each feature at each time. Source: Tan et al., arXiv 2206.12126.

All tensors are (B, C, h, w), and every module here keeps its input's shape.
"""

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.translators import gsta


class ChannelWeightedLargeKernel(gsta.LargeKernel):
    """What the neighbourhood says (static), times squeeze and excitation (dynamic)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)
        squeezed = channels // max(channels // 16, 4)
        self.fc = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False),
            nn.ReLU(),
            nn.Linear(squeezed, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        dynamic: Tensor = self.fc(x.mean(dim=(2, 3)))
        return dynamic[..., None, None] * self.neighbourhood(x) * x


class Block(gsta.Block):
    gating_unit = ChannelWeightedLargeKernel

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__(channels, settings)
        # As published, the attention keeps PyTorch's initial weights; only the MLP gets gsta's.
        self.attn = gsta.Attention(channels, self.gating_unit(channels))
