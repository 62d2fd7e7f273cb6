"""The report as one HTML file without references to anything outside.

Nothing that is read from data can run: text is escaped, data are JSON without `<`, and the browser
is told to run the page's script only, by its hash.
"""

import base64
import hashlib
import json
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import colormaps
from numpy.typing import NDArray

from simvp.figures.colours import colour_map
from simvp.figures.report.contents import Page, ViewedSample, Viewer

COLOUR_MAPS = ("viridis", "cividis", "inferno", "Purples", "coolwarm", "gray")


def render(page: Page) -> str:
    """The page as HTML. Raises ConfigError if there is no colour map `page.viewer.cmap`."""
    folder = resources.files("simvp.figures.report")
    script, style = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.js", "page.css")
    )
    environment = Environment(
        loader=PackageLoader("simvp.figures.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["value"] = _shown
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        page=page,
        script=Markup(script),
        script_hash=digest,
        style=Markup(style),
        viewer=_json(_settings(page.viewer)),
        frames=[_json(_frames(sample, page.viewer)) for sample in page.viewer.samples],
    )


def _shown(value: float | None) -> str:
    """A score in a table."""
    return "–" if value is None else f"{value:#.4g}".removesuffix(".")


def _json(value: Any) -> Markup:
    """JSON that cannot end the element that it is in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _settings(viewer: Viewer) -> dict[str, Any]:
    """What the script needs besides the frames."""
    names = dict.fromkeys([viewer.cmap, *COLOUR_MAPS])
    step = viewer.stride
    return {
        "runs": list(viewer.runs),
        "channels": [{"name": name, "unit": unit} for name, unit in viewer.channels],
        "coordinates": [
            {
                "name": item.name,
                "unit": item.unit,
                "axes": item.axes,
                "values": _base64(
                    item.values[(slice(None, None, step),) * item.values.ndim], "<f8"
                ),
            }
            for item in viewer.coordinates
        ],
        "origin": viewer.origin,
        "stride": step,
        "fps": viewer.fps,
        "maps": {name: _colours(name) for name in names},
        "differenceMap": _colours("RdBu_r"),
        "samples": [
            {"id": s.id, "name": s.name, "label": s.label, "times": list(s.times)}
            for s in viewer.samples
        ],
    }


def _frames(sample: ViewedSample, viewer: Viewer) -> dict[str, Any]:
    """Shape and values of a sample: every `stride`-th row and column, float32, in base64."""
    step = viewer.stride
    arrays = [
        frames[..., ::step, ::step] for frames in (sample.inputs, sample.truth, *sample.forecasts)
    ]
    return {
        "inputs": len(sample.inputs),
        "steps": len(sample.truth),
        "height": arrays[0].shape[-2],
        "width": arrays[0].shape[-1],
        "values": [_base64(array, "<f4") for array in arrays],
    }


def _thinned(values: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Every `step`-th value along each axis."""
    return values[(slice(None, None, step),) * values.ndim]


def _base64(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def _colours(name: str) -> str:
    """256 colours of a matplotlib colour map, three bytes each."""
    colour_map(name)
    table = colormaps[name](np.arange(256), bytes=True)[:, :3]
    return _base64(table, "u1")
