"""Components of transformers; each grid cell is a token.

B: batch; N: tokens; C: channels; h, w: size of the grid.
"""

from torch import Tensor, nn
from torch.nn import functional as F

NUM_HEADS = 8  # as published, for any number of channels


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h*w, C)."""
    return x.flatten(2).transpose(1, 2)


def to_grid(tokens: Tensor, like: Tensor) -> Tensor:
    """(B, h*w, C) -> (B, C, h, w), the shape of `like`."""
    return tokens.transpose(1, 2).reshape(like.shape)


def require_multiple(channels: int, factor: int, reason: str) -> None:
    """Raises ValueError, with valid numbers of channels, unless `factor` divides `channels`."""
    if channels % factor:
        below = channels - channels % factor
        valid = f"{below} or {below + factor}" if below else f"{factor}"
        raise ValueError(
            f"{channels} channels are not a multiple of {factor} ({reason}); use {valid}"
        )


class TokenMlp(nn.Module):
    """Two-layer MLP over the channels of each token: (..., C), same shape out."""

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
    """Multi-head self-attention: (B, N, C), same shape out.

    Args:
        drop: dropout probability of the output.
    Raises: ValueError if `channels` is not a multiple of the number of heads.
    """

    def __init__(self, channels: int, *, drop: float) -> None:
        super().__init__()
        require_multiple(channels, NUM_HEADS, f"{NUM_HEADS} attention heads")
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.proj_drop = nn.Dropout(drop)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Apply attention, with `bias` (heads, N, N) added to the scores before the softmax."""
        batch, count, channels = x.shape
        qkv = self.qkv(x).reshape(batch, count, 3, NUM_HEADS, channels // NUM_HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = self.proj_drop(self.proj(heads.transpose(1, 2).reshape(batch, count, channels)))
        return x
