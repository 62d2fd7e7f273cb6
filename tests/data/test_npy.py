"""Headers of .npy files that a hostile or damaged file may have."""

from pathlib import Path

import pytest

from simvp.data.npy import map_array
from simvp.errors import DataError


def save(path: Path, header: str, version: int = 1) -> Path:
    """A file with a header and 64 bytes of values."""
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(64))
    return path


def describe(shape: str, dtype: str = "'<f4'") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}"


@pytest.mark.parametrize("version", [1, 2])
def test_values_are_mapped(tmp_path: Path, version: int) -> None:
    array = map_array(save(tmp_path / "a.npy", describe("(2, 8)"), version), noun="array")
    assert array.shape == (2, 8) and not array.any() and not array.flags.writeable


@pytest.mark.parametrize("version", [1, 2, 3, 9])
@pytest.mark.parametrize(
    "header",
    [
        describe("(-4, -4)"),
        describe("(1099511627776, 1099511627776, 16)"),
        describe(f"({10**40},)"),
        describe("(10**3,)"),
        describe("(,)"),
        describe("(16,)", "'O'"),
        describe("(1,)", "[('a', '<f4', (10000000, 1000000))]"),
        describe("(" + 60 * "1, " + "16)"),
        "(" * 5000,
        "  {'a",
        "'''",
        "",
    ],
    ids=range(12),
)
def test_hostile_headers_are_refused(tmp_path: Path, version: int, header: str) -> None:
    with pytest.raises(DataError, match="a.npy: is truncated, or not an .npy file of numbers"):
        map_array(save(tmp_path / "a.npy", header, version), noun="array")


@pytest.mark.parametrize("shape", ["(0, 16)", f"({10**40}, 0)", "(2, 7)"])
def test_fewer_values_than_the_file_has_are_refused(tmp_path: Path, shape: str) -> None:
    with pytest.raises(DataError, match="a.npy: has [0-9]+ bytes, but its header says [0-9]+;"):
        map_array(save(tmp_path / "a.npy", describe(shape)), noun="array")
