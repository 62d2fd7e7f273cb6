"""From the config to a network on its device."""

import torch

from simvp.config import Config
from simvp.errors import ConfigError
from simvp.models.simvp import SimVP
from simvp.physics import parse_boundary


def build_network(config: Config, frame_shape: tuple[int, int, int], device: torch.device) -> SimVP:
    """The network that the config describes, for frames (C, H, W), with its first weights.

    The weights depend on `train.seed` alone. Raises ConfigError if the translator cannot have the
    widths that the config asks for.
    """
    torch.manual_seed(config.train.seed)
    try:
        # Made where the weights are drawn, on the CPU; only a network of mere shapes is not.
        with torch.device("meta" if device.type == "meta" else "cpu"):
            network = _build(config, frame_shape)
    except ValueError as error:
        model, pre = config.model, config.data.pre_seq_length
        raise ConfigError(
            f"model.model_type = {model.model_type!r}: {error}; the widths are "
            f"data.pre_seq_length * model.hid_S = {pre * model.hid_S} and model.hid_T = "
            f"{model.hid_T}"
        ) from None
    # Convolutions are faster where a cell's channels lie together, on CPUs and on GPUs.
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _build(config: Config, frame_shape: tuple[int, int, int]) -> SimVP:
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
    )


def count_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
