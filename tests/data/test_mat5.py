"""Variables of MATLAB files of version 5, written byte by byte."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from simvp.data.mat5 import read_variables
from simvp.data.sources import matlab
from simvp.errors import DataError

VALUES = np.arange(5 * 8 * 9).reshape(5, 8, 9)


def element(endian: str, code: int, content: bytes) -> bytes:
    padding = bytes(-len(content) % 8)
    return struct.pack(f"{endian}II", code, len(content)) + content + padding


def variable(
    endian: str, *, shape: tuple[int, ...] = (5, 8, 9), kind: int = 6, code: int = 3
) -> bytes:
    """A variable of doubles (class 6), stored as 16-bit integers (type 3)."""
    name = struct.pack(f"{endian}I4s", 1 << 16 | 1, b"u")  # a small element
    return element(
        endian,
        14,
        element(endian, 6, struct.pack(f"{endian}II", kind, 0))
        + element(endian, 5, struct.pack(f"{endian}{len(shape)}i", *shape))
        + name
        + element(endian, code, VALUES.astype(f"{endian}i2").tobytes(order="F")),
    )


def save(path: Path, endian: str, *elements: bytes) -> Path:
    mark = b"IM" if endian == "<" else b"MI"
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{endian}H", 0x100) + mark
    path.write_bytes(header + b"".join(elements))
    return path


def compress(endian: str, content: bytes) -> bytes:
    packed = zlib.compress(content)
    return struct.pack(f"{endian}II", 15, len(packed)) + packed  # without padding


@pytest.mark.parametrize("endian", ["<", ">"])
def test_both_byte_orders_are_read(tmp_path: Path, endian: str) -> None:
    plain = variable(endian)
    for content in (plain, compress(endian, plain)):
        array = read_variables(save(tmp_path / "a.mat", endian, content))["u"]
        assert (array.shape, array.dtype) == ((5, 8, 9), np.dtype("f8"))
        np.testing.assert_array_equal(array.read((slice(0, 5, 2), 3, slice(None))), VALUES[::2, 3])


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": 200}, "u has values of the unknown type 200"),  # makes SciPy 1.17 crash
        ({"code": 9}, r"u has 720 bytes of float64 for the shape \(5, 8, 9\)"),
        ({"shape": (5, 8, 10)}, r"u has 720 bytes of int16 for the shape \(5, 8, 10\)"),
        ({"shape": (-5, -8, 9)}, r"it has a variable of the shape \(-5, -8, 9\)"),
        ({"shape": ()}, r"it has a variable of the shape \(\)"),
    ],
)
def test_headers_that_contradict_the_file_are_refused(
    tmp_path: Path, is_compressed: bool, changes: dict[str, object], message: str
) -> None:
    content = variable("<", **changes)
    path = save(tmp_path / "a.mat", "<", compress("<", content) if is_compressed else content)
    with pytest.raises(ValueError, match=message):
        read_variables(path)
    with pytest.raises(DataError, match=f"a.mat: file cannot be read .*{message}"):
        matlab._read_variables(path)


def test_truncated_values_are_refused(tmp_path: Path) -> None:
    content = variable("<")
    for cut in (content[:-100], content[:30], content[:9]):
        with pytest.raises(ValueError, match="it is truncated"):
            read_variables(save(tmp_path / "a.mat", "<", cut))
        path = save(tmp_path / "a.mat", "<", compress("<", cut))
        with pytest.raises((DataError, struct.error)):
            read_variables(path)["u"].read((0,))


def test_variables_are_listed_with_their_types_as_scipy_writes_them(tmp_path: Path) -> None:
    values = {
        **{"d": np.zeros((2, 3)), "s": np.zeros((2, 3, 4), "f4"), "u": np.zeros((4, 1), "u1")},
        **{"z": np.ones((2, 2)) * 1j, "b": np.ones((2, 2), bool), "text": "abc", "q": {"x": 1}},
        **{"a_long_name_of_a_variable": np.zeros((1, 2), "i8"), "e": np.zeros((0, 3))},
    }
    expected = {
        **{"d": ((2, 3), "f8"), "s": ((2, 3, 4), "f4"), "u": ((4, 1), "u1")},
        **{"z": ((2, 2), "c16"), "b": ((2, 2), "?"), "text": ((1, 3), "U1"), "q": ((1, 1), "O")},
        **{"a_long_name_of_a_variable": ((1, 2), "i8"), "e": ((0, 3), "f8")},
    }
    for do_compression in (False, True):
        savemat(tmp_path / "a.mat", values, do_compression=do_compression)
        found = read_variables(tmp_path / "a.mat")
        assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
            name: (shape, np.dtype(kind)) for name, (shape, kind) in expected.items()
        }
