"""The processes that train together: who they are, and the few things they tell each other.

Whether there is a group is decided by the environment: torchrun's variables, or those of a
Slurm step. Without them the same code runs as a group of one.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from simvp.errors import ConfigError, PeerLost
from simvp.runtime import devices

# What gloo raises when another process is gone or silent has no class of its own.
_LOST = ("gloo", "pair closure", "Connection closed", "Connection reset")


@dataclass(frozen=True)
class Place:
    """A process's place in its group."""

    rank: int
    local_rank: int
    world_size: int


@dataclass(frozen=True)
class Group:
    """A process's view of its group, which may be the process alone."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of every process's `tensor`, a CPU tensor."""
        if self.world_size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def max(self, value: int) -> int:
        """The largest of every process's `value`."""
        if self.world_size == 1:
            return value
        tensor = torch.tensor(value)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return int(tensor)

    def wait(self) -> None:
        """Returns when every process has called it."""
        self.max(0)

    def gather(self, item: Any) -> list[Any]:
        """Every process's `item`, by rank."""
        items = [item] * self.world_size
        if self.world_size > 1:
            dist.all_gather_object(items, item)
        return items

    def share_buffers(self, network: nn.Module) -> None:
        """Give all processes rank 0's buffers (BatchNorm's averages), so that they agree."""
        if self.world_size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)


def place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place in the group that the environment describes; None without a group."""
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Place(
            rank=int(environment["RANK"]),
            local_rank=int(environment.get("LOCAL_RANK", "0")),
            world_size=int(environment["WORLD_SIZE"]),
        )
    # SLURM_STEP_NUM_TASKS exists only under srun: the batch script itself, where SLURM_NTASKS and
    # SLURM_PROCID are set as well, would wait for processes that nobody starts.
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return Place(
            rank=int(environment["SLURM_PROCID"]),
            local_rank=int(environment["SLURM_LOCALID"]),
            world_size=int(environment["SLURM_STEP_NUM_TASKS"]),
        )
    return None


@contextmanager
def process_group(device: str, *, timeout_minutes: float) -> Iterator[Group]:
    """Join the group, if there is one, and choose this process's device.

    Args:
        timeout_minutes: how long to wait for the others.
    Raises: ConfigError if the device is not to be had; PeerLost if another process is gone.
    """
    here = place() or Place(rank=0, local_rank=0, world_size=1)
    chosen = choose_device(device, local_rank=here.local_rank, world_size=here.world_size)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    devices.prepare(chosen)
    if here.world_size == 1:
        yield Group(0, 1, chosen)
        return
    # Small things travel as CPU tensors by gloo, gradients on GPUs by NCCL.
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    dist.init_process_group(
        backend,
        init_method=f"tcp://{_meeting_point()}",
        rank=here.rank,
        world_size=here.world_size,
        timeout=timedelta(minutes=timeout_minutes),
    )
    try:
        yield Group(here.rank, here.world_size, chosen)
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(word in str(error) for word in _LOST):
            raise PeerLost(
                f"process {here.rank} of {here.world_size} lost another one "
                f"({str(error).splitlines()[0]}); `--resume` continues from the newest checkpoint"
            ) from None
        raise
    finally:
        dist.destroy_process_group()


def choose_device(name: str, *, local_rank: int, world_size: int) -> torch.device:
    """The device that `run.device` means for this process. Raises ConfigError."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        mps = world_size == 1 and torch.backends.mps.is_available()
        name = "cuda" if gpus else "mps" if mps else "cpu"
    if name.startswith("cuda") and not gpus:
        raise ConfigError(
            f"run.device = {name!r}: this PyTorch sees no CUDA device; use --device cpu, or "
            "install PyTorch for CUDA (https://pytorch.org/get-started)"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("run.device = 'mps': needs macOS on Apple silicon; use --device cpu")
    if world_size > 1 and (":" in name or name == "mps"):
        raise ConfigError(
            f"run.device = {name!r} is one device, but there are {world_size} processes; "
            "use --device cuda or --device cpu"
        )
    index = int(name.partition(":")[2] or local_rank)
    if name.startswith("cuda") and index >= gpus:
        raise ConfigError(
            f"GPU {index} is needed (run.device = {name!r}, process {local_rank} of this machine), "
            f"but there are {gpus}, numbered from 0; use --nproc {gpus} at most"
        )
    return torch.device("cuda", index) if name.startswith("cuda") else torch.device(name)


def _meeting_point() -> str:
    """host:port of rank 0, from torchrun's variables or Slurm's."""
    if "MASTER_ADDR" in os.environ:
        return f"{os.environ['MASTER_ADDR']}:{os.environ.get('MASTER_PORT', '29500')}"
    port = 20000 + int(os.environ["SLURM_JOB_ID"]) % 20000
    return f"{first_host(os.environ['SLURM_STEP_NODELIST'])}:{port}"


def first_host(nodes: str) -> str:
    """The first host of a Slurm node list: `gpu[003-010,12],login1` -> `gpu003`."""
    match = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\])?([^,\[]*)", nodes)
    if match is None:
        raise ConfigError(f"SLURM_STEP_NODELIST = {nodes!r}: is not a list of hosts")
    return "".join(part or "" for part in match.groups())
