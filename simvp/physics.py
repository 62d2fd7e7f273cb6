"""Boundary conditions and symmetries of a simulation, and the smallest grid."""

from typing import Literal, get_args

SMALLEST_GRID = 7  # height and width in cells, at least; the window of SSIM

# How fields continue beyond the edge of the grid.
BoundaryKind = Literal["zeros", "periodic", "reflect", "replicate"]
Boundary = tuple[BoundaryKind, BoundaryKind]  # along y, along x

# Transformations that map every trajectory to another valid trajectory. `roll` shifts along both
# axes; `rot90` rotates by any multiple of 90 degrees.
Symmetry = Literal["roll", "flip_x", "flip_y", "rot90"]

BOUNDARY_KINDS: tuple[BoundaryKind, ...] = get_args(BoundaryKind)
SYMMETRIES: tuple[Symmetry, ...] = get_args(Symmetry)


def parse_boundary(text: str) -> Boundary:
    """Parse `periodic`, or `zeros,periodic` for zeros along y and periodic along x.

    Raises: ValueError if `text` is neither.
    """
    kinds = text.split(",")
    y, x = kinds if len(kinds) == 2 else (text, text)
    if y not in BOUNDARY_KINDS or x not in BOUNDARY_KINDS:
        raise ValueError(
            f"should be one of {', '.join(BOUNDARY_KINDS)}, or two of them for y and x, "
            "for example zeros,periodic"
        )
    return y, x


def parse_symmetries(text: str) -> tuple[Symmetry, ...]:
    """Parse `none` or a comma-separated list of SYMMETRIES. Raises ValueError if it is neither."""
    chosen = text.split(",") if text != "none" else []
    known = tuple(name for name in SYMMETRIES if name in chosen)
    if len(known) != len(chosen):
        raise ValueError(
            f"should be none or a comma-separated list of {', '.join(SYMMETRIES)}, for example "
            "flip_x,flip_y"
        )
    return known
