"""Areas of rows against the area of the sphere."""

import numpy as np
import pytest

from simvp.data.cell_areas import relative_areas
from simvp.data.series import Coordinates


def areas(latitudes: list[float], name: str = "lat", **attributes: str) -> np.ndarray | None:
    values = np.array(latitudes)
    return relative_areas(Coordinates((name, "x"), {name: ((name,), values, attributes)}))


def test_rows_from_pole_to_pole_have_the_areas_of_zones() -> None:
    """Zones of the unit sphere between the latitudes -90, -60, -30, 0, 30, 60 and 90."""
    zone = 2 * np.pi * np.diff(np.sin(np.deg2rad([-90, -60, -30, 0, 30, 60, 90])))
    found = areas([-75, -45, -15, 15, 45, 75], units="degrees_north")
    assert found is not None and found.shape == (6, 1)
    np.testing.assert_allclose(found[:, 0], zone / zone.mean(), rtol=1e-12)
    assert zone.sum() == pytest.approx(4 * np.pi)


def test_rows_at_the_poles_end_there() -> None:
    """At 90 degrees only the half of the row on the globe counts."""
    found = areas([90, 0, -90], standard_name="latitude")
    assert found is not None
    caps = np.array([1 - np.sqrt(0.5), 2 * np.sqrt(0.5), 1 - np.sqrt(0.5)])
    np.testing.assert_allclose(found[:, 0], caps / caps.mean(), rtol=1e-12)


def test_direction_and_spacing_do_not_matter() -> None:
    north = areas([10, 20, 40], standard_name="grid_latitude", units="degrees")
    south = areas([-40, -20, -10])
    assert north is not None and south is not None
    np.testing.assert_allclose(north, south[::-1], rtol=1e-12)
    assert north.mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "values", "attributes"),
    [
        ("y", [10.0, 20.0], {"units": "km"}),
        ("lat", [0.0, 1000.0], {}),  # not degrees
        ("lat", [10.0, 20.0], {"units": "m"}),
        ("lat", [10.0], {"units": "degrees_north"}),  # no spacing
        ("y", [10.0, 20.0], {}),
    ],
)
def test_rows_that_are_not_latitudes_have_no_areas(
    name: str, values: list[float], attributes: dict[str, str]
) -> None:
    assert areas(values, name, **attributes) is None


def test_data_without_coordinates_have_no_areas() -> None:
    assert relative_areas(Coordinates()) is None
