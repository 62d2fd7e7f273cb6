"""Errors and energy of three bands of wavenumbers: large, middle and small scales.

B: batch; T: frames; C: channels; H, W: height and width.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simvp.metrics import Comparison, Truth, score

_EPSILON = 1e-7  # of The Well
# Relative energy of a band below which it holds rounding errors only: those of float32 have up to
# 4e-15 of the energy of a frame, those of fields packed in 16 bits 2e-11 of their squared range.
_ROUNDING = 1e-10
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


@score("energy_low", direction="one", per="channel")
def energy_low(frames: Comparison) -> Tensor:
    """Energy of the largest scales, see `band_energies`, (B, T, C)."""
    return frames.once(band_energies)[..., 0]


@score("energy_middle", direction="one", per="channel")
def energy_middle(frames: Comparison) -> Tensor:
    """Energy of middle scales, see `band_energies`, (B, T, C)."""
    return frames.once(band_energies)[..., 1]


@score("energy_high", direction="one", per="channel")
def energy_high(frames: Comparison) -> Tensor:
    """Energy of the smallest scales, see `band_energies`, (B, T, C)."""
    return frames.once(band_energies)[..., 2]


def band_errors(frames: Comparison) -> Tensor:
    """Energy of the error relative to that of the truth in three bands, (B, T, C, 3).

    The sum of |F(pred - true)|^2 over a band, divided by that of |F(true)|^2 + 1e-7, F the Fourier
    transform over space. NaN for frames with missing values, and for a band in which the truth has
    no more energy than rounding errors, 1e-10 of the energy of the frame.

    Source: The Well, `the_well/benchmark/metrics/spectral.py`.
    """
    error = _energy(frames.once(_transformed_error), frames.truth)
    return error / (frames.truth.once(_true_energy) + _EPSILON)


def band_energies(frames: Comparison) -> Tensor:
    """Energy of the forecast relative to that of the truth in three bands, (B, T, C, 3).

    Below 1 where a forecast is too smooth. As `band_errors`, with F(pred) for F(pred - true).
    """
    pred = frames.once(_transformed_error) + frames.truth.once(_transformed_truth)
    return _energy(pred, frames.truth) / (frames.truth.once(_true_energy) + _EPSILON)


def _transformed_error(frames: Comparison) -> Tensor:
    transformed: Tensor = torch.fft.rfft2(frames.difference)
    return transformed


def _transformed_truth(truth: Truth) -> Tensor:
    transformed: Tensor = torch.fft.rfft2(truth.filled)
    return transformed


def _true_energy(truth: Truth) -> Tensor:
    """Energy of the true frames in each band, (B, T, C, 3), NaN where it is not defined."""
    energy = _energy(truth.once(_transformed_truth), truth)
    complete = truth.count == truth.frames[0, 0, 0].numel()
    is_known = complete[..., None] & (energy > _ROUNDING * energy.sum(dim=-1, keepdim=True))
    return torch.where(is_known, energy, torch.nan)


def _energy(transformed: Tensor, truth: Truth) -> Tensor:
    """Sum of the squares of `torch.fft.rfft2` over each band, (B, T, C, 3)."""
    squares = transformed.real.square() + transformed.imag.square()
    return squares.flatten(-2) @ truth.once(_weights)


def _weights(truth: Truth) -> Tensor:
    """How often each wavenumber of `torch.fft.rfft2` counts in each band, (H * (W // 2 + 1), 3).

    The columns that are left out are the complex conjugates of the others.
    """
    height, width = truth.frames.shape[-2:]
    half = bands(height, width)[:, : width // 2 + 1]
    times = np.full(width // 2 + 1, 2.0)
    times[0] = 1.0
    if width % 2 == 0:
        times[-1] = 1.0
    weights = np.stack([(half == band) * times for band in range(_NUM_BANDS)], axis=-1)
    return torch.from_numpy(weights.reshape(-1, _NUM_BANDS)).to(truth.frames)


def bands(height: int, width: int) -> NDArray[np.int64]:
    """The band of each wavenumber of `torch.fft.fft2`, 0 to 2, (H, W)."""
    ky, kx = (2 * np.pi * np.fft.fftfreq(size) for size in (height, width))
    wavenumber = np.hypot(ky[:, np.newaxis], kx)
    smallest, largest = 2 * math.pi / max(height, width), math.pi * math.sqrt(2) + 1e-6
    edges = np.logspace(math.log10(smallest), math.log10(largest), _NUM_BANDS + 1)
    edges[0] = 0.0
    return np.asarray(np.digitize(wavenumber, edges) - 1, np.int64)
