"""Heat in a plate with insulated walls, in which some spots are kept hot and others cold.

H, W: height and width of the grid; T: frames. Temperatures are float32, 0 to 1.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simvp.simulators import Setting

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
_PATCHES = 6  # along each side of the initial plate
_SPOTS = 8  # of 2x2 cells


def initial_state(size: int, rng: np.random.Generator) -> Grid:
    """Square patches of random temperatures, with spots of 0 and of 1: (1, size, size)."""
    patches = rng.uniform(0.05, 0.95, (_PATCHES, _PATCHES)).astype(np.float32)
    patch = np.arange(size) * _PATCHES // size
    plate = patches[np.ix_(patch, patch)]
    for number, (y, x) in enumerate(rng.integers(0, size - 1, (_SPOTS, 2))):
        plate[y : y + 2, x : x + 2] = number % 2
    return plate[np.newaxis]


def step(temperature: Grid, diffusion: float) -> Grid:
    """Diffusion between neighbouring cells of a grid (..., H, W); nothing crosses the walls."""
    share = np.float32(diffusion)
    after = sum_of_neighbours(temperature, mode="edge")
    after *= share
    after += (1 - 4 * share) * temperature
    return after


def sum_of_neighbours(x: Grid, *, mode: Literal["edge", "wrap"]) -> Grid:
    """Sum of the four neighbours of each cell, (..., H, W); `mode` as in `np.pad`."""
    padded = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1), (1, 1)], mode=mode)
    total = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    total += padded[..., 1:-1, :-2]
    total += padded[..., 1:-1, 2:]
    return total


def simulate(
    initial: Grid, *, frames: int, diffusion: float = SETTINGS["diffusion"].default
) -> Grid:
    """The trajectories from `initial`, itself included; cells that are 0 or 1 in it stay constant.

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
