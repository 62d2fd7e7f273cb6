"""Figures and animations of a forecast."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simvp.errors import ConfigError
from simvp.figures import pictures


def frames(count: int, size: tuple[int, int] = (9, 11), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *size), dtype=np.float32)


def pixels(figure: Figure, number: int, rows: int, columns: int) -> np.ndarray:
    """The colour at the centre of each cell of a drawn frame, (rows, columns, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.array(canvas.buffer_rgba())[..., :3]
    box = figure.axes[0].images[number].get_window_extent()
    x = box.x0 + (np.arange(columns) + 0.5) * box.width / columns
    y = len(image) - (box.y1 - (np.arange(rows) + 0.5) * box.height / rows)
    return image[np.ix_(y.astype(int), x.astype(int))]


def grid(inputs: np.ndarray, trues: np.ndarray, preds: np.ndarray, cmap: str = "viridis") -> Figure:
    return pictures.grid(inputs, trues, preds, title="x" * 80, caption="u (m)", cmap=cmap)


def test_pixels_have_the_colours_of_their_values() -> None:
    inputs, trues, preds = frames(2, (3, 5)), frames(3, (3, 5), 1), frames(3, (3, 5), 2)
    figure = grid(inputs, trues, preds, "Purples")
    low, high = min(inputs.min(), trues.min()), max(inputs.max(), trues.max())
    for number, frame in [(1, inputs[1]), (4, trues[2]), (5, preds[0])]:  # rows of 2, 3, 3
        expected = matplotlib.colormaps["Purples"]((frame - low) / (high - low), bytes=True)
        drawn = pixels(figure, number, 3, 5).astype(int)
        np.testing.assert_allclose(drawn, expected[..., :3], atol=2)
    error = preds[1] - trues[1]
    largest = np.abs(preds - trues).max()
    expected = matplotlib.colormaps["RdBu_r"](0.5 + error / (2 * largest), bytes=True)
    drawn = pixels(figure, 9, 3, 5).astype(int)
    np.testing.assert_allclose(drawn, expected[..., :3], atol=2)


def test_zero_difference_is_white_and_missing_values_are_grey() -> None:
    trues = frames(1, (3, 5))
    trues[0, 1, 2] = np.nan
    figure = grid(trues, trues, trues)
    assert pixels(figure, 3, 3, 5)[~np.isnan(trues[0])].min() > 240
    for number in range(4):
        assert set(pixels(figure, number, 3, 5)[1, 2].tolist()) == {178}


def test_rows_and_frames_are_labelled() -> None:
    figure = grid(frames(2), frames(3, seed=1), frames(3, seed=2))
    labels = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    assert labels == [
        *("input", "t = 0", "t = 1", "truth", "t = 2", "t = 3", "t = 4"),
        *("prediction", "difference"),
    ]
    low, high = frames(3, seed=2).min(), frames(3, seed=2).max()
    labels = {bar.get_ylabel() for bar in figure.axes[1:]}
    assert labels == {f"u (m), forecast {low:.3g} to {high:.3g}", "difference"}
    assert figure.get_suptitle() == "x" * 80


def test_colour_scale_is_that_of_the_true_frames() -> None:
    inputs, trues, preds = frames(2), frames(3, seed=1), frames(3, seed=2) + 0.5
    images = grid(inputs, trues, preds).axes[0].images
    low, high = min(inputs.min(), trues.min()), max(inputs.max(), trues.max())
    assert {image.get_clim() for image in images[:8]} == {(low, high)}
    largest = np.abs(preds - trues).max()
    assert {image.get_clim() for image in images[8:]} == {(-largest, largest)}


@pytest.mark.parametrize("size", [(9, 11), (8, 200), (200, 8), (300, 400), (1, 1)])
@pytest.mark.parametrize(("pre", "aft"), [(1, 1), (3, 7), (30, 30), (2, 300)])
def test_frames_keep_a_legible_size(pre: int, aft: int, size: tuple[int, int]) -> None:
    figure = grid(frames(pre, size), frames(aft, size), frames(aft, size, seed=1))
    FigureCanvasAgg(figure).draw()
    boxes = [image.get_window_extent() for image in figure.axes[0].images]
    assert all(min(box.width, box.height) > 0.25 * figure.dpi for box in boxes)
    assert max(box.width for box in boxes) - min(box.width for box in boxes) <= 1
    assert figure.get_figwidth() < 20
    labels = [text.get_text().removeprefix("t = ") for text in figure.axes[0].texts]
    assert str(pre - 1) in labels and str(pre + aft - 1) in labels


@pytest.mark.parametrize("value", [0.0, 0.5, 300.0, np.nan])
def test_constant_and_missing_frames_are_drawn(value: float) -> None:
    flat = np.full((2, 9, 11), value, dtype=np.float32)
    drawn = pixels(grid(flat, flat, flat), 3, 9, 11)
    assert (drawn == drawn[0, 0]).all()
    assert len(pictures.animation(flat, flat, flat, title="flat", cmap="gray")) == 2


def test_titles_are_not_read_as_formulas() -> None:
    flat = frames(1)
    figure = pictures.grid(flat, flat, flat, title="$a_$", caption="$_b$", cmap="gray")
    FigureCanvasAgg(figure).draw()


def test_animation_has_one_image_per_step() -> None:
    trues = frames(5)
    images = pictures.animation(frames(2), trues, trues, title="x", cmap="viridis")
    assert len(images) == 5
    assert {(image.shape, image.dtype.name) for image in images} == {(images[0].shape, "uint8")}
    height, width, _ = images[0].shape
    assert width > height
    for before, after in zip(images, images[1:], strict=False):
        assert (before != after).mean() > 0.2
        # The difference, which is zero in all images, and the colour bars are on the right.
        assert np.array_equal(before[:, 2 * width // 3 :], after[:, 2 * width // 3 :])


@pytest.mark.parametrize("name", ["viridis", "Purples", "RdBu_r", "coolwarm", "gray", "jet"])
def test_common_colour_maps_are_available(name: str) -> None:
    assert pictures.colour_map(name).name == name


def test_unknown_colour_map_suggests_a_similar_one() -> None:
    with pytest.raises(ConfigError, match="viz.cmap = 'virids'.*Did you mean 'viridis'"):
        pictures.colour_map("virids")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 0.0, "neither"), (0.0, 2.0, "max"), (-2.0, 0.0, "min"), (-2.0, 2.0, "both")],
)
def test_colour_bar_has_arrows_where_the_forecast_exceeds_it(
    low: float, high: float, expected: str
) -> None:
    frames = np.linspace(0, 1, 2 * 8 * 9, dtype=np.float32).reshape(2, 8, 9)
    preds = frames.copy()
    preds[0, 0, 0] += low
    preds[1, -1, -1] += high
    preds[0, 3, 3] = np.nan
    figure = pictures.grid(frames, frames, preds, title="a", cmap="viridis")
    bars = [image.colorbar for image in figure.axes[0].images if image.colorbar is not None]
    assert [bar.extend for bar in bars] == [expected, "neither"]


