"""The report in a real browser: headless Chromium, driven by selenium. `make test-browser`."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import HOSTILE, Simvp, small_page

from simvp.figures.report.page import render

pytestmark = pytest.mark.browser

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--force-prefers-reduced-motion"
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser that records its console and its network requests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, driver = (
        shutil.which("chromium") or shutil.which("google-chrome"),
        shutil.which("chromedriver"),
    )
    if program is None or driver is None:
        pytest.skip("Chromium and its driver (chromium, chromium-driver) are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in OPTIONS.split():
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


class Page:
    """A report that is open in the browser."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.browser = browser
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.get("about:blank")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(file.resolve().as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def key(self, *keys: str, target: str = "body") -> None:
        self.one(target).send_keys(*keys)

    def frame(self) -> str:
        return str(self.run("return document.querySelector('#frame-label').textContent"))

    def picture(self, panel: int) -> list[int]:
        """The colours of a panel, four bytes for each cell."""
        script = """
            const canvas = document.querySelectorAll(".view canvas")[arguments[0]];
            const context = canvas.getContext("2d");
            return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
        """
        return list(self.run(script, panel))

    def point_at(self, panel: int, row: int, column: int, size: tuple[int, int]) -> None:
        """Move the mouse to the centre of a cell, counted as it is drawn."""
        from selenium.webdriver import ActionChains

        canvas = self.browser.find_elements("css selector", ".view canvas")[panel]
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
        height, width = size
        x = ((column + 0.5) / width - 0.5) * canvas.size["width"]
        y = ((row + 0.5) / height - 0.5) * canvas.size["height"]
        ActionChains(self.browser).move_to_element_with_offset(canvas, round(x), round(y)).perform()

    def read_out(self) -> dict[str, str]:
        """The values below the panels, by kind of panel; and the place."""
        cells = self.browser.find_elements("css selector", "#readout b")
        found = {cell.get_attribute("data-kind"): cell.text for cell in cells}
        return {**found, "place": self.one("#readout .place").text}

    def column(self, number: int) -> list[str]:
        """The cells of a column of the table of samples, from top to bottom."""
        script = """
            const rows = document.querySelectorAll("#sample-table tbody tr");
            return [...rows].map((row) => row.cells[arguments[0]].textContent);
        """
        return list(self.run(script, number))

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requests(self) -> list[str]:
        messages = [
            json.loads(e["message"])["message"] for e in self.browser.get_log("performance")
        ]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture
def page(chromium: Any, tmp_path: Path) -> Page:
    """A report with two channels and frames of 5x7 cells, of which one has no value."""
    file = tmp_path / "page.html"
    file.write_text(render(small_page(origin="lower")), encoding="utf-8")
    return Page(chromium, file)


def float_of(text: str) -> float:
    return float(text.split()[0])


def test_report_of_a_run_loads_without_errors_or_requests(
    chromium: Any, tested: Path, simvp: Simvp
) -> None:
    simvp("viz", "--report")
    page = Page(chromium, tested / "report.html")
    page.one("#play").click()
    page.one("#play").click()
    assert page.errors() == []
    requests = [url for url in page.requests() if not url.startswith("data:")]
    assert requests == [(tested / "report.html").as_uri()]
    assert page.frame() == "step 4 of 4"


def test_read_out_is_the_value_of_the_saved_array(
    chromium: Any, tested: Path, simvp: Simvp
) -> None:
    simvp("viz", "--report")
    page = Page(chromium, tested / "report.html")
    sample = page.run("return JSON.parse(document.getElementById('viewer-data').textContent)")
    folder, sample_id = tested / "saved", sample["samples"][0]["id"]
    for row, column in ((0, 0), (2, 7), (8, 10)):
        page.point_at(2, row, column, (9, 11))
        found = page.read_out()
        files = (("input", "inputs", 2), ("truth", "trues", 3), ("forecast", "preds", 3))
        for kind, name, frame in files:
            value = np.load(folder / name / sample_id / f"{frame}.npy")[0, row, column]
            assert float_of(found[kind]) == float(f"{value:.7g}")
        assert found["place"] == f"row {row}, column {column}"


def test_read_out_has_units_and_coordinates_with_the_first_row_below(page: Page) -> None:
    sample = small_page().viewer.samples[0]
    page.point_at(1, 1, 6, (5, 7))  # the second row from above is row 3
    found = page.read_out()
    assert found["place"] == "row 3, column 6, text 53 text, lon 7 degrees_east, depth 27 m"
    truth, forecast = (float(array[2, 0, 3, 6]) for array in (sample.truth, sample.forecasts[0]))
    assert found["truth"] == f"{truth:.7g} text"
    assert float_of(found["difference"]) == float(f"{forecast - truth:.7g}")
    page.point_at(1, 3, 2, (5, 7))  # row 1, column 2 has no value
    assert page.read_out()["truth"] == page.read_out()["difference"] == "no value"
    height, width = 5, 7
    colours = np.array(page.picture(1)).reshape(height, width, 4)
    assert colours[3, 2].tolist() == [178, 178, 178, 255]


def test_colours_are_those_of_the_values(page: Page) -> None:
    from matplotlib import colormaps

    sample = small_page().viewer.samples[0]
    true = np.concatenate([sample.inputs[:, 0], sample.truth[:, 0]])
    low, high = np.nanmin(true), np.nanmax(true)
    drawn = np.array(page.picture(2)).reshape(5, 7, 4)[::-1]
    share = (sample.forecasts[0][2, 0] - low) / (high - low)
    expected = colormaps["viridis"](np.clip(share, 0, 1), bytes=True)
    assert np.abs(drawn.astype(int) - expected).max() <= 3


def test_slider_keys_and_buttons_change_the_frame(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    assert page.frame() == "step 3 of 3, text"
    last = page.picture(1)
    page.key(Keys.ARROW_LEFT)
    assert page.frame() == "step 2 of 3, text" and page.picture(1) != last
    page.one("#back").click()
    page.one("#back").click()
    assert page.frame() == "input 2 of 2, text"
    assert "begins after the input" in page.one(".panel:nth-child(2)").text
    page.key(Keys.ARROW_RIGHT, target="#time")
    page.one("#forward").click()
    assert page.frame() == "step 2 of 3, text"
    page.key(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.frame() == "input 1 of 2, text"
    assert page.one("#time").get_attribute("aria-valuetext") == "input 1 of 2, text"


def test_play_runs_through_the_frames(page: Page) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    page.one("#play").click()
    seen = set()

    def all_seen(_: object) -> bool:
        seen.add(page.frame())
        return len(seen) == 5

    WebDriverWait(page.browser, 10, poll_frequency=0.01).until(all_seen)
    assert page.one("#play").text == "Pause"
    page.one("#play").click()
    assert page.one("#play").get_attribute("aria-pressed") == "false"


def test_mark_moves_with_the_keyboard(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    page.key(Keys.SHIFT + Keys.ARROW_UP, target=".view canvas")
    assert page.read_out()["place"].startswith("row 3, column 3")
    page.key(Keys.SHIFT + Keys.ARROW_LEFT, target=".view canvas")
    assert page.read_out()["place"].startswith("row 3, column 2")


def test_channel_sample_colours_and_scale_can_be_chosen(page: Page) -> None:
    from selenium.webdriver.support.ui import Select

    sample = small_page().viewer.samples[0]
    before = page.picture(2)
    Select(page.one("#map")).select_by_visible_text("Purples")
    purple = page.picture(2)
    assert purple != before
    Select(page.one("#scale")).select_by_value("own")
    assert page.picture(2) != purple
    low, high = page.one(".panel:nth-child(3) .bar").text.split()[::2]
    frame = sample.forecasts[0][2, 0]
    assert float(low) == float(f"{frame.min():.4g}") and float(high) == float(f"{frame.max():.4g}")
    Select(page.one("#channel")).select_by_visible_text("other")
    page.point_at(0, 0, 0, (5, 7))
    assert page.read_out()["input"] == f"{sample.inputs[1, 1, 4, 0]:.7g} m"
    Select(page.one("#sample")).select_by_visible_text("second")
    assert page.frame() == "step 2 of 3"


def test_sorting_sorts_and_names_lead_to_the_viewer(page: Page) -> None:
    headers = page.browser.find_elements("css selector", "#sample-table thead th")
    headers[1].find_element("css selector", "button").click()
    assert page.column(1) == ["0.5000", "10.00", "–"]
    assert headers[1].get_attribute("aria-sort") == "ascending"
    headers[1].find_element("css selector", "button").click()
    assert page.column(1) == ["10.00", "0.5000", "–"]
    headers[2].find_element("css selector", "button").click()
    assert page.column(2) == ["1.000", "2.000", "3.000"]
    assert page.column(0) == ["third", "second", "text"]
    page.one("#sample-table tbody tr:nth-child(2) button").click()
    assert page.one("#sample").get_attribute("value") == "1"


def test_trials_of_recipes_are_a_table(page: Page) -> None:
    cells = "#trials + .scroll tbody tr > *"
    assert [cell.text for cell in page.browser.find_elements("css selector", cells)] == ["text"] * 2
    assert page.one("#trials + .scroll").get_attribute("aria-label") == "Trials of recipes"
    assert page.one("#trials ~ .remark").text == "text"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 800, 1400])
def test_nothing_overflows(page: Page, width: int, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert page.run("return document.documentElement.scrollWidth") <= width
    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`. Source: WCAG 2.2."""
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(page: Page, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    background = luminance(page.run("return getComputedStyle(document.body).backgroundColor"))
    for selector in ("body", ".remark", "thead th", ".legend", "nav a", ".line.run-0"):
        name = "stroke" if selector.startswith(".line") else "color"
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        text = luminance(page.run(script, selector, name))
        low, high = sorted((text, background))
        assert (high + 0.05) / (low + 0.05) >= 4.5, selector


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_run_nothing(chromium: Any, tmp_path: Path, hostile: str) -> None:
    file = tmp_path / "page.html"
    file.write_text(render(small_page(text=hostile)), encoding="utf-8")
    page = Page(chromium, file)
    assert page.errors() == []
    assert page.run("return document.querySelectorAll('img, [onerror], [onfocus]').length") == 0
    assert page.run("return document.querySelectorAll('h1')[0].textContent") == hostile
    assert page.run("return document.querySelector('#channel option').textContent") == hostile
    assert page.run("return document.querySelector('#trials ~ .remark').textContent") == hostile
    assert page.frame() == f"step 3 of 3, {hostile}"
