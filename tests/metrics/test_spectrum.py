"""Spectral errors of waves whose energy is known."""

import math

import numpy as np
import pytest
import torch

from simvp.metrics import Comparison
from simvp.metrics.spectrum import band_energies, band_errors, bands

H, W = 16, 24


def wave(ky: int, kx: int) -> torch.Tensor:
    """A cosine with these numbers of periods along y and x, (1, 1, 1, H, W)."""
    y, x = torch.meshgrid(torch.arange(H) / H, torch.arange(W) / W, indexing="ij")
    return torch.cos(2 * math.pi * (ky * y + kx * x)).double()[None, None, None]


@pytest.mark.parametrize(("ky", "kx", "band"), [(0, 1, 0), (1, 0, 0), (3, 2, 1), (7, 11, 2)])
def test_energy_of_a_wave_is_in_its_band(ky: int, kx: int, band: int) -> None:
    """A forecast of 1.5 times the wave has a quarter of its energy as the error, in its band.

    Edges for 16 x 24 cells, by hand: 0, 0.67, 1.72, 4.44; the wavenumber is
    2 pi sqrt((ky / 16)^2 + (kx / 24)^2).
    """
    edges = [0.0, 0.6694, 1.7249, 4.4429]
    wavenumber = 2 * math.pi * math.hypot(ky / H, kx / W)
    assert edges[band] <= wavenumber < edges[band + 1]
    background = wave(1, 1) + wave(3, 3) + wave(6, 9)  # some energy in every band
    true = background + wave(ky, kx)
    found = band_errors(Comparison.of(true + 0.5 * wave(ky, kx), true))[0, 0, 0]
    wave_energy = (H * W) ** 2 / 2  # sum of |F|^2 of a cosine
    expected = torch.zeros(3).double()
    expected[band] = 0.25 * wave_energy / (2 * wave_energy)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_every_wavenumber_is_in_a_band() -> None:
    for height, width in ((16, 24), (7, 9), (33, 8)):
        found = bands(height, width)
        assert found.shape == (height, width) and set(np.unique(found)) == {0, 1, 2}
        assert found[0, 0] == 0


def test_spectral_errors_of_frames_with_holes_are_not_defined() -> None:
    true = (wave(1, 1) + wave(3, 3) + wave(6, 9)).expand(1, 2, 1, H, W).clone()
    true[0, 1, 0, 3, 4] = torch.nan
    found = band_errors(Comparison.of(torch.zeros_like(true), true))
    assert found[0, 0].isfinite().all() and found[0, 1].isnan().all()


@pytest.mark.parametrize(("height", "width"), [(16, 24), (7, 9), (33, 8)])
def test_bands_of_noise_are_those_of_the_whole_spectrum(height: int, width: int) -> None:
    """Half of the spectrum of real fields is enough."""
    rng = np.random.default_rng(0)
    pred, true = rng.normal(size=(2, height, width))
    frames = Comparison.of(*(torch.from_numpy(v)[None, None, None] for v in (pred, true)))
    errors, energies = band_errors(frames)[0, 0, 0], band_energies(frames)[0, 0, 0]
    of_pred, of_true, of_error = (
        np.abs(np.fft.fft2(values)) ** 2 for values in (pred, true, pred - true)
    )
    for band in range(3):
        inside = bands(height, width) == band
        total = of_true[inside].sum() + 1e-7
        assert float(errors[band]) == pytest.approx(of_error[inside].sum() / total, rel=1e-9)
        assert float(energies[band]) == pytest.approx(of_pred[inside].sum() / total, rel=1e-9)


def test_bands_where_the_truth_has_rounding_errors_only_are_not_defined() -> None:
    """The wave of small scales has (1e-4)^2 of the energy of the others, then (1e-6)^2."""
    large = 0.5 + 0.1 * (wave(1, 1) + wave(3, 3))
    for amplitude, is_defined in ((1e-4, True), (1e-6, False), (0.0, False)):
        true = (large + amplitude * wave(6, 9)).float()
        frames = Comparison.of(true + 0.01 * wave(6, 9), true)
        for scores in (band_errors(frames), band_energies(frames)):
            assert scores[0, 0, 0].isfinite().tolist() == [True, True, is_defined]
    nothing = torch.zeros_like(large)
    assert band_errors(Comparison.of(large, nothing)).isnan().all()


def test_energy_of_a_smooth_forecast_is_below_1() -> None:
    true = wave(1, 1) + wave(3, 3) + wave(6, 9)
    smooth = wave(1, 1) + 0.5 * wave(3, 3)
    found = band_energies(Comparison.of(smooth, true))[0, 0, 0]
    torch.testing.assert_close(found, torch.tensor([1, 0.25, 0]).double(), rtol=1e-6, atol=1e-9)
