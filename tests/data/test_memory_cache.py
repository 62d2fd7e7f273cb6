"""Arrays that are kept in memory."""

import os
from pathlib import Path

import numpy as np
import pytest

from simvp.data import memory_cache
from simvp.data.memory_cache import cached_array, drop_arrays, memory_limit, only_reader, too_large
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


def test_dropped_arrays_are_loaded_again(tmp_path: Path) -> None:
    path, calls = tmp_path / "a", []
    path.touch()
    load(path, "u", calls)
    drop_arrays()
    load(path, "u", calls)
    assert calls == ["u", "u"]


def test_processes_share_a_quarter_of_the_memory_and_one_alone_uses_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loaded arrays count, so that many of them do not fill the memory one by one."""
    key = ("a", 0, 0, "u")
    monkeypatch.setattr(memory_cache, "_arrays", {key: (np.zeros(1), 100)})
    monkeypatch.setattr(memory_cache, "free_memory", lambda: 7900)
    assert memory_limit() == 4000 - 100
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert memory_limit() == 500 - 100
    assert str(too_large(Path("a"), "u", 0)).endswith("with --set data.cache=FOLDER")
    with only_reader():
        assert memory_limit() == 4000 - 100
        assert str(too_large(Path("a"), "u", 0)).endswith("with numpy.save")
    assert memory_limit() == 500 - 100
