"""Confidence intervals of scores."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

_DRAWS = 1000
_AT_ONCE = 100  # draws


def interval(
    terms: Tensor, blocks: Sequence[str], combine: Callable[[Tensor], Tensor], *, seed: int = 0
) -> Tensor | None:
    """The 95 % interval of a score by the bootstrap: the 2.5 % and 97.5 % quantiles of 1000 draws.

    Args:
        terms: what is summed over windows, (N, ..., K).
        blocks: the series of each window. Windows of one series are drawn together, because they
            are not independent.
        combine: from sums of terms, (..., K), to the score, (...).
    Returns: both ends, (2, ...), NaN where the score is not defined; None if fewer than two series
        have terms.
    Source: Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7(1), 1979.
    """
    names, index = np.unique(np.asarray(blocks), return_inverse=True)
    flat = terms.double().flatten(1)
    sums = flat.new_zeros(len(names), flat.shape[1]).index_add_(0, torch.from_numpy(index), flat)
    sums = sums[(sums != 0).any(dim=1)]
    count = len(sums)
    if count < 2:
        return None
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(_DRAWS // _AT_ONCE):
        times = rng.multinomial(count, np.full(count, 1 / count), _AT_ONCE)
        pieces.append(torch.from_numpy(times).double() @ sums)
    scores = combine(torch.cat(pieces).reshape(_DRAWS, *terms.shape[1:]))
    return scores.nanquantile(scores.new_tensor([0.025, 0.975]), dim=0)
