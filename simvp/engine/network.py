"""Build the network that a config describes."""

from collections.abc import Sequence
from typing import Any

import torch

from simvp.config import Config
from simvp.data.description import DataDescription
from simvp.engine.recipes import resolve_recipe
from simvp.engine.weights import StoredWeights
from simvp.errors import ConfigError
from simvp.models.ensemble import Ensemble
from simvp.models.simvp import Network, SimVP, UNet
from simvp.physics import parse_boundary

# Settings of `[model]` that both kinds of network take as they are.
_SETTINGS = (
    *("hid_S", "hid_T", "N_S", "N_T", "mlp_ratio", "drop", "drop_path", "drop_path_first"),
    *("spatio_kernel_enc", "spatio_kernel_dec", "block_frames"),
)


def build_network(
    config: Config,
    data: DataDescription,
    device: torch.device,
    *,
    increment_scale: Sequence[float] | None = None,
) -> Network:
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
            f"model.history * model.hid_S = {_decided(model.history) * model.hid_S} and "
            f"model.hid_T = {model.hid_T}"
        ) from None
    # Convolutions are faster in channels-last memory format, on CPUs and on GPUs.
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def load_trained(
    config: Config, data: DataDescription, weights: Sequence[StoredWeights], device: torch.device
) -> Network | Ensemble:
    """The network with these weights, in evaluation mode; with several, an ensemble.

    Raises: ConfigError or RunError if they do not fit.
    """
    networks = []
    for stored in weights:
        network = build_network(config, data, device)
        stored.load_into(network)
        networks.append(network)
    return (networks[0] if len(networks) == 1 else Ensemble(networks)).eval()


def _build(
    config: Config, data: DataDescription, increment_scale: Sequence[float] | None
) -> Network:
    model, channels = config.model, len(data.channels)
    if model.target == "increments" and increment_scale is None:
        increment_scale = (1.0,) * len(data.forecast_channels)
    mean, std = data.mean or (0.0,) * channels, data.std or (1.0,) * channels
    in_shape = (_decided(model.history), *data.shape)
    settings: dict[str, Any] = {
        **{name: _decided(getattr(model, name)) for name in _SETTINGS},
        "boundary": parse_boundary(model.boundary),
        "mean": mean if model.is_standardizing or data.has_missing else None,
        "std": std if model.is_standardizing else None,
        "takes_mask": data.has_missing,
        "num_input_only": len(data.inputs),
        "increment_scale": increment_scale,
    }
    if model.model_type == "unet":
        return UNet(in_shape, **settings)
    return SimVP(in_shape, model_type=model.model_type, **settings)


def _decided(setting: Any) -> Any:
    """A setting after "auto" has been resolved."""
    assert setting != "auto"
    return setting


def count_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
