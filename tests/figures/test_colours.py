"""Colours, their ranges, and what labels say of them."""

import numpy as np
import pytest

from simvp.errors import ConfigError
from simvp.figures import colours


def ramp(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 2 * 8 * 9, dtype=np.float32).reshape(2, 8, 9)


@pytest.mark.parametrize("name", ["viridis", "Purples", "RdBu_r", "coolwarm", "gray", "jet"])
def test_common_colour_maps_are_available(name: str) -> None:
    assert colours.colour_map(name).name == name


def test_unknown_colour_map_suggests_a_similar_one() -> None:
    with pytest.raises(ConfigError, match="viz.cmap = 'virids'.*Did you mean 'viridis'"):
        colours.colour_map("virids")


def test_colours_span_the_true_values() -> None:
    _, norm = colours.scale_of_values(ramp(-3, 1), ramp(0, 2), ramp(-9, 9), "gray")
    assert (norm.vmin, norm.vmax) == (-3, 2)
    _, norm = colours.scale_of_differences(ramp(-3, 1))
    assert (norm.vmin, norm.vmax) == (-3, 3)


def test_colours_of_a_constant_truth_span_the_forecast() -> None:
    flat = np.full((2, 8, 9), 5e-7, np.float32)
    preds = flat + ramp(-2e-7, 3e-7)
    _, norm = colours.scale_of_values(flat, flat, preds, "viridis")
    assert (norm.vmin, norm.vmax) == pytest.approx((3e-7, 8e-7), rel=1e-5)
    _, norm = colours.scale_of_values(flat, flat, flat, "viridis")
    assert (norm.vmin, norm.vmax) == pytest.approx((-0.5, 0.5), abs=1e-6)


@pytest.mark.parametrize(
    ("truth", "forecast", "expected"),
    [
        ((0, 1), (0, 1), ""),
        ((0, 1), (0.2, 0.8), ""),
        ((0, 212), (-11.28, 224.12), "forecast: -11 to 224"),
        ((0, 1), (0.1, 1.5), "forecast: 0.1 to 1.5"),
        ((300, 300), (299.75, 300.875), "forecast: 299.75 to 300.88"),
        ((5e-7, 5e-7), (3e-7, 8e-7), "forecast: 3e-07 to 8e-07"),
        ((0, 1), (np.nan, np.nan), ""),
    ],
)
def test_range_of_a_forecast_that_leaves_the_truth(
    truth: tuple[float, float], forecast: tuple[float, float], expected: str
) -> None:
    assert colours.describe_excess(ramp(*truth), ramp(*truth), ramp(*forecast)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, "neither"), (0, 2.0, "max"), (-2.0, 0.5, "min"), (-2.0, 2.0, "both")],
)
def test_arrows_are_where_values_exceed_the_colours(low: float, high: float, expected: str) -> None:
    _, norm = colours.scale_of_values(ramp(0, 1), ramp(0, 1), ramp(0, 1), "gray")
    values = ramp(low, high)
    values[1, 3, 3] = np.nan
    assert colours.arrows(norm, [ramp(0, 1), values]) == expected


def test_colour_pictures_have_colours_last_and_missing_cells_grey() -> None:
    frame = np.random.default_rng(0).random((3, 4, 6), np.float32)
    frame[1, 2, 3] = np.nan
    image = colours.as_image(frame)
    assert image.shape == (4, 6, 3)
    np.testing.assert_array_equal(image[0, 5], frame[:, 0, 5])
    np.testing.assert_allclose(image[2, 3], 0.7)
