"""Errors of three bands of wavenumbers: large, middle and small scales.

B: batch; T: frames; C: channels; H, W: height and width.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simvp.metrics import Comparison, score

_EPSILON = 1e-7  # of The Well
_NUM_BANDS = 3


@score("spectral_low", direction="lower", per="channel")
def spectral_low(frames: Comparison) -> Tensor:
    """Error of the largest scales, see `band_errors`, (B, T, C)."""
    return frames.once(band_errors)[..., 0]


@score("spectral_middle", direction="lower", per="channel")
def spectral_middle(frames: Comparison) -> Tensor:
    """Error of middle scales, see `band_errors`, (B, T, C)."""
    return frames.once(band_errors)[..., 1]


@score("spectral_high", direction="lower", per="channel")
def spectral_high(frames: Comparison) -> Tensor:
    """Error of the smallest scales, see `band_errors`, (B, T, C)."""
    return frames.once(band_errors)[..., 2]


def band_errors(frames: Comparison) -> Tensor:
    """Energy of the error relative to that of the truth in three bands, (B, T, C, 3).

    The sum of |F(pred - true)|^2 over a band, divided by that of |F(true)|^2 + 1e-7, F the Fourier
    transform over space. NaN for frames with missing values.

    Source: The Well, `the_well/benchmark/metrics/spectral.py`.
    """
    height, width = frames.true.shape[-2:]
    band = torch.from_numpy(bands(height, width)).to(frames.true.device)
    complete = frames.valid.all(dim=-1).all(dim=-1)
    true = torch.where(frames.valid, frames.true, 0.0)
    errors = []
    error_energy, true_energy = _energy(frames.difference), _energy(true)
    for number in range(_NUM_BANDS):
        inside = band == number
        error, reference = (
            (energy * inside).sum((-2, -1)) for energy in (error_energy, true_energy)
        )
        errors.append(torch.where(complete, error / (reference + _EPSILON), torch.nan))
    return torch.stack(errors, dim=-1)


def bands(height: int, width: int) -> NDArray[np.int64]:
    """The band of each wavenumber of `torch.fft.fft2`, 0 to 2, or 3 beyond all of them, (H, W)."""
    ky, kx = (2 * np.pi * np.fft.fftfreq(size) for size in (height, width))
    wavenumber = np.hypot(ky[:, np.newaxis], kx)
    smallest, largest = 2 * math.pi / max(height, width), math.pi * math.sqrt(2) + 1e-6
    edges = np.logspace(math.log10(smallest), math.log10(largest), _NUM_BANDS + 1)
    edges[0] = 0.0
    return np.asarray(np.digitize(wavenumber, edges) - 1, np.int64)


def _energy(values: Tensor) -> Tensor:
    transformed: Tensor = torch.fft.fft2(values)
    return transformed.real.square() + transformed.imag.square()
