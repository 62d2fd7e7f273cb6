"""What data look like to a network, kept with a run as `data.json`."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from simvp.config import name_option
from simvp.config.section import Section
from simvp.data.card import DatasetCard, Stored
from simvp.data.scaling import Scaling
from simvp.data.series import Options
from simvp.errors import RunError


class DataDescription(Section):
    """Channels, shape, scaling and data card of a data set."""

    format: Literal[2] = 2
    channels: tuple[str, ...] = Field(description="names of the channels")
    inputs: tuple[str, ...] = Field(
        (), description="names of the last channels, which are given to a network, not forecast"
    )
    shape: tuple[int, int, int] = Field(description="channels, height, width")
    scaling: Scaling = Field(description="physical values of the network's 0 and 1")
    stored: Stored = Field(description="whether the files hold physical or scaled values")
    card: DatasetCard
    mean: tuple[float, ...] | None = Field(
        None, description="mean of each channel in training, in network units; null if not known"
    )
    std: tuple[float, ...] | None = Field(
        None, description="standard deviation likewise, but 1 for a constant channel"
    )
    has_missing: bool = Field(False, description="whether values are missing in training")
    options: Options = Field(Options(), description="how the files are read")
    step: int = Field(1, ge=1, description="frames of the files from one frame to the next one")

    @property
    def forecast_channels(self) -> tuple[str, ...]:
        """Names of the channels that are forecast, the first ones."""
        return self.channels[: len(self.channels) - len(self.inputs)]

    @property
    def forecast_scaling(self) -> Scaling:
        """The scaling of the forecast channels."""
        return self.scaling.first(len(self.forecast_channels))

    @property
    def network_scaling(self) -> Scaling | None:
        """From the values in the files to network units; None if they are the same."""
        return None if self.stored == "scaled" or self.scaling.is_identity else self.scaling

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"


def read_description(path: Path) -> DataDescription:
    """Read a run's `data.json`. Raises RunError if it is missing or damaged."""
    try:
        return DataDescription.model_validate_json(_with_current_names(path.read_bytes()))
    except FileNotFoundError:
        raise RunError(
            f"{path}: is missing, as in runs of earlier versions of simvp; "
            f"`simvp test{name_option(path.parent)}` adds it"
        ) from None
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise RunError(
            f"{path}: is damaged ({where}{': ' if where else ''}{problem['msg']}); restore it from "
            "a copy, or delete it and run `simvp test`"
        ) from None


def _with_current_names(text: bytes) -> bytes | str:
    """Earlier versions wrote the mean as `fill`, and only for data with missing values."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return text  # pydantic says what is wrong
    if not isinstance(record, dict) or "fill" not in record:
        return text
    fill = record.pop("fill")
    return json.dumps({**record, "mean": fill, "has_missing": fill is not None})
