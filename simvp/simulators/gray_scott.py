"""The reaction and diffusion of two substances, in a regime where spots move, split and die.

u is fed, v lives on it: u + 2v -> 3v. H, W: height and width of the periodic grid; T: frames.
Concentrations in [0, 1], float32. Source: Pearson, "Complex Patterns in a Simple System", Science
261 (1993), arXiv patt-sol/9304003.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvp.simulators import Setting
from simvp.simulators.heat import sum_of_neighbours

PHYSICS: dict[str, Any] = {
    "name": "gray-scott",
    "quantity": "concentrations of u and v",
    "unit": "",
    "low": 0.0,
    "high": 1.0,
    "time_step": "30 steps",
    "boundary_y": "periodic",
    "boundary_x": "periodic",
    "symmetries": ["roll", "flip_x", "flip_y", "rot90"],
}

# The defaults give moving spots. Within the bounds, concentrations stay in [0, 1]; at smaller kill
# rates they do not.
SETTINGS = {
    "feed": Setting(0.014, 0.0, 0.1, "feed rate of u", "per step"),
    "kill": Setting(0.054, 0.03, 0.1, "removal rate of v beyond the feed rate", "per step"),
}

Grid = NDArray[np.float32]

_DIFFUSION_U, _DIFFUSION_V = np.float32(0.2), np.float32(0.1)
_STEPS_PER_FRAME = 30
_STEPS_BEFORE = 600  # until the first frame, in which squares of v have become spots
_SQUARES, _SQUARE = 6, 6  # how many, and their size


def initial_state(size: int, rng: np.random.Generator) -> Grid:
    """u = 1 and v = 0, except in random squares with u = 0.5 and v about 0.25: (2, size, size)."""
    u, v = np.ones((size, size), np.float32), np.zeros((size, size), np.float32)
    square = np.arange(_SQUARE)
    for y, x in rng.integers(0, size, (_SQUARES, 2)):
        cells = np.ix_((y + square) % size, (x + square) % size)
        u[cells] = 0.5
        v[cells] = rng.uniform(0.2, 0.3, (_SQUARE, _SQUARE))
    return np.stack([u, v])


def step(u: Grid, v: Grid, *, feed: float, kill: float) -> tuple[Grid, Grid]:
    """One step of unit length of both concentrations, (..., H, W) each."""
    feed_rate, kill_rate = np.float32(feed), np.float32(kill)
    reaction = u * v
    reaction *= v
    next_u = u + _DIFFUSION_U * _laplacian(u) - reaction + feed_rate * (1 - u)
    next_v = v + _DIFFUSION_V * _laplacian(v) + reaction - (feed_rate + kill_rate) * v
    return next_u, next_v


def _laplacian(x: Grid) -> Grid:
    total = sum_of_neighbours(x, mode="wrap")
    total -= 4 * x
    return total


def simulate(
    initial: Grid,
    *,
    frames: int,
    feed: float = SETTINGS["feed"].default,
    kill: float = SETTINGS["kill"].default,
) -> Grid:
    """The trajectories from `initial`, from the moment when spots have formed.

    Args:
        initial: (..., 2, H, W), u and v.
        frames: number of frames T, at least 1.
        feed, kill: the paper's F and k, per step.
    Returns: (..., T, 2, H, W) in [0, 1].
    """
    u, v = initial[..., 0, :, :], initial[..., 1, :, :]
    trajectory = []
    for frame in range(frames):
        for _ in range(_STEPS_PER_FRAME if frame else _STEPS_BEFORE):
            u, v = step(u, v, feed=feed, kill=kill)
        trajectory.append(np.stack([u, v], axis=-3))
    return np.stack(trajectory, axis=-4)
