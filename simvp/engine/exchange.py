"""Gradients exchanged through memory, by processes that compute on one machine's CPU.

gloo sends them through the system's network code, which takes its time from the same cores that
the network is computed by.
"""

import mmap
import os
import sys
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.futures import Future

from simvp.runtime.group import Group

# Each reads what all others wrote: of more processes, all this reading takes longer than to send
# sums around in a ring, where a value passes through about ten copies whatever their number.
_MOST = 8
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SharedGradients:
    """The mean of every process's gradients, for `DistributedDataParallel.register_comm_hook`.

    Each process has memory of its own that the others can read. It writes a bucket of gradients
    there and tells the others by gloo; when all have told so, each adds up all of them, in the
    order of ranks, so that the sums agree to the last bit. The memory ends with its process.
    """

    def __init__(self, group: Group, regions: list[Tensor]) -> None:
        self._group = group
        self._regions = regions  # by rank, (2, all parameters): see `_turn`
        # Steps use the two halves by turns. Who begins a step knows that all others have begun the
        # one before it, and so have read what was written in the one before that.
        self._turn = 0
        self._start = 0

    def mean(
        self,
        state: object,
        bucket: dist.GradBucket,  # type: ignore[name-defined]
    ) -> Future[Tensor]:
        """The mean of a bucket, which replaces it; buckets come in one order everywhere."""
        gradients: Tensor = bucket.buffer()
        if bucket.index() == 0:
            self._turn, self._start = 1 - self._turn, 0
        stop = self._start + gradients.numel()
        shares = [region[self._turn, self._start : stop] for region in self._regions]
        self._start = stop
        torch.div(gradients, len(shares), out=shares[self._group.rank])

        def add(told: Future[list[Tensor]]) -> Tensor:
            told.value()  # raises what went wrong, such as the loss of a process
            torch.add(shares[0], shares[1], out=gradients)
            for share in shares[2:]:
                gradients.add_(share)
            return gradients

        told = dist.all_reduce(torch.zeros(()), async_op=True)
        assert told is not None
        future: Future[list[Tensor]] = told.get_future()
        return future.then(add)


def shared_gradients(group: Group, count: int) -> SharedGradients | None:
    """An exchange of `count` float32 gradients; None where these processes share no memory.

    It takes 8 bytes of memory for each gradient in each process. All processes must call it.
    """
    if group.device.type != "cpu" or not 2 <= group.world_size <= _MOST:
        return None
    own = _offer(2 * 4 * count)
    regions = _regions(group.gather(own), count)
    missing = group.max(int(regions is None))  # and until now nobody closes what others open
    if own is not None:
        os.close(own.descriptor)
    return None if missing or regions is None else SharedGradients(group, regions)


class _Offer(NamedTuple):
    """Memory of a process, which others of that machine find in /proc."""

    machine: tuple[str, int]
    process: int
    descriptor: int


def _offer(size: int) -> _Offer | None:
    """Memory of `size` bytes; None where the system has none of this kind."""
    if sys.platform != "linux":
        return None
    try:  # some containers hide one or another of these
        boot = _BOOT_ID.read_text(encoding="ascii")
        # A number of a process means another one elsewhere, also in another container.
        machine = boot, os.stat("/proc/self/ns/pid").st_ino
        descriptor = os.memfd_create("simvp gradients")
    except OSError:
        return None
    os.ftruncate(descriptor, size)  # takes no memory yet
    return _Offer(machine, os.getpid(), descriptor)


def _regions(offers: list[_Offer | None], count: int) -> list[Tensor] | None:
    """Everyone's memory; None if this process cannot see that of all."""
    seen = [offer for offer in offers if offer is not None]
    if len(seen) < len(offers) or len({offer.machine for offer in seen}) > 1:
        return None
    try:
        return [_region(f"/proc/{o.process}/fd/{o.descriptor}", count) for o in seen]
    except OSError:  # a system may forbid processes to look into each other
        return None


def _region(path: str, count: int) -> Tensor:
    with open(path, "r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    return torch.frombuffer(memory, dtype=torch.float32).view(2, count)
