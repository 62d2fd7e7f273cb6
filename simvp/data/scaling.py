"""Linear maps between physical units and [0, 1], one per channel, and how they are chosen.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Values = TypeVar("Values", NDArray[np.float32], "Tensor")


@dataclass(frozen=True)
class Scaling:
    """For each channel the physical values that 0 and 1 stand for, `low` below `high`."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high):
            raise ValueError(f"{len(self.low)} values for low, but {len(self.high)} for high")
        for low, high in zip(self.low, self.high, strict=True):
            if low >= high:
                raise ValueError(f"low = {low:g} is not below high = {high:g}")

    @property
    def is_identity(self) -> bool:
        return set(self.low) == {0.0} and set(self.high) == {1.0}

    @property
    def span(self) -> tuple[float, ...]:
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))

    def first(self, count: int) -> "Scaling":
        """The scaling of the first `count` channels."""
        return Scaling(self.low[:count], self.high[:count])

    def to_unit(self, values: Values) -> Values:
        """Map physical values (..., C, H, W), an array or a tensor, so that low is 0, high is 1."""
        return (values - _per_channel(self.low, values)) / _per_channel(self.span, values)

    def to_physical(self, values: Values) -> Values:
        """The inverse of `to_unit`."""
        return values * _per_channel(self.span, values) + _per_channel(self.low, values)


def _per_channel(numbers: tuple[float, ...], like: Values) -> Values:
    """The numbers as (C, 1, 1), with the type, precision and device of `like`."""
    array = np.asarray(numbers, np.float32).reshape(-1, 1, 1)
    if isinstance(like, np.ndarray):
        return array
    import torch

    return torch.from_numpy(array).to(like.device)


@dataclass(frozen=True)
class Statistics:
    """Minimum, maximum, mean and standard deviation (ddof 0) of each channel.

    Attributes:
        missing: fraction of missing values (NaN), which the others leave out.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    missing: tuple[float, ...] = ()

    def to_physical(self, scaling: Scaling) -> "Statistics":
        """The statistics of scaled values in physical units."""
        low, high, mean = (
            tuple(s * v + o for v, s, o in zip(values, scaling.span, scaling.low, strict=True))
            for values in (self.low, self.high, self.mean)
        )
        std = tuple(s * v for v, s in zip(self.std, scaling.span, strict=True))
        return Statistics(low, high, mean, std, self.missing)


# Standard deviations below this, in network units, are rounding errors of float32 values.
_CONSTANT = 1e-6


def mean_and_std(
    statistics: Statistics, scaling: Scaling
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in network units, to standardise values.

    Args:
        statistics: in physical units.
    Returns: two tuples (C,); the standard deviation of a constant channel is given as 1.
    """
    mean = tuple(
        (value - low) / span
        for value, low, span in zip(statistics.mean, scaling.low, scaling.span, strict=True)
    )
    std = (value / span for value, span in zip(statistics.std, scaling.span, strict=True))
    return mean, tuple(value if value > _CONSTANT else 1.0 for value in std)


class StatisticsAccumulator:
    """Accumulates `Statistics` over arrays (T, C, H, W) in float64."""

    def __init__(self, num_channels: int) -> None:
        self._low = np.full(num_channels, np.inf)
        self._high = np.full(num_channels, -np.inf)
        # Number of values, number of known values, sum and sum of squares. The sums are of
        # deviations from a known value, so that squares of large means lose no digits.
        self._sums = np.zeros((4, num_channels))
        self._origin = np.full(num_channels, np.nan)

    def add(self, values: NDArray[np.float32]) -> None:
        """Include values (T, C, H, W)."""
        by_channel = values.swapaxes(0, 1).reshape(values.shape[1], -1)
        known = np.isfinite(by_channel)
        self._low = np.minimum(self._low, np.where(known, by_channel, np.inf).min(axis=1))
        self._high = np.maximum(self._high, np.where(known, by_channel, -np.inf).max(axis=1))
        first = by_channel[np.arange(len(known)), known.argmax(axis=1)]
        self._origin = np.where(np.isnan(self._origin), first, self._origin)
        deviations = np.where(known, by_channel - self._origin[:, np.newaxis], 0.0)
        self._sums[0] += by_channel.shape[1]
        self._sums[1] += known.sum(axis=1)
        self._sums[2] += deviations.sum(axis=1)
        self._sums[3] += np.einsum("cn,cn->c", deviations, deviations)

    def result(self) -> Statistics:
        """The statistics of everything added so far; NaN for a channel without known values."""
        count, known, total, squares = self._sums
        with np.errstate(invalid="ignore"):
            mean = total / known
            std = np.sqrt(np.maximum(squares / known - mean**2, 0.0))
            missing = 1 - known / count
        columns = (self._low, self._high, self._origin + mean, std, missing)
        return Statistics(*(tuple(column.tolist()) for column in columns))


def choose_scaling(
    low: Sequence[float | None],
    high: Sequence[float | None],
    statistics: Statistics,
    *,
    is_8_bit: bool,
) -> Scaling:
    """Choose the scaling of each channel from what is known of it.

    Args:
        low, high: from the data card, None where it gives no value.
        statistics: of the training part alone, in physical units.
        is_8_bit: whether the values are 8-bit integers.
    Returns: `low` and `high` where given; otherwise 0 and 1 if the training values of all channels
        are within [0, 1], 0 and 255 for 8-bit integers, and else the range of the training values.
    """
    is_unit = min(statistics.low) >= 0 and max(statistics.high) <= 1
    pairs = []
    for given_low, given_high, least, greatest in zip(
        low, high, statistics.low, statistics.high, strict=True
    ):
        if is_unit:
            found = 0.0, 1.0
        else:
            found = (0.0, 255.0) if is_8_bit else (least, greatest)
        bottom = found[0] if given_low is None else given_low
        top = found[1] if given_high is None else given_high
        # A constant channel has no range; any positive one will do.
        pairs.append((bottom, top if top > bottom else bottom + 1.0))
    lows, highs = zip(*pairs, strict=True)
    return Scaling(lows, highs)
