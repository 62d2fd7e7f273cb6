"""Confidence intervals of mean scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DRAWS = 1000


def interval(
    values: NDArray[np.float64], blocks: Sequence[str], *, seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % interval of a mean by the bootstrap: the 2.5 % and 97.5 % quantiles of 1000 draws.

    Args:
        values: a score of each window, (N,); values that are not finite are left out.
        blocks: the series of each window. Windows of one series are drawn together, because they
            are not independent.
    Returns: the interval; None if there are fewer than two series.
    Source: Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7(1), 1979.
    """
    finite = np.isfinite(values)
    names, index = np.unique(np.asarray(blocks)[finite], return_inverse=True)
    if len(names) < 2:
        return None
    sums = np.bincount(index, values[finite])
    counts = np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(names), size=(_DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
