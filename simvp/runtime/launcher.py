"""`--nproc` and `--nnodes`: the same command again, as a group under torch.distributed.run.

Each process of the group is `python -m simvp <command> --config <the resolved config>`; it finds
torchrun's variables in its environment and joins the group instead of launching one.
"""

import json
import logging
import os
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from simvp.config import Config, to_toml
from simvp.config.sections import LaunchSection
from simvp.errors import (
    ConfigError,
    Interrupted,
    PeerLost,
    RunFailed,
    SimvpError,
    UserError,
)
from simvp.runtime.group import Group, choose_device, place, process_group
from simvp.runtime.processes import cores

# Set for the processes that we launch; it tells them that we print their errors.
LAUNCHED = "SIMVP_LAUNCHED"


def is_needed(config: Config) -> bool:
    """Whether this process is to launch others, and was not launched itself.

    Raises: ConfigError if it is asked to launch a group inside another one.
    """
    launch = config.launch
    # A process alone is launched as well if somebody has to start it again.
    wanted = launch.nproc > 1 or launch.nnodes > 1 or launch.max_restarts > 0
    here = place()
    if wanted and here is not None:
        raise ConfigError(
            f"launch.nproc = {launch.nproc}, launch.nnodes = {launch.nnodes}, launch.max_restarts "
            f"= {launch.max_restarts}: this process is already one of {here.world_size} that "
            "torchrun or Slurm started, and joins them; leave out --nproc, --nnodes and "
            "--max-restarts"
        )
    return wanted


def num_processes(config: Config) -> int:
    """Number of processes that train together: those of this group, or those to be launched."""
    here = place()
    return here.world_size if here else config.launch.nproc * config.launch.nnodes


def device(config: Config) -> torch.device:
    """The device of this process, or of the first one to be launched. Raises ConfigError."""
    here = place()
    return choose_device(
        config.run.device,
        local_rank=here.local_rank if here else 0,
        world_size=num_processes(config),
    )


def join(config: Config) -> AbstractContextManager[Group]:
    """Join the group that this process belongs to; a group of one without launcher."""
    end_with_launcher()
    return process_group(config.run.device, timeout_minutes=config.launch.timeout_minutes)


def is_restart() -> bool:
    """Whether the launcher has started this process in place of one that died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def run(command: list[str], config: Config) -> None:
    """Run `simvp <command>` in every process of the group that the config asks for; wait for it.

    Raises: UserError, RunFailed or Interrupted with the message of the process that failed first.
    """
    from torch.distributed import DistNetworkError
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    nproc = config.launch.nproc
    choose_device(config.run.device, local_rank=nproc - 1, world_size=nproc)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // nproc)))
    os.environ[LAUNCHED] = "1"
    # With the launcher's own store a restarted group hangs now and then (torch 2.13).
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    # The launcher's own account of a failure repeats, at length, what we say in one message.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed.run").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="simvp-") as folder:
        file = Path(folder) / "config.toml"
        alone = config.model_copy(
            update={"launch": LaunchSection(timeout_minutes=config.launch.timeout_minutes)}
        )
        file.write_text(to_toml(alone), encoding="utf-8")
        arguments = torchrun.parse_args(  # type: ignore[no-untyped-call]
            [*_group_options(config.launch), "-m", "simvp", *command, "--config", str(file)]
        )
        try:
            torchrun.run(arguments)  # type: ignore[no-untyped-call]
        except ChildFailedError as error:
            raise _as_ours(error) from None
        except DistNetworkError as error:
            raise ConfigError(
                f"launch.rdzv_endpoint = {config.launch.rdzv_endpoint!r}: the machines cannot meet "
                f"there ({str(error).splitlines()[0]}); choose a free port of machine 0"
            ) from None
        except SignalException as error:
            raise Interrupted(
                error.sigval, "stopped; `--resume` continues from the newest checkpoint"
            ) from None
        finally:
            del os.environ[LAUNCHED]


def _group_options(launch: LaunchSection) -> list[str]:
    options = [f"--nproc-per-node={launch.nproc}", f"--max-restarts={launch.max_restarts}"]
    if launch.nnodes == 1:
        return [*options, "--standalone"]
    return [
        *options,
        f"--nnodes={launch.nnodes}",
        f"--node-rank={launch.node_rank}",
        "--rdzv-backend=static",
        f"--rdzv-endpoint={launch.rdzv_endpoint}",
    ]


def end_with_launcher() -> None:
    """In a process that we launched: end when the launcher is gone, killed before it could tell us.

    Otherwise its group would go on, hold the run's folder, and nobody would know of it.
    """
    if LAUNCHED not in os.environ:
        return
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="launcher watch").start()


def leave_message(error: SimvpError) -> bool:
    """In a process that we launched: leave the error's message for the launcher to print.

    Returns: whether that was done.
    """
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if LAUNCHED not in os.environ or path is None:
        return False
    content = {
        "message": str(error),
        "timestamp": str(int(time.time())),
        "exit_code": error.exit_code,
        "is_consequence": isinstance(error, PeerLost),
    }
    Path(path).write_text(json.dumps(content), encoding="utf-8")
    return True


def leave(code: object) -> None:
    """In a process of a group: end now, without Python's tidying up.

    A thread of gloo that still lets go of a tensor while the interpreter is being taken down
    aborts the process, after all its work was done (seen with torch 2.13, one time in seven).
    """
    if place() is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def _as_ours(error: Exception) -> SimvpError:
    rank, failure = min(
        error.failures.items(),  # type: ignore[attr-defined]
        key=lambda item: item[1].timestamp + _delay(item[1].error_file_data),
    )
    code = failure.error_file_data.get("exit_code")
    if code is None:  # it died without a word to us
        return RunFailed(
            f"process {rank} of the group died ({_cause(failure.exitcode)}) and the others were "
            "stopped; `--resume` continues from the newest checkpoint"
        )
    if code == UserError.exit_code:
        return UserError(failure.message)
    return RunFailed(failure.message) if code == 1 else Interrupted(code - 128, failure.message)


def _delay(message: dict[str, object]) -> int:
    """Seconds by which a failure counts as later than it was.

    A process that lost another one says so in the second in which that one died; one that was
    only silent is killed by the launcher half a minute after it was given up.
    """
    return 5 if message.get("is_consequence") else 0


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}, see above"
