"""Areas of the cells of a grid of latitudes. H: height."""

import numpy as np
from numpy.typing import NDArray

from simvp.data.cf_axes import is_latitude
from simvp.data.series import Coordinates


def relative_areas(coordinates: Coordinates) -> NDArray[np.float64] | None:
    """The area of the cells of each row relative to their mean, (H, 1).

    A row extends halfway to its neighbours, the first and last one as far to the other side, but
    not beyond a pole: sin(upper edge) - sin(lower edge).

    Returns: the areas; None if rows are not latitudes, in degrees.
    """
    name = coordinates.dims[0]
    if name not in coordinates.variables:
        return None
    _, latitudes, attributes = coordinates.variables[name]
    is_usable = len(latitudes) > 1 and bool(np.abs(latitudes).max() <= 90)
    if not is_usable or not is_latitude(name, attributes):
        return None
    middle = (latitudes[1:] + latitudes[:-1]) / 2
    ends = 2 * latitudes[[0, -1]] - middle[[0, -1]]
    edges = np.clip(np.concatenate([ends[:1], middle, ends[1:]]), -90, 90)
    areas = np.abs(np.diff(np.sin(np.deg2rad(edges))))
    return np.asarray((areas / areas.mean())[:, None])
