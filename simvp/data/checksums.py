"""CRC-32 of frames, and their form in a split file: 8 hexadecimal digits for each frame.

T: frames; C: channels; H, W: height and width.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

DIGITS = 8


def checksums_of(frames: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The CRC-32 of each frame of a contiguous array (T, C, H, W), (T,)."""
    return np.array([zlib.crc32(frame.data) for frame in frames], np.uint32)


def as_fingerprint(checksums: NDArray[np.uint32]) -> str:
    """Checksums (T,) as one text."""
    return checksums.astype(">u4").tobytes().hex()


def fingerprint(frames: NDArray[np.float32]) -> str:
    """The checksums of a contiguous array (T, C, H, W) as one text."""
    return as_fingerprint(checksums_of(frames))


def as_digits(checksum: int) -> str:
    """One checksum as text."""
    return f"{checksum:0{DIGITS}x}"
