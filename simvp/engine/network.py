"""Build the network that a config describes."""

from collections.abc import Sequence

import torch

from simvp.config import Config
from simvp.errors import ConfigError
from simvp.models.simvp import SimVP
from simvp.physics import parse_boundary


def build_network(
    config: Config,
    frame_shape: tuple[int, int, int],
    device: torch.device,
    *,
    fill: Sequence[float] | None = None,
) -> SimVP:
    """Build the network for frames (C, H, W) on `device`, with random initial weights.

    The weights depend on `train.seed` only, not on the device.

    Args:
        fill: for data with missing values, what replaces them in each channel.
    Raises: ConfigError if the translator does not support the numbers of channels.
    """
    torch.manual_seed(config.train.seed)
    try:
        # Weights are drawn on the CPU, so that they do not depend on the device.
        with torch.device("meta" if device.type == "meta" else "cpu"):
            network = _build(config, frame_shape, fill)
    except ValueError as error:
        model, pre = config.model, config.data.pre_seq_length
        raise ConfigError(
            f"model.model_type = {model.model_type!r}: {error}; the numbers of channels are "
            f"data.pre_seq_length * model.hid_S = {pre * model.hid_S} and model.hid_T = "
            f"{model.hid_T}"
        ) from None
    # Convolutions are faster in channels-last memory format, on CPUs and on GPUs.
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _build(
    config: Config, frame_shape: tuple[int, int, int], fill: Sequence[float] | None
) -> SimVP:
    return SimVP(
        (config.data.pre_seq_length, *frame_shape),
        model_type=config.model.model_type,
        hid_S=config.model.hid_S,
        hid_T=config.model.hid_T,
        N_S=config.model.N_S,
        N_T=config.model.N_T,
        mlp_ratio=config.model.mlp_ratio,
        drop=config.model.drop,
        drop_path=config.model.drop_path,
        spatio_kernel_enc=config.model.spatio_kernel_enc,
        spatio_kernel_dec=config.model.spatio_kernel_dec,
        boundary=parse_boundary(config.model.boundary),
        fill=fill,
    )


def count_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
