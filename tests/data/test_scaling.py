"""Scaling between physical units and [0, 1], and how it is chosen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from simvp.data.scaling import Scaling, Statistics, choose_scaling, mean_and_std
from simvp.errors import DataError

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
    scaling = Scaling(low=(100.0,), high=(300.0,))
    physical = Statistics(low=(100.0,), high=(200.0,), mean=(150.0,), std=(20.0,))
    assert scaled.to_physical(scaling) == physical
    with_quantiles = replace(scaled, low_quantile=(0.05,), high_quantile=(0.45,))
    expected = replace(physical, low_quantile=(110.0,), high_quantile=(190.0,))
    assert with_quantiles.to_physical(scaling) == expected


def choose(
    card: tuple[float | None, float | None],
    limits: tuple[float, float],
    quantiles: tuple[float, float],
    **options: bool,
) -> tuple[tuple[float, float], list[str]]:
    """The scaling of one channel, and the warnings."""
    statistics = Statistics(
        low=limits[:1],
        high=limits[1:],
        mean=(0.0,),
        std=(1.0,),
        low_quantile=quantiles[:1],
        high_quantile=quantiles[1:],
    )
    scaling, warnings = choose_scaling(
        ["rain"], card[:1], card[1:], statistics, **{"is_8_bit": False, **options}
    )
    return (scaling.low[0], scaling.high[0]), warnings


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
    assert choose(card, found, found, is_8_bit=is_8_bit) == (expected, [])


@pytest.mark.parametrize(
    ("ranges", "num_inputs", "expected"),
    [
        ([(0.2, 0.9), (0.0, 4000.0)], 1, [(0.0, 1.0), (0.0, 4000.0)]),  # a depth
        ([(280.0, 310.0), (0.0, 0.5)], 1, [(280.0, 310.0), (0.0, 1.0)]),  # a fraction of land
        ([(280.0, 310.0), (0.0, 0.5)], 0, [(280.0, 310.0), (0.0, 0.5)]),
        ([(0.2, 0.9), (0.1, 0.5), (-1.0, 1.0)], 1, [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0)]),
        ([(0.2, 0.9), (0.1, 0.5), (-1.0, 1.0)], 2, [(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0)]),
        ([(5.0, 9.0), (0.1, 0.5), (-1.0, 1.0)], 2, [(5.0, 9.0), (0.0, 1.0), (-1.0, 1.0)]),
    ],
)
def test_inputs_do_not_change_the_scaling_of_other_channels(
    ranges: list[tuple[float, float]], num_inputs: int, expected: list[tuple[float, float]]
) -> None:
    low, high = zip(*ranges, strict=True)
    none = (None,) * len(ranges)
    statistics = Statistics(
        low=low, high=high, mean=low, std=high, low_quantile=low, high_quantile=high
    )
    names = [str(i) for i in range(len(ranges))]
    scaling, _ = choose_scaling(
        names, none, none, statistics, is_8_bit=False, num_inputs=num_inputs
    )
    assert list(zip(scaling.low, scaling.high, strict=True)) == expected


def test_ranges_beyond_float32_are_refused() -> None:
    """Differences of values would be infinite."""
    with pytest.raises(DataError, match=r"rain: is to be scaled from -2e\+38 to 3e\+38, a range"):
        choose((None, None), (-2e38, 3e38), (-2e38, 3e38))
    for low, high in [(0.0, 1e39), (-1e39, 0.0), (-2e38, 3e38)]:
        with pytest.raises(ValueError, match="exceeds the range of float32"):
            Scaling((low,), (high,))
    ((low, high), _) = choose((None, None), (1e17, 1e17), (1e17, 1e17))
    assert low == 1e17 < high  # a constant that is so large that adding 1 does not change it


@pytest.mark.parametrize(
    ("card", "limits", "quantiles", "expected"),
    [
        ((None, None), (0.2, 0.9), (0.3, 0.8), (0.3, 0.8)),
        ((None, None), (3.0, 200.0), (5.0, 90.0), (5.0, 90.0)),
        ((0.0, None), (-1.0, 40.0), (0.5, 30.0), (0.0, 30.0)),
        ((None, 50.0), (-1.0, 40.0), (0.5, 30.0), (0.5, 50.0)),
        ((0.0, 50.0), (-1.0, 40.0), (0.5, 30.0), (0.0, 50.0)),
        ((None, None), (7.0, 7.0), (7.0, 7.0), (7.0, 8.0)),
    ],
)
def test_quantiles_are_used_where_the_card_gives_no_value(
    card: tuple[float | None, float | None],
    limits: tuple[float, float],
    quantiles: tuple[float, float],
    expected: tuple[float, float],
) -> None:
    assert choose(card, limits, quantiles, by_quantile=True) == (expected, [])
    eight_bit = choose(card, limits, quantiles, by_quantile=True, is_8_bit=True)
    assert eight_bit == (expected, [])


def test_range_is_used_where_both_quantiles_are_equal() -> None:
    """As for rain that falls in less than 0.1 % of the cells."""
    scaling, warnings = choose((None, None), (0.0, 0.9), (0.0, 0.0), by_quantile=True)
    assert scaling == (0.0, 0.9)
    assert warnings == [
        "warning: rain is scaled by its range, because its 0.1 % and 99.9 % quantiles are both 0"
    ]


@pytest.mark.parametrize(
    ("limits", "quantiles", "card", "is_8_bit", "warns"),
    [
        ((-1.0, 37.5), (-1.0, 3.8), (None, None), False, True),
        ((-1.0, 37.5), (-1.0, 3.8), (-1.0, None), False, True),
        ((-1.0, 37.5), (-1.0, 3.8), (-1.0, 4.0), False, False),
        ((-1.0, 37.5), (-1.0, 3.8), (None, None), True, False),
        ((0.0, 1.0), (0.0, 0.01), (None, None), False, False),
        ((0.0, 30.1), (10.0, 20.0), (None, None), False, True),
        ((0.0, 29.9), (10.0, 20.0), (None, None), False, False),
        ((0.0, 50.0), (0.0, 0.0), (None, None), False, False),  # rain that falls hardly anywhere
        ((7.0, 7.0), (7.0, 7.0), (None, None), False, False),
    ],
)
def test_a_range_that_extremes_determine_is_reported(
    limits: tuple[float, float],
    quantiles: tuple[float, float],
    card: tuple[float | None, float | None],
    is_8_bit: bool,
    warns: bool,
) -> None:
    warnings = choose(card, limits, quantiles, is_8_bit=is_8_bit)[1]
    assert len(warnings) == warns
    for text in warnings:
        assert f"{limits[0]:.4g} to {limits[1]:.4g}" in text
        assert f"{quantiles[0]:.4g} to {quantiles[1]:.4g}" in text
        assert text.startswith("warning: rain ") and "--scale quantile" in text


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform", "gumbel"])
def test_usual_distributions_are_not_reported(draw: str) -> None:
    values = getattr(np.random.default_rng(0), draw)(size=4_000_000)
    quantiles = np.quantile(values, [0.001, 0.999])
    limits = (-100.0 + values.min(), -100.0 + values.max())
    assert choose((None, None), limits, tuple(quantiles - 100.0))[1] == []


def test_mean_and_std_are_in_network_units_and_a_constant_channel_has_std_1() -> None:
    scaling = Scaling(low=(250.0, -1.0, 5.0), high=(300.0, 3.0, 6.0))
    statistics = Statistics(
        low=(255.0, -1.0, 5.0), high=(290.0, 3.0, 5.0), mean=(260.0, 0.0, 5.0), std=(5.0, 2.0, 0.0)
    )
    assert mean_and_std(statistics, scaling) == ((0.2, 0.25, 0.0), (0.1, 0.5, 1.0))
