"""Statistics of the channels of a data set, from those of its pieces.

T: frames; C: channels; H, W: height and width; S: sampled values.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simvp.data.scaling import Statistics

NUM_SAMPLED = 10**6  # values of each channel from which its quantiles are estimated
_QUANTILES = (0.001, 0.999)
# Values that are summed at a time: in float64 they fit in the cache of a processor core, and
# temporary arrays stay small however large the frames are.
_BLOCK = 2**16


@dataclass(frozen=True)
class Moments:
    """Range, mean and spread of the known values of each channel, float64 (C,) each.

    Attributes:
        low, high: minimum and maximum; NaN if no value is known.
        count: number of values, missing ones included.
        known: number of known values.
        mean: of the known values; 0 if there are none.
        squares: sum of the squared deviations from the mean.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.float64]
    known: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    def merged(self, other: "Moments") -> "Moments":
        """The moments of the values of both.

        Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The
            American Statistician 37(3), 1983.
        """
        known = self.known + other.known
        share = other.known / np.maximum(known, 1)
        difference = other.mean - self.mean
        return Moments(
            low=np.fmin(self.low, other.low),
            high=np.fmax(self.high, other.high),
            count=self.count + other.count,
            known=known,
            mean=self.mean + difference * share,
            squares=self.squares + other.squares + difference**2 * self.known * share,
        )


def moments(
    frames: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]
) -> Moments:
    """The moments of finite values.

    Args:
        frames: (T, C, H, W), NaN where a value is missing.
        low, high: minimum and maximum of the known values, (C,).
    """
    # Sums are of the deviations from a known value, so that squares of large means lose no digits.
    origin = np.where(np.isnan(low), 0, low).astype(np.float64)
    known, total, squares = np.zeros((3, len(origin)))
    for block in _blocks(frames):
        with np.errstate(invalid="ignore"):  # some bit patterns of NaN cause a warning
            deviations = np.subtract(block, origin[:, np.newaxis], dtype=np.float64)
        sums = deviations.sum(axis=(0, 2))
        num_missing = np.zeros(len(origin))
        if np.isnan(sums).any():
            missing = np.isnan(block)
            num_missing = missing.sum(axis=(0, 2))
            deviations[missing] = 0
            sums = deviations.sum(axis=(0, 2))
        known += block.shape[0] * block.shape[2] - num_missing
        total += sums
        squares += np.einsum("tcn,tcn->c", deviations, deviations)
    mean = total / np.maximum(known, 1)
    return Moments(
        low=low.astype(np.float64),
        high=high.astype(np.float64),
        count=np.full(len(origin), float(frames.size // len(origin))),
        known=known,
        mean=origin + mean,
        squares=np.maximum(squares - mean * total, 0.0),
    )


def _blocks(frames: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Views (T, C, N) of about `_BLOCK` values that together cover contiguous frames."""
    planes = _flat(frames)
    num_frames = max(1, _BLOCK // math.prod(planes.shape[1:]))
    num_cells = max(1, _BLOCK // planes.shape[1])
    for first in range(0, planes.shape[0], num_frames):
        for cell in range(0, planes.shape[2], num_cells):
            yield planes[first : first + num_frames, :, cell : cell + num_cells]


def _flat(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, C, H, W) as (T, C, H * W); T may be 0."""
    return frames.reshape(*frames.shape[:2], math.prod(frames.shape[2:]))


def sample_stride(num_values: int) -> int:
    """The stride at which `sampled` takes at most NUM_SAMPLED of `num_values` values."""
    return max(1, math.ceil(num_values / NUM_SAMPLED))


def sampled(
    frames: NDArray[np.float32], stride: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """One cell out of `stride`, at random, for all channels: (T, C, H, W) -> (C, S).

    All cells if `stride` is 1.
    """
    by_frame = _flat(frames)
    num_cells = by_frame.shape[0] * by_frame.shape[2]
    chosen = np.arange(0, num_cells, stride)
    if stride > 1:
        chosen += rng.integers(stride, size=len(chosen))
        chosen = chosen[chosen < num_cells]  # the last stride may be incomplete
    frame, cell = np.divmod(chosen, by_frame.shape[2])
    return by_frame[frame, :, cell].T


def to_statistics(found: Moments, sample: NDArray[np.float32]) -> Statistics:
    """The statistics of all values; NaN for a channel without known values.

    Args:
        found: moments of the values.
        sample: values (C, S) from which the quantiles are estimated.
    """
    with np.errstate(invalid="ignore"):
        std = np.sqrt(found.squares / found.known)
        missing = 1 - found.known / found.count
    mean = np.where(found.known > 0, found.mean, np.nan)
    limits = zip(found.low.tolist(), found.high.tolist(), strict=True)
    low_quantile, high_quantile = zip(*map(_quantiles, sample, limits), strict=True)
    return Statistics(
        low=tuple(found.low.tolist()),
        high=tuple(found.high.tolist()),
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        missing=tuple(missing.tolist()),
        low_quantile=low_quantile,
        high_quantile=high_quantile,
    )


def _quantiles(values: NDArray[np.float32], limits: tuple[float, float]) -> tuple[float, ...]:
    """The quantiles of the known values (S,); `limits` if none of them is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return limits
    return tuple(np.quantile(known.astype(np.float64), _QUANTILES).tolist())
