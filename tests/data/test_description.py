"""The file `data.json` of a run."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import describe_data

from simvp.data.description import DataDescription, read_description


def written(path: Path, data: DataDescription, **changes: Any) -> DataDescription:
    record = json.loads(data.to_json())
    for name in ("mean", "std", "has_missing"):
        del record[name]
    path.write_text(json.dumps({**record, **changes}))
    return read_description(path)


def test_file_restores_the_description(tmp_path: Path) -> None:
    data = describe_data((2, 9, 11), mean=(0.1, 0.2), std=(0.3, 1.0), has_missing=True)
    (tmp_path / "data.json").write_text(data.to_json())
    assert read_description(tmp_path / "data.json") == data


@pytest.mark.parametrize("fill", [None, (0.1, 0.2)])
def test_file_without_statistics_is_read(tmp_path: Path, fill: tuple[float, ...] | None) -> None:
    """Earlier versions wrote the mean as `fill`, if values were missing."""
    expected = describe_data((2, 9, 11), mean=fill, has_missing=fill is not None)
    assert written(tmp_path / "data.json", expected, fill=fill) == expected
    assert written(tmp_path / "data.json", expected) == describe_data((2, 9, 11))
