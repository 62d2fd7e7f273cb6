"""SimVP: encoder, translator, decoder.

B: batch; T: input frames; N: frames that a pass forecasts; C: channels of a frame, C' of which are
forecast, the first ones; S: channels of the features (`hid_S`); H, W: height and width; h, w:
height and width after downsampling.
Sources: arXiv 2206.05099 (v1), 2211.12509 (v2).
"""

from typing import Any

import torch
from torch import Tensor, nn

from simvp.models.simvp import translators
from simvp.models.simvp.autoencoder import Decoder, Encoder, downsampling
from simvp.models.simvp.chain import BlockSettings, Chain
from simvp.models.simvp.network import Network
from simvp.physics import Boundary


class SimVP(Network):
    """An encoder and a decoder of single frames, and a translator of all of them in between.

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
        others: as for `Network`.
    Raises: ValueError if the translator is unknown or does not support the number of channels, or
        a size or boundary is not valid.
    """

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
        **others: Any,
    ) -> None:
        super().__init__(in_shape, **others)
        _check_sizes(hid_S, N_S, N_T)
        self.stride = downsampling(N_S)
        definition = translators.load(model_type)
        self.fit_grid = getattr(definition, "fit_grid", _unchanged)
        self.encoder = Encoder(self.num_inputs, hid_S, N_S, spatio_kernel_enc)
        features = self.history * hid_S
        if hasattr(definition, "Translator"):
            self.translator = definition.Translator(features, hid_T, N_T)
        else:
            settings = BlockSettings(self._grid(*in_shape[2:]), mlp_ratio, drop)
            rates = (drop_path_first, drop_path)
            self.translator = Chain(definition.Block, features, hid_T, N_T, settings, rates)
        self.decoder = Decoder(hid_S, self.num_forecast, N_S, spatio_kernel_dec)
        if self.forecasts_increments:
            self._start_from_zero()
        self._set_boundary(boundary)

    @property
    def first(self) -> nn.Module:
        return self.encoder.layers[0].get_submodule("conv")

    @property
    def readout(self) -> nn.Module:
        return self.decoder.readout

    def _next_block(self, frames: Tensor, mask: Tensor | None) -> Tensor:
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
        return self.fit_grid(super()._grid(height, width))


def _check_sizes(hid_S: int, N_S: int, N_T: int) -> None:
    """Raises ValueError if a network cannot have these sizes."""
    for name, value in (("hid_S", hid_S), ("N_S", N_S)):
        if value < 2 or value % 2:
            raise ValueError(f"{name} = {value}: should be an even number, 2 or more")
    if N_T < 2:
        raise ValueError(f"N_T = {N_T}: should be 2 or more")


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
