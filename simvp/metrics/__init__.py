"""Scores of forecast frames.

To add a score, add a file to this folder with a function decorated by `@score(...)`, which computes
it in batches, on the device of the frames and without waiting for it. Scores are computed per frame
and averaged last, weighted by count: the result depends neither on the batch size nor on the number
of processes.

B: batch; T: frames; C: channels; E: events; H, W: height and width. Frames are in [0, 1].
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from simvp.metrics.comparison import Comparison, Domain, Event, SsimRange, Truth

__all__ = ["Comparison", "Domain", "Event", "Score", "SsimRange", "Truth", "score", "scores"]

# Which values are better; "zero" and "one": the nearer to it; "none": neither.
Direction = Literal["lower", "higher", "zero", "one", "none"]
Per = Literal["frame", "channel", "event"]
ScoreFunction = Callable[[Comparison], Tensor]
Combine = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Score:
    """A registered score.

    Attributes:
        unit: as displayed, for example "dB"; "per frame" for a sum over a frame in network units;
            "channel" for the unit of the channel, in which case `function` returns values for data
            in [0, 1], to be multiplied by the channel's range.
        per: whether `function` returns a value per frame, (B, T), per channel, (B, T, C), or per
            event, (B, T, E).
        combine: None for the mean of the values of all frames that are finite. Otherwise `function`
            returns terms along another axis, the last one, and this maps their sums to the score.
        num_terms: number of these terms.
        needs_climatology: whether it can be computed only if the climatology is known.
        needs_ensemble: whether it is of use only if one of the forecasts is an ensemble.
    """

    name: str
    unit: str
    direction: Direction
    per: Per
    function: ScoreFunction
    combine: Combine | None = None
    num_terms: int = 1
    needs_climatology: bool = False
    needs_ensemble: bool = False

    @property
    def remark(self) -> str:
        """Unit and direction in words, like `dB, higher is better`."""
        near = {"zero": "nearer to zero", "one": "nearer to one"}
        better = near.get(self.direction, self.direction)
        direction = "" if self.direction == "none" else f"{better} is better"
        return ", ".join(filter(None, (self.unit, direction)))

    @property
    def label(self) -> str:
        """The name, with the unit if the score has one of its own."""
        has_own = self.unit not in ("", "per frame", "channel")
        return f"{self.name} ({self.unit})" if has_own else self.name

    def shape(self, domain: Domain, channels: int) -> tuple[int, ...]:
        """Of the result of `function` without the axes of batch and frames."""
        items = {"frame": (), "channel": (channels,), "event": (len(domain.events),)}[self.per]
        return items if self.combine is None else (*items, self.num_terms)

    def terms(self, values: Tensor) -> Tensor:
        """What to sum over frames: (..., K) from results of `function`."""
        if self.combine is not None:
            return values
        finite = values.isfinite()
        return torch.stack([torch.where(finite, values, 0.0), finite.to(values.dtype)], dim=-1)

    def combined(self, sums: Tensor) -> Tensor:
        """The score from sums of terms, (..., K) -> (...); NaN where it is not defined."""
        if self.combine is not None:
            return self.combine(sums)
        return sums[..., 0] / sums[..., 1]


SCORES: dict[str, Score] = {}


def score(
    name: str,
    *,
    unit: str = "",
    direction: Direction,
    per: Per = "frame",
    combine: Combine | None = None,
    num_terms: int = 1,
    needs_climatology: bool = False,
    needs_ensemble: bool = False,
) -> Callable[[ScoreFunction], ScoreFunction]:
    """Register the decorated function as a score; the arguments are those of `Score`."""

    def register(function: ScoreFunction) -> ScoreFunction:
        assert name not in SCORES, f"two scores are named {name}"
        SCORES[name] = Score(
            *(name, unit, direction, per, function, combine, num_terms),
            needs_climatology=needs_climatology,
            needs_ensemble=needs_ensemble,
        )
        return function

    return register


# The usual scores come first in every table.
for _module in ("errors", "similarity", *(found.name for found in pkgutil.iter_modules(__path__))):
    importlib.import_module(f"{__name__}.{_module}")

NAMES = tuple(name for name, entry in SCORES.items() if entry.per == "frame")


def names_for(
    domain: Domain, *, has_climatology: bool, is_ensemble: bool = False
) -> tuple[str, ...]:
    """The scores that can be computed."""
    return tuple(
        name
        for name, entry in SCORES.items()
        if (domain.events or entry.per != "event")
        and (has_climatology or not entry.needs_climatology)
        and (is_ensemble or not entry.needs_ensemble)
    )


def scores(
    pred: Tensor, true: Tensor | Truth, names: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """Compute scores of each frame, on its device, in float64 where the device has it.

    Args:
        pred, true: (B, T, C, H, W), scaled to [0, 1]; `pred` of an ensemble of M members (M, B, T,
            C, H, W), whose mean is the forecast.
        names: of the scores; None for all that can be computed.
    Returns: for each score (B, T), or (B, T, C), or (B, T, E), with another axis of terms where the
        score has `combine`. Scores whose unit is "channel" are in [0, 1] units.
    Raises: ValueError if the shapes differ.
    """
    frames = Comparison.of(pred, true)
    if names is None:
        has_climatology = frames.truth.climatology is not None
        is_ensemble = frames.members is not None
        names = names_for(
            frames.truth.domain, has_climatology=has_climatology, is_ensemble=is_ensemble
        )
    return {name: SCORES[name].function(frames) for name in names}


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
