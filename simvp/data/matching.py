"""Data for a network that is trained already: the same channels, read in the same way."""

from dataclasses import replace

from simvp.data.card import ChannelCard, DatasetCard, WrongChannelCount, card_path
from simvp.data.description import DataDescription
from simvp.data.locations import Location
from simvp.data.series import Source
from simvp.data.source import open_with
from simvp.errors import ConfigError


def open_for(path: Location, trained: DataDescription, axes: str = "") -> tuple[Source, list[str]]:
    """Open data with the channels that a network was trained on, in their order.

    Args:
        axes: order of the axes, if it differs from that of the data that it was trained on.
    Returns: the source, and warnings.
    Raises: DataError or ConfigError if the data do not have these channels.
    """
    options = trained.options
    if options.variables is None and trained.card.channels:
        options = replace(options, variables=trained.forecast_channels)
    if axes:
        options = replace(options, axes=axes)
    try:
        source = open_with(path, options, _card_without_units(trained))
    except WrongChannelCount as error:
        if card_path(path).exists():
            raise
        raise ConfigError(  # the names are those of the run
            f"{path}: the number of channels is {error.count}, but the run was trained on "
            f"{len(trained.channels)}: {', '.join(trained.channels)}"
        ) from None
    if len(source.channels) != len(trained.channels):
        raise ConfigError(
            f"{path}: has the channels {', '.join(source.channels)}, but the run was trained on "
            f"{', '.join(trained.channels)}"
        )
    warnings = []
    for found, name in zip(source.channels, trained.channels, strict=True):
        unit, expected = source.card.channel(found).unit, trained.card.channel(name).unit
        if unit and expected and unit != expected:
            warnings.append(
                f"warning: {path}: {name} is in {unit}, but the run was trained on {expected}; "
                "convert it if the values differ"
            )
    return source, warnings + differences(path, source.card, source.shape, trained)


def differences(
    path: Location, card: DatasetCard, shape: tuple[int, ...], trained: DataDescription
) -> list[str]:
    """Warnings of rows in the other direction, another time step and another size of frames.

    Args:
        card: of the data; what it does not set is not known.
    """
    warnings = []
    if "origin" in card.model_fields_set and card.origin != trained.card.origin:
        warnings.append(
            f"warning: {path}: the rows are in reverse order, compared with the data that the run "
            "was trained on, so the forecast is wrong; sort them, for example with xarray's sortby"
        )
    if card.time_step and trained.card.time_step and card.time_step != trained.card.time_step:
        warnings.append(
            f"warning: {path}: frames are {card.time_step} apart, but the run was trained on "
            f"{trained.card.time_step}"
        )
    if shape != trained.shape:
        size, expected = (f"{height}x{width}" for _, height, width in (shape, trained.shape))
        warnings.append(
            f"note: {path}: frames of {size} cells, but the run was trained on {expected}; cells "
            "should have the same size"
        )
    return warnings


def _card_without_units(trained: DataDescription) -> DatasetCard:
    """The card of the run for files without one. The unit is that of the files, if it is known."""
    card = trained.card
    channels = {
        name: ChannelCard(low=channel.low, high=channel.high)
        for name, channel in card.channels.items()
    }
    return DatasetCard(low=card.low, high=card.high, stored=trained.stored, channels=channels)