def test_colours_of_a_constant_truth_span_the_forecast() -> None:
    flat = np.full((2, 9, 11), 5e-7, np.float32)
    preds = flat + np.linspace(-2e-7, 3e-7, flat.size, dtype=np.float32).reshape(flat.shape)
    image = grid(flat, flat, preds).axes[0].images[0]
    assert image.get_clim() == pytest.approx((3e-7, 8e-7), rel=1e-5)


@pytest.mark.parametrize(
    ("columns", "expected"), [(1, ["9"]), (3, ["3", "6", "9"]), (5, ["3", "5", "7", "9"])]
)
def test_rows_have_at_most_the_columns_asked_for(columns: int, expected: list[str]) -> None:
    """Of eight forecast frames, from t = 2; the last one is always drawn."""
    figure = pictures.grid(
        frames(2), frames(8), frames(8, seed=1), title="", cmap="gray", columns=columns
    )
    labels = [text.get_text().removeprefix("t = ") for text in figure.axes[0].texts]
    assert [label for label in labels if label.isdecimal() and int(label) > 1] == expected
    truth = [image.get_array() for image in figure.axes[0].images][-3 * len(expected) :]
    np.testing.assert_array_equal(truth[len(expected) - 1], frames(8)[-1])


def test_colour_pictures_show_three_channels() -> None:
    rng = np.random.default_rng(0)
    inputs, trues, preds = (rng.random((count, 3, 4, 6), np.float32) for count in (1, 2, 2))
    trues[0, 1, 2, 3] = np.nan
    figure = grid(inputs, trues, preds)
    drawn = pixels(figure, 2, 4, 6)
    np.testing.assert_allclose(drawn, np.moveaxis(trues[1], 0, -1) * 255, atol=2)
    assert set(pixels(figure, 1, 4, 6)[2, 3].tolist()) == {178}
    error = figure.axes[0].images[5].get_array()
    np.testing.assert_allclose(error[0, 0], (preds - trues)[0, :, 0, 0].mean(), rtol=1e-5)
    assert [bar.get_ylabel() for bar in figure.axes[1:]] == ["difference"]
    assert len(pictures.animation(inputs, trues, preds, title="", cmap="gray")) == 2


def test_place_is_written_below_the_frames() -> None:
    place = "lon $_4 to 8 degrees_east, left to right"
    flat = frames(3)
    figure = pictures.grid(flat, flat, flat, title="", place=place, cmap="gray")
    FigureCanvasAgg(figure).draw()
    text = next(text for text in figure.axes[0].texts if "lon" in text.get_text())
    lowest = min(image.get_window_extent().y0 for image in figure.axes[0].images)
    assert text.get_window_extent().y1 <= lowest


@pytest.mark.parametrize(
    ("dates", "count", "expected"),
    [
        ("2001-02-2{}", 3, ["2001-02-20", "2001-02-21", "2001-02-22", "2001-02-23*"]),
        ("2001-02-2{} 18:00:00", 12, ["t = 0", "t = 1", "t = 2", "t = 3*"]),  # no room
    ],
)
def test_forecast_is_labelled_by_dates_where_there_is_room(
    dates: str, count: int, expected: list[str]
) -> None:
    figure = pictures.outlook(
        frames(2),
        frames(count),
        trained_steps=1,
        title="",
        cmap="viridis",
        labels=[dates.format(i) for i in range(2 + count)],
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [text for text in texts if text in expected] == expected
