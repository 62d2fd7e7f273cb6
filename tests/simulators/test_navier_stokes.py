"""Two-dimensional turbulence: known solutions, conserved quantities, forcing, symmetries."""

from pathlib import Path

import numpy as np
import pytest
from helpers import Simvp
from numpy import fft

from simvp.data.card import read_card
from simvp.simulators import navier_stokes

SIZE = 24
Y, X = 2 * np.pi * np.mgrid[:SIZE, :SIZE] / SIZE
WAVES = navier_stokes._Waves.of(SIZE)
SECONDS = 0.2  # from frame to frame, as on the data card


def trajectory(vorticity: np.ndarray, frames: int, **parameters: float) -> np.ndarray:
    """Frames (T, H, W) in 1/s from an initial vorticity (H, W)."""
    initial = vorticity[np.newaxis].astype(np.float32)
    unit = navier_stokes.simulate(initial, frames=frames, **parameters)
    return (unit[:, 0].astype(np.float64) - 0.5) * 20


def test_taylor_green_vortices_decay_at_the_known_rate() -> None:
    """Their advection vanishes, so that each decays by exp(-2 k**2 viscosity t)."""
    viscosity = 0.05
    for k in (1, 3):
        initial = 6 * np.cos(k * X) * np.cos(k * Y)
        found = trajectory(initial, 8, viscosity=viscosity)
        for frame in range(8):
            expected = initial * np.exp(-2 * k**2 * viscosity * SECONDS * frame)
            np.testing.assert_allclose(found[frame], expected, rtol=0, atol=3e-6)


def test_tendency_is_the_advection_worked_out_by_hand() -> None:
    """The stream function of cos x + cos 2y is cos x + cos(2y) / 4: u = -sin(2y) / 2, v = sin x."""
    spectrum = fft.rfft2(np.cos(X) + np.cos(2 * Y))
    found = fft.irfft2(navier_stokes.tendency(spectrum, WAVES), s=(SIZE, SIZE))
    np.testing.assert_allclose(found, 1.5 * np.sin(X) * np.sin(2 * Y), rtol=0, atol=1e-13)


def test_advection_conserves_energy_and_enstrophy() -> None:
    initial = navier_stokes.initial_state(SIZE, np.random.default_rng(3))[0]
    state = fft.rfft2(initial.astype(np.float64)) * WAVES.resolved
    nothing = np.zeros_like(state)

    def conserved(state: np.ndarray) -> tuple[float, float]:
        weights = np.where((WAVES.x == 0) | (2 * WAVES.x == SIZE), 1, 2)  # columns left out by rfft
        squares = weights * np.abs(state) ** 2
        return float((squares / np.maximum(WAVES.squared, 1)).sum()), float(squares.sum())

    before, start = conserved(state), state
    for _ in range(200):
        state = navier_stokes.advance(state, WAVES, np.zeros(state.shape), nothing, 0.005)
    assert np.abs(state - start).max() > 0.5 * np.abs(start).max()  # it has moved
    np.testing.assert_allclose(conserved(state), before, rtol=1e-6)


def test_mean_is_conserved_and_products_are_not_aliased() -> None:
    initial = navier_stokes.initial_state(SIZE, np.random.default_rng(4))[0]
    found = trajectory(initial, 5)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0, rtol=0, atol=1e-6)
    spectra = np.abs(fft.fft2(found))
    too_fine = 3 * np.abs(fft.fftfreq(SIZE, 1 / SIZE)) >= SIZE
    assert spectra[:, too_fine].max() < 1e-3 and spectra[:, :, too_fine].max() < 1e-3
    assert spectra.max() > 10


def test_finer_grid_gives_the_same_flow() -> None:
    flows = []
    for size in (48, 96):
        y, x = 2 * np.pi * np.mgrid[:size, :size] / size
        initial = 3 * np.cos(x + 2 * y) + 2 * np.sin(2 * x - y) + np.cos(3 * y)
        flows.append(trajectory(initial, 4, viscosity=0.1)[:, :: size // 48, :: size // 48])
    np.testing.assert_allclose(flows[0], flows[1], rtol=0, atol=1e-4)


def test_forcing_drives_resting_fluid_towards_its_profile() -> None:
    """The balance of the laminar flow: rate * 7 cos 4y = (rate + 16 viscosity) * vorticity."""
    rate, viscosity = 0.5, 0.02
    balance = rate + 16 * viscosity
    found = trajectory(np.zeros((SIZE, SIZE)), 6, forcing=rate, viscosity=viscosity)
    for frame in range(6):
        growth = (1 - np.exp(-balance * SECONDS * frame)) / balance
        np.testing.assert_allclose(found[frame], rate * 7 * np.cos(4 * Y) * growth, atol=1e-4)


def test_vorticity_changes_its_sign_under_reflection() -> None:
    initial = navier_stokes.initial_state(SIZE, np.random.default_rng(5))
    frames = navier_stokes.simulate(initial, frames=4)
    mirrored = navier_stokes.simulate(np.ascontiguousarray(-initial[..., ::-1]), frames=4)
    np.testing.assert_allclose(mirrored, 1 - frames[..., ::-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("forcing", "expected"), [("0", ("roll", "rot90")), ("0.5", ())])
def test_card_has_the_symmetries_that_the_parameters_leave(
    simvp: Simvp, forcing: str, expected: tuple[str, ...]
) -> None:
    options = ("--samples", "1", "--frames", "2", "--image-size", "9", "--data-path", "flow")
    command = ("simulate", "--system", "navier-stokes", *options)
    simvp(*command, "--set", f"simulate.parameters.forcing={forcing}")
    card = read_card(Path("flow", "dataset.toml"))
    assert tuple(card.symmetries) == expected
    assert (card.boundary_x, card.boundary_y) == ("periodic", "periodic")
    assert (card.channel("0").unit, card.channel("0").low, card.channel("0").high) == (
        "1/s",
        -10,
        10,
    )
