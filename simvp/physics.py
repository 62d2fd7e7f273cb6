"""Words for the physics of a simulation, which data cards, configs and the network share."""

from typing import Literal, get_args

# What lies beyond the edge of the grid.
BoundaryKind = Literal["zeros", "periodic", "reflect", "replicate"]
Boundary = tuple[BoundaryKind, BoundaryKind]  # along y, along x

# What may be done to all frames of a trajectory, so that it is a trajectory still. `roll` moves
# along both axes; `rot90` is any number of quarter turns.
Symmetry = Literal["roll", "flip_x", "flip_y", "rot90"]

BOUNDARY_KINDS: tuple[BoundaryKind, ...] = get_args(BoundaryKind)
SYMMETRIES: tuple[Symmetry, ...] = get_args(Symmetry)


def parse_boundary(text: str) -> Boundary:
    """`periodic`, or `zeros,periodic` for zeros along y and periodic along x.

    Raises: ValueError if it is neither.
    """
    kinds = text.split(",")
    y, x = kinds if len(kinds) == 2 else (text, text)
    if y not in BOUNDARY_KINDS or x not in BOUNDARY_KINDS:
        raise ValueError(
            f"should be one of {', '.join(BOUNDARY_KINDS)}, or two of them for y and x, like "
            "zeros,periodic"
        )
    return y, x


def parse_symmetries(text: str) -> tuple[Symmetry, ...]:
    """`none`, or some of SYMMETRIES with commas between. Raises ValueError if it is neither."""
    chosen = text.split(",") if text != "none" else []
    known = tuple(name for name in SYMMETRIES if name in chosen)
    if len(known) != len(chosen):
        raise ValueError(
            f"should be none, or some of {', '.join(SYMMETRIES)} with commas between, like "
            "flip_x,flip_y"
        )
    return known
