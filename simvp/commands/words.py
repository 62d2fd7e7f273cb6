"""Words that several commands print, and a check that two of them make."""

import shlex
from collections.abc import Iterable

from simvp.config import Config
from simvp.errors import ConfigError


def data_option(config: Config) -> str:
    """The option that another command needs to find the same data, with a space before it."""
    path, default = config.data.path, type(config.data)().path
    return f" --data-path {shlex.quote(path)}" if path != default else ""


def check_square(symmetries: Iterable[str], frame_shape: tuple[int, int, int], where: str) -> None:
    """Raises ConfigError if quarter turns are asked for of frames that are not square."""
    height, width = frame_shape[1:]
    if "rot90" in symmetries and height != width:
        raise ConfigError(
            f"{where}: the symmetry rot90 needs square frames, but they are {height}x{width}; "
            "leave it out"
        )


def name_option(config: Config) -> str:
    """The options that another command needs to find the same run, with a space before each."""
    run, default = config.run, type(config.run)()
    name = f" --name {shlex.quote(run.name)}" if run.name != default.name else ""
    elsewhere = f" --set {shlex.quote(f'run.work_dir={run.work_dir}')}"
    return name + (elsewhere if run.work_dir != default.work_dir else "")


def short_id(sample_id: str) -> str:
    """A part of a sample's id that is easy to type, quoted: what follows the hash, if any."""
    return shlex.quote(sample_id.partition("_")[2] or sample_id)
