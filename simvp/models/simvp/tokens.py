"""Parts of transformers: a cell of the grid is a token.

B: batch; N: tokens; C: channels; h, w: the grid.
"""

from torch import Tensor, nn
from torch.nn import functional as F

NUM_HEADS = 8  # as published, whatever the width


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h*w, C)."""
    return x.flatten(2).transpose(1, 2)


def to_grid(tokens: Tensor, like: Tensor) -> Tensor:
    """(B, h*w, C) -> (B, C, h, w), the shape of `like`."""
    return tokens.transpose(1, 2).reshape(like.shape)


def require_multiple(channels: int, factor: int, why: str) -> None:
    """Raises ValueError, with the widths that would do, unless `factor` divides `channels`."""
    if channels % factor:
        below = channels - channels % factor
        near = f"{below} or {below + factor}" if below else f"{factor}"
        raise ValueError(f"{channels} channels are no multiple of {factor} ({why}); use {near}")


class TokenMlp(nn.Module):
    """Expand the channels of each token and contract them again: (..., C), same out."""

    def __init__(self, channels: int, hidden: int, *, drop: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.fc1(x)))
        x = self.drop(self.fc2(x))
        return x


class SelfAttention(nn.Module):
    """Every token looks at every other: (B, N, C), same out.

    Args:
        drop: dropout probability of the output.
    Raises: ValueError if the heads do not divide the channels.
    """

    def __init__(self, channels: int, *, drop: float) -> None:
        super().__init__()
        require_multiple(channels, NUM_HEADS, f"{NUM_HEADS} heads of attention")
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.proj_drop = nn.Dropout(drop)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """`bias`: (heads, N, N), added to the scores before the softmax."""
        batch, count, channels = x.shape
        qkv = self.qkv(x).reshape(batch, count, 3, NUM_HEADS, channels // NUM_HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = self.proj_drop(self.proj(heads.transpose(1, 2).reshape(batch, count, channels)))
        return x
