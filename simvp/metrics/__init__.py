"""Scores of forecast frames.

To add a score, add a file to this folder with a function decorated by `@score(...)`, which computes
it in batches, on the device of the frames and without waiting for it. Scores are computed per frame
and averaged last, weighted by count: the result depends neither on the batch size nor on the number
of processes.

B: batch; T: frames; C: channels; H, W: height and width; M: scores. Frames are in [0, 1].
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

SsimRange = Literal["unit", "frame"]
# Which values are better; "zero": the nearer to zero.
Direction = Literal["lower", "higher", "zero"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Comparison:
    """Forecast and true frames, with intermediate results that several scores share.

    Cells whose truth is missing (NaN) do not count. A score of a frame without valid cells is NaN.

    Attributes:
        pred, true: (B, T, C, H, W), scaled to [0, 1]; float64 where the device has it.
        ssim_data_range: "unit" for 1.0; "frame" for the range of each true frame.
    """

    pred: Tensor
    true: Tensor
    ssim_data_range: SsimRange = "unit"
    _results: dict[Callable[["Comparison"], Any], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, pred: Tensor, true: Tensor, *, ssim_data_range: SsimRange = "unit") -> "Comparison":
        """Raises: ValueError if the shapes differ."""
        if pred.shape != true.shape:
            raise ValueError(f"pred has shape {tuple(pred.shape)}, true {tuple(true.shape)}")
        # Sums of thousands of squares and SSIM's differences of nearly equal numbers lose digits in
        # float32; the cost is small compared with the network's. Apple's GPUs have no float64.
        precise = torch.float32 if pred.device.type == "mps" else torch.float64
        return cls(pred.to(precise), true.to(precise), ssim_data_range)

    def once(self, compute: Callable[["Comparison"], Result]) -> Result:
        """The result of `compute(self)`, which is kept for other scores that need it as well."""
        if compute not in self._results:
            self._results[compute] = compute(self)
        result: Result = self._results[compute]
        return result

    @cached_property
    def valid(self) -> Tensor:
        """Whether the truth is known, (B, T, C, H, W)."""
        return self.true.isfinite()

    @cached_property
    def difference(self) -> Tensor:
        """Forecast minus truth, 0 where the truth is missing, (B, T, C, H, W)."""
        return torch.where(self.valid, self.pred - self.true, 0.0)

    def mean(self, values: Tensor, dim: tuple[int, ...]) -> Tensor:
        """Mean over the valid cells of values (B, T, C, H, W) that are 0 elsewhere."""
        return values.sum(dim) / self.valid.sum(dim)

    def total(self, values: Tensor) -> Tensor:
        """Sum over a frame, (B, T): mean over the valid cells times the number of all cells."""
        share = self.valid.sum(dim=(2, 3, 4)) / self.valid[0, 0].numel()
        return values.sum(dim=(2, 3, 4)) / share

    @cached_property
    def squared_error(self) -> Tensor:
        """Squared error summed over the pixels and channels of a frame, (B, T)."""
        return self.total(self.difference.square())


ScoreFunction = Callable[[Comparison], Tensor]


@dataclass(frozen=True)
class Score:
    """A registered score.

    Attributes:
        unit: as displayed, for example "dB"; "channel" for the unit of the channel, in which case
            `function` returns values for data in [0, 1], to be multiplied by the channel's range.
        per: whether `function` returns a value per frame, (B, T), or per channel, (B, T, C).
    """

    name: str
    unit: str
    direction: Direction
    per: Literal["frame", "channel"]
    function: ScoreFunction

    @property
    def remark(self) -> str:
        """Unit and direction in words, like `dB, higher is better`."""
        better = "nearer to zero" if self.direction == "zero" else self.direction
        return ", ".join(filter(None, (self.unit, f"{better} is better")))


SCORES: dict[str, Score] = {}


def score(
    name: str,
    *,
    unit: str = "",
    direction: Direction,
    per: Literal["frame", "channel"] = "frame",
) -> Callable[[ScoreFunction], ScoreFunction]:
    """Register the decorated function as a score; the arguments are those of `Score`."""

    def register(function: ScoreFunction) -> ScoreFunction:
        assert name not in SCORES, f"two scores are named {name}"
        SCORES[name] = Score(name, unit, direction, per, function)
        return function

    return register


# The usual scores come first in every table.
for _module in ("errors", "similarity", *(found.name for found in pkgutil.iter_modules(__path__))):
    importlib.import_module(f"{__name__}.{_module}")

NAMES = tuple(name for name, entry in SCORES.items() if entry.per == "frame")
CHANNEL_NAMES = tuple(name for name, entry in SCORES.items() if entry.per == "channel")


def scores(
    pred: Tensor, true: Tensor, *, ssim_data_range: SsimRange = "unit"
) -> tuple[Tensor, Tensor]:
    """Compute all scores of each frame, on its device, in float64 where the device has it.

    Args:
        pred, true: (B, T, C, H, W), scaled to [0, 1].
        ssim_data_range: "unit" for 1.0; "frame" for the range of each true frame.
    Returns: (B, T, M), M as in NAMES, and (B, T, C, M), M as in CHANNEL_NAMES. Scores whose unit is
        "channel" are in [0, 1] units.
    Raises: ValueError if the shapes differ.
    """
    frames = Comparison.of(pred, true, ssim_data_range=ssim_data_range)
    of_frames, of_channels = (
        torch.stack([SCORES[name].function(frames) for name in names], dim=-1)
        for names in (NAMES, CHANNEL_NAMES)
    )
    return of_frames, of_channels


def persistence(inputs: Tensor, num_steps: int) -> Tensor:
    """The forecast "nothing changes": the last frame of (B, T, C, H, W), `num_steps` times.

    A missing value is replaced by the last known one of its cell, or the mean of its frame.
    """
    last = inputs[:, -1]
    for earlier in reversed(inputs[:, :-1].unbind(dim=1)):
        last = torch.where(last.isnan(), earlier, last)
    mean = last.nanmean(dim=(-2, -1), keepdim=True)
    last = torch.where(last.isnan(), mean, last)
    return last.unsqueeze(1).expand(-1, num_steps, -1, -1, -1)
