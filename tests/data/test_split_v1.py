"""Split files of version 1 and of the scripts before it."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import only_split

from simvp.data import read_split
from simvp.errors import DataError


def as_version_1(path: Path, prefix: str = "") -> dict[str, Any]:
    """The content of a split file in the format of version 1, or of the scripts with a prefix."""
    record = json.loads(path.read_bytes())
    return {
        part: {
            "ratio": record[part]["ratio"],
            "samples": [
                [f"{prefix}{s['series']}/{i}.npy" for i in range(s["start"], s["stop"])]
                for s in record[part]["segments"]
            ],
        }
        for part in ("train", "validation", "test")
    }


@pytest.mark.parametrize("prefix", ["", "data/", "ABSOLUTE/"])
def test_files_of_version_1_and_of_the_old_scripts_load(split_data: Path, prefix: str) -> None:
    path = only_split(split_data)
    old = split_data / "old_loaders.json"
    prefix = prefix.replace("ABSOLUTE", str(split_data))
    old.write_text(json.dumps(as_version_1(path, prefix), indent=4))
    new_split, old_split = read_split(path), read_split(old)
    assert (old_split.data.channels, old_split.data.shape) == (
        new_split.data.channels,
        new_split.data.shape,
    )
    assert old_split.data.scaling == new_split.data.scaling and old_split.statistics is None
    for part in ("train", "validation", "test"):
        for new, listed in zip(new_split.segments(part), old_split.segments(part), strict=True):
            assert listed.series.id == new.series.id
            np.testing.assert_array_equal(
                listed.series.read(listed.start, listed.stop), new.series.read(new.start, new.stop)
            )


def test_checksums_of_version_1_are_compared(split_data: Path) -> None:
    record = as_version_1(only_split(split_data))
    for part in record.values():
        part["checksums"] = [
            " ".join(f"{zlib.crc32((split_data / f).read_bytes()):08x}" for f in files)
            for files in part["samples"]
        ]
    old = split_data / "old_loaders.json"
    old.write_text(json.dumps(record))
    segment = read_split(old).segments("test")[0]
    assert segment.series.read(0, 8).shape == (8, 1, 9, 11)
    np.save(split_data / segment.series.id / "2.npy", np.full((1, 9, 11), 0.5, np.float32))
    with pytest.raises(DataError, match="its frames have changed since the split was made"):
        segment.series.read(0, 8)
