"""The chain of translator blocks, which maps features of input frames to those of future frames.

B: batch; T: frames; S: feature channels per frame (`hid_S`); h, w: size of the feature grid.
Source: SimVP v2, arXiv 2211.12509.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from simvp.models.simvp.layers import Pointwise


@dataclass(frozen=True)
class BlockSettings:
    """Settings of a block, in addition to its number of channels.

    Attributes:
        grid: (h, w) of the features.
        index: position in the chain, counted from 0.
        keeps_width: whether the next block has the same number of channels.
        mlp_ratio: ratio of hidden to input channels in the MLP.
        drop: dropout probability in the MLP.
        drop_path: probability of skipping a residual branch in training.
    """

    grid: tuple[int, int]
    index: int
    keeps_width: bool
    mlp_ratio: float
    drop: float
    drop_path: float


BlockBuilder = Callable[[int, BlockSettings], nn.Module]


class Stage(nn.Module):
    """A block, followed by a 1x1 convolution if the next block has other channels."""

    def __init__(self, block: nn.Module, channels: int, out_channels: int) -> None:
        super().__init__()
        self.block = block
        self.reduction = (
            nn.Identity() if channels == out_channels else Pointwise(channels, out_channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduction(self.block(x))
        return x


class Chain(nn.Module):
    """A chain of blocks: (B, T*S, h, w), same shape out.

    The first block has T*S channels, the others have `hidden`. As published, the stochastic depth
    rate varies linearly from 0.01 at the first block to `drop_path` at the last. Training is
    therefore random even with `drop_path = 0`.
    """

    def __init__(
        self,
        block: BlockBuilder,
        *,
        channels: int,
        hidden: int,
        num_blocks: int,
        grid: tuple[int, int],
        mlp_ratio: float,
        drop: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        widths = [channels, *[hidden] * (num_blocks - 1), channels]
        stages = []
        for index in range(num_blocks):
            width, next_width = widths[index : index + 2]
            settings = BlockSettings(
                grid=grid,
                index=index,
                keeps_width=width == next_width,
                mlp_ratio=mlp_ratio,
                drop=drop,
                drop_path=0.01 + (drop_path - 0.01) * index / (num_blocks - 1),
            )
            stages.append(Stage(block(width, settings), width, next_width))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x
