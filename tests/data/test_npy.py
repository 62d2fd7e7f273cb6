"""Headers of .npy files that a hostile or damaged file may have."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simvp.data.npy import map_array, read_array, read_header
from simvp.errors import DataError

both = pytest.mark.parametrize("load", [map_array, read_array])


def save(path: Path, header: str, version: int = 1) -> Path:
    """A file with a header and 64 bytes of values."""
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(64))
    return path


def describe(shape: str, dtype: str = "'<f4'") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}"


@both
@pytest.mark.parametrize("version", [1, 2])
def test_formats_1_and_2_are_read(
    tmp_path: Path, load: Callable[..., np.ndarray], version: int
) -> None:
    array = load(save(tmp_path / "a.npy", describe("(2, 8)"), version), noun="array")
    assert array.shape == (2, 8) and not array.any() and not array.flags.writeable


@both
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "u1", ">i8"])
def test_values_are_those_that_numpy_saved(
    tmp_path: Path, load: Callable[..., np.ndarray], dtype: str, order: str
) -> None:
    values = (100 * np.random.default_rng(0).random((3, 5, 7))).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    array = load(tmp_path / "a.npy", noun="array")
    assert array.dtype == values.dtype
    np.testing.assert_array_equal(array, values)


@both
def test_each_file_is_compared_with_its_header(
    tmp_path: Path, load: Callable[..., np.ndarray]
) -> None:
    """Headers are parsed once for all files that have the same; sizes are not."""
    for name in ("whole", "short", "long"):
        np.save(tmp_path / f"{name}.npy", np.ones((4, 5), np.float32))
    content = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(content[:-1])
    (tmp_path / "long.npy").write_bytes(content + b"1")
    assert load(tmp_path / "whole.npy", noun="frame").sum() == 20
    with pytest.raises(DataError, match="short.npy: is truncated"):
        load(tmp_path / "short.npy", noun="frame")
    with pytest.raises(DataError, match="long.npy: has 209 bytes, but its header says 208;"):
        load(tmp_path / "long.npy", noun="frame")


@both
@pytest.mark.skipif(os.name != "posix", reason="FIFOs of POSIX")
def test_a_fifo_does_not_block(tmp_path: Path, load: Callable[..., np.ndarray]) -> None:
    os.mkfifo(tmp_path / "0.npy")
    with pytest.raises(DataError, match="expected the file of a frame, found something else"):
        load(tmp_path / "0.npy", noun="frame")


def test_a_false_length_of_the_header_is_not_allocated() -> None:
    requested: list[int] = []

    class Recording(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            requested.append(-1 if size is None else size)
            return super().read(size)

    with pytest.raises(ValueError):
        read_header(Recording(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100)))
    assert 0 < max(requested) < 20_000 and min(requested) >= 0


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
@both
def test_hostile_headers_are_refused(
    tmp_path: Path, load: Callable[..., np.ndarray], version: int, header: str
) -> None:
    with pytest.raises(
        DataError,
        match="a.npy: (is truncated, or not an .npy file of numbers|holds Python objects)",
    ):
        load(save(tmp_path / "a.npy", header, version), noun="array")


@both
@pytest.mark.parametrize("shape", ["(0, 16)", f"({10**40}, 0)", "(2, 7)"])
def test_fewer_values_than_the_file_has_are_refused(
    tmp_path: Path, load: Callable[..., np.ndarray], shape: str
) -> None:
    with pytest.raises(DataError, match="a.npy: has [0-9]+ bytes, but its header says [0-9]+;"):
        load(save(tmp_path / "a.npy", describe(shape)), noun="array")
