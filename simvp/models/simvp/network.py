"""SimVP: encoder, translator, decoder.

B: batch; T: input frames; N: frames that a pass forecasts; C: channels of a frame, C' of which are
forecast, the first ones; S: channels of the features (`hid_S`); H, W: height and width; h, w:
height and width after downsampling.
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
from simvp.models.simvp.rollout import last_known, roll_out, roll_out_increments
from simvp.models.simvp.spatial import set_boundary
from simvp.physics import Boundary, parse_boundary


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
        drop_path_first: that of the first block; linear in between.
        spatio_kernel_enc, spatio_kernel_dec: kernel sizes of encoder and decoder, odd.
        boundary: boundary conditions along y and x: "zeros" (as published), "periodic", "reflect"
            or "replicate"; one name for both, or two.
        mean: mean of each channel, (C,); needed for `std` and `takes_mask`.
        std: standard deviation of each channel, (C,), positive. The layers then work on
            standardised frames, (x - mean) / std, and the forecast is mapped back. The buffers
            `mean` and `std` are part of the state dict.
        takes_mask: whether values can be missing (NaN). The mean replaces them, and the layers
            receive a mask of valid cells as another input channel.
        num_input_only: number of channels, the last ones of the input, that are not forecast.
        block_frames: number of frames N that a pass forecasts, up to T; None for T, as published.
        increment_scale: size of the increments from frame to frame of each channel that is
            forecast, (C',), positive. A pass then forecasts increments in these units, and at first
            they are 0: the forecast is persistence. None to forecast frames, as published. The
            buffer `increment_scale` is part of the state dict.
    Attributes:
        history: number of input frames T.
        num_forecast: number of channels that are forecast, the first ones of the input.
    Raises: ValueError if the translator is unknown or does not support the number of channels, or
        a size or boundary is not valid.
    """

    mean: Tensor
    std: Tensor
    increment_scale: Tensor

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
        drop_path_first: float = 0.01,
        spatio_kernel_enc: int = 3,
        spatio_kernel_dec: int = 3,
        boundary: Boundary | str = ("zeros", "zeros"),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        takes_mask: bool = False,
        num_input_only: int = 0,
        block_frames: int | None = None,
        increment_scale: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(hid_S, N_S, N_T)
        num_frames, channels, height, width = in_shape
        self.history, self.block_frames = num_frames, block_frames or num_frames
        assert self.block_frames <= num_frames
        self.stride = downsampling(N_S)
        definition = translators.load(model_type)
        self.fit_grid = getattr(definition, "fit_grid", _unchanged)
        self.num_forecast = channels - num_input_only
        self.takes_mask, self.is_standardizing = takes_mask, std is not None
        self.forecasts_increments = increment_scale is not None
        for name, values in (("mean", mean), ("std", std), ("increment_scale", increment_scale)):
            if values is not None:
                self.register_buffer(name, torch.tensor(values).reshape(-1, 1, 1))
        self.encoder = Encoder(channels + takes_mask, hid_S, N_S, spatio_kernel_enc)
        if hasattr(definition, "Translator"):
            self.translator = definition.Translator(num_frames * hid_S, hid_T, N_T)
        else:
            settings = BlockSettings(self._grid(height, width), mlp_ratio, drop)
            rates = (drop_path_first, drop_path)
            features = num_frames * hid_S
            self.translator = Chain(definition.Block, features, hid_T, N_T, settings, rates)
        self.decoder = Decoder(hid_S, self.num_forecast, N_S, spatio_kernel_dec)
        if self.forecasts_increments:
            for parameter in self.decoder.readout.parameters():
                nn.init.zeros_(parameter)
        names = boundary if isinstance(boundary, str) else ",".join(boundary)
        set_boundary(self, parse_boundary(names))
        self.register_state_dict_post_hook(_make_contiguous)  # type: ignore[no-untyped-call]

    def forward(self, frames: Tensor, num_steps: int | None = None) -> Tensor:
        """Forecast the next `num_steps` frames: (B, T, C, H, W) -> (B, num_steps, C', H, W).

        Of more than T frames, the last T are used. One pass yields N frames, the default. For more,
        the output is fed back, see `roll_out`. Missing input values are NaN, if the network was
        built for them.
        """
        frames = frames[:, -self.history :]
        num_steps = self.block_frames if num_steps is None else num_steps
        if self.forecasts_increments:
            return self._forecast_by_increments(frames, num_steps)
        inputs, mask = self._to_layers(frames)
        forecast = roll_out(
            self._next_block, inputs, mask, num_steps, num_forecast=self.num_forecast
        )
        if self.is_standardizing:
            forecast = forecast * self.std[: self.num_forecast] + self.mean[: self.num_forecast]
        return forecast

    def _forecast_by_increments(self, frames: Tensor, num_steps: int) -> Tensor:
        """`forward` for a network that forecasts increments; frames of the same size."""
        inputs, mask = self._to_layers(frames)
        start = frames[:, :, : self.num_forecast]
        start = (
            last_known(start, self.mean[: self.num_forecast]) if self.takes_mask else start[:, -1:]
        )
        origin, scale, unit = start, self.increment_scale, None
        if self.is_standardizing:
            unit = self.std[: self.num_forecast]
            origin, scale = (start - self.mean[: self.num_forecast]) / unit, scale / unit
        difference = roll_out_increments(
            self._next_block, inputs, mask, num_steps, scale=scale, start=origin
        )
        return start + (difference if unit is None else difference * unit)

    def _to_layers(self, frames: Tensor) -> tuple[Tensor, Tensor | None]:
        """Frames (B, T, C, H, W) as the layers take them, and the mask (B, T, 1, H, W), if any."""
        mask = None
        if self.takes_mask:
            valid = frames.isfinite()
            mask = valid.all(dim=2, keepdim=True).to(frames.dtype)
            frames = torch.where(valid, frames, self.mean)
        if self.is_standardizing:
            frames = (frames - self.mean) / self.std
        return frames, mask

    def _next_block(self, frames: Tensor, mask: Tensor | None) -> Tensor:
        """One pass of the network: (B, T, C, H, W) and (B, T, 1, H, W) -> (B, N, C', H, W)."""
        batch, num_frames, _, height, width = frames.shape
        inputs = frames if mask is None else torch.cat([frames, mask], dim=2)
        flat = self._pad(inputs.flatten(0, 1)).contiguous(memory_format=torch.channels_last)
        features, skip = self.encoder(flat)
        hidden = _merge_frames(features, batch)
        features = _split_frames(self.translator(hidden), num_frames)
        if self.block_frames < num_frames:  # the latest frames are nearest to the forecast
            features, skip = (
                x.unflatten(0, (batch, num_frames))[:, -self.block_frames :].flatten(0, 1)
                for x in (features, skip)
            )
        decoded = self.decoder(features, skip)[..., :height, :width]
        return decoded.reshape(batch, self.block_frames, *decoded.shape[1:])

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Size of the smallest feature grid that covers frames of this size."""
        return self.fit_grid((-(-height // self.stride), -(-width // self.stride)))

    def _pad(self, frames: Tensor) -> Tensor:
        """Replicate the last row and column until the feature grid fits the frame exactly."""
        height, width = frames.shape[-2:]
        rows, columns = self._grid(height, width)
        padding = (0, columns * self.stride - width, 0, rows * self.stride - height)
        return F.pad(frames, padding, mode="replicate") if any(padding) else frames


def _check_sizes(hid_S: int, N_S: int, N_T: int) -> None:
    """Raises ValueError if a network cannot have these sizes."""
    for name, value in (("hid_S", hid_S), ("N_S", N_S)):
        if value < 2 or value % 2:
            raise ValueError(f"{name} = {value}: should be an even number, 2 or more")
    if N_T < 2:
        raise ValueError(f"N_T = {N_T}: should be 2 or more")


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
