"""Temporal Attention Unit: large-kernel attention with a weight per channel, that is, per feature
and time step. Source: Tan et al., arXiv 2206.12126.

All tensors are (B, C, h, w); all modules preserve the shape of their input.
"""

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.translators import gsta


class ChannelWeightedLargeKernel(gsta.LargeKernel):
    """Static (large-kernel convolution) times dynamic (squeeze and excitation) attention."""

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
        return dynamic[..., None, None] * self.convolve(x) * x


class Block(gsta.Block):
    gating_unit = ChannelWeightedLargeKernel

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__(channels, settings)
        # As published, the attention has PyTorch's initialisation, only the MLP that of gsta.
        self.attn = gsta.Attention(channels, self.gating_unit(channels))
