"""Where data are: in a file or folder of this machine, or at a URL."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from simvp.errors import ConfigError
from simvp.storage.urls import check_url, is_url, without_credentials


@dataclass(frozen=True)
class Url:
    """The address of data that are read over a network.

    Attributes:
        text: the URL, without a slash at its end.
        folder: folder on this machine for what belongs to the data: data card and split files.
    """

    text: str
    folder: Path = field(default_factory=Path, compare=False)

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The last part, such as `ocean.zarr`."""
        return PurePosixPath(self.text).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.text).stem


Location = Path | Url


def as_location(text: str | Path, folder: Path | None = None) -> Location:
    """The location that a text names.

    Args:
        folder: of data card and split files of a URL; by default the current folder.
    Raises: ConfigError if it is a URL that cannot be used.
    """
    if isinstance(text, Path) or not is_url(text):
        return Path(text)
    try:
        check_url(text)
    except ValueError as error:
        raise ConfigError(f"DATA = {without_credentials(text)!r}: {error}") from None
    return Url(text.rstrip("/"), folder or Path())
