"""Scaling between physical units and [0, 1]."""

import numpy as np
import pytest
import torch

from simvp.data.scaling import Scaling, Statistics, choose_scaling, mean_and_std

RNG = np.random.default_rng(0)


def test_low_is_0_and_high_is_1_for_each_channel() -> None:
    scaling = Scaling(low=(250.0, -1.0), high=(300.0, 1.0))
    frames = np.stack([np.full((8, 9), 275.0), np.full((8, 9), 1.0)]).astype(np.float32)
    unit = scaling.to_unit(frames)
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit[0], 0.5)
    np.testing.assert_array_equal(unit[1], 1.0)
    np.testing.assert_array_equal(scaling.to_physical(unit), frames)


def test_tensors_are_scaled_like_arrays() -> None:
    scaling = Scaling(low=(3.0, 4.0, 5.0), high=(4.0, 6.0, 8.0))
    frames = RNG.normal(5, 2, (2, 4, 3, 8, 9)).astype(np.float32)
    unit = scaling.to_unit(torch.from_numpy(frames))
    np.testing.assert_array_equal(unit.numpy(), scaling.to_unit(frames))


def test_statistics_of_scaled_values_in_physical_units() -> None:
    scaled = Statistics(low=(0.0,), high=(0.5,), mean=(0.25,), std=(0.1,))
    physical = scaled.to_physical(Scaling(low=(100.0,), high=(300.0,)))
    assert physical == Statistics(low=(100.0,), high=(200.0,), mean=(150.0,), std=(20.0,))


@pytest.mark.parametrize(
    ("card", "found", "is_8_bit", "expected"),
    [
        ((None, None), (0.2, 0.9), False, (0.0, 1.0)),
        ((None, None), (0.0, 1.0), True, (0.0, 1.0)),
        ((None, None), (3.0, 200.0), True, (0.0, 255.0)),
        ((None, None), (-4.0, 0.5), False, (-4.0, 0.5)),
        ((None, None), (280.0, 310.0), False, (280.0, 310.0)),
        ((270.0, 320.0), (280.0, 310.0), False, (270.0, 320.0)),
        ((0.0, None), (2.0, 40.0), False, (0.0, 40.0)),
        ((None, None), (7.0, 7.0), False, (7.0, 8.0)),  # a constant has no range
    ],
)
def test_scaling_is_from_card_or_0_to_1_or_8_bit_or_range(
    card: tuple[float | None, float | None],
    found: tuple[float, float],
    is_8_bit: bool,
    expected: tuple[float, float],
) -> None:
    statistics = Statistics(low=found[:1], high=found[1:], mean=(0.0,), std=(1.0,))
    scaling = choose_scaling([card[0]], [card[1]], statistics, is_8_bit=is_8_bit)
    assert (scaling.low[0], scaling.high[0]) == expected


def test_mean_and_std_are_in_network_units_and_a_constant_channel_has_std_1() -> None:
    scaling = Scaling(low=(250.0, -1.0, 5.0), high=(300.0, 3.0, 6.0))
    statistics = Statistics(
        low=(255.0, -1.0, 5.0), high=(290.0, 3.0, 5.0), mean=(260.0, 0.0, 5.0), std=(5.0, 2.0, 0.0)
    )
    assert mean_and_std(statistics, scaling) == ((0.2, 0.25, 0.0), (0.1, 0.5, 1.0))
