"""simvp: train a neural network to forecast 2-D fields, from raw frames to pictures."""

# Not imported from typing: until `simvp.__main__.main` runs, Ctrl-C would print a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from simvp.engine.forecaster import Forecaster as Forecaster
    from simvp.engine.forecaster import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `load` and `Forecaster` on first use, because importing torch takes seconds."""
    if name not in ("Forecaster", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from simvp.engine import forecaster

    return getattr(forecaster, name)
