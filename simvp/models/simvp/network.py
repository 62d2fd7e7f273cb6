"""SimVP: encoder, translator, decoder.

B: batch; T: frames; C: channels of a frame; S: channels of the features (`hid_S`);
H, W: height and width; h, w: height and width after downsampling.
Sources: arXiv 2206.05099 (v1), 2211.12509 (v2).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simvp.models.simvp import translators
from simvp.models.simvp.autoencoder import Decoder, Encoder, downsampling
from simvp.models.simvp.chain import BlockSettings, Chain
from simvp.models.simvp.spatial import set_boundary
from simvp.physics import Boundary


class SimVP(nn.Module):
    """Network that forecasts the frames that follow the input frames.

    Args:
        in_shape: (T, C, H, W) of the input frames of a sample.
        hid_S: channels per frame in encoder and decoder, even.
        hid_T: hidden channels of the translator.
        N_S: layers of encoder and decoder, even; every second one halves the grid.
        N_T: number of translator blocks, at least 2.
        model_type: type of the translator, one of `simvp.models.simvp.translators.names()`.
        mlp_ratio: ratio of hidden to input channels in the MLPs.
        drop: dropout probability in the MLPs.
        drop_path: stochastic depth rate of the last block.
        spatio_kernel_enc, spatio_kernel_dec: kernel sizes of encoder and decoder, odd.
        boundary: boundary conditions along y and x: "zeros" (as published), "periodic", "reflect"
            or "replicate".
        mean: mean of each channel, (C,); needed for `std` and `takes_mask`.
        std: standard deviation of each channel, (C,), positive. The layers then work on
            standardised frames, (x - mean) / std, and the forecast is mapped back. The buffers
            `mean` and `std` are part of the state dict.
        takes_mask: whether values can be missing (NaN). The mean replaces them, and the layers
            receive a mask of valid cells as another input channel.
        num_input_only: number of channels, the last ones of the input, that are not forecast.
    Attributes:
        num_forecast: number of channels that are forecast, the first ones of the input.
    Raises: ValueError if the translator is unknown or does not support the number of channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        *,
        hid_S: int = 64,
        hid_T: int = 512,
        N_S: int = 4,
        N_T: int = 8,
        model_type: str = "gsta",
        mlp_ratio: float = 8.0,
        drop: float = 0.0,
        drop_path: float = 0.0,
        spatio_kernel_enc: int = 3,
        spatio_kernel_dec: int = 3,
        boundary: Boundary = ("zeros", "zeros"),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        takes_mask: bool = False,
        num_input_only: int = 0,
    ) -> None:
        super().__init__()
        num_frames, channels, height, width = in_shape
        self.stride = downsampling(N_S)
        definition = translators.load(model_type)
        self.fit_grid = getattr(definition, "fit_grid", _unchanged)
        self.num_forecast = channels - num_input_only
        self.takes_mask, self.is_standardizing = takes_mask, std is not None
        for name, values in (("mean", mean), ("std", std)):
            if values is not None:
                self.register_buffer(name, torch.tensor(values).reshape(channels, 1, 1))
        self.encoder = Encoder(channels + takes_mask, hid_S, N_S, spatio_kernel_enc)
        if hasattr(definition, "Translator"):
            self.translator = definition.Translator(num_frames * hid_S, hid_T, N_T)
        else:
            settings = BlockSettings(self._grid(height, width), mlp_ratio, drop, drop_path)
            self.translator = Chain(definition.Block, num_frames * hid_S, hid_T, N_T, settings)
        self.decoder = Decoder(hid_S, self.num_forecast, N_S, spatio_kernel_dec)
        set_boundary(self, boundary)
        self.register_state_dict_post_hook(_make_contiguous)  # type: ignore[no-untyped-call]

    def forward(self, frames: Tensor, num_steps: int | None = None) -> Tensor:
        """Forecast the next `num_steps` frames: (B, T, C, H, W) -> (B, num_steps, C', H, W).

        One pass yields T frames, the default. For more, the output is fed back as input, beside the
        last frame of the channels that are not forecast, whose future is not known. C' is
        `num_forecast`. Missing input values are NaN, if the network was built for them.
        """
        mask = None
        if self.takes_mask:
            valid = frames.isfinite()
            mask = valid.all(dim=2, keepdim=True).to(frames.dtype)
            frames = torch.where(valid, frames, self.mean)
        if self.is_standardizing:
            frames = (frames - self.mean) / self.std
        num_steps = frames.shape[1] if num_steps is None else num_steps
        given = frames[:, -1:, self.num_forecast :].expand(-1, frames.shape[1], -1, -1, -1)
        forecast = [self._next_frames(frames, mask)]
        while sum(piece.shape[1] for piece in forecast) < num_steps:
            mask = None if mask is None else mask[:, -1:].expand_as(mask)
            frames = torch.cat([forecast[-1], given], dim=2)
            forecast.append(self._next_frames(frames, mask))
        result = torch.cat(forecast, dim=1)[:, :num_steps]
        if self.is_standardizing:
            result = result * self.std[: self.num_forecast] + self.mean[: self.num_forecast]
        return result

    def _next_frames(self, frames: Tensor, mask: Tensor | None) -> Tensor:
        """One pass of the network: (B, T, C, H, W) and (B, T, 1, H, W) -> (B, T, C', H, W)."""
        batch, num_frames, _, height, width = frames.shape
        inputs = frames if mask is None else torch.cat([frames, mask], dim=2)
        flat = self._pad(inputs.flatten(0, 1)).contiguous(memory_format=torch.channels_last)
        features, skip = self.encoder(flat)
        hidden = _merge_frames(features, batch)
        features = _split_frames(self.translator(hidden), num_frames)
        decoded = self.decoder(features, skip)[..., :height, :width]
        return decoded.reshape(batch, num_frames, *decoded.shape[1:])

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Size of the smallest feature grid that covers frames of this size."""
        return self.fit_grid((-(-height // self.stride), -(-width // self.stride)))

    def _pad(self, frames: Tensor) -> Tensor:
        """Replicate the last row and column until the feature grid fits the frame exactly."""
        height, width = frames.shape[-2:]
        rows, columns = self._grid(height, width)
        padding = (0, columns * self.stride - width, 0, rows * self.stride - height)
        return F.pad(frames, padding, mode="replicate") if any(padding) else frames


def _make_contiguous(
    network: nn.Module, state_dict: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    """Weights in channels-last format are copied, because safetensors cannot store them."""
    for name, value in state_dict.items():
        if name.startswith(prefix) and isinstance(value, Tensor):
            state_dict[name] = value.contiguous()


def _unchanged(grid: tuple[int, int]) -> tuple[int, int]:
    return grid


# Both functions preserve the channels-last memory format; a plain reshape would convert to
# contiguous format and back.


def _merge_frames(features: Tensor, batch: int) -> Tensor:
    """(B*T, S, h, w) -> (B, T*S, h, w)."""
    stacked = features.reshape(batch, -1, *features.shape[1:])
    return stacked.permute(0, 3, 4, 1, 2).flatten(3).permute(0, 3, 1, 2)


def _split_frames(hidden: Tensor, num_frames: int) -> Tensor:
    """(B, T*S, h, w) -> (B*T, S, h, w)."""
    batch, _, height, width = hidden.shape
    split = hidden.reshape(batch, num_frames, -1, height, width)
    return split.permute(0, 1, 3, 4, 2).flatten(0, 1).permute(0, 3, 1, 2)
