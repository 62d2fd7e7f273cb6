"""Boiling water: temperatures that diffuse on a periodic grid, are heated, and wrap around.

H, W: height and width of the grid; T: frames. Temperatures are degrees Fahrenheit, float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.simulators import Setting

BOILING_POINT = 212.0  # degrees Fahrenheit; a cell that reaches it starts again at 0

PHYSICS: dict[str, Any] = {
    "name": "boiling",
    "quantity": "temperature",
    "unit": "degF",
    "low": 0.0,
    "high": BOILING_POINT,
    "time_step": "1 step",
    "boundary_y": "periodic",
    "boundary_x": "periodic",
    "symmetries": ["roll", "flip_x", "flip_y", "rot90"],
}

SETTINGS = {
    "increment": Setting(10.0, -BOILING_POINT, BOILING_POINT, "heating per step", "degF"),
}

Grid = NDArray[np.float32]

# In row-major order of the offset: float32 addition is not associative, and the reference
# trajectory was summed in this order.
_NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def initial_state(size: int, rng: np.random.Generator) -> Grid:
    """A grid of uniformly random temperatures, (1, size, size)."""
    return rng.uniform(0.0, BOILING_POINT, (1, size, size)).astype(np.float32)


def step(temperature: Grid, increment: float) -> Grid:
    """One time step of a grid (..., H, W).

    Every cell becomes the mean of its eight neighbours on the periodic grid; then `increment`
    degrees are added everywhere and the value wraps modulo 212.
    """
    height, width = temperature.shape[-2:]
    edges = [(0, 0)] * (temperature.ndim - 2) + [(1, 1), (1, 1)]
    share = np.pad(temperature * np.float32(1 / 8), edges, mode="wrap")
    total = np.zeros_like(temperature)
    for dy, dx in _NEIGHBOURS:
        total += share[..., 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
    total += np.float32(increment)
    limit = np.float32(BOILING_POINT)
    wrapped = (total < 0) | (total >= limit)
    total[wrapped] = np.remainder(total[wrapped], limit)
    return total


def simulate(
    initial: Grid, *, frames: int, increment: float = SETTINGS["increment"].default
) -> Grid:
    """The trajectories from `initial`, itself included, scaled to [0, 1].

    Args:
        initial: (..., 1, H, W), degrees Fahrenheit.
        frames: number of frames T, at least 1.
        increment: heating per step, degrees Fahrenheit.
    Returns: (..., T, 1, H, W), 1.0 standing for 212 degrees Fahrenheit.
    """
    *batch, channels, height, width = initial.shape
    trajectory = np.empty((*batch, frames, channels, height, width), dtype=np.float32)
    temperature = initial
    for t in range(frames):
        if t > 0:
            temperature = step(temperature, increment)
        np.divide(temperature, np.float32(BOILING_POINT), out=trajectory[..., t, :, :, :])
    return trajectory
