"""Data sets: `open_source` reads files, `read_split` reads a split file."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simvp.data.segments import Segment
    from simvp.data.series import Series, Source
    from simvp.data.source import open_source
    from simvp.data.split import Split, read_split

__all__ = ["Segment", "Series", "Source", "Split", "open_source", "read_split"]

_MODULES = {
    "open_source": "source",
    "Segment": "segments",
    "Split": "split",
    "read_split": "split",
}


def __getattr__(name: str) -> Any:
    # Imported late: processes that simulate need neither pydantic nor split files.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'series')}"), name)
