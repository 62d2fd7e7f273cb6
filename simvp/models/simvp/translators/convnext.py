"""ConvNeXt. Source: Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545."""

from torch import Tensor, nn

from simvp.models.simvp import layers
from simvp.models.simvp.chain import BlockSettings


class Block(nn.Module):
    """A 7x7 depthwise convolution, LayerNorm and an MLP with a residual connection.

    (B, C, h, w), same shape out. As published, there is no dropout; `settings.drop` is not used.
    """

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.conv_dw = layers.depthwise(channels, 7)
        self.norm = layers.ChannelNorm(channels, eps=1e-6)
        self.mlp = layers.Mlp(channels, int(channels * settings.mlp_ratio), drop=0.0)
        self.scale = layers.LayerScale(channels, 1e-6)
        self.drop_path = layers.DropPath(settings.drop_path)
        layers.init_he_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.scale(self.mlp(self.norm(self.conv_dw(x)))))
