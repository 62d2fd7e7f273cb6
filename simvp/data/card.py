"""The data card: what `dataset.toml` in a data folder says about the data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from simvp.config.loading import explain, read_layer
from simvp.config.rendering import section_lines
from simvp.config.section import Section
from simvp.data.access import is_pattern
from simvp.data.cf_files import is_zarr
from simvp.data.locations import Location, Url
from simvp.data.scaling import Scaling
from simvp.errors import ConfigError, did_you_mean, plain_reason
from simvp.physics import BoundaryKind, Symmetry

CARD_NAME = "dataset.toml"

Stored = Literal["physical", "scaled"]


class WrongChannelCount(ConfigError):
    """A data card names another number of channels than the frames have."""

    def __init__(self, where: str | Path, names: Sequence[str], count: int) -> None:
        self.count = count
        plural = "s" * (len(names) != 1)
        super().__init__(
            f"{where}: names {len(names)} channel{plural} ({', '.join(names)}), but the frames "
            f"have {count}"
        )


class ChannelCard(Section):
    """What one channel holds; None where the card does not say."""

    quantity: str = Field("", description="physical quantity")
    unit: str = Field("", description="unit of the physical values")
    low: float | None = Field(None, description="physical value that is scaled to 0")
    high: float | None = Field(None, description="physical value that is scaled to 1")
    thresholds: list[float] = Field(
        [], description="events to score: the value is at this threshold or above"
    )


class DatasetCard(ChannelCard):
    """The physics of a data set. Entries at the top hold for every channel without its own."""

    name: str = Field("", description="name of the data set")
    stored: Stored | None = Field(
        None,
        description="what the files hold: physical values, or scaled ones, (value - low) / "
        "(high - low); by default scaled if low and high stand at the top",
    )
    time_step: str = Field("", description="time between two frames, with its unit")
    boundary_y: BoundaryKind = Field(
        "zeros", description="beyond the first and last row: zeros, periodic, reflect, replicate"
    )
    boundary_x: BoundaryKind = Field(
        "zeros", description="beyond the first and last column: zeros, periodic, reflect, replicate"
    )
    origin: Literal["upper", "lower"] = Field(
        "upper", description="where pictures show the first row: upper or lower"
    )
    symmetries: list[Symmetry] = Field(
        [], description="symmetries of the dynamics: roll, flip_x, flip_y, rot90"
    )
    vectors: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        [],
        description="pairs of channels that are the components of a vector along increasing column "
        "(x) and row (y) index; flips and rotations change their values",
    )
    channels: dict[str, ChannelCard] = Field({}, description="a table for each channel, in order")

    def completed(self, found: "DatasetCard", path: Location) -> "DatasetCard":
        """This card, with entries that it does not set taken from what the files say.

        Raises: ConfigError if both contradict each other.
        """
        channels = {
            name: ChannelCard(
                **{
                    **card.model_dump(exclude_unset=True),
                    **self.channels.get(name, ChannelCard()).model_dump(exclude_unset=True),
                }
            )
            for name, card in {**self.channels, **found.channels}.items()
        }
        entries = {**found.model_dump(exclude_unset=True), **self.model_dump(exclude_unset=True)}
        try:
            return DatasetCard.model_validate({**entries, "channels": channels})
        except ValidationError as error:
            reason = plain_reason(error.errors()[0]["msg"])
            raise ConfigError(
                f"{path}: the data card does not fit because it contradicts the files ({reason}); "
                "correct it, or set boundary_x and boundary_y in it"
            ) from None

    def for_forecasts(self) -> "DatasetCard":
        """The same card without what a forecast does not depend on: events, and its pictures."""
        channels = {
            name: card.model_copy(update={"thresholds": []}) for name, card in self.channels.items()
        }
        update = {"thresholds": [], "origin": "upper", "channels": channels}
        return self.model_copy(update=update)

    def stored_as(self) -> Stored:
        """Whether the files hold physical or scaled values."""
        implied: Stored = "physical" if self.low is None and self.high is None else "scaled"
        return self.stored or implied

    def channel(self, name: str) -> ChannelCard:
        """The card of a channel: its own table, completed by the entries at the top."""
        general = {key: getattr(self, key) for key in ChannelCard.model_fields}
        specific = self.channels.get(name, ChannelCard())
        return ChannelCard(**{**general, **specific.model_dump(exclude_unset=True)})

    def stored_scaling(self, channels: Sequence[str]) -> Scaling | None:
        """The scaling of the values in the files; None if they are physical values already."""
        if self.stored_as() == "physical":
            return None
        cards = [self.channel(name) for name in channels]
        return Scaling(
            tuple(0.0 if card.low is None else card.low for card in cards),
            tuple(1.0 if card.high is None else card.high for card in cards),
        )

    def channel_names(self, count: int, where: str | Path) -> tuple[str, ...]:
        """Names for `count` channels of files that have no names themselves.

        Raises: WrongChannelCount if the card names another number of channels.
        """
        if self.channels and len(self.channels) != count:
            raise WrongChannelCount(where, tuple(self.channels), count)
        if self.channels:
            return tuple(self.channels)
        return ("value",) if count == 1 else tuple(map(str, range(count)))

    def name_of(self, channel: str) -> str:
        """What to call a channel: its name, or its quantity if it has only a default name."""
        return channel if self.channels else self.channel(channel).quantity or channel

    def label(self, channel: str) -> str:
        """`temperature (degC)`: what to call a channel in tables and pictures."""
        name, unit = self.name_of(channel), self.channel(channel).unit
        return f"{name} ({unit})" if unit else name

    def caption(self, channel: str) -> str:
        """`temperature (degF)`; empty for a channel of which nothing is known."""
        card = self.channel(channel)
        return self.label(channel) if card.quantity or card.unit or self.channels else ""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for name in self.channels or [""]:
            card, scaling = self.channel(name), self.stored_scaling([name])
            if scaling is None and card.low is not None and card.high is not None:
                Scaling((card.low,), (card.high,))  # raises ValueError unless low is below high
        if "roll" in self.symmetries and {self.boundary_y, self.boundary_x} != {"periodic"}:
            raise ValueError("the symmetry roll needs both boundaries to be periodic")
        if "rot90" in self.symmetries and self.boundary_y != self.boundary_x:
            raise ValueError("the symmetry rot90 needs both boundaries to be the same")
        components = [name for pair in self.vectors for name in pair]
        for name in components:
            if components.count(name) > 1:
                raise ValueError(f"vectors: names {name!r} twice; a channel is in one pair at most")
        return self


def folder_of(path: Location) -> Path:
    """The folder of data card and split files: the data themselves, or the folder of a file.

    A Zarr store counts as a file. Of data at a URL, it is a folder on this machine.
    """
    if isinstance(path, Url):
        return path.folder
    return path if path.is_dir() and not is_zarr(path) else path.parent


def card_path(path: Location) -> Path:
    """Where the data card is: in a folder, or beside a file; a pattern has that of its folder."""
    folder = folder_of(path)
    is_whole_folder = folder == path or (isinstance(path, Path) and is_pattern(path))
    return folder / (CARD_NAME if is_whole_folder else f"{path.stem}.toml")


def read_card(path: Path) -> DatasetCard:
    """Read a data card; an empty card if there is no such file.

    Raises: ConfigError if it is not valid.
    """
    if not path.exists():
        return DatasetCard()
    layer = read_layer(path, "Move it, and `simvp split DATA --write-card` writes another to edit")
    try:
        return DatasetCard.model_validate(layer.tables)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(path, p) for p in error.errors())) from None


def _describe(path: Path, problem: ErrorDetails) -> str:
    location = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        fields = ChannelCard.model_fields if len(location) > 1 else DatasetCard.model_fields
        hint = did_you_mean(location[-1], fields)
        return f"{path}: {'.'.join(location)}: there is no such entry in a data card.{hint}"
    key = ".".join(part for part in location if not part.isdecimal())
    return f"{path}: {key}{explain(problem) if key else problem['ctx']['error']}"


def check_square(symmetries: Sequence[str], shape: tuple[int, int, int], where: str) -> None:
    """Raises ConfigError if quarter turns are asked for and the frames are not square."""
    height, width = shape[1:]
    if "rot90" in symmetries and height != width:
        raise ConfigError(
            f"{where}: the symmetry rot90 needs square frames, but they are {height}x{width}; "
            "leave it out"
        )


def check_vectors(
    card: DatasetCard, channels: Sequence[str], where: str | Path, *, is_selection: bool
) -> None:
    """Raises ConfigError if a pair of `vectors` does not consist of two of the channels.

    Args:
        is_selection: whether the data have more channels than these. Pairs of other channels are
            then accepted.
    """
    for pair in card.vectors:
        unknown = [name for name in pair if name not in channels]
        if not unknown or (is_selection and len(unknown) == 2):
            continue
        remedy = did_you_mean(unknown[0], channels)
        if is_selection:
            remedy = f" Use both components of {', '.join(pair)}, or neither"
        raise ConfigError(
            f"{where}: vectors: there is no channel {unknown[0]!r}, only {', '.join(channels)}."
            f"{remedy}"
        )


def card_to_toml(card: DatasetCard) -> str:
    """The card as commented TOML."""
    lines = section_lines(card, leave_out={"channels"})
    tables = {
        "channels": {
            name: channel.model_dump(exclude_none=True) for name, channel in card.channels.items()
        }
    }
    return "\n".join(lines) + "\n" + (f"\n{tomli_w.dumps(tables)}" if card.channels else "")
