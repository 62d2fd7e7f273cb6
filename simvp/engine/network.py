"""Build the network that a config describes."""

import torch

from simvp.config import Config
from simvp.data.description import DataDescription
from simvp.errors import ConfigError
from simvp.models.simvp import SimVP
from simvp.physics import parse_boundary


def build_network(config: Config, data: DataDescription, device: torch.device) -> SimVP:
    """Build the network for such data on `device`, with random initial weights.

    The weights depend on `train.seed` only, not on the device. Mean and standard deviation of the
    input are those of the data, until weights are loaded that have their own.

    Raises: ConfigError if the translator does not support the numbers of channels.
    """
    torch.manual_seed(config.train.seed)
    try:
        # Weights are drawn on the CPU, so that they do not depend on the device.
        with torch.device("meta" if device.type == "meta" else "cpu"):
            network = _build(config, data)
    except ValueError as error:
        model, pre = config.model, config.data.pre_seq_length
        raise ConfigError(
            f"model.model_type = {model.model_type!r}: {error}; the numbers of channels are "
            f"data.pre_seq_length * model.hid_S = {pre * model.hid_S} and model.hid_T = "
            f"{model.hid_T}"
        ) from None
    # Convolutions are faster in channels-last memory format, on CPUs and on GPUs.
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _build(config: Config, data: DataDescription) -> SimVP:
    standardizes, channels = config.model.is_standardizing, len(data.channels)
    mean, std = data.mean or (0.0,) * channels, data.std or (1.0,) * channels
    return SimVP(
        (config.data.pre_seq_length, *data.shape),
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
        mean=mean if standardizes or data.has_missing else None,
        std=std if standardizes else None,
        takes_mask=data.has_missing,
        num_input_only=len(data.inputs),
    )


def count_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
