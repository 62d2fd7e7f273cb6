"""Forecasts of many passes: what each is fed with, and increments that are added up."""

import torch
from torch import Tensor

from simvp.models.simvp.rollout import last_known, roll_out, roll_out_increments


def numbered(*values: float) -> Tensor:
    """Frames (1, T, 1, 3, 5), each with one value."""
    return torch.tensor(values).reshape(1, -1, 1, 1, 1).expand(-1, -1, -1, 3, 5)


def values(frames: Tensor, channel: int = 0) -> list[float]:
    return frames[0, :, channel, 0, 0].tolist()


def test_each_pass_is_fed_with_the_latest_frames() -> None:
    seen = []

    def next_block(frames: Tensor, mask: Tensor | None) -> Tensor:
        assert mask is None
        seen.append(values(frames))
        return frames[:, -1:] + numbered(1, 2)

    forecast = roll_out(next_block, numbered(1, 2, 3), None, 5, num_forecast=1)
    assert values(forecast) == [4, 5, 6, 7, 8]
    assert seen == [[1, 2, 3], [3, 4, 5], [5, 6, 7]]


def test_mask_and_channels_that_are_not_forecast_repeat_their_last_frame() -> None:
    seen = []

    def next_block(frames: Tensor, mask: Tensor | None) -> Tensor:
        assert mask is not None
        seen.append((values(frames, 0), values(frames, 1), values(mask)))
        return numbered(7, 8)

    frames = torch.cat([numbered(1, 2, 3), numbered(10, 20, 30)], dim=2)
    roll_out(next_block, frames, numbered(0, 1, 0), 6, num_forecast=1)
    assert seen == [
        ([1, 2, 3], [10, 20, 30], [0, 1, 0]),
        ([3, 7, 8], [30, 30, 30], [0, 0, 0]),
        ([8, 7, 8], [30, 30, 30], [0, 0, 0]),
    ]


def test_increments_are_added_up_over_the_passes() -> None:
    seen = []

    def next_block(frames: Tensor, mask: Tensor | None) -> Tensor:
        seen.append(values(frames))
        return numbered(1, 10)

    scale, start = torch.tensor([[[2.0]]]), numbered(5)
    frames = numbered(4, 5)
    difference = roll_out_increments(next_block, frames, None, 5, scale=scale, start=start)
    assert values(difference) == [2, 22, 24, 44, 46]
    assert seen == [[4, 5], [7, 27], [29, 49]]


def test_last_known_value_replaces_a_missing_one() -> None:
    frames = torch.full((1, 3, 1, 1, 3), torch.nan)
    frames[0, :, 0, 0, 0] = torch.tensor([1.0, 2.0, 3.0])
    frames[0, :2, 0, 0, 1] = torch.tensor([4.0, 5.0])
    assert last_known(frames, torch.tensor(9.0)).tolist() == [[[[[3.0, 5.0, 9.0]]]]]
