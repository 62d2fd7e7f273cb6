"""What a run was trained on, kept with the run as `data.json`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from simvp.config.sections import Section
from simvp.data.card import DatasetCard, Stored
from simvp.data.scaling import Scaling
from simvp.data.split import Split
from simvp.data.split_records import ScalingRecord
from simvp.errors import RunError


class DataDescription(Section):
    """What the network was trained on, in the terms of `simvp.data.split.Split`."""

    format: Literal[2] = 2
    channels: list[str] = Field(description="names of the channels")
    shape: tuple[int, int, int] = Field(description="channels, height, width")
    scaling: ScalingRecord = Field(description="physical values of the network's 0 and 1")
    stored: Stored = Field(description="whether the files held physical or scaled values")
    card: DatasetCard = Field(description="the data card at training time")

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @property
    def network_scaling(self) -> Scaling | None:
        """From the values in the files to network units; None if they are the same."""
        scaling = self.to_scaling()
        is_unit = set(scaling.low) == {0.0} and set(scaling.high) == {1.0}
        return None if self.stored == "scaled" or is_unit else scaling

    def to_scaling(self) -> Scaling:
        """Between physical units and network units."""
        return Scaling(tuple(self.scaling.low), tuple(self.scaling.high))


def describe_data(split: Split) -> DataDescription:
    """What a run on this split is trained on."""
    return DataDescription(
        channels=list(split.channels),
        shape=split.shape,
        scaling=ScalingRecord(low=list(split.scaling.low), high=list(split.scaling.high)),
        stored=split.stored,
        card=split.card,
    )


def read_description(path: Path) -> DataDescription:
    """Read a run's `data.json`. Raises RunError if it is missing or damaged."""
    try:
        return DataDescription.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(
            f"{path}: is missing, as in runs of earlier versions of simvp; "
            f"`simvp test --name {path.parent.name}` adds it"
        ) from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise RunError(
            f"{path}: is damaged ({where}{': ' if where else ''}{problem['msg']}); restore it from "
            "a copy, or delete it and run `simvp train --resume`"
        ) from None
