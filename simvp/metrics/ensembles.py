"""Scores of ensembles: how good the distribution of the members is, and how wide.

M: members; B: batch; T: frames; C: channels; H, W: height and width.
"""

import torch
from torch import Tensor

from simvp.metrics import Comparison, score


@score("crps", unit="channel", direction="lower", per="channel", needs_ensemble=True)
def crps(frames: Comparison) -> Tensor:
    """Fair continuous ranked probability score of each channel, (B, T, C), weighted by area.

    For members x_i and the truth y of a cell, mean |x_i - y| - mean |x_i - x_j| / 2, where the
    second mean is over pairs of different members. Its expectation does not depend on the number of
    members. For a single forecast it is the mean absolute error.

    Source: Ferro, "Fair scores for ensemble forecasts", Q. J. R. Meteorol. Soc. 140, 2014.
    """
    members, truth = frames.members, frames.truth
    if members is None:
        return truth.area_mean(frames.difference.abs())
    values = (members - truth.filled).abs().mean(dim=0) - _mean_distance(members) / 2
    return truth.area_mean(torch.where(truth.valid, values, 0.0))


@score("spread", unit="channel", direction="none", per="channel", needs_ensemble=True)
def spread(frames: Comparison) -> Tensor:
    """Root of the mean variance of the members, (B, T, C), weighted by area; NaN without members.

    The variance has the divisor M - 1.
    """
    return _variance(frames).sqrt()


def _ratio(sums: Tensor) -> Tensor:
    """(..., 2) -> (...): root of the quotient; NaN where the forecast is exact."""
    variance, error = sums.unbind(dim=-1)
    return (variance / error.where(error > 0, torch.nan)).sqrt()


@score(
    "spread_skill",
    direction="one",
    per="channel",
    combine=_ratio,
    num_terms=2,
    needs_ensemble=True,
)
def spread_skill(frames: Comparison) -> Tensor:
    """Terms of the ratio of spread and RMSE of the mean, (B, T, C, 2); NaN without members.

    The spread is multiplied by sqrt((M + 1) / M), because the mean of few members has a larger
    error. The ratio is then 1 if truth and members are drawn from one distribution. Below 1 the
    ensemble is overconfident.

    Source: Fortin et al., "Why should ensemble spread match the RMSE of the ensemble mean?",
        J. Hydrometeorol. 15, 2014.
    """
    count = 1 if frames.members is None else len(frames.members)
    error = frames.truth.area_mean(frames.squared_difference)
    return torch.stack([_variance(frames) * (count + 1) / count, error], dim=-1)


def _variance(frames: Comparison) -> Tensor:
    """Variance of the members, averaged over the valid cells, (B, T, C)."""
    truth = frames.truth
    if frames.members is None:
        return torch.full_like(truth.weight, torch.nan, dtype=frames.pred.dtype)
    return truth.area_mean(torch.where(truth.valid, frames.members.var(dim=0), 0.0))


def _mean_distance(members: Tensor) -> Tensor:
    """Mean of |x_i - x_j| over pairs of different members: (M, ...) -> (...).

    In increasing order, member k is the larger one in k - 1 pairs and the smaller one in M - k.
    """
    count = len(members)
    factors = torch.arange(1 - count, count, 2, dtype=members.dtype, device=members.device)
    total = torch.einsum("m,m...->...", factors, members.sort(dim=0).values)
    return total / (count * (count - 1) / 2)
