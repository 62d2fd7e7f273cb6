"""Data for a network that is trained already: the same channels, read in the same way."""

from dataclasses import replace
from pathlib import Path

from simvp.data.card import ChannelCard, DatasetCard
from simvp.data.description import DataDescription
from simvp.data.series import Source
from simvp.data.source import open_with
from simvp.errors import ConfigError


def open_for(path: Path, trained: DataDescription) -> tuple[Source, list[str]]:
    """Open data with the channels that a network was trained on, in their order.

    Returns: the source, and warnings.
    Raises: DataError or ConfigError if the data do not have these channels.
    """
    options = trained.options
    if options.variables is None and trained.card.channels:
        options = replace(options, variables=trained.forecast_channels)
    source = open_with(path, options, _card_without_units(trained))
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
    return source, warnings


def _card_without_units(trained: DataDescription) -> DatasetCard:
    """The card of the run for files without one. The unit is that of the files, if it is known."""
    card = trained.card
    channels = {
        name: ChannelCard(low=channel.low, high=channel.high)
        for name, channel in card.channels.items()
    }
    return DatasetCard(low=card.low, high=card.high, stored=trained.stored, channels=channels)
