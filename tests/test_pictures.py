import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simvp.errors import ConfigError
from simvp.figures import pictures


def frames(count: int, size: tuple[int, int] = (9, 11), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *size), dtype=np.float32)


def pixels(figure: Figure, row: int, column: int, rows: int, columns: int) -> np.ndarray:
    """The colour at the centre of each cell of a drawn frame, (rows, columns, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.array(canvas.buffer_rgba())[..., :3]
    box = figure.axes[row].images[column].get_window_extent()
    x = box.x0 + (np.arange(columns) + 0.5) * box.width / columns
    y = len(image) - (box.y1 - (np.arange(rows) + 0.5) * box.height / rows)
    return image[np.ix_(y.astype(int), x.astype(int))]


def grid(inputs: np.ndarray, trues: np.ndarray, preds: np.ndarray, cmap: str = "viridis") -> Figure:
    return pictures.grid(inputs, trues, preds, title="x" * 80, caption="u (m)", cmap=cmap)


def test_pixels_have_the_colours_of_their_values() -> None:
    inputs, trues, preds = frames(2, (3, 5)), frames(3, (3, 5), 1), frames(3, (3, 5), 2)
    figure = grid(inputs, trues, preds, "Purples")
    low, high = min(inputs.min(), trues.min()), max(inputs.max(), trues.max())
    for row, column, frame in [(0, 1, inputs[1]), (1, 2, trues[2]), (2, 0, preds[0])]:
        expected = matplotlib.colormaps["Purples"]((frame - low) / (high - low), bytes=True)
        drawn = pixels(figure, row, column, 3, 5).astype(int)
        np.testing.assert_allclose(drawn, expected[..., :3], atol=2)
    error = preds[1] - trues[1]
    largest = np.abs(preds - trues).max()
    expected = matplotlib.colormaps["RdBu_r"](0.5 + error / (2 * largest), bytes=True)
    drawn = pixels(figure, 3, 1, 3, 5).astype(int)
    np.testing.assert_allclose(drawn, expected[..., :3], atol=2)


def test_zero_difference_is_white_and_missing_values_are_grey() -> None:
    trues = frames(1, (3, 5))
    trues[0, 1, 2] = np.nan
    drawn = pixels(grid(trues, trues, trues), 3, 0, 3, 5)
    is_missing = np.isnan(trues[0])
    assert drawn[~is_missing].min() > 240
    for row in range(4):
        grey = pixels(grid(trues, trues, trues), row, 0, 3, 5)[1, 2]
        assert set(grey.tolist()) == {178}


def test_rows_and_frames_are_labelled() -> None:
    figure = grid(frames(2), frames(3, seed=1), frames(3, seed=2) + 0.5)
    rows, bars = figure.axes[:4], figure.axes[4:]
    assert [row.get_ylabel() for row in rows] == ["input", "truth", "prediction", "difference"]
    numbers = [[label.get_text() for label in row.get_xticklabels()] for row in rows]
    assert numbers == [["t = 0", "t = 1"], ["t = 2", "t = 3", "t = 4"], [], []]
    assert [bar.get_ylabel() for bar in bars] == ["u (m)", ""]
    assert figure.get_suptitle() == "x" * 80


def test_colour_scale_is_that_of_the_true_frames() -> None:
    inputs, trues, preds = frames(2), frames(3, seed=1), frames(3, seed=2) + 0.5
    figure = grid(inputs, trues, preds)
    low, high = min(inputs.min(), trues.min()), max(inputs.max(), trues.max())
    for row in figure.axes[:3]:
        assert {image.get_clim() for image in row.images} == {(low, high)}
    largest = np.abs(preds - trues).max()
    assert {image.get_clim() for image in figure.axes[3].images} == {(-largest, largest)}


@pytest.mark.parametrize("size", [(9, 11), (8, 200), (200, 8), (300, 400), (1, 1)])
@pytest.mark.parametrize(("pre", "aft"), [(1, 1), (3, 7), (30, 30), (2, 300)])
def test_frames_keep_a_legible_size(pre: int, aft: int, size: tuple[int, int]) -> None:
    figure = grid(frames(pre, size), frames(aft, size), frames(aft, size, seed=1))
    FigureCanvasAgg(figure).draw()
    widths = set()
    for row in figure.axes[:4]:
        for image in row.images:
            box = image.get_window_extent()
            assert min(box.width, box.height) > 0.25 * figure.dpi
            widths.add(round(box.width))
    assert max(widths) - min(widths) <= 1
    assert figure.get_figwidth() < 20
    last = figure.axes[1].get_xticklabels()[-1].get_text()
    assert last.removeprefix("t = ") == str(pre + aft - 1)


@pytest.mark.parametrize("value", [0.0, 0.5, 300.0, np.nan])
def test_constant_and_missing_frames_are_drawn(value: float) -> None:
    flat = np.full((2, 9, 11), value, dtype=np.float32)
    drawn = pixels(grid(flat, flat, flat), 1, 1, 9, 11)
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
        # The difference, in the right third, is zero in all images.
        assert np.array_equal(before[:, 3 * width // 4 :], after[:, 3 * width // 4 :])


@pytest.mark.parametrize("name", ["viridis", "Purples", "RdBu_r", "coolwarm", "gray", "jet"])
def test_common_colour_maps_are_available(name: str) -> None:
    assert pictures.colour_map(name).name == name


def test_unknown_colour_map_suggests_a_similar_one() -> None:
    with pytest.raises(ConfigError, match="viz.cmap = 'virids'.*Did you mean 'viridis'"):
        pictures.colour_map("virids")
