"""One file a translator: the middle of SimVP, which works on all frames' features at once.

A translator is added by writing a file here; its name is then a `model.model_type`. The file
defines either `Block(channels, settings)`, one block of a chain that keeps its shape, with
`settings` as `BlockSettings` in `chain.py`; or `Translator(channels, hidden, num_blocks)`, the
whole. Where not every grid will do, it also defines `fit_grid((h, w))`, the nearest larger one.
This module itself needs no torch: the config asks it for the names.
"""

import importlib
from pathlib import Path
from types import ModuleType

from simvp.errors import did_you_mean


def names() -> list[str]:
    """The translators there are, in alphabetical order."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def load(name: str) -> ModuleType:
    """Import the file that defines the translator `name`.

    Raises: ValueError if there is no such translator.
    """
    if name not in names():
        known = ", ".join(names())
        raise ValueError(
            f"no translator {name!r}; there are: {known}.{did_you_mean(name, names())}"
        )
    return importlib.import_module(f"{__name__}.{name}")
