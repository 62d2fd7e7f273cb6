"""The settings that all commands share: sections, layers of TOML and options, and printing."""

from simvp.config.card import CARD_NAME, DatasetCard, card_to_toml, read_card
from simvp.config.loading import (
    Layer,
    assignment_layer,
    experiment_only,
    option_layer,
    origins,
    place_only,
    read_layer,
    resolve,
)
from simvp.config.rendering import describe, to_toml
from simvp.config.sections import Config, all_keys, section_types

__all__ = [
    "CARD_NAME",
    "Config",
    "DatasetCard",
    "Layer",
    "all_keys",
    "assignment_layer",
    "card_to_toml",
    "describe",
    "experiment_only",
    "option_layer",
    "origins",
    "place_only",
    "read_card",
    "read_layer",
    "resolve",
    "section_types",
    "to_toml",
]
