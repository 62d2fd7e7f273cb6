"""What a run was trained on, kept with the run as `data.json`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from simvp.config.sections import Section
from simvp.data.card import DatasetCard
from simvp.errors import RunError


class DataDescription(Section):
    """Shape (channels, height, width) of the frames, and the data card at training time."""

    format: Literal[1] = 1
    shape: tuple[int, int, int] = Field(description="channels, height, width")
    card: DatasetCard = DatasetCard()

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"


def read_description(path: Path) -> DataDescription:
    """Read a run's `data.json`. Raises RunError if it is missing or damaged."""
    try:
        return DataDescription.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(
            f"{path}: is missing, as in runs of earlier versions of simvp; "
            f"`simvp train --name {path.parent.name} --resume` adds it"
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
