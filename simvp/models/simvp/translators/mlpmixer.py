"""MLP-Mixer. Source: Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture", arXiv 2105.01601."""

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.layers import DropPath, init_trunc_normal
from simvp.models.simvp.tokens import TokenMlp, to_grid, to_tokens


class Block(nn.Module):
    """An MLP across grid cells, then one across channels: (B, C, h, w), same shape out.

    Each grid cell has separate weights, so the size of the frames is fixed.
    """

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        height, width = settings.grid
        hidden = int(settings.mlp_ratio * channels)
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp_tokens = TokenMlp(height * width, channels // 2, drop=settings.drop)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp_channels = TokenMlp(channels, hidden, drop=settings.drop)
        self.drop_path = DropPath(settings.drop_path)
        init_trunc_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        tokens = to_tokens(x)
        mixed = self.mlp_tokens(self.norm1(tokens).transpose(1, 2)).transpose(1, 2)
        tokens = tokens + self.drop_path(mixed)
        tokens = tokens + self.drop_path(self.mlp_channels(self.norm2(tokens)))
        return to_grid(tokens, like=x)
