"""Copies of frames on disk, uncompressed, for data that are slow to read.

A file holds a block of consecutive frames as float32 values (T, C, H, W), stored values and not
scaled ones. Its name is a hash of the checksums of its frames, so that runs share it, whatever they
do with the frames; frames are compared with their checksums whenever they are read.
"""

import hashlib
import math
import stat
from contextlib import suppress
from pathlib import Path

import numpy as np

from simvp.data.access import unreadable
from simvp.data.card import CARD_NAME
from simvp.data.cf_files import remote_store
from simvp.data.checksums import DIGITS, fingerprint
from simvp.data.locations import Location, Url
from simvp.data.series import Frames
from simvp.data.split_records import SUFFIX
from simvp.storage.files import publish


class FrameCache:
    """The blocks of a sequence of frames, as far as they are in a folder."""

    def __init__(
        self,
        folder: Path,
        checksums: str,
        *,
        shape: tuple[int, int, int],
        block_length: int,
        stamp: str,
    ) -> None:
        """Nothing is read or written.

        Args:
            checksums: of the frames in order, 8 digits each.
            shape: of a frame, (C, H, W).
            block_length: number of frames of a block.
            stamp: of the files that the frames are from; see `stamp_of`.
        """
        self._checksums, self._shape, self._length = checksums, shape, block_length
        self._paths, self._sizes = [], []
        for start in range(0, len(checksums), DIGITS * block_length):
            digits = checksums[start : start + DIGITS * block_length]
            name = hashlib.sha256(f"{digits} {shape} {stamp}".encode()).hexdigest()
            self._paths.append(folder / f"{name[:32]}.frames")
            self._sizes.append(4 * math.prod(shape) * len(digits) // DIGITS)

    def has(self, index: int) -> bool:
        """Whether a block is complete on disk."""
        try:
            return self._paths[index].stat().st_size == self._sizes[index]
        except OSError:
            return False

    def missing_bytes(self) -> int:
        """Size of the blocks that are not on disk."""
        return sum(size for index, size in enumerate(self._sizes) if not self.has(index))

    def read(self, first: int, last: int) -> Frames | None:
        """The frames first..last-1, (T, C, H, W); None if they are not there, or damaged.

        A damaged block is deleted.
        """
        frames = np.empty((last - first, *self._shape), np.float32)
        for index in range(first // self._length, (last - 1) // self._length + 1):
            start = index * self._length
            begin, end = max(first, start), min(last, start + self._length)
            target = frames[begin - first : end - first]
            if not self._read_into(target, self._paths[index], begin - start):
                return None
            if fingerprint(target) != self._checksums[DIGITS * begin : DIGITS * end]:
                with suppress(OSError):
                    self._paths[index].unlink()
                return None
        return frames

    def _read_into(self, target: Frames, path: Path, first: int) -> bool:
        """Read frames of a file, from its frame `first` on; False if it does not hold them."""
        try:
            # The values are read, not mapped: mapped pages would count as memory of the process.
            with open(path, "rb", buffering=0) as file:
                file.seek(first * target[0].nbytes)
                buffer, done = target.data.cast("B"), 0
                while done < len(buffer) and (count := file.readinto(buffer[done:])):
                    done += count
        except OSError:
            return False
        return done == target.nbytes

    def write(self, index: int, frames: Frames) -> None:
        """Write a block, (T, C, H, W), atomically. Raises OutputError."""
        with publish(self._paths[index]) as temporary, open(temporary, "wb") as file:
            file.write(frames.data.cast("B"))


def stamp_of(path: Location) -> str:
    """A hash of the names, sizes and times of the files of a data set.

    Args:
        path: a file, a folder, a pattern or a URL, as for `open_source`. Of a URL, only the
            metadata at the top of the store are hashed.
    Raises: DataError if one cannot be found.
    """
    if isinstance(path, Url):
        from simvp.data.remote import stamp_of_store

        return stamp_of_store(remote_store(path.text))
    found = [path] if path.exists() else path.parent.glob(path.name)
    files = [file for top in found for file in ([top] if top.is_file() else top.rglob("*"))]
    digest = hashlib.sha256()
    try:
        for file in sorted(files):
            status = file.stat()
            is_data = file.name != CARD_NAME and not file.name.endswith(SUFFIX)
            if is_data and stat.S_ISREG(status.st_mode):
                entry = (str(file.relative_to(path.parent)), status.st_size, status.st_mtime_ns)
                digest.update(repr(entry).encode())
    except OSError as error:
        raise unreadable(error.filename, error) from None
    return digest.hexdigest()
