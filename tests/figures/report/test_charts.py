"""Line charts."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from simvp.figures.report.charts import Chart, Line


def chart(y: list[float], **options: object) -> Chart:
    x = [float(step) for step in range(1, len(y) + 1)]
    return Chart("title", "step", "RMSE (m)", [Line("run", "run-0", x, y)], **options)


def points(drawn: str) -> list[tuple[float, float]]:
    """The places of the points of a chart."""
    found = re.findall(r'<circle class="point[^"]*" cx="([\d.]+)" cy="([\d.]+)"', drawn)
    return [(float(x), float(y)) for x, y in found]


def ticks(drawn: str, anchor: str) -> dict[str, float]:
    """The text of ticks, and where they are, along the axis."""
    found = re.findall(rf'<text class="tick {anchor}" x="([\d.]+)" y="([\d.]+)">([^<]*)<', drawn)
    return {text: float(x if anchor == "middle" else y) for x, y, text in found}


def test_points_lie_where_the_ticks_say() -> None:
    drawn = str(chart([0.0, 2.0, 4.0]).svg())
    y, x = ticks(drawn, "end"), ticks(drawn, "middle")
    assert list(x) == ["1", "2", "3"]
    assert [place for place, _ in points(drawn)] == pytest.approx(list(x.values()), abs=0.1)
    heights = [y["0"] - 4, y["2"] - 4, y["4"] - 4]  # the text is centred on the tick
    assert [place for _, place in points(drawn)] == pytest.approx(heights, abs=0.1)


def test_powers_of_ten_are_at_even_distances() -> None:
    drawn = str(chart([1e-6, 1e-3, 1.0], log_y=True).svg())
    heights = [place for _, place in points(drawn)]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert "10⁻⁶" in ticks(drawn, "end")


@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize(
    "y", [[1.0], [0.0, 0.0], [math.nan, 2.0], [math.nan], [], [1e-9, 1e9], [-5.0, 3.0]]
)
def test_any_values_can_be_drawn(y: list[float], is_log: bool) -> None:
    drawn = str(chart(y, log_y=is_log, log_x=is_log, rule=None if is_log else 0.0).svg())
    ElementTree.fromstring(drawn)
    assert "nan" not in drawn


def test_values_below_the_floor_are_cut_off() -> None:
    cut = chart([-400.0, 0.5], floor=-1.0)
    drawn = str(cut.svg())
    assert cut.is_cut and not chart([-0.5, 0.5], floor=-1.0).is_cut
    assert min(float(text) for text in ticks(drawn, "end")) == -1.0
    nested = ElementTree.fromstring(drawn).find("svg")
    assert nested is not None and nested.find("path") is not None


def test_text_is_escaped_and_summarised() -> None:
    hostile = '<script>"&'
    drawn = str(Chart(hostile, hostile, hostile, [Line(hostile, "a", [1], [2])]).svg())
    root = ElementTree.fromstring(drawn)
    assert root.attrib["aria-label"].startswith(hostile)
    assert {node.tag for node in root.iter()} <= {
        "svg",
        "g",
        "line",
        "path",
        "text",
        "circle",
        "title",
    }
    assert "2 at 1, 5 at 2" in chart([2.0, 5.0]).summary


def test_lines_are_interrupted_where_values_are_missing() -> None:
    path = re.search(r' d="([^"]*)"', str(chart([1.0, math.nan, 2.0, 3.0]).svg()))
    assert path is not None and path[1].count("M") == 2 and path[1].count("L") == 1


def test_single_value_is_a_short_line_around_its_point() -> None:
    """Also of a baseline, whose points are not filled."""
    drawn = str(chart([2.0]).svg())
    path = re.search(r'<path class="line run-0" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawn)
    assert path is not None
    x1, y1, x2, y2 = map(float, path.groups())
    assert y1 == y2 and points(drawn) == [((x1 + x2) / 2, y1)] and x2 - x1 == 32
