"""The SimVP network. `SimVP` is imported on first use, because the config needs only the names of
the translators and importing torch takes seconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simvp.models.simvp.network import SimVP as SimVP

__all__ = ["SimVP"]


def __getattr__(name: str) -> Any:
    if name != "SimVP":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from simvp.models.simvp.network import SimVP

    return SimVP
