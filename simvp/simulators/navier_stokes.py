"""Two-dimensional turbulence: the vorticity of an incompressible fluid on a periodic square.

    dw/dt + u dw/dx + v dw/dy = viscosity * laplacian(w) + forcing * (profile - w)

The side of the square is 2 pi m. A pseudo-spectral method with the 2/3 rule computes the products
without aliasing; a fourth-order Runge-Kutta method with an integrating factor advances in time.
Sources: Canuto et al., "Spectral Methods in Fluid Dynamics", 1988, sections 3.2 and 7.2; Chandler
and Kerswell, "Invariant recurrent solutions embedded in a turbulent two-dimensional Kolmogorov
flow", J. Fluid Mech. 722, 2013, arXiv 1207.4682.

H, W: height and width of the grid, equal; T: frames; K: W // 2 + 1 columns of the spectrum.
Vorticities are in 1/s, positive where the flow turns from x to y.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import fft
from numpy.typing import NDArray

from simvp.simulators import Setting

# In 1/s. Neither advection nor diffusion raises the largest vorticity, and forcing not beyond that
# of its profile. Small eddies that the grid does not resolve exceed it somewhat.
_LIMIT, _LARGEST = 10.0, 7.0

PHYSICS: dict[str, Any] = {
    "name": "navier-stokes",
    "quantity": "vorticity",
    "unit": "1/s",
    "low": -_LIMIT,
    "high": _LIMIT,
    "time_step": "0.2 s",
    "boundary_y": "periodic",
    "boundary_x": "periodic",
    # A reflection would also have to change the sign of the vorticity, which is a pseudoscalar.
    "symmetries": ["roll", "rot90"],
}

SETTINGS = {
    "viscosity": Setting(0.01, 0.001, 1.0, "kinematic viscosity", "m2/s"),
    "forcing": Setting(
        0.0,
        0.0,
        1.0,
        "rate at which a Kolmogorov forcing and drag drive the flow; 0: it decays",
        "per s",
    ),
}

Grid = NDArray[np.float32]
Field = NDArray[np.floating[Any]]
Spectrum = NDArray[np.complex128]

_SECONDS_PER_FRAME = 0.2
_CELLS_PER_STEP = 8  # number of steps of a frame: the size of the grid over this
_WAVENUMBER = 4  # of the profile, and of the strongest initial eddies


def symmetries(*, viscosity: float, forcing: float) -> list[str]:
    """The symmetries of the card: forcing that varies along y leaves none of them."""
    return [] if forcing else [*PHYSICS["symmetries"]]


def initial_state(size: int, rng: np.random.Generator) -> Grid:
    """A random vorticity of eddies of about a quarter of the square, (1, size, size), in 1/s."""
    waves = _Waves.of(size)
    amplitude = np.exp(-((np.sqrt(waves.squared) - _WAVENUMBER) ** 2) / 4)
    amplitude[0, 0] = 0
    noise = fft.rfft2(rng.standard_normal((size, size)))
    vorticity = fft.irfft2(noise * amplitude * waves.resolved, s=(size, size))
    vorticity *= _LARGEST / np.abs(vorticity).max()
    return vorticity[np.newaxis].astype(np.float32)


@dataclass(frozen=True)
class _Waves:
    """The wavenumbers of a grid of size x size cells.

    Attributes:
        x, y: wavenumbers, (1, K) and (size, 1), in 1/m.
        squared: sum of their squares, (size, K).
        resolved: 1 for wavenumbers below a third of the size, otherwise 0, (size, K).
    """

    size: int
    x: Field
    y: Field
    squared: Field
    resolved: Field

    @classmethod
    def of(cls, size: int) -> "_Waves":
        x = fft.rfftfreq(size, 1 / size)[np.newaxis]
        y = fft.fftfreq(size, 1 / size)[:, np.newaxis]
        resolved = (3 * np.abs(x) < size) & (3 * np.abs(y) < size)
        return cls(size, x, y, x**2 + y**2, resolved.astype(np.float64))


def tendency(vorticity: Spectrum, waves: _Waves) -> Spectrum:
    """Minus the advection of the vorticity by the flow: (H, K), same shape out."""
    stream = vorticity / np.maximum(waves.squared, 1)  # minus the stream function's laplacian
    u, v, along_x, along_y = fft.irfft2(
        np.stack(
            [
                1j * waves.y * stream,
                -1j * waves.x * stream,
                1j * waves.x * vorticity,
                1j * waves.y * vorticity,
            ]
        ),
        s=(waves.size, waves.size),
    )
    result: Spectrum = -fft.rfft2(u * along_x + v * along_y) * waves.resolved
    return result


def advance(
    vorticity: Spectrum, waves: _Waves, decay: Field, source: Spectrum, dt: float
) -> Spectrum:
    """The vorticity after a time step, (H, K).

    Args:
        decay: rate at which each wave decays, (H, K), in 1/s; it is integrated exactly.
        source: constant forcing, (H, K).
        dt: time step in s.
    """
    half, full = np.exp(-decay * dt / 2), np.exp(-decay * dt)

    def rate(state: Spectrum) -> Spectrum:
        return tendency(state, waves) + source

    first = rate(vorticity)
    second = rate(half * (vorticity + dt / 2 * first))
    third = rate(half * vorticity + dt / 2 * second)
    fourth = rate(full * vorticity + dt * half * third)
    middle = half * (second + third)
    result: Spectrum = full * vorticity + dt / 6 * (full * first + 2 * middle + fourth)
    return result


def simulate(
    initial: Grid,
    *,
    frames: int,
    viscosity: float = SETTINGS["viscosity"].default,
    forcing: float = SETTINGS["forcing"].default,
) -> Grid:
    """The trajectories from `initial`, itself included, scaled to [0, 1].

    Args:
        initial: vorticity, (..., 1, H, H), in 1/s.
        frames: number of frames T, at least 1.
        viscosity: kinematic viscosity in m2/s.
        forcing: rate in 1/s at which the vorticity is driven towards `7 cos(4 y)`.
    Returns: (..., T, 1, H, H), 0 and 1 standing for -10 and 10 per second.
    """
    # The samples are advanced one by one, because the last digits of a Fourier transform may
    # depend on how many are computed together.
    size = initial.shape[-1]
    samples = [
        _trajectory(sample, frames, viscosity, forcing)
        for sample in initial.reshape(-1, size, size).astype(np.float64)
    ]
    unit = (np.stack(samples) / _LIMIT + 1) / 2
    return unit.astype(np.float32).reshape(*initial.shape[:-3], frames, 1, size, size)


def _trajectory(initial: Field, frames: int, viscosity: float, forcing: float) -> Field:
    """The vorticity of a sample at each frame: (H, H) -> (T, H, H)."""
    size = len(initial)
    waves = _Waves.of(size)
    angle = 2 * np.pi * np.arange(size)[:, np.newaxis] / size
    wavenumber = min(_WAVENUMBER, (size - 1) // 3)
    profile = np.broadcast_to(_LARGEST * np.cos(wavenumber * angle), (size, size))
    source = forcing * fft.rfft2(profile)
    decay = viscosity * waves.squared + forcing
    steps = -(-size // _CELLS_PER_STEP)
    vorticity = fft.rfft2(initial) * waves.resolved
    trajectory = []
    for frame in range(frames):
        for _ in range(steps if frame else 0):
            vorticity = advance(vorticity, waves, decay, source, _SECONDS_PER_FRAME / steps)
        trajectory.append(fft.irfft2(vorticity, s=(size, size)))
    return np.stack(trajectory)
