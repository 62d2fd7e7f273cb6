"""What data look like to a network, kept with a run as `data.json`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from simvp.config.sections import Section
from simvp.data.card import DatasetCard, Stored
from simvp.data.scaling import Scaling
from simvp.errors import RunError


class DataDescription(Section):
    """Channels, shape, scaling and data card of a data set."""

    format: Literal[2] = 2
    channels: tuple[str, ...] = Field(description="names of the channels")
    shape: tuple[int, int, int] = Field(description="channels, height, width")
    scaling: Scaling = Field(description="physical values of the network's 0 and 1")
    stored: Stored = Field(description="whether the files hold physical or scaled values")
    card: DatasetCard
    fill: tuple[float, ...] | None = Field(
        None, description="what replaces missing values, in network units; null if none are missing"
    )

    @property
    def network_scaling(self) -> Scaling | None:
        """From the values in the files to network units; None if they are the same."""
        return None if self.stored == "scaled" or self.scaling.is_identity else self.scaling

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"


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
            "a copy, or delete it and run `simvp test`"
        ) from None
