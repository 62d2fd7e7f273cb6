"""Build the network that a config describes."""

from collections.abc import Sequence

import torch

from simvp.config import Config
from simvp.data.description import DataDescription
from simvp.engine.recipes import resolve_recipe
from simvp.errors import ConfigError
from simvp.models.simvp import SimVP
from simvp.physics import parse_boundary


def build_network(
    config: Config,
    data: DataDescription,
    device: torch.device,
    *,
    increment_scale: Sequence[float] | None = None,
) -> SimVP:
    """Build the network for such data on `device`, with random initial weights.

    The weights depend on `train.seed` only, not on the device. Mean and standard deviation of the
    input are those of the data, until weights are loaded that have their own.

    Args:
        config: resolved; what `train.recipe` decides may be "auto".
        increment_scale: size of the increments of the forecast channels, in network units, for
            `model.target = "increments"`; not needed if weights are going to be loaded.
    Raises: ConfigError if the translator does not support the numbers of channels.
    """
    config = resolve_recipe(config, None)
    torch.manual_seed(config.train.seed)
    try:
        # Weights are drawn on the CPU, so that they do not depend on the device.
        with torch.device("meta" if device.type == "meta" else "cpu"):
            network = _build(config, data, increment_scale)
    except ValueError as error:
        model = config.model
        raise ConfigError(
            f"model.model_type = {model.model_type!r}: {error}; the numbers of channels are "
            f"model.history * model.hid_S = {_count(model.history) * model.hid_S} and "
            f"model.hid_T = {model.hid_T}"
        ) from None
    # Convolutions are faster in channels-last memory format, on CPUs and on GPUs.
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _build(config: Config, data: DataDescription, increment_scale: Sequence[float] | None) -> SimVP:
    if config.model.target == "increments" and increment_scale is None:
        increment_scale = (1.0,) * len(data.forecast_channels)
    standardizes, channels = config.model.is_standardizing, len(data.channels)
    mean, std = data.mean or (0.0,) * channels, data.std or (1.0,) * channels
    return SimVP(
        (_count(config.model.history), *data.shape),
        model_type=config.model.model_type,
        hid_S=config.model.hid_S,
        hid_T=config.model.hid_T,
        N_S=config.model.N_S,
        N_T=_count(config.model.N_T),
        mlp_ratio=config.model.mlp_ratio,
        drop=config.model.drop,
        drop_path=config.model.drop_path,
        drop_path_first=config.model.drop_path_first,
        spatio_kernel_enc=config.model.spatio_kernel_enc,
        spatio_kernel_dec=config.model.spatio_kernel_dec,
        boundary=parse_boundary(config.model.boundary),
        mean=mean if standardizes or data.has_missing else None,
        std=std if standardizes else None,
        takes_mask=data.has_missing,
        num_input_only=len(data.inputs),
        block_frames=_count(config.model.block_frames),
        increment_scale=increment_scale,
    )


def _count(setting: int | str) -> int:
    """A number of frames or blocks, after "auto" has been resolved."""
    assert isinstance(setting, int)
    return setting


def count_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
