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
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class GridMlp(TokenMlp):
    """The same for a grid: (B, C, h, w), same shape out."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SelfAttention(nn.Module):
    """Multi-head self-attention between all grid cells: (B, C, h, w), same shape out.

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

    def forward(self, x: Tensor) -> Tensor:
        return to_grid(self.attend(to_tokens(x)), like=x)

    def attend(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, N, C), same shape out; `bias` (heads, N, N) is added before the softmax."""
        qkv = self.qkv(tokens).unflatten(-1, (3, NUM_HEADS, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj_drop(self.proj(heads.transpose(1, 2).flatten(2)))
