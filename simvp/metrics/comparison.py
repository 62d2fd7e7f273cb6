"""Forecast and true frames, with what several scores need of them.

B: batch; T: frames; C: channels; H, W: height and width. Frames are in network units, [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

SsimRange = Literal["unit", "frame"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Event:
    """What happens where a channel reaches a threshold.

    Attributes:
        channel: index of the channel.
        threshold: in network units.
        value: the same in the unit of the channel.
    """

    channel: int
    threshold: float
    value: float


@dataclass(frozen=True)
class Domain:
    """What is known of the values and the grid.

    Attributes:
        low, span: physical value of 0, and of 1 minus that of 0, for each channel; empty for 0 and
            1.
        area: of each cell relative to the mean, (H, W) or (H, 1); None if all are equal.
        events: the events to score.
    """

    low: tuple[float, ...] = ()
    span: tuple[float, ...] = ()
    area: Tensor | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Truth:
    """True frames; several forecasts are compared with the same ones.

    Cells whose value is missing (NaN) do not count.

    Attributes:
        frames: (B, T, C, H, W), float64 where the device has it.
        climatology: what is usual at these times, (B, T, C, H, W); None if it is not known.
        ssim_data_range: "unit" for 1.0; "frame" for the range of each true frame.
    """

    frames: Tensor
    domain: Domain = Domain()
    climatology: Tensor | None = None
    ssim_data_range: SsimRange = "unit"
    _results: dict[Callable[["Truth"], Any], Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        frames: Tensor,
        domain: Domain | None = None,
        climatology: Tensor | None = None,
        ssim_data_range: SsimRange = "unit",
    ) -> "Truth":
        """The same in float64 where the device has it."""
        if climatology is not None:
            climatology = _precise(climatology)
        return cls(_precise(frames), domain or Domain(), climatology, ssim_data_range)

    def once(self, compute: Callable[["Truth"], Result]) -> Result:
        """The result of `compute(self)`, which is kept for other scores and forecasts."""
        result: Result = _once(self._results, compute, self)
        return result

    @cached_property
    def valid(self) -> Tensor:
        """Whether a value is known, (B, T, C, H, W)."""
        return self.frames.isfinite()

    @cached_property
    def filled(self) -> Tensor:
        """The frames with 0 where a value is missing."""
        return torch.where(self.valid, self.frames, 0.0)

    @cached_property
    def count(self) -> Tensor:
        """Number of valid cells of each channel, (B, T, C)."""
        return self.valid.sum((-2, -1))

    @cached_property
    def weight(self) -> Tensor:
        """Area of the valid cells of each channel, in cells of mean area, (B, T, C)."""
        area = self.domain.area
        return self.count if area is None else (self.valid * area).sum((-2, -1))

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the valid cells of values that are 0 elsewhere, (B, T, C)."""
        return values.sum((-2, -1)) / self.count

    def area_mean(self, values: Tensor) -> Tensor:
        """The same weighted by the area of the cells."""
        area = self.domain.area
        return (values if area is None else values * area).sum((-2, -1)) / self.weight

    def total(self, values: Tensor) -> Tensor:
        """Sum over a frame, (B, T): mean over the valid cells times the number of all cells."""
        share = self.count.sum(-1) / self.frames[0, 0].numel()
        return values.sum(dim=(2, 3, 4)) / share


@dataclass(frozen=True)
class Comparison:
    """A forecast and the truth, with intermediate results that several scores share.

    Attributes:
        pred: (B, T, C, H, W), float64 where the device has it; of an ensemble the mean.
        members: of an ensemble, (M, B, T, C, H, W) with M of 2 or more; otherwise None.
    """

    pred: Tensor
    truth: Truth
    members: Tensor | None = None
    _results: dict[Callable[["Comparison"], Any], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, pred: Tensor, true: Tensor | Truth) -> "Comparison":
        """Compare a forecast (B, T, C, H, W), or an ensemble (M, B, T, C, H, W).

        Raises: ValueError if the shapes differ.
        """
        truth = true if isinstance(true, Truth) else Truth.of(true)
        has_members = pred.ndim == truth.frames.ndim + 1
        if pred.shape[has_members:] != truth.frames.shape:
            raise ValueError(
                f"pred has shape {tuple(pred.shape)}, true {tuple(truth.frames.shape)}"
            )
        pred = _precise(pred)
        if not has_members:
            return cls(pred, truth)
        return cls(pred.mean(dim=0), truth, pred if len(pred) > 1 else None)

    def once(self, compute: Callable[["Comparison"], Result]) -> Result:
        """The result of `compute(self)`, which is kept for other scores that need it as well."""
        result: Result = _once(self._results, compute, self)
        return result

    @property
    def true(self) -> Tensor:
        """The true frames, (B, T, C, H, W), NaN where missing."""
        return self.truth.frames

    @cached_property
    def difference(self) -> Tensor:
        """Forecast minus truth, 0 where the truth is missing, (B, T, C, H, W)."""
        return torch.where(self.truth.valid, self.pred - self.true, 0.0)

    @cached_property
    def squared_difference(self) -> Tensor:
        """The square of `difference`, (B, T, C, H, W)."""
        return self.difference.square()

    @cached_property
    def squared_error(self) -> Tensor:
        """Squared error summed over the pixels and channels of a frame, (B, T)."""
        return self.truth.total(self.squared_difference)

    @cached_property
    def mean_squared_error(self) -> Tensor:
        """Mean squared error of each channel, (B, T, C)."""
        return self.truth.mean(self.squared_difference)


def _precise(frames: Tensor) -> Tensor:
    """In float64: sums of thousands of squares and SSIM's differences lose digits in float32.

    Apple's GPUs have no float64.
    """
    return frames.to(torch.float32 if frames.device.type == "mps" else torch.float64)


def _once(results: dict[Callable[[Any], Any], Any], compute: Callable[[Any], Any], of: Any) -> Any:
    if compute not in results:
        results[compute] = compute(of)
    return results[compute]
