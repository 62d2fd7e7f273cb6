"""Launch a command as a group of processes under torch.distributed.run (`--nproc`, `--nnodes`).

Each process runs `python -m simvp <command> --config <resolved config>`. It finds the variables of
torchrun in its environment and joins the group instead of launching one.
"""

import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from simvp.config import Config, to_toml
from simvp.config.sections import LaunchSection
from simvp.errors import ConfigError, Interrupted, RunFailed, SimvpError, UserError
from simvp.runtime.failures import LAUNCHED
from simvp.runtime.group import (
    STORE,
    Group,
    RankInfo,
    choose_device,
    process_group,
    rank_info,
    store_file,
)
from simvp.runtime.processes import cores, exit_after
from simvp.runtime.siblings import exit_with_siblings

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure


def has_launched() -> bool:
    """Whether this process is one of a group that `run` has launched."""
    return LAUNCHED in os.environ


def is_needed(config: Config) -> bool:
    """Whether this process has to launch a group. Raises ConfigError if it is part of one."""
    launch, info = config.launch, rank_info()
    # Automatic restarts need a launcher even for a single process.
    needed = launch.nproc > 1 or launch.nnodes > 1 or launch.max_restarts > 0
    if needed and info:
        raise ConfigError(
            f"launch.nproc = {launch.nproc}, launch.nnodes = {launch.nnodes}, launch.max_restarts "
            f"= {launch.max_restarts}: torchrun or Slurm already started this process as one of "
            f"{info.world_size}; remove --nproc, --nnodes and --max-restarts"
        )
    return needed


def _rank_info(config: Config) -> RankInfo:
    """Rank of this process in its group, or of the first process to be launched."""
    return rank_info() or RankInfo(0, 0, config.launch.nproc * config.launch.nnodes)


def num_processes(config: Config) -> int:
    """Number of processes that train together: those of this group, or those to be launched."""
    return _rank_info(config).world_size


def device(config: Config) -> torch.device:
    """The device of this process, or of the first one to be launched. Raises ConfigError."""
    _, local_rank, world_size = _rank_info(config)
    return choose_device(config.run.device, local_rank=local_rank, world_size=world_size)


@contextmanager
def join(config: Config) -> Iterator[Group]:
    """Join the group that this process belongs to; a group of one without launcher."""
    if has_launched():
        # Processes orphaned by a killed launcher would keep the run folder locked.
        exit_after(partial(_wait_for_exit, os.getppid()))
    with process_group(config.run.device, timeout_minutes=config.launch.timeout_minutes) as group:
        left = Path(f"{store_file()}-left") if STORE in os.environ else None
        with exit_with_siblings(group, left) if left else nullcontext():
            yield group


def _wait_for_exit(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.1)


def restarted_since() -> float | None:
    """When the group was launched, if the launcher has restarted this process after a failure."""
    is_restart = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    return float(os.environ.get(LAUNCHED, "0")) if is_restart else None


def run(command: list[str], config: Config) -> None:
    """Run `simvp <command>` in all processes of the group and wait until they exit.

    Raises: UserError, RunFailed or Interrupted with the message of the process that failed first.
    """
    from torch.distributed import DistNetworkError
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    nproc = config.launch.nproc
    choose_device(config.run.device, local_rank=nproc - 1, world_size=nproc)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // nproc)))
    os.environ[LAUNCHED] = str(time.time())
    # Restarted groups occasionally hang if they share the store of the launcher (torch 2.13).
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    # torchrun would log long reports of failures that are reported as one message below.
    for name in ("elastic", "elastic.agent.server.api", "run"):
        logging.getLogger(f"torch.distributed.{name}").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="simvp-") as folder:
        file = Path(folder) / "config.toml"
        joining = LaunchSection(timeout_minutes=config.launch.timeout_minutes)
        file.write_text(to_toml(config.model_copy(update={"launch": joining})), encoding="utf-8")
        arguments = torchrun.parse_args(  # type: ignore[no-untyped-call]
            [*_group_options(config.launch, folder), "-m", "simvp", *command]
            + ["--config", str(file)]
        )
        try:
            torchrun.run(arguments)  # type: ignore[no-untyped-call]
        except ChildFailedError as error:
            raise _first_error(error.failures) from None
        except DistNetworkError as error:
            raise ConfigError(
                f"launch.rdzv_endpoint = {config.launch.rdzv_endpoint!r}: rendezvous failed "
                f"({str(error).splitlines()[0]}); use a free port of machine 0"
            ) from None
        except SignalException as error:
            raise Interrupted(
                error.sigval, "stopped; resume from the newest checkpoint with --resume"
            ) from None
        finally:
            for variable in (LAUNCHED, STORE):
                os.environ.pop(variable, None)


def _group_options(launch: LaunchSection, folder: str) -> list[str]:
    """Options of torchrun, which keeps its files in the private `folder`."""
    options = [f"--nproc-per-node={launch.nproc}", f"--max-restarts={launch.max_restarts}"]
    options.append(f"--log-dir={folder}")
    if launch.nnodes == 1:
        # Whoever can connect to a process of the group can run code in it. On one machine the
        # processes meet through files, and gloo and NCCL listen on loopback only.
        for loopback in {"lo", "lo0"} & {name for _, name in socket.if_nameindex()}:
            os.environ.update(GLOO_SOCKET_IFNAME=loopback, NCCL_SOCKET_IFNAME=loopback)
        os.environ[STORE] = str(Path(folder) / "store")
        options += ["--rdzv-backend=c10d", f"--rdzv-endpoint={folder}/rendezvous"]
        return [
            *options,
            "--rdzv-conf=store_type=file",
            "--rdzv-id=simvp",
            "--local-addr=localhost",
        ]
    options += [f"--nnodes={launch.nnodes}", f"--node-rank={launch.node_rank}"]
    return [*options, "--rdzv-backend=static", f"--rdzv-endpoint={launch.rdzv_endpoint}"]


def exit_group_process(code: object) -> None:
    """In a process of a group: exit immediately, without finalizing the interpreter.

    During finalization, a gloo thread that releases a tensor can abort the process (about one time
    in seven with torch 2.13).
    """
    if rank_info() is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def _first_error(failures: "dict[int, ProcessFailure]") -> SimvpError:
    """The error of the process that failed first."""
    rank, failure = min(failures.items(), key=lambda item: item[1].timestamp)
    code = failure.error_file_data.get("exit_code")
    if code is None:  # The process died without calling `pass_to_launcher`.
        status = failure.exitcode
        cause = f"signal {-status}" if status < 0 else f"exit code {status}, see above"
        return RunFailed(
            f"process {rank} died ({cause}) and the others were stopped; resume from the newest "
            "checkpoint with --resume"
        )
    if code == UserError.exit_code:
        return UserError(failure.message)
    return RunFailed(failure.message) if code == 1 else Interrupted(code - 128, failure.message)
