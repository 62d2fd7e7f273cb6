"""The networks. They are imported on first use, because the config needs only the names of their
types and importing torch takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from simvp.models.simvp import translators

if TYPE_CHECKING:
    from simvp.models.simvp.network import Network as Network
    from simvp.models.simvp.simvp import SimVP as SimVP
    from simvp.models.simvp.unet import UNet as UNet

__all__ = ["Network", "SimVP", "UNet", "model_types"]

_MODULES = {"Network": "network", "SimVP": "simvp", "UNet": "unet"}


def model_types() -> list[str]:
    """SimVP with each of the translators, by their names, and the U-Net."""
    return [*translators.names(), "unet"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
