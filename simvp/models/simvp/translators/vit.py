"""Vision Transformer. Source: Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for
Image Recognition at Scale", arXiv 2010.11929.
"""

from torch import Tensor, nn

from simvp.models.simvp.chain import BlockSettings
from simvp.models.simvp.layers import DropPath, init_trunc_normal
from simvp.models.simvp.tokens import SelfAttention, TokenMlp, to_grid, to_tokens


class Block(nn.Module):
    """Self-attention between all grid cells, then an MLP: (B, C, h, w), same shape out."""

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = SelfAttention(channels, drop=settings.drop)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = TokenMlp(channels, int(channels * settings.mlp_ratio), drop=settings.drop)
        self.drop_path = DropPath(settings.drop_path)
        init_trunc_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        tokens = to_tokens(x)
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        tokens = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return to_grid(tokens, like=x)
