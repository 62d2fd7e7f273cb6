"""The page: self-contained, and safe whatever is in it."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from helpers import HOSTILE, small_page

from simvp.errors import ConfigError
from simvp.figures.report.page import render


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data


def test_frames_are_those_of_the_arrays() -> None:
    page = small_page()
    elements = Elements(render(page))
    content = json.loads(elements.scripts[1])
    sample = page.viewer.samples[0]
    assert (content["inputs"], content["steps"]) == (2, 3)
    assert (content["height"], content["width"]) == (5, 7)
    expected = [sample.inputs, sample.truth, *sample.forecasts]
    for text, array in zip(content["values"], expected, strict=True):
        decoded = np.frombuffer(base64.b64decode(text), "<f4").reshape(array.shape)
        np.testing.assert_array_equal(decoded, array)


def test_every_second_cell_is_kept() -> None:
    page = small_page(stride=2)
    content = json.loads(Elements(render(page)).scripts[1])
    assert (content["height"], content["width"]) == (3, 4)
    decoded = np.frombuffer(base64.b64decode(content["values"][1]), "<f4")
    truth = page.viewer.samples[0].truth[..., ::2, ::2]
    np.testing.assert_array_equal(decoded, truth.ravel())


def test_colours_are_those_of_matplotlib() -> None:
    from matplotlib import colormaps

    settings = json.loads(Elements(render(small_page(cmap="magma"))).scripts[0])
    assert list(settings["maps"])[0] == "magma"
    table = np.frombuffer(base64.b64decode(settings["maps"]["magma"]), np.uint8).reshape(256, 3)
    np.testing.assert_array_equal(table, colormaps["magma"](np.arange(256), bytes=True)[:, :3])
    with pytest.raises(ConfigError, match="unknown colour map"):
        render(small_page(cmap="nosuch"))


def test_only_the_script_of_the_page_may_run() -> None:
    elements = Elements(render(small_page()))
    digest = base64.b64encode(hashlib.sha256(elements.scripts[-1].encode()).digest()).decode()
    policy = next(a["content"] for tag, a in elements.found if "http-equiv" in a and tag == "meta")
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_nothing_is_fetched() -> None:
    text = render(small_page())
    references = [
        value
        for _, attributes in Elements(text).found
        for name, value in attributes.items()
        if name in ("src", "href", "action", "data") and value is not None
    ]
    assert [r for r in references if not r.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|https?://", text)


def shape_of(text: str) -> list[Any]:
    """Elements and names of attributes, without those that depend on text."""
    return [(tag, sorted(attributes)) for tag, attributes in Elements(text).found]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_cannot_add_elements_or_scripts(hostile: str) -> None:
    """A page with hostile text has exactly the elements of one with harmless text."""
    harmful = render(small_page(text=hostile))
    assert shape_of(harmful) == shape_of(render(small_page(text="harmless")))
    settings = json.loads(Elements(harmful).scripts[0])
    assert settings["samples"][0]["id"] == hostile
    assert settings["channels"][0] == {"name": hostile, "unit": hostile}
