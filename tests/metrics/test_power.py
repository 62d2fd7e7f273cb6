"""The spectrum of a field."""

import numpy as np
import pytest

from simvp.metrics.power import power_spectrum, wavenumbers


@pytest.mark.parametrize(("height", "width"), [(16, 16), (12, 20), (20, 12)])
@pytest.mark.parametrize("waves", [1, 3, 5])
def test_a_wave_contributes_half_its_squared_amplitude(height: int, width: int, waves: int) -> None:
    longest = max(height, width)
    along = np.arange(longest) * 2 * np.pi * waves / longest
    field = 3.0 * np.sin(along + 0.3)
    frame = np.tile(field, (height, 1)) if width == longest else np.tile(field, (width, 1)).T
    spectrum = power_spectrum(frame + 7.0)
    expected = np.zeros(longest // 2)
    expected[waves - 1] = 3.0**2 / 2
    np.testing.assert_allclose(spectrum, expected, atol=1e-12)
    assert wavenumbers(height, width)[waves - 1] == waves / longest


def test_the_rings_sum_to_the_variance_of_large_waves() -> None:
    """Of a field without the corners of the plane of wavenumbers."""
    rng = np.random.default_rng(0)
    frames = np.zeros((2, 3, 16, 16))
    y, x = np.mgrid[:16, :16]
    for ky, kx in ((1, 0), (2, 3), (4, 4), (0, 7)):
        phase = rng.random((2, 3, 1, 1)) * 6
        frames += np.cos(2 * np.pi * (ky * y + kx * x) / 16 + phase)
    spectrum = power_spectrum(frames.astype(np.float32))
    assert spectrum.shape == (2, 3, 8)
    np.testing.assert_allclose(spectrum.sum(axis=-1), frames.var(axis=(-2, -1)), rtol=1e-5)


def test_frames_with_missing_values_have_no_spectrum() -> None:
    frames = np.random.default_rng(0).random((2, 8, 8))
    frames[0, 1, 1] = np.nan
    spectrum = power_spectrum(frames)
    assert np.isnan(spectrum[0]).all() and np.isfinite(spectrum[1]).all()
