"""Simulators, each a module: `PHYSICS`, what its data card says; `initial_state`; `simulate`.

B: samples; T: frames; C, H, W: a frame. All samples of a batch advance together.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line knows their names without numpy
    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]


def names() -> tuple[str, ...]:
    """What `load` knows, as it is typed: one for each module beside this one."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in found))


@dataclass(frozen=True)
class Simulator:
    """A simulated system.

    Attributes:
        physics: the entries of its data card.
        initial_state: (size, generator) -> (C, size, size), what a sample starts from.
        simulate: (initial states (B, C, H, W), frames=T, further settings) -> (B, T, C, H, W)
            in [0, 1].
    """

    physics: dict[str, Any]
    initial_state: "Callable[[int, np.random.Generator], Frames]"
    simulate: "Callable[..., Frames]"


def load(name: str) -> Simulator:
    """The simulator of that name, one of `names()`."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return Simulator(module.PHYSICS, module.initial_state, module.simulate)
