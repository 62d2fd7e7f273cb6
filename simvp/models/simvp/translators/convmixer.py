"""ConvMixer. Source: Trockman and Kolter, "Patches Are All You Need?", arXiv 2201.09792."""

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.layers import Gelu, Pointwise, depthwise, init_he_fan_out


class Block(nn.Module):
    """An 11x11 depthwise convolution with a residual connection, then a 1x1 convolution.

    (B, C, h, w), same shape out. `settings` is not used.
    """

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.conv_dw = depthwise(channels, 11)
        self.norm_1 = nn.BatchNorm2d(channels)
        self.conv_pw = Pointwise(channels, channels)
        self.norm_2 = nn.BatchNorm2d(channels)
        self.act = Gelu()
        init_he_fan_out(self)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm_1(self.act(self.conv_dw(x)))
        return self.norm_2(self.act(self.conv_pw(x)))
