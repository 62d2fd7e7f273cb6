"""Linear maps between physical units and [0, 1], one per channel, and how they are chosen.

T: frames; C: channels; H, W: height and width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from simvp.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

# Range of the values, relative to the distance of their 0.1 % and 99.9 % quantiles. Up to this it
# is usual: a billion values have 2.0 if their distribution is normal, 3.0 if it is exponential.
_WIDEST_RANGE = 3.0

_LARGEST = float(np.finfo(np.float32).max)

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
            if max(abs(low), abs(high), high - low) > _LARGEST:
                raise ValueError(
                    f"low = {low:g}, high = {high:g} or their difference exceeds the range of "
                    "float32 (3.4e38)"
                )

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
        low_quantile, high_quantile: the 0.1 % and 99.9 % quantiles, estimated from a random sample
            of many values; empty in split files of earlier versions.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    missing: tuple[float, ...] = ()
    low_quantile: tuple[float, ...] = ()
    high_quantile: tuple[float, ...] = ()

    def to_physical(self, scaling: Scaling) -> "Statistics":
        """The statistics of scaled values in physical units."""

        def physical(values: tuple[float, ...]) -> tuple[float, ...]:
            pairs = zip(values, scaling.span, scaling.low, strict=False)
            return tuple(span * value + low for value, span, low in pairs)

        return Statistics(
            low=physical(self.low),
            high=physical(self.high),
            mean=physical(self.mean),
            std=tuple(s * v for v, s in zip(self.std, scaling.span, strict=True)),
            missing=self.missing,
            low_quantile=physical(self.low_quantile),
            high_quantile=physical(self.high_quantile),
        )


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


def choose_scaling(
    channels: Sequence[str],
    low: Sequence[float | None],
    high: Sequence[float | None],
    statistics: Statistics,
    *,
    is_8_bit: bool,
    num_inputs: int = 0,
    by_quantile: bool = False,
) -> tuple[Scaling, list[str]]:
    """Choose the scaling of each channel from what is known of it.

    Args:
        channels: names of the channels.
        low, high: from the data card, None where it gives no value.
        statistics: of the training part alone, in physical units.
        is_8_bit: whether the values are 8-bit integers.
        num_inputs: number of channels that are not forecast, the last ones.
        by_quantile: use the quantiles of the training values where the card gives no value.
    Returns: the scaling, and warnings for the user. The scaling is `low` and `high` where given;
        otherwise 0 and 1 if the training values are within [0, 1], 0 and 255 for 8-bit integers,
        and else the range of the training values. Scores add the errors of the channels that are
        forecast, so these have values within [0, 1] together or not at all. Each input stands
        alone: it may be of any kind, and does not change the scaling of others.
    Raises: DataError if a range is too wide for float32.
    """
    ranges = list(zip(statistics.low, statistics.high, strict=True))
    num_forecast = len(channels) - num_inputs
    are_unit = all(map(_is_unit, ranges[:num_forecast]))
    quantiles = zip(statistics.low_quantile, statistics.high_quantile, strict=True)
    pairs, warnings = [], []
    for index, (name, given_low, given_high, limits, most) in enumerate(
        zip(channels, low, high, ranges, quantiles, strict=True)
    ):
        is_unit = are_unit if index < num_forecast else _is_unit(limits)
        fixed = (0.0, 1.0) if is_unit else (0.0, 255.0) if is_8_bit else None
        found = limits if fixed is None or by_quantile else fixed
        if by_quantile and most[0] < most[1]:
            found = most
        bottom = found[0] if given_low is None else given_low
        top = found[1] if given_high is None else given_high
        # A constant channel has no range; any positive one will do.
        pairs.append((bottom, top if top > bottom else bottom + max(1.0, 1e-6 * abs(bottom))))
        if top - bottom > _LARGEST:
            raise DataError(
                f"{name}: is to be scaled from {bottom:.4g} to {top:.4g}, a range beyond that of "
                "float32 (3.4e38); store it in a larger unit, or leave it out"
            )
        if found is limits and (given_low is None or given_high is None):
            warnings += _warn_of_range(name, limits, most, by_quantile=by_quantile)
    lows, highs = zip(*pairs, strict=True)
    return Scaling(lows, highs), warnings


def _is_unit(limits: tuple[float, float]) -> bool:
    """Whether values are within [0, 1]."""
    return limits[0] >= 0 and limits[1] <= 1


def _warn_of_range(
    name: str, limits: tuple[float, float], most: tuple[float, float], *, by_quantile: bool
) -> list[str]:
    """A warning if a few values determine the range of a channel.

    Args:
        most: the quantiles that 99.8 % of the values lie between.
        by_quantile: whether the user asked to scale by them.
    """
    width, usual = limits[1] - limits[0], most[1] - most[0]
    if by_quantile and width > 0:
        return [
            f"warning: {name} is scaled by its range, because its 0.1 % and 99.9 % quantiles are "
            f"both {most[0]:.4g}"
        ]
    if usual == 0 or width <= _WIDEST_RANGE * usual:
        return []
    return [
        f"warning: {name} is scaled by its range, {limits[0]:.4g} to {limits[1]:.4g}, but 99.8 % "
        f"of its values are from {most[0]:.4g} to {most[1]:.4g} in training; if the "
        "extremes are errors or do not matter, use --scale quantile, or give low and high in the "
        "data card"
    ]
