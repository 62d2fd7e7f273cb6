"""Spectra of saved forecasts and of their truths.

T: forecast steps; C: channels; K: wavenumbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvp.engine.saved_forecasts import SavedForecasts
from simvp.metrics.power import power_spectrum, wavenumbers
from simvp.progress import Advance

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Spectra:
    """Means over samples.

    Attributes:
        steps: indices of the steps that have spectra: first, middle and last.
        wavenumbers: in cycles per cell, (K,).
        truth, forecast: the variance that each wavenumber contributes, (len(steps), C, K); NaN if
            values are missing in all frames.
    """

    steps: tuple[int, ...]
    wavenumbers: Values
    truth: Values
    forecast: Values


def mean_spectra(saved: SavedForecasts, ids: Sequence[str], advance: Advance) -> Spectra:
    """Read all saved samples, one at a time. Raises RunError or DataError."""
    steps: list[int] = []
    truths, forecasts = [], []
    for sample_id in ids:
        sample = saved.read(sample_id)
        last = len(sample.truth) - 1
        steps = sorted({0, last // 2, last})
        truths.append(power_spectrum(sample.truth[steps]))
        forecasts.append(power_spectrum(sample.forecast[steps]))
        advance(1, "")
    height, width = saved.data.shape[1:]
    return Spectra(tuple(steps), wavenumbers(height, width), _mean(truths), _mean(forecasts))


def _mean(spectra: Sequence[Values]) -> Values:
    """The mean over the samples whose frames are complete; NaN if there are none."""
    values = np.stack(spectra)
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float64)
