"""Arrays that are declared much larger than their file."""

from pathlib import Path

import pytest

from simvp.data.declared_sizes import check_declared
from simvp.errors import DataError


def test_declared_size_is_limited_by_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    path.write_bytes(bytes(1000))
    check_declared(path, "u", 2**28 + 10_000_000)
    message = r"data.h5: u declares 0.278 GB of values, but the file has only 1 kB; it is damaged"
    with pytest.raises(DataError, match=message):
        check_declared(path, "u", 2**28 + 10_000_001)


def test_sizes_of_the_files_of_a_store_add_up(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0").write_bytes(bytes(500))
    check_declared(tmp_path, "u", 2**28 + 10_000_000)
    with pytest.raises(DataError, match="has only 1 kB"):
        check_declared(tmp_path, "u", 2**28 + 10_000_001)
