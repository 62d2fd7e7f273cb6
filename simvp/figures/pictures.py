"""Draw forecasts as images and animations.

T: frames; H, W: height and width of a frame. Images are uint8 arrays (height, width, 3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cmap import Colormap
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from simvp.errors import ConfigError, did_you_mean

Frames = NDArray[np.float32]
Picture = NDArray[np.uint8]

_DIFFERENCE_CMAP = "RdBu_r"  # white where prediction and truth agree
# All sizes are in pixels.
_WIDTH = 1280  # target width of a row of frames
_SMALLEST, _LARGEST = 64, 256  # limits of the size at which a frame is drawn
_GAP, _MARGIN, _LABELS, _BAR = 6, 16, 104, 96
_HEADER = 40  # height of title and caption
_FOREGROUND, _GREY, _BACKGROUND = (30, 30, 30), (110, 110, 110), (255, 255, 255)


@dataclass(frozen=True)
class Scale:
    """A colour map for the interval from `low` to `high`."""

    cmap: Colormap
    low: float
    high: float

    def colours(self, values: Frames) -> Picture:
        """Map values (H, W), clipped to the interval, to colours (H, W, 3)."""
        span = self.high - self.low or 1.0
        rgba = self.cmap(np.clip((values - self.low) / span, 0.0, 1.0), bytes=True)
        return np.asarray(rgba[..., :3], dtype=np.uint8)


def colour_map(name: str) -> Colormap:
    """The colour map of that name, as in matplotlib. Raises ConfigError."""
    catalog = Colormap.catalog()
    base = name.removesuffix("_r")
    try:
        # Short names that several collections share cause a warning, so use the full name.
        return Colormap(catalog.resolve(base) + ("_r" if base != name else ""))
    except (KeyError, ValueError):
        known = sorted(catalog.short_keys())
        raise ConfigError(
            f"viz.cmap = {name!r}: unknown colour map.{did_you_mean(name, known)} "
            "Use a matplotlib name such as viridis, Purples, inferno, coolwarm or gray"
        ) from None


def scales(inputs: Frames, trues: Frames, preds: Frames, cmap: str) -> tuple[Scale, Scale]:
    """The common scale of inputs, truths and predictions, and the scale of the difference.

    The first spans the true values only, so that outliers of a forecast do not reduce contrast.
    """
    low = float(min(inputs.min(), trues.min()))
    high = float(max(inputs.max(), trues.max()))
    largest = float(np.abs(preds - trues).max()) or 1.0
    difference = Scale(colour_map(_DIFFERENCE_CMAP), -largest, largest)
    return Scale(colour_map(cmap), low, high), difference


def grid(
    inputs: Frames, trues: Frames, preds: Frames, *, title: str, caption: str = "", cmap: str
) -> Picture:
    """Four labelled rows: input (T_in, H, W), truth, prediction (T_out, H, W), difference.

    Args:
        caption: quantity and unit of the values, shown below the title.
    """
    values, difference = scales(inputs, trues, preds, cmap)
    cell = _Cell.fit(inputs.shape[1:], columns=max(len(inputs), len(trues)))
    first = len(inputs)
    rows = [
        ("input", inputs, values, range(first)),
        ("truth", trues, values, range(first, first + len(trues))),
        ("prediction", preds, values, None),
        ("difference", preds - trues, difference, None),
    ]
    columns = max(len(inputs), len(trues))
    top = _MARGIN + _HEADER + 8
    width = _MARGIN + _LABELS + columns * (cell.width + _GAP) + _BAR + _MARGIN
    # Space above a row for its frame numbers, and above the difference for its colour bar.
    tops = [top + 20]
    for space in (24 + _GAP, _GAP, 3 * _GAP):
        tops.append(tops[-1] + cell.height + space)
    canvas = Image.new("RGB", (width, tops[-1] + cell.height + _MARGIN + 8), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    _header(draw, title, caption, width)
    for (label, frames, scale, numbers), y in zip(rows, tops, strict=True):
        draw.text((_MARGIN, y + cell.height / 2), label, _FOREGROUND, _font(15), anchor="lm")
        for column, frame in enumerate(frames):
            x = _MARGIN + _LABELS + column * (cell.width + _GAP)
            canvas.paste(cell.draw(scale.colours(frame)), (x, y))
            if numbers is not None:
                text = f"t = {numbers[column]}" if cell.width >= 40 else str(numbers[column])
                draw.text((x + cell.width / 2, y - 4), text, _FOREGROUND, _font(12), anchor="mb")
    x = _MARGIN + _LABELS + columns * (cell.width + _GAP) + 8
    _colour_bar(canvas, values, x, tops[0], tops[2] + cell.height)
    _colour_bar(canvas, difference, x, tops[3], tops[3] + cell.height)
    return np.asarray(canvas)


def animation(
    inputs: Frames, trues: Frames, preds: Frames, *, title: str, caption: str = "", cmap: str
) -> list[Picture]:
    """Truth, prediction and difference side by side, one image per forecast step."""
    values, difference = scales(inputs, trues, preds, cmap)
    cell = _Cell.fit(inputs.shape[1:], columns=5)
    panel = cell.width + 2 * _GAP
    width = 2 * _MARGIN + 3 * panel + 2 * _BAR
    pictures = []
    for step, (true, pred) in enumerate(zip(trues, preds, strict=True)):
        canvas = Image.new("RGB", (width, cell.height + _HEADER + 68), _BACKGROUND)
        draw = ImageDraw.Draw(canvas)
        _header(draw, title, caption, width)
        panels = [("truth", true, values, 0), ("prediction", pred, values, 0)]
        panels.append(("difference", pred - true, difference, _BAR))
        for i, (label, frame, scale, shift) in enumerate(panels):
            x, y = _MARGIN + i * panel + shift, _MARGIN + _HEADER + 28
            canvas.paste(cell.draw(scale.colours(frame)), (x, y))
            text = f"{label}, t = {len(inputs) + step}" if i == 0 else label
            draw.text((x + cell.width / 2, y - 5), text, _FOREGROUND, _font(14), anchor="mb")
        bottom = y + cell.height
        _colour_bar(canvas, values, _MARGIN + 2 * panel + 2, y, bottom)
        _colour_bar(canvas, difference, _MARGIN + 3 * panel + _BAR + 2, y, bottom)
        pictures.append(np.asarray(canvas))
    return pictures


@dataclass(frozen=True)
class _Cell:
    """Size at which a frame is drawn."""

    width: int
    height: int
    enlarges: bool

    @classmethod
    def fit(cls, shape: Sequence[int], *, columns: int) -> "_Cell":
        height, width = shape
        target = min(max(_WIDTH // columns, _SMALLEST), _LARGEST)
        longest = max(height, width)
        # Integer factors give all cells of a small frame the same size.
        factor = max(1, round(target / longest)) if longest <= _LARGEST else target / longest
        return cls(max(1, round(width * factor)), max(1, round(height * factor)), factor >= 1)

    def draw(self, colours: Picture) -> Image.Image:
        method = Image.Resampling.NEAREST if self.enlarges else Image.Resampling.BOX
        return Image.fromarray(colours).resize((self.width, self.height), method)


def _colour_bar(canvas: Image.Image, scale: Scale, x: int, top: int, bottom: int) -> None:
    """A vertical colour bar from `top` to `bottom` with tick labels to the right."""
    draw = ImageDraw.Draw(canvas)
    height = bottom - top
    ramp = np.linspace(scale.high, scale.low, height, dtype=np.float32)[:, np.newaxis]
    canvas.paste(Image.fromarray(scale.colours(np.repeat(ramp, 14, axis=1))), (x, top))
    draw.rectangle((x, top, x + 13, bottom - 1), outline=_FOREGROUND)
    ticks = np.linspace(scale.low, scale.high, 5 if height >= 150 else 3 if height >= 60 else 2)
    decimals = 2 - math.floor(math.log10(scale.high - scale.low or 1.0))
    for i, tick in enumerate(ticks):
        y = bottom - 1 - (height - 1) * i / (len(ticks) - 1)
        draw.line((x + 14, y, x + 18, y), _FOREGROUND)
        # The first and last labels stay within the bar to avoid overlap with its neighbours.
        anchor = "ld" if i == 0 else "la" if i == len(ticks) - 1 else "lm"
        draw.text(
            (x + 22, y), f"{round(tick, decimals) + 0.0:g}", _FOREGROUND, _font(12), anchor=anchor
        )


def _header(draw: ImageDraw.ImageDraw, title: str, caption: str, width: int) -> None:
    """Centred title and caption, shortened in the middle if the image is too narrow."""
    for text, size, colour, y in [(title, 17, _FOREGROUND, 0), (caption, 13, _GREY, 24)]:
        font, length, shown = _font(size), len(text), text
        while draw.textlength(shown, font) > width - 2 * _MARGIN and length > 8:
            length -= 2
            shown = f"{text[: length // 2]}...{text[-(length // 2) :]}"
        draw.text((width / 2, _MARGIN + y), shown, colour, font, anchor="ma")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
