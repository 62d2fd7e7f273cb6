"""Memory that the processes of a machine share."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from simvp.runtime import machine as module
from simvp.runtime.group import Group
from simvp.runtime.machine import Machine, find_machine, shared_memory

ALONE = Group(0, 1, torch.device("cpu"))


class FakeGroup(Group):
    """The first of two processes; the other one sends the same objects."""

    def gather(self, item: object) -> list[object]:
        return [item, item]

    def max(self, value: int) -> int:
        return value


PAIR = FakeGroup(0, 2, torch.device("cpu"))


def test_processes_are_grouped_by_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_machine(ALONE) == Machine((0,), 0)
    monkeypatch.setattr(FakeGroup, "gather", lambda self, item: ["a", item, "a", item])
    found = find_machine(FakeGroup(3, 4, torch.device("cpu")))
    assert (found.ranks, found.index, found.size, found.is_first) == ((1, 3), 1, 2, False)


def test_one_process_has_plain_memory() -> None:
    memory = shared_memory(1000, ALONE, Machine((0,), 0))
    assert memory is not None and memory.nbytes == 1000


def _shared_descriptors() -> list[str]:
    """Descriptors of shared memory that this process holds.

    Not all of its descriptors: what earlier tests left open may be closed at any time.
    """
    gc.collect()
    descriptors = Path("/proc/self/fd").iterdir()
    links = [os.readlink(link) for link in descriptors if link.is_symlink()]
    return [link for link in links if link.startswith("/memfd:simvp-")]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is shared on Linux only")
def test_memory_is_shared_until_nobody_uses_it() -> None:
    assert not _shared_descriptors()
    handle = module._create(10_000)
    assert handle is not None
    memory = module._open(handle, 10_000)
    assert memory is not None and len(_shared_descriptors()) == 2  # the file and its mapping
    code = (
        "import sys\n"
        "from simvp.runtime.machine import _Handle, _open\n"
        f"memory = _open(_Handle{tuple(handle)}, 10_000)\n"
        "assert memory[7] == 5\n"
        "memory[9_999] = 3\n"
    )
    memory[7] = 5
    subprocess.run([sys.executable, "-c", code], check=True)
    assert memory[9_999] == 3
    os.close(handle.descriptor)
    shared = shared_memory(10_000, PAIR, Machine((0, 1), 0))
    assert shared is not None and not shared.any()
    del memory, shared
    assert not _shared_descriptors()


def test_memory_of_another_process_is_not_mistaken(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w+b") as file:
        file.write(bytes(1000))
        wrong = module._Handle(os.getpid(), file.fileno(), "simvp-0123")
        assert module._open(wrong, 1000) is None
    assert module._open(module._Handle(2**22 + 1, 3, "simvp-0123"), 1000) is None


@pytest.mark.parametrize("fault", ["no-such-call", "not-permitted", "no-memory"])
def test_nothing_is_shared_where_the_system_cannot(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(1, "refused")

    if fault == "no-such-call":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    else:
        name = {"not-permitted": "memfd_create", "no-memory": "ftruncate"}[fault]
        monkeypatch.setattr(os, name, refuse)
    assert shared_memory(1000, PAIR, Machine((0, 1), 0)) is None
    np.testing.assert_array_equal(shared_memory(8, ALONE, Machine((0,), 0)), np.zeros(8))
