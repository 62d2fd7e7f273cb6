"""Settings: definition of all keys, merging of TOML files and options, and rendering."""

from simvp.config.loading import (
    Layer,
    assignment_layer,
    experiment_only,
    machine_only,
    option_layer,
    origins,
    parameter_layer,
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
    "machine_only",
    "option_layer",
    "origins",
    "parameter_layer",
    "read_layer",
    "resolve",
    "section_types",
    "to_toml",
]
