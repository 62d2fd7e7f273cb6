"""What all networks have in common: normalisation, missing values, increments, long forecasts.

B: batch; T: input frames; N: frames that a pass forecasts; C: channels of a frame, C' of which are
forecast, the first ones; H, W: height and width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from simvp.models.simvp.rollout import last_known, roll_out, roll_out_increments
from simvp.models.simvp.spatial import set_boundary
from simvp.physics import Boundary, parse_boundary


class Network(nn.Module, ABC):
    """Network that forecasts the frames that follow the input frames.

    A subclass builds its layers, sets `stride`, and computes a pass in `_next_block`.

    Args:
        in_shape: (T, C, H, W) of the input frames of a sample.
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
        num_inputs: number of channels that the layers receive, with the mask.
        stride: the frames are extended to multiples of it.
    """

    mean: Tensor
    std: Tensor
    increment_scale: Tensor
    stride: int

    def __init__(
        self,
        in_shape: tuple[int, int, int, int],
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        takes_mask: bool = False,
        num_input_only: int = 0,
        block_frames: int | None = None,
        increment_scale: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        num_frames, channels = in_shape[:2]
        self.history, self.block_frames = num_frames, block_frames or num_frames
        assert self.block_frames <= num_frames
        self.num_forecast, self.num_inputs = channels - num_input_only, channels + takes_mask
        self.takes_mask, self.is_standardizing = takes_mask, std is not None
        self.forecasts_increments = increment_scale is not None
        for name, values in (("mean", mean), ("std", std), ("increment_scale", increment_scale)):
            if values is not None:
                self.register_buffer(name, torch.tensor(values).reshape(-1, 1, 1))
        self.register_state_dict_post_hook(_make_contiguous)  # type: ignore[no-untyped-call]

    @property
    @abstractmethod
    def first(self) -> nn.Module:
        """The layer that receives the frames."""

    @property
    @abstractmethod
    def readout(self) -> nn.Module:
        """The layer that computes the forecast."""

    @abstractmethod
    def _next_block(self, frames: Tensor, mask: Tensor | None) -> Tensor:
        """One pass of the network: (B, T, C, H, W) and (B, T, 1, H, W) -> (B, N, C', H, W)."""

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

    def _set_boundary(self, boundary: Boundary | str) -> None:
        """Set the boundary condition of all layers. Raises ValueError if it is not valid."""
        names = boundary if isinstance(boundary, str) else ",".join(boundary)
        set_boundary(self, parse_boundary(names))

    def _start_from_zero(self) -> None:
        """Make the forecast of the readout 0 at first."""
        for parameter in self.readout.parameters():
            nn.init.zeros_(parameter)

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Size of the smallest feature grid that covers frames of this size."""
        return -(-height // self.stride), -(-width // self.stride)

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
