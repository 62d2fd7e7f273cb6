"""Heat in a plate with insulated walls, in which some spots are kept hot and others cold.

H, W: height and width of the grid; T: frames. Temperatures are float32, 0 for that of the cold
spots and 1 for that of the hot ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.simulators import Setting

# What the data card says of it.
PHYSICS: dict[str, Any] = {
    "name": "heat",
    "quantity": "temperature",
    "unit": "degC",
    "low": 0.0,
    "high": 100.0,
    "time_step": "8 steps",
    "boundary_y": "replicate",
    "boundary_x": "replicate",
    "symmetries": ["flip_x", "flip_y", "rot90"],
}

# The explicit scheme in two dimensions is stable up to 1/4.
SETTINGS = {
    "diffusion": Setting(0.2, 0.0, 0.25, "share of a difference that flows per step"),
}

Grid = NDArray[np.float32]

_STEPS_PER_FRAME = 8

# A plate begins as a patchwork of this many squares along each side, with that many spots in it,
# each of two by two cells.
_PATCHES = 6
_SPOTS = 8


def initial_state(size: int, rng: np.random.Generator) -> Grid:
    """A patchwork of random temperatures with spots of 0 and of 1, which stay: (1, size, size)."""
    patches = rng.uniform(0.05, 0.95, (_PATCHES, _PATCHES)).astype(np.float32)
    place = np.arange(size) * _PATCHES // size
    plate = patches[np.ix_(place, place)]
    for number, (y, x) in enumerate(rng.integers(0, size - 1, (_SPOTS, 2))):
        plate[y : y + 2, x : x + 2] = number % 2
    return plate[np.newaxis]


def step(temperature: Grid, diffusion: float) -> Grid:
    """Diffusion between neighbouring cells of a grid (..., H, W); nothing crosses the walls."""
    share = np.float32(diffusion)
    padding = [(0, 0)] * (temperature.ndim - 2) + [(1, 1), (1, 1)]
    seen = np.pad(temperature, padding, mode="edge")
    after = seen[..., :-2, 1:-1] + seen[..., 2:, 1:-1]
    after += seen[..., 1:-1, :-2]
    after += seen[..., 1:-1, 2:]
    after *= share
    after += (1 - 4 * share) * temperature
    return after


def simulate(
    initial: Grid, *, frames: int, diffusion: float = SETTINGS["diffusion"].default
) -> Grid:
    """The trajectories from `initial`, itself included; where it is 0 or 1 the temperature stays.

    Args:
        initial: (..., 1, H, W) in [0, 1].
        frames: number of frames T, at least 1.
        diffusion: diffusion coefficient times time step over squared cell size, up to 1/4.
    Returns: (..., T, 1, H, W) in [0, 1].
    """
    fixed = (initial == 0) | (initial == 1)
    temperature = initial
    trajectory = [temperature]
    for _ in range(1, frames):
        for _ in range(_STEPS_PER_FRAME):
            temperature = np.where(fixed, initial, step(temperature, diffusion))
        trajectory.append(temperature)
    return np.stack(trajectory, axis=-4)
