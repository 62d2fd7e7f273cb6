"""Figures and animations of a forecast."""

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simvp.figures import pictures
from simvp.figures.coordinates import Axis
from simvp.figures.pictures import Labels

LABELS = Labels(title="x" * 80, caption="u (m)", unit="m")


def frames(count: int, size: tuple[int, int] = (9, 11), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *size), dtype=np.float32)


def pixels(figure: Figure, number: int, rows: int, columns: int) -> np.ndarray:
    """The colour at the centre of each cell of a drawn frame, (rows, columns, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.array(canvas.buffer_rgba())[..., :3]
    box = figure.axes[number].images[0].get_window_extent()
    x = box.x0 + (np.arange(columns) + 0.5) * box.width / columns
    y = len(image) - (box.y1 - (np.arange(rows) + 0.5) * box.height / rows)
    return image[np.ix_(y.astype(int), x.astype(int))]


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def arrays(figure: Figure) -> list[np.ndarray]:
    """The data of each panel."""
    return [np.ma.filled(axes.images[0].get_array(), np.nan) for axes in panels(figure)]


def titles(figure: Figure) -> list[str]:
    minus = "\N{MINUS SIGN}"
    found = [axes.get_title().replace(minus, "-") for axes in panels(figure)]
    return [title for title in found if title]


def grid(inputs: np.ndarray, trues: np.ndarray, preds: np.ndarray, cmap: str = "viridis") -> Figure:
    return pictures.grid(inputs, trues, preds, LABELS, cmap=cmap)


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


def test_panels_hold_the_frames() -> None:
    inputs, trues, preds = frames(2), frames(3, seed=1), frames(3, seed=2)
    trues[1, 4, 5] = np.nan
    expected = [*inputs, *trues, *preds, *(preds - trues)]
    drawn = arrays(grid(inputs, trues, preds))
    assert len(drawn) == len(expected)
    for found, frame in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(found, frame)


def test_zero_difference_is_white_and_missing_values_are_grey() -> None:
    trues = frames(1, (3, 5))
    trues[0, 1, 2] = np.nan
    figure = grid(trues, trues, trues)
    assert pixels(figure, 3, 3, 5)[~np.isnan(trues[0])].min() > 240
    for number in range(4):
        assert set(pixels(figure, number, 3, 5)[1, 2].tolist()) == {178}


def test_rows_and_frames_are_labelled() -> None:
    figure = grid(frames(2), frames(3, seed=1), frames(3, seed=2))
    names = [text.get_text() for axes in panels(figure) for text in axes.texts]
    assert names == ["input", "truth", "prediction", "difference"]
    assert titles(figure) == ["-1", "0", "+1", "+2", "+3"]
    bars = [axes.get_ylabel() for axes in figure.axes[-2:]]
    assert bars[0].startswith("u (m)\nforecast: ") and bars[1] == "difference (m)"
    assert figure.get_suptitle() == "x" * 80
    assert [text.get_text() for text in figure.texts[1:]] == ["x (pixels)", "y (pixels)"]


def test_colour_scale_is_that_of_the_true_frames() -> None:
    inputs, trues, preds = frames(2), frames(3, seed=1), frames(3, seed=2) + 0.5
    images = [axes.images[0] for axes in panels(grid(inputs, trues, preds))]
    low, high = min(inputs.min(), trues.min()), max(inputs.max(), trues.max())
    assert {image.get_clim() for image in images[:8]} == {(low, high)}
    largest = np.abs(preds - trues).max()
    assert {image.get_clim() for image in images[8:]} == {(-largest, largest)}
    assert [image.colorbar.extend for image in images if image.colorbar] == ["max", "neither"]


@pytest.mark.parametrize(
    ("pre", "aft", "size"),
    [
        *((3, 4, (9, 11)), (3, 4, (18, 432)), (3, 4, (200, 8)), (1, 1, (1, 1))),
        *((12, 1, (9, 11)), (1, 100, (18, 432))),
    ],
)
def test_frames_keep_a_legible_size(pre: int, aft: int, size: tuple[int, int]) -> None:
    figure = grid(frames(pre, size), frames(aft, size), frames(aft, size, seed=1))
    boxes = [axes.get_window_extent() for axes in panels(figure)]
    assert all(min(box.width, box.height) > 0.41 * figure.dpi for box in boxes)
    assert max(box.width for box in boxes) - min(box.width for box in boxes) <= 1
    assert max(box.height for box in boxes) - min(box.height for box in boxes) <= 1
    assert figure.get_figwidth() < 16
    assert titles(figure)[-1] == f"+{aft}"


@pytest.mark.parametrize("value", [0.0, 0.5, 300.0, np.nan])
def test_constant_and_missing_frames_are_drawn(value: float) -> None:
    flat = np.full((2, 9, 11), value, dtype=np.float32)
    drawn = pixels(grid(flat, flat, flat), 3, 9, 11)
    assert (drawn == drawn[0, 0]).all()
    assert len(pictures.animation(flat, flat, flat, Labels("flat"), cmap="gray")) == 2


def test_text_is_not_read_as_formulas() -> None:
    flat = frames(1)
    axes = (Axis("$_y", np.arange(9.0)), Axis("$_x", np.arange(11.0)))
    labels = Labels("$a_$", "$_b$", "$_", [["$_"] * 2], axes)
    FigureCanvasAgg(pictures.grid(flat, flat, flat, labels, cmap="gray")).draw()
    pictures.animation(flat, flat, flat, labels, cmap="gray")


def test_animation_has_one_image_per_step() -> None:
    trues = frames(5)
    images = pictures.animation(frames(2), trues, trues, Labels("x"), cmap="viridis")
    assert len(images) == 5
    assert {(image.shape, image.dtype.name) for image in images} == {(images[0].shape, "uint8")}
    height, width, _ = images[0].shape
    assert width > height
    for before, after in zip(images, images[1:], strict=False):
        changed = (before != after).any(axis=-1)
        assert changed.mean() > 0.2
        # The title with the time, truth and prediction; neither the difference, which is zero,
        # nor the bars.
        assert changed[: height // 6].any()
        assert not changed[height // 6 :, 2 * width // 3 :].any()


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (0, [["-1", "0"], [f"+{i}" for i in range(1, 9)]]),
        (5, [["-1", "0"], ["+1", "+2", "+3", "+4", "+5"], ["+6", "+7", "+8"]]),
        (1, [[name] for name in ["-1", "0", *(f"+{i}" for i in range(1, 9))]]),
    ],
)
def test_long_sequences_wrap(columns: int, rows: list[list[str]]) -> None:
    trues, preds = frames(8), frames(8, seed=1)
    figure = pictures.grid(frames(2), trues, preds, LABELS, cmap="gray", columns=columns)
    found: dict[int, list[str]] = {}
    for axes in panels(figure):
        if axes.get_title():
            row = found.setdefault(round(-axes.get_window_extent().y0), [])
            row.append(axes.get_title().replace("\N{MINUS SIGN}", "-"))
    assert [found[y] for y in sorted(found)] == rows
    assert len(panels(figure)) == 2 + 3 * 8
    np.testing.assert_array_equal(arrays(figure)[-1], preds[-1] - trues[-1])


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [
        (8, 3, ["+2", "+5", "+8"]),
        (8, 9, ["+8"]),
        (49, 0, [f"+{i}" for i in range(1, 50, 2)]),
    ],
)
def test_frames_are_left_out_if_asked_for_or_if_there_are_many(
    steps: int, every: int, expected: list[str]
) -> None:
    """The last one is always drawn."""
    trues, preds = frames(steps, (2, 3)), frames(steps, (2, 3), seed=1)
    figure = pictures.grid(frames(1, (2, 3)), trues, preds, LABELS, cmap="gray", every=every)
    assert titles(figure) == ["0", *expected]
    assert ("is shown" in figure.get_suptitle()) == (len(expected) < steps)


def test_colour_pictures_show_three_channels() -> None:
    rng = np.random.default_rng(0)
    inputs, trues, preds = (rng.random((count, 3, 4, 6), np.float32) for count in (1, 2, 2))
    trues[0, 1, 2, 3] = np.nan
    figure = pictures.grid(inputs, trues, preds, Labels(), cmap="gray")
    drawn = pixels(figure, 2, 4, 6)
    np.testing.assert_allclose(drawn, np.moveaxis(trues[1], 0, -1) * 255, atol=2)
    assert set(pixels(figure, 1, 4, 6)[2, 3].tolist()) == {178}
    np.testing.assert_allclose(
        arrays(figure)[5][0, 0], (preds - trues)[0, :, 0, 0].mean(), rtol=1e-5
    )
    assert [axes.get_ylabel() for axes in figure.axes[7:]] == ["difference"]
    assert len(pictures.animation(inputs, trues, preds, Labels(), cmap="gray")) == 2


DATES = [f"2001-02-{day}" for day in range(10, 30)]


@pytest.mark.parametrize(
    ("versions", "count", "expected"),
    [
        ([DATES[:5]], 3, ["2001-02-10", "2001-02-11", "2001-02-12", "2001-02-13*", "2001-02-14*"]),
        ([["a day long before now " * 2] * 5, list("abcde")], 3, ["a", "b", "c", "d*", "e*"]),
        ([["a day long before now " * 2] * 5], 3, ["-1", "0", "+1", "+2*", "+3*"]),
    ],
)
def test_frames_have_the_first_labels_that_fit(
    versions: list[list[str]], count: int, expected: list[str]
) -> None:
    labels = Labels(frames=versions)
    figure = pictures.outlook(frames(2), frames(count), labels, trained_steps=1, cmap="viridis")
    assert titles(figure) == expected
    assert figure.get_suptitle() == " (* beyond the 1 step that was trained)"
