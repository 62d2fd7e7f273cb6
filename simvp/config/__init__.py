"""The settings that all commands share: sections, layers of TOML and options, and printing."""

from simvp.config.loading import (
    Layer,
    assignment_layer,
    experiment_only,
    option_layer,
    origins,
    parameter_layer,
    place_only,
    read_layer,
    resolve,
)
from simvp.config.rendering import describe, to_toml
from simvp.config.sections import Config, all_keys, section_types

__all__ = [
    "Config",
    "Layer",
    "all_keys",
    "assignment_layer",
    "describe",
    "experiment_only",
    "option_layer",
    "origins",
    "parameter_layer",
    "place_only",
    "read_layer",
    "resolve",
    "section_types",
    "to_toml",
]
