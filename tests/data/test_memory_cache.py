"""Arrays that are kept in memory."""

import os
from pathlib import Path

import numpy as np
import pytest

from simvp.data import memory_cache
from simvp.data.memory_cache import cached_array
from simvp.errors import DataError


def load(path: Path, name: str, calls: list[str], value: int = 0) -> np.ndarray | None:
    def read() -> np.ndarray:
        calls.append(name)
        return np.full(3, value)

    return cached_array(path, name, 24, read)


def test_array_is_loaded_again_only_if_its_file_has_changed(tmp_path: Path) -> None:
    path, calls = tmp_path / "a", []
    path.write_text("a")
    assert load(path, "u", calls, 1) is load(path, "u", calls, 2)
    load(path, "v", calls)
    assert calls == ["u", "v"]
    os.utime(path, ns=(1, 1))
    assert load(path, "u", calls, 3)[0] == 3
    path.unlink()
    with pytest.raises(DataError, match="a: cannot be read"):
        load(path, "u", calls)


def test_arrays_used_least_recently_are_dropped_when_memory_is_scarce(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "a", []
    path.touch()
    monkeypatch.setattr(memory_cache, "_arrays", type(memory_cache._arrays)())
    held = memory_cache._arrays
    monkeypatch.setattr(memory_cache, "memory_limit", lambda: 24 * (3 - len(held)) - 24)
    load(path, "u", calls)
    load(path, "v", calls)
    load(path, "u", calls)
    load(path, "w", calls)
    assert calls == ["u", "v", "w"]
    assert [key[-1] for key in held] == ["u", "w"]
    monkeypatch.setattr(memory_cache, "memory_limit", lambda: 23)
    assert load(path, "x", calls) is None and not held
