"""The process group: ranks, devices and communication between processes.

The group is defined by environment variables, either those of torchrun or those of a Slurm step.
Without them, the same code runs as a group of one process.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from simvp.errors import ConfigError, PeerLost, UserError
from simvp.runtime import devices

# Environment variable of processes launched on one machine: the path of the file that they meet by.
STORE = "SIMVP_STORE"

# Gloo raises a plain RuntimeError if another process died or timed out.
_CONNECTION_ERRORS = ("gloo", "pair closure", "Connection closed", "Connection reset")


_ROUND_SECONDS = 0.5  # of `Group.in_rounds`


class RankInfo(NamedTuple):
    """Rank of a process in its group and on its machine."""

    rank: int
    local_rank: int
    world_size: int


@dataclass(frozen=True)
class Group:
    """Rank and device of a process, and communication with the other processes of its group."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum of `tensor`, a CPU tensor, over all processes."""
        if self.world_size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def max(self, value: int) -> int:
        """Maximum of `value` over all processes."""
        if self.world_size == 1:
            return value
        tensor = torch.tensor(value)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return int(tensor)

    def wait(self) -> None:
        """Wait until all processes have called this method."""
        self.max(0)

    def gather(self, item: Any) -> list[Any]:
        """List of the `item` of each process, by rank."""
        items = [item] * self.world_size
        if self.world_size > 1:
            dist.all_gather_object(items, item)
        return items

    def in_rounds(self, work: Iterable[int], done: Callable[[int], None]) -> None:
        """Do the work of every process; the end of it is the same moment for all.

        The processes meet every half second, so that none of them waits for another one for
        longer than the timeout of the group.

        Args:
            work: does the next part of this process's work when it is advanced, and yields how
                much that was.
            done: called with how much all processes have done since the last call.
        Raises: in all processes, the first UserError of one of them.
        """
        parts = iter(work)
        is_busy = True
        while is_busy:
            amount, part = 0, None
            error: UserError | None = None
            until = time.monotonic() + _ROUND_SECONDS
            try:
                while time.monotonic() < until and (part := next(parts, None)) is not None:
                    amount += part
            except UserError as raised:
                error = raised
            rounds = self.gather((amount, error, part is not None))
            for _, error, _ in rounds:
                if error is not None:
                    raise error
            done(sum(amount for amount, _, _ in rounds))
            is_busy = any(busy for _, _, busy in rounds)

    def broadcast_buffers(self, network: nn.Module) -> None:
        """Copy the buffers (BatchNorm statistics) of rank 0 to all processes."""
        if self.world_size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)


def rank_info(environment: Mapping[str, str] = os.environ) -> RankInfo | None:
    """The rank of this process according to the environment; None without a group."""
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
    if not {"RANK", "WORLD_SIZE"} <= environment.keys():
        # SLURM_STEP_NUM_TASKS is set only by srun. The batch script has SLURM_NTASKS and
        # SLURM_PROCID as well, but no other processes to join.
        names = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")
        if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) == 1:
            return None
    return RankInfo(*(int(environment.get(name, "0")) for name in names))


@contextmanager
def process_group(device: str, *, timeout_minutes: float) -> Iterator[Group]:
    """Join the group, if any, and select the device of this process.

    Args:
        device: the setting `run.device`.
        timeout_minutes: maximum time to wait for the other processes.
    Raises: ConfigError if the device is unavailable; PeerLost if another process died or timed out.
    """
    rank, local_rank, world_size = rank_info() or RankInfo(0, 0, 1)
    chosen = choose_device(device, local_rank=local_rank, world_size=world_size)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    devices.configure_backend(chosen)
    if world_size == 1:
        yield Group(0, 1, chosen)
        return
    dist.init_process_group(
        # Gradients on GPUs are exchanged by NCCL, CPU tensors by gloo.
        "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo",
        **_meeting_point(world_size),
        rank=rank,
        world_size=world_size,
        timeout=timedelta(minutes=timeout_minutes),
    )
    try:
        yield Group(rank, world_size, chosen)
    except RuntimeError as error:
        is_lost = any(phrase in str(error) for phrase in _CONNECTION_ERRORS)
        if not is_lost and not isinstance(error, dist.DistError):
            raise
        raise PeerLost(
            f"process {rank} of {world_size} lost the connection to another process "
            f"({str(error).splitlines()[0]}); resume from the newest checkpoint with --resume"
        ) from None
    finally:
        dist.destroy_process_group()


def choose_device(name: str, *, local_rank: int, world_size: int) -> torch.device:
    """The device of this process for the setting `run.device`. Raises ConfigError."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        mps = world_size == 1 and torch.backends.mps.is_available()
        name = "cuda" if gpus else "mps" if mps else "cpu"
    if name.startswith("cuda") and not gpus:
        raise ConfigError(
            f"run.device = {name!r}: PyTorch finds no CUDA device; use --device cpu, or "
            "install PyTorch with CUDA support (https://pytorch.org/get-started)"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("run.device = 'mps': requires macOS on Apple silicon; use --device cpu")
    if world_size > 1 and (":" in name or name == "mps"):
        raise ConfigError(
            f"run.device = {name!r}: {world_size} processes cannot share this device; "
            "use --device cuda or --device cpu"
        )
    index = int(name.partition(":")[2] or local_rank)
    if name.startswith("cuda") and index >= gpus:
        raise ConfigError(
            f"run.device = {name!r}: local rank {local_rank} requires GPU {index}, but the GPUs of "
            f"this machine end at cuda:{gpus - 1}; use another --device, or --nproc {gpus} at most"
        )
    return torch.device("cuda", index) if name.startswith("cuda") else torch.device(name)


def _meeting_point(world_size: int) -> dict[str, Any]:
    """Where the processes meet: a file, or host:port of rank 0 from torchrun or Slurm."""
    if STORE in os.environ:
        return {"store": dist.FileStore(store_file(), world_size)}  # type: ignore[attr-defined]
    if "MASTER_ADDR" in os.environ:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ.get('MASTER_PORT', '29500')}"
    else:
        port = 20000 + int(os.environ["SLURM_JOB_ID"]) % 20000
        address = f"{first_host(os.environ['SLURM_STEP_NODELIST'])}:{port}"
    return {"init_method": f"tcp://{address}"}


def store_file() -> str:
    """The file by which processes launched on one machine meet; another one after a restart."""
    return f"{os.environ[STORE]}-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"


def first_host(nodes: str) -> str:
    """First host of a Slurm node list: `gpu[003-010,12],login1` -> `gpu003`."""
    match = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\])?([^,\[]*)", nodes)
    if match is None:
        raise ConfigError(f"SLURM_STEP_NODELIST = {nodes!r}: expected hosts, such as gpu[1-4]")
    return "".join(part or "" for part in match.groups())
