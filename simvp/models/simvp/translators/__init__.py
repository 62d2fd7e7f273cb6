"""Translators, the part of SimVP between encoder and decoder; one file per translator.

To add a translator, add a file to this folder; its name becomes a `model.model_type`. The file
defines either `Block(channels, settings: BlockSettings)`, a block that preserves the shape of its
input, or `Translator(channels, hidden, num_blocks)`, the complete translator. If it supports only
some grids, it also defines `fit_grid((h, w))`, which returns the next larger supported grid.
This module must not import torch, because the config imports it.
"""

import importlib
from pathlib import Path
from types import ModuleType

from simvp.errors import did_you_mean


def names() -> list[str]:
    """Names of all translators, in alphabetical order."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def load(name: str) -> ModuleType:
    """Import the module of the translator `name`.

    Raises: ValueError if the translator is unknown.
    """
    if name not in names():
        known = ", ".join(names())
        raise ValueError(
            f"unknown translator {name!r}; choose one of {known}.{did_you_mean(name, names())}"
        )
    return importlib.import_module(f"{__name__}.{name}")
