"""Opening data: the content of a path decides which module of `simvp.data.sources` reads it."""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from simvp.data import sources
from simvp.data.access import check_exists, check_readable, unreadable
from simvp.data.card import DatasetCard, card_path, check_vectors, read_card
from simvp.data.grids import change_grid
from simvp.data.locations import Location, Url, as_location
from simvp.data.series import Options, Source
from simvp.data.sources import cf, frames
from simvp.errors import ConfigError, DataError


def open_source(
    path: str | Path,
    *,
    variables: Sequence[str] | None = None,
    inputs: Sequence[str] = (),
    static: Sequence[str] = (),
    axes: str | None = None,
    level: str | None = None,
    crop: str | None = None,
    resize: str | None = None,
) -> Source:
    """Open a data set.

    Args:
        path: a file, a folder, or the URL of a Zarr store; README lists the formats.
        variables: names of the channels to use, in this order; all by default.
        inputs: names of channels that are given to a network, but not forecast. They follow the
            others.
        static: names of fields without a time axis, which follow the inputs. They are repeated for
            each frame.
        axes: order of the axes in the files, where they do not say it: letters of "ntcyx" for
            series, time, channel, y and x.
        level: the level to use of a vertical axis.
        crop: rows and columns to use, counted from 0, the last ones excluded: "10:50,0:64".
        resize: height and width of the frames after averaging, "64x128".
    Returns: the source. Its series read their frames when they are asked for them.
    Raises: DataError if there is no such data; ConfigError if its data card or the options do not
        fit it.
    """
    chosen = None if variables is None else tuple(variables)
    options = Options(chosen, tuple(inputs), tuple(static), axes, level, crop, resize)
    return open_with(as_location(path), options)


def open_with(path: Location, options: Options, card: DatasetCard | None = None) -> Source:
    """Open a data set; see `open_source`.

    Args:
        card: the data card to use if the data have none.
    """
    options.check_names()
    read = options
    if options.inputs and options.variables is None:
        whole = _open(path, replace(options, inputs=(), static=()), card)
        known = whole.variables or whole.channels
        read = replace(read, variables=tuple(n for n in known if n not in options.inputs))
    if options.inputs:
        read = replace(read, variables=(*(read.variables or ()), *options.inputs))
    source = _open(path, read, card)
    inputs = source.inputs or (*options.inputs, *options.static)
    if options.static and not source.inputs:
        raise ConfigError(
            f"static: {path} ({source.kind}) has no static field {options.static[0]!r}; leave out "
            "--static"
        )
    if len(inputs) == len(source.channels):
        raise ConfigError(
            f"inputs: no channel of {path} is left to be forecast; name fewer with --inputs"
        )
    is_selection = options.variables is not None
    check_vectors(source.card, source.channels, card_path(path), is_selection=is_selection)
    # 0 to 255 is a scale for pictures, but not for fields beside them.
    is_8_bit = source.is_8_bit and not options.static
    source = replace(source, inputs=inputs, is_8_bit=is_8_bit)
    return change_grid(source, options.crop, options.resize)


def _open(path: Location, options: Options, card: DatasetCard | None) -> Source:
    """Open a data set in the format that its content shows."""
    if isinstance(path, Url):
        return cf.open_data(path, _card_of(path, card), options)
    check_exists(path)
    try:
        for module in _formats():
            if module.matches(path):
                card = _card_of(path, card)
                return module.open_data(path, card, options)  # type: ignore[no-any-return]
    except PermissionError as error:
        raise unreadable(path, error) from None
    check_readable(path)
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"{path}: is empty (0 bytes); check how it was written or copied")
    if path.is_file():
        raise DataError(
            f"{path}: expected a folder of samples, or a file in a known format "
            f"({', '.join(names())}); found a file in none of them"
        )
    entries = sorted(entry.name for entry in path.glob("[!.]*")) if path.is_dir() else []
    if not entries:
        frames.list_samples(path)  # says what is wrong
    shown = ", ".join(entries[:3]) + (", ..." if len(entries) > 3 else "")
    raise DataError(
        f"{path}: contains no data in a known format (found {shown or 'nothing'}); give the path "
        f"of a file or of a folder of samples. Known formats: {', '.join(names())}"
    )


def _card_of(path: Location, card: DatasetCard | None) -> DatasetCard:
    """The data card of a data set; `card` if it has none. Raises ConfigError."""
    file = card_path(path)
    return read_card(file) if card is None or file.exists() else card


def names() -> list[str]:
    """The formats: one for each module of `simvp.data.sources`."""
    return [module.name for module in pkgutil.iter_modules(sources.__path__)]


def _formats() -> Iterator[Any]:
    # Frames come first: they are recognised fastest, and need no other library. Any HDF5 files
    # come last, since they may be of another format, or beside files of one.
    for name in sorted(names(), key=lambda name: (name != "frames", name == "hdf5", name)):
        yield importlib.import_module(f"{sources.__name__}.{name}")
