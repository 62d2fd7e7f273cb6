"""The processes of a group that run on the same machine, and memory that they share."""

import mmap
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvp.runtime.group import Group


@dataclass(frozen=True)
class Machine:
    """The processes of a group that run on the machine of this one.

    Attributes:
        ranks: their ranks in the group, ascending.
        index: of this process among them.
    """

    ranks: tuple[int, ...]
    index: int

    @property
    def is_first(self) -> bool:
        return self.index == 0

    @property
    def size(self) -> int:
        return len(self.ranks)


def find_machine(group: Group) -> Machine:
    """The machine of this process. All processes of the group call this."""
    names = group.gather(_name())
    ranks = tuple(rank for rank, name in enumerate(names) if name == names[group.rank])
    return Machine(ranks, ranks.index(group.rank))


def _name() -> str:
    """Names the machine; containers that cannot see each other's processes are several machines."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot_id} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        import platform

        return platform.node()


def shared_memory(nbytes: int, group: Group, machine: Machine) -> NDArray[np.uint8] | None:
    """Memory that the processes of each machine share, `nbytes` > 0 bytes of zeros.

    The system frees it when the last of these processes has ended, however it ended. All processes
    of the group call this.

    Returns: the bytes; None in all processes if some cannot share memory. On systems other than
        Linux this is so with several processes on a machine.
    """
    handle = None
    if machine.size > 1 and machine.is_first:
        handle = _create(nbytes)
    handles = group.gather(handle)
    memory: NDArray[np.uint8] | None
    if machine.size == 1:
        memory = np.zeros(nbytes, np.uint8)
    else:
        memory = _open(handles[machine.ranks[0]], nbytes)
    has_failed = group.max(int(memory is None)) == 1
    if handle is not None:
        os.close(handle.descriptor)
    return None if has_failed else memory


class _Handle(NamedTuple):
    """A file without a name: its creator and descriptor there, and what it is recognised by."""

    pid: int
    descriptor: int
    mark: str


def _create(nbytes: int) -> _Handle | None:
    """Memory as a file without a name. None if the system has no such files, or no memory."""
    if not hasattr(os, "memfd_create"):
        return None
    mark = f"simvp-{secrets.token_hex(8)}"
    try:
        descriptor = os.memfd_create(mark)
    except OSError:
        return None
    try:
        os.ftruncate(descriptor, nbytes)
    except OSError:
        os.close(descriptor)
        return None
    return _Handle(os.getpid(), descriptor, mark)


def _open(handle: _Handle | None, nbytes: int) -> NDArray[np.uint8] | None:
    """Map the memory that a process of this machine has created; None if that is impossible."""
    if handle is None:
        return None
    path = f"/proc/{handle.pid}/fd/{handle.descriptor}"
    try:
        if handle.mark not in os.readlink(path):  # another process of that number
            return None
        descriptor = os.open(path, os.O_RDWR)
        try:
            return np.frombuffer(mmap.mmap(descriptor, nbytes), np.uint8)
        finally:
            os.close(descriptor)
    except OSError:
        return None
