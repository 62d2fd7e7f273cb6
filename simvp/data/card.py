"""The data card: what a data folder's `dataset.toml` says of its physics."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from simvp.config.loading import explain, read_layer
from simvp.config.rendering import section_lines
from simvp.config.sections import Section
from simvp.errors import ConfigError, did_you_mean
from simvp.physics import BoundaryKind, Symmetry

if TYPE_CHECKING:  # the command line shows its help without numpy
    import numpy as np
    from numpy.typing import NDArray

CARD_NAME = "dataset.toml"


class DatasetCard(Section):
    """The physics of a data set; by default nothing is known of it."""

    name: str = Field("", description="name of the data set")
    quantity: str = Field("", description="what the values are")
    unit: str = Field("", description="unit of the values that low and high are given in")
    low: float = Field(0.0, description="the value that 0 in the frames stands for")
    high: float = Field(1.0, description="the value that 1 in the frames stands for")
    time_step: str = Field("", description="time between two frames, with its unit")
    boundary_y: BoundaryKind = Field(
        "zeros", description="beyond the first and last row: zeros, periodic, reflect, replicate"
    )
    boundary_x: BoundaryKind = Field(
        "zeros", description="beyond the first and last column: zeros, periodic, reflect, replicate"
    )
    symmetries: list[Symmetry] = Field(
        [], description="what may be done to a whole trajectory: roll, flip_x, flip_y, rot90"
    )

    def to_physical(self, values: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Values in [0, 1] in the unit of the card."""
        return self.low + values * (self.high - self.low)

    def caption(self) -> str:
        """`boiling: temperature in degF, 1 step between frames`, as far as it is known."""
        unit = f" in {self.unit}" if self.unit else ""
        what = f"{self.quantity or 'values'}{unit}" if self.quantity or unit else ""
        step = f"{self.time_step} between frames" if self.time_step else ""
        known = ", ".join(filter(None, [what, step]))
        return f"{self.name}: {known}" if self.name and known else self.name or known

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} should be below high = {self.high:g}")
        if "roll" in self.symmetries and {self.boundary_y, self.boundary_x} != {"periodic"}:
            raise ValueError("the symmetry roll needs both boundaries to be periodic")
        if "rot90" in self.symmetries and self.boundary_y != self.boundary_x:
            raise ValueError("the symmetry rot90 needs both boundaries to be the same")
        return self


def read_card(folder: Path) -> DatasetCard:
    """The card of a data folder; an empty one if it has none. Raises ConfigError if it is wrong."""
    path = folder / CARD_NAME
    if not path.exists():
        return DatasetCard()
    layer = read_layer(path)
    try:
        return DatasetCard.model_validate(layer.tables)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(path, p) for p in error.errors())) from None


def _describe(path: Path, problem: ErrorDetails) -> str:
    key = str(next(iter(problem["loc"]), ""))
    if problem["type"] == "extra_forbidden":
        hint = did_you_mean(key, DatasetCard.model_fields)
        return f"{path}: {key}: there is no such entry in a data card.{hint}"
    return f"{path}: {key}{explain(problem) if key else problem['ctx']['error']}"


def card_to_toml(card: DatasetCard) -> str:
    """The card as commented TOML."""
    return "\n".join(section_lines(card)) + "\n"
