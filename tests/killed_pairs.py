"""Kill one of two processes that exchange data, many times; print how long the other one went on.

    python killed_pairs.py FOLDER COUNT

The pairs are forked, so that PyTorch is imported once.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from simvp.errors import PeerLost
from simvp.runtime.group import process_group
from simvp.runtime.siblings import exit_with_siblings


def main(folder: Path, count: int) -> None:
    torch.set_num_threads(1)
    rng = random.Random(0)
    for index in range(count):
        place = folder / str(index)
        place.mkdir()
        reader, writer = os.pipe()
        pair = [start(rank, place, writer) for rank in range(2)]
        os.read(reader, 1)
        time.sleep(rng.uniform(0, 0.05))
        rng.shuffle(pair)
        os.kill(pair[0], signal.SIGKILL)
        os.waitpid(pair[0], 0)
        killed = time.monotonic()
        _, status = os.waitpid(pair[1], 0)
        print(time.monotonic() - killed, os.waitstatus_to_exitcode(status), flush=True)


def start(rank: int, folder: Path, writer: int) -> int:
    """Fork a process of the group, which writes to the pipe once both exchange data."""
    if pid := os.fork():
        return pid
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2")
    os.environ.update(SIMVP_STORE=str(folder / "store"), GLOO_SOCKET_IFNAME="lo")
    code = 3
    try:
        exchange(folder, writer)
    except PeerLost:
        code = 1
    finally:
        os._exit(code)


def exchange(folder: Path, writer: int) -> None:
    with (
        process_group("cpu", timeout_minutes=30) as group,
        exit_with_siblings(group, folder / "left"),
    ):
        group.wait()
        os.write(writer, b"x")
        while True:
            group.max(1)
            group.sum(torch.ones(100))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
