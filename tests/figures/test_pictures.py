"""Figures and animations of a forecast."""

import numpy as np
import pytest

from simvp.errors import ConfigError
from simvp.figures import pictures


def frames(count: int, size: tuple[int, int] = (9, 11), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *size), dtype=np.float32)


@pytest.mark.parametrize(("pre", "aft"), [(1, 1), (10, 10), (3, 7), (30, 30)])
def test_grid_with_any_number_of_frames(pre: int, aft: int) -> None:
    picture = pictures.grid(
        frames(pre), frames(aft), frames(aft, seed=1), title="x" * 80, cmap="Purples"
    )
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.shape[1] >= max(pre, aft) * 9


def test_input_truth_and_prediction_share_a_scale() -> None:
    inputs, trues, preds = frames(2), frames(3, seed=1), frames(3, seed=2)
    values, difference = pictures.scales(inputs, trues, preds, "viridis")
    assert (values.low, values.high) == (
        min(inputs.min(), trues.min()),
        max(inputs.max(), trues.max()),
    )
    assert difference.low == -difference.high == -float(np.abs(preds - trues).max())
    half = np.full((2, 2), 0.5, dtype=np.float32)
    assert (values.colours(half) == values.colours(half)[0, 0]).all()


def test_zero_difference_is_white() -> None:
    same = frames(2)
    _, difference = pictures.scales(same, same, same, "viridis")
    assert difference.colours(np.zeros((1, 1), dtype=np.float32)).min() > 240


def test_constant_frames_are_drawn() -> None:
    flat = np.full((2, 9, 11), 0.5, dtype=np.float32)
    assert pictures.grid(flat, flat, flat, title="flat", cmap="gray").size


def test_animation_has_one_image_per_step() -> None:
    images = pictures.animation(frames(2), frames(5), frames(5), title="x", cmap="viridis")
    assert len(images) == 5
    assert len({image.shape for image in images}) == 1


@pytest.mark.parametrize("name", ["viridis", "Purples", "RdBu_r", "coolwarm", "gray", "jet"])
def test_common_colour_maps_are_available(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    pictures.colour_map(name)
    assert capfd.readouterr().err == ""


def test_purples_matches_matplotlib() -> None:
    scale = pictures.Scale(pictures.colour_map("Purples"), 0.0, 1.0)
    ends = scale.colours(np.array([[0.0, 1.0]], dtype=np.float32))
    # matplotlib.colormaps["Purples"] at 0 and 1
    np.testing.assert_allclose(ends, [[[252, 251, 253], [63, 0, 125]]], atol=1)


def test_unknown_colour_map_suggests_a_similar_one() -> None:
    with pytest.raises(ConfigError, match="viz.cmap = 'virids'.*Did you mean 'viridis'"):
        pictures.colour_map("virids")
