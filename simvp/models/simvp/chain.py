"""The chain of translator blocks, which maps features of input frames to those of future frames.

B: batch; T: frames; S: channels per frame (`hid_S`); C: channels; h, w: size of the feature grid.
Source: SimVP v2, arXiv 2211.12509.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor, nn

from simvp.models.simvp.layers import DropPath, LayerScale, Pointwise


@dataclass(frozen=True)
class BlockSettings:
    """Settings of a block, in addition to its number of channels.

    Attributes:
        grid: (h, w) of the features.
        mlp_ratio: ratio of hidden to input channels in the MLP.
        drop: dropout probability in the MLP.
        drop_path: probability of skipping a residual branch in training.
        index: position in the chain, counted from 0.
        keeps_width: whether the next block has the same number of channels.
    """

    grid: tuple[int, int]
    mlp_ratio: float
    drop: float
    drop_path: float = 0.0
    index: int = 0
    keeps_width: bool = True


class ResidualBlock(nn.Module):
    """The block of most translators: (B, C, h, w), same shape out.

    Attention and MLP, each after a normalisation and with a residual connection that is scaled per
    channel and skipped at random.

    Args:
        norm: builds a normalisation for a number of channels.
        attn: the attention, or whatever combines grid cells.
        scale: initial factor of the residual branches; None for no factor.
    """

    def __init__(
        self,
        channels: int,
        settings: BlockSettings,
        *,
        norm: Callable[[int], nn.Module],
        attn: nn.Module,
        mlp: nn.Module,
        scale: float | None,
    ) -> None:
        super().__init__()
        self.norm1 = norm(channels)
        self.attn = attn
        self.scale1 = nn.Identity() if scale is None else LayerScale(channels, scale)
        self.norm2 = norm(channels)
        self.mlp = mlp
        self.scale2 = nn.Identity() if scale is None else LayerScale(channels, scale)
        self.drop_path = DropPath(settings.drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.scale1(self.attn(self.norm1(x))))
        return x + self.drop_path(self.scale2(self.mlp(self.norm2(x))))


class Chain(nn.Module):
    """A chain of blocks, with 1x1 convolutions where the number of channels changes.

    (B, T*S, h, w), same shape out. The first block has T*S channels, the others have `hidden`.

    Args:
        num_blocks: at least 2.
        settings: of all blocks; the chain sets what differs between them.
        drop_path: stochastic depth rates of the first and the last block, linear in between.
    """

    def __init__(
        self,
        block: Callable[[int, BlockSettings], nn.Module],
        channels: int,
        hidden: int,
        num_blocks: int,
        settings: BlockSettings,
        drop_path: tuple[float, float],
    ) -> None:
        super().__init__()
        first, last = drop_path
        self.stages = nn.ModuleList()  # compiled one by one
        widths = [channels, *[hidden] * (num_blocks - 1), channels]
        for index, (width, next_width) in enumerate(pairwise(widths)):
            keeps_width = width == next_width
            rate = first + (last - first) * index / (num_blocks - 1)
            adapted = replace(settings, index=index, keeps_width=keeps_width, drop_path=rate)
            stage = nn.Sequential()
            stage.block = block(width, adapted)
            stage.reduction = nn.Identity() if keeps_width else Pointwise(width, next_width)
            self.stages.append(stage)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x
