"""The spectrum of a field: how much of its variance each scale contributes. H, W: its size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]


def wavenumbers(height: int, width: int) -> NDArray[np.float64]:
    """The wavenumber of each value of `power_spectrum`, in cycles per cell, (K,)."""
    longest = max(height, width)
    return np.arange(1, longest // 2 + 1) / longest


def power_spectrum(frames: Values) -> NDArray[np.float64]:
    """The variance in rings of the plane of wavenumbers: (..., H, W) -> (..., K).

    |F|^2 / (H W)^2, summed over the wavenumbers whose distance from 0 rounds to each of
    `wavenumbers`. A wave of amplitude A contributes A^2 / 2. The mean and the corners beyond half
    a cycle per cell are left out. NaN for frames with missing values.
    """
    height, width = frames.shape[-2:]
    transformed = np.fft.fft2(frames.astype(np.float64)) / (height * width)
    power = np.abs(transformed).reshape(*frames.shape[:-2], -1) ** 2
    distance = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width)).ravel()
    ring = np.rint(distance * max(height, width)).astype(int)
    numbers = np.arange(1, max(height, width) // 2 + 1)
    order = np.argsort(ring, kind="stable")
    # The sum over a ring is the difference of two cumulative sums at its ends.
    total = np.concatenate(
        [np.zeros((*power.shape[:-1], 1)), np.cumsum(power[..., order], axis=-1)], axis=-1
    )
    first = np.searchsorted(ring[order], numbers, side="left")
    last = np.searchsorted(ring[order], numbers, side="right")
    return np.asarray(total[..., last] - total[..., first], np.float64)
