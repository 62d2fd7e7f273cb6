"""Simulators: each module in this package is one system, found by its file name.

A module defines `PHYSICS`, the entries of the data card; `SETTINGS`, the parameters that a user
may change, by name (optional); and the functions `initial_state` and `simulate`. If its symmetries
depend on the parameters, a function `symmetries` of all of them returns those that hold.

B: samples; T: frames; C, H, W: a frame. All samples of a batch advance together.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simvp.errors import did_you_mean

if TYPE_CHECKING:  # the command line needs the names without numpy
    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]


def names() -> tuple[str, ...]:
    """Names of all systems: those of the modules of this package, with hyphens."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


@dataclass(frozen=True)
class Setting:
    """A parameter of a system; its bounds `low` and `high` are allowed values."""

    default: float
    low: float
    high: float
    description: str
    unit: str = ""

    @property
    def bounds(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class Simulator:
    """A simulated system.

    Attributes:
        physics: the entries of its data card, for the default parameters.
        initial_state: (size, generator) -> initial state of a sample, (C, size, size).
        simulate: (initial states (B, C, H, W), frames=T, one keyword for each setting)
            -> (B, T, C, H, W) in [0, 1].
        symmetries: the symmetries that hold with these parameters, one keyword for each setting.
    """

    name: str
    physics: dict[str, Any]
    settings: Mapping[str, Setting]
    initial_state: "Callable[[int, np.random.Generator], Frames]"
    simulate: "Callable[..., Frames]"
    symmetries: Callable[..., list[str]]

    def card(self, parameters: Mapping[str, float]) -> dict[str, Any]:
        """The entries of the data card of samples that are made with all these parameters."""
        return {**self.physics, "symmetries": self.symmetries(**parameters)}

    def problems(self, parameters: Mapping[str, float]) -> dict[str, str]:
        """An error message for each parameter that is unknown or out of bounds."""
        found = {}
        for name, value in parameters.items():
            setting = self.settings.get(name)
            if setting is None:
                known = ", ".join(self.settings) or "none"
                hint = did_you_mean(name, self.settings)
                found[name] = f"{self.name} has no such parameter; its parameters: {known}.{hint}"
            elif not setting.low <= value <= setting.high:
                found[name] = f"should be from {setting.bounds} ({setting.description})"
        return found

    def complete(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """All parameters of the system, with defaults for those that are not given."""
        return {name: setting.default for name, setting in self.settings.items()} | {**parameters}


def load(name: str) -> Simulator:
    """The simulator of that name, one of `names()`."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    physics, settings = module.PHYSICS, getattr(module, "SETTINGS", {})
    symmetries = getattr(module, "symmetries", lambda **parameters: physics["symmetries"])
    return Simulator(name, physics, settings, module.initial_state, module.simulate, symmetries)
