"""What a score is, and the registry that its definition enters.

B: batch; T: frames; C, H, W: a frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

SsimRange = Literal["unit", "frame"]

# Which values are better; "zero": the nearer to zero.
Direction = Literal["lower", "higher", "zero"]

# Whether a score has one value for each frame, (B, T), or for each channel of it, (B, T, C).
Per = Literal["frame", "channel"]


@dataclass(frozen=True)
class Comparison:
    """Forecast and true frames, with intermediate results that several scores share.

    Attributes:
        pred, true: (B, T, C, H, W), scaled to [0, 1]; float64 where the device has it.
        ssim_data_range: "unit" for 1.0; "frame" for the range of each true frame.
    """

    pred: Tensor
    true: Tensor
    ssim_data_range: SsimRange = "unit"

    @classmethod
    def of(cls, pred: Tensor, true: Tensor, *, ssim_data_range: SsimRange = "unit") -> "Comparison":
        """Raises: ValueError if the shapes differ."""
        if pred.shape != true.shape:
            raise ValueError(f"pred has shape {tuple(pred.shape)}, true {tuple(true.shape)}")
        # Sums of thousands of squares and SSIM's differences of nearly equal numbers lose digits in
        # float32; the cost is small compared with the network's. Apple's GPUs have no float64.
        precise = torch.float32 if pred.device.type == "mps" else torch.float64
        return cls(pred.to(precise), true.to(precise), ssim_data_range)

    @cached_property
    def difference(self) -> Tensor:
        """Forecast minus truth, (B, T, C, H, W)."""
        return self.pred - self.true

    @cached_property
    def squared_error(self) -> Tensor:
        """Squared error summed over the pixels and channels of a frame, (B, T)."""
        return self.difference.square().sum(dim=(2, 3, 4))


@dataclass(frozen=True)
class Score:
    """A registered score.

    Attributes:
        unit: for people, as "dB"; "channel" for the unit of the channel, in which case `function`
            returns values for data in [0, 1], to be multiplied by the channel's range.
        function: computes it, without waiting for the device.
    """

    name: str
    unit: str
    direction: Direction
    per: Per
    function: Callable[[Comparison], Tensor]

    @property
    def remark(self) -> str:
        """Unit and direction in words, like `dB, higher is better`."""
        better = "nearer to zero" if self.direction == "zero" else self.direction
        return ", ".join(filter(None, (self.unit, f"{better} is better")))


SCORES: dict[str, Score] = {}


def score(
    name: str, *, unit: str = "", direction: Direction, per: Per = "frame"
) -> Callable[[Callable[[Comparison], Tensor]], Callable[[Comparison], Tensor]]:
    """Register the decorated function, Comparison -> (B, T) or (B, T, C), as a score."""

    def register(function: Callable[[Comparison], Tensor]) -> Callable[[Comparison], Tensor]:
        assert name not in SCORES, f"two scores are named {name}"
        SCORES[name] = Score(name, unit, direction, per, function)
        return function

    return register
