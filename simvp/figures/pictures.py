"""Pictures of forecasts: arrays in, images out.

T: frames; H, W: height and width of a frame. Images are (height, width, 3), uint8.
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
_WIDTH = 1280  # pixels that a row of frames aims for
_SMALLEST, _LARGEST = 64, 256  # pixels that a frame's width is brought to
_GAP, _MARGIN, _LABELS, _BAR = 6, 16, 104, 96
_HEADER = 40  # pixels for title and caption
_INK, _FAINT, _PAPER = (30, 30, 30), (110, 110, 110), (255, 255, 255)


@dataclass(frozen=True)
class Scale:
    """A colour map over an interval of values."""

    cmap: Colormap
    low: float
    high: float

    def paint(self, values: Frames) -> Picture:
        """Colours of (H, W) values; those beyond the interval get the colour of its end."""
        span = self.high - self.low or 1.0
        colours = self.cmap(np.clip((values - self.low) / span, 0.0, 1.0), bytes=True)
        return np.asarray(colours[..., :3], dtype=np.uint8)


def colour_map(name: str) -> Colormap:
    """The colour map of that name, as matplotlib and others spell it. Raises ConfigError."""
    catalog = Colormap.catalog()
    base = name.removesuffix("_r")
    try:
        # The full name: a short one that two families share would be answered with a warning.
        return Colormap(catalog.resolve(base) + ("_r" if base != name else ""))
    except (KeyError, ValueError):
        known = sorted(catalog.short_keys())
        raise ConfigError(
            f"viz.cmap = {name!r}: there is no such colour map.{did_you_mean(name, known)} "
            "The usual names work: viridis, Purples, inferno, coolwarm, gray, ..."
        ) from None


def scales(inputs: Frames, trues: Frames, preds: Frames, cmap: str) -> tuple[Scale, Scale]:
    """One scale for inputs, truths and predictions, and one of its own for the difference.

    The first spans the true values, so that a wild forecast cannot wash them out.
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
        caption: what the values are, in a smaller line below the title.
    """
    values, difference = scales(inputs, trues, preds, cmap)
    cell = _Cell.fitting(inputs.shape[1:], columns=max(len(inputs), len(trues)))
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
    # Room above a row for its frame numbers, and above the difference for the other colour bar.
    tops = [top + 20]
    for room in (24 + _GAP, _GAP, 3 * _GAP):
        tops.append(tops[-1] + cell.height + room)
    canvas = Image.new("RGB", (width, tops[-1] + cell.height + _MARGIN + 8), _PAPER)
    draw = ImageDraw.Draw(canvas)
    _header(draw, title, caption, width)
    for (label, frames, scale, numbers), y in zip(rows, tops, strict=True):
        draw.text((_MARGIN, y + cell.height / 2), label, _INK, _font(15), anchor="lm")
        for column, frame in enumerate(frames):
            x = _MARGIN + _LABELS + column * (cell.width + _GAP)
            canvas.paste(cell.draw(scale.paint(frame)), (x, y))
            if numbers is not None:
                text = f"t = {numbers[column]}" if cell.width >= 40 else str(numbers[column])
                draw.text((x + cell.width / 2, y - 4), text, _INK, _font(12), anchor="mb")
    x = _MARGIN + _LABELS + columns * (cell.width + _GAP) + 8
    _colour_bar(canvas, values, x, tops[0], tops[2] + cell.height)
    _colour_bar(canvas, difference, x, tops[3], tops[3] + cell.height)
    return np.asarray(canvas)


def animation(
    inputs: Frames, trues: Frames, preds: Frames, *, title: str, caption: str = "", cmap: str
) -> list[Picture]:
    """Truth, prediction and difference side by side, one image for each forecast step."""
    values, difference = scales(inputs, trues, preds, cmap)
    cell = _Cell.fitting(inputs.shape[1:], columns=5)
    panel = cell.width + 2 * _GAP
    width = 2 * _MARGIN + 3 * panel + 2 * _BAR
    pictures = []
    for step, (true, pred) in enumerate(zip(trues, preds, strict=True)):
        canvas = Image.new("RGB", (width, cell.height + _HEADER + 68), _PAPER)
        draw = ImageDraw.Draw(canvas)
        _header(draw, title, caption, width)
        panels = [("truth", true, values, 0), ("prediction", pred, values, 0)]
        panels.append(("difference", pred - true, difference, _BAR))
        for i, (label, frame, scale, shift) in enumerate(panels):
            x, y = _MARGIN + i * panel + shift, _MARGIN + _HEADER + 28
            canvas.paste(cell.draw(scale.paint(frame)), (x, y))
            text = f"{label}, t = {len(inputs) + step}" if i == 0 else label
            draw.text((x + cell.width / 2, y - 5), text, _INK, _font(14), anchor="mb")
        bottom = y + cell.height
        _colour_bar(canvas, values, _MARGIN + 2 * panel + 2, y, bottom)
        _colour_bar(canvas, difference, _MARGIN + 3 * panel + _BAR + 2, y, bottom)
        pictures.append(np.asarray(canvas))
    return pictures


@dataclass(frozen=True)
class _Cell:
    """How a frame is brought to the size at which it is drawn."""

    width: int
    height: int
    enlarges: bool

    @classmethod
    def fitting(cls, shape: Sequence[int], *, columns: int) -> "_Cell":
        height, width = shape
        target = min(max(_WIDTH // columns, _SMALLEST), _LARGEST)
        longest = max(height, width)
        # Whole multiples keep every pixel of a small frame the same size.
        factor = max(1, round(target / longest)) if longest <= _LARGEST else target / longest
        return cls(max(1, round(width * factor)), max(1, round(height * factor)), factor >= 1)

    def draw(self, colours: Picture) -> Image.Image:
        method = Image.Resampling.NEAREST if self.enlarges else Image.Resampling.BOX
        return Image.fromarray(colours).resize((self.width, self.height), method)


def _colour_bar(canvas: Image.Image, scale: Scale, x: int, top: int, bottom: int) -> None:
    """A vertical bar from `top` to `bottom` with its numbers to the right."""
    draw = ImageDraw.Draw(canvas)
    height = bottom - top
    ramp = np.linspace(scale.high, scale.low, height, dtype=np.float32)[:, np.newaxis]
    canvas.paste(Image.fromarray(scale.paint(np.repeat(ramp, 14, axis=1))), (x, top))
    draw.rectangle((x, top, x + 13, bottom - 1), outline=_INK)
    ticks = np.linspace(scale.low, scale.high, 5 if height >= 150 else 3 if height >= 60 else 2)
    decimals = 2 - math.floor(math.log10(scale.high - scale.low or 1.0))
    for i, tick in enumerate(ticks):
        y = bottom - 1 - (height - 1) * i / (len(ticks) - 1)
        draw.line((x + 14, y, x + 18, y), _INK)
        # The outer numbers stay within the bar, clear of what is above and below.
        anchor = "ld" if i == 0 else "la" if i == len(ticks) - 1 else "lm"
        draw.text((x + 22, y), f"{round(tick, decimals) + 0.0:g}", _INK, _font(12), anchor=anchor)


def _header(draw: ImageDraw.ImageDraw, title: str, caption: str, width: int) -> None:
    """Title and caption in the middle, their own middles left out if the picture is narrow."""
    for text, size, colour, y in [(title, 17, _INK, 0), (caption, 13, _FAINT, 24)]:
        font, kept, fitting = _font(size), len(text), text
        while draw.textlength(fitting, font) > width - 2 * _MARGIN and kept > 8:
            kept -= 2
            fitting = f"{text[: kept // 2]}...{text[-(kept // 2) :]}"
        draw.text((width / 2, _MARGIN + y), fitting, colour, font, anchor="ma")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
