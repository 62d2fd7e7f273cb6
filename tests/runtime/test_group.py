"""Ranks and devices of the processes of a group."""

import time
from collections.abc import Iterator

import pytest
import torch

from simvp.errors import ConfigError, DataError
from simvp.runtime.group import Group, RankInfo, choose_device, first_host, rank_info


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("node1", "node1"),
        ("gpu[003-010,12],login1", "gpu003"),
        ("a-b[7]", "a-b7"),
        ("n1,n2", "n1"),
        ("rack[1-2]-n.example.org", "rack1-n.example.org"),
    ],
)
def test_first_host_of_a_slurm_node_list(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


def test_rank_from_torchrun_variables() -> None:
    environment = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert rank_info(environment) == RankInfo(rank=3, local_rank=1, world_size=4)


def test_rank_from_slurm_step_but_not_from_batch_script() -> None:
    batch = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "8"}
    assert rank_info(batch) is None
    step = {**batch, "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1"}
    assert rank_info(step) == RankInfo(rank=5, local_rank=1, world_size=8)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_unavailable_device_is_rejected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ConfigError, match=f"run.device = '{name}'.*--device cpu"):
        choose_device(name, local_rank=0, world_size=1)
    assert choose_device("auto", local_rank=0, world_size=1).type == "cpu"


def test_more_processes_than_gpus_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert choose_device("cuda", local_rank=1, world_size=2).index == 1
    with pytest.raises(
        ConfigError, match="local rank 2 requires GPU 2.* end at cuda:1; .*--nproc 2 at most"
    ):
        choose_device("cuda", local_rank=2, world_size=3)
    with pytest.raises(ConfigError, match="'cuda:0': 2 processes cannot share this device"):
        choose_device("cuda:0", local_rank=0, world_size=2)


class Peers(Group):
    """A process of a group whose other ones send what is listed, for one round after another."""

    def __init__(self, others: list[list[object]]) -> None:
        super().__init__(1, 1 + len(others[0]), torch.device("cpu"))
        object.__setattr__(self, "others", others)
        object.__setattr__(self, "sent", [])

    def gather(self, item: object) -> list[object]:
        self.sent.append(item)
        first, *rest = self.others[len(self.sent) - 1]
        return [first, item, *rest]


def test_work_ends_for_all_processes_at_the_same_time() -> None:
    done: list[int] = []
    peers = Peers([[(2, None, True), (0, None, False)], [(4, None, False), (0, None, False)]])
    peers.in_rounds(iter([1, 5]), done.append)
    assert done == [8, 4]
    assert peers.sent == [(6, None, False), (0, None, False)]


def test_error_of_the_first_process_is_raised_in_all() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise DataError("mine")

    peers = Peers([[(0, None, True), (0, DataError("other"), False)]])
    with pytest.raises(DataError, match="mine"):
        peers.in_rounds(work(), lambda amount: None)
    peers = Peers([[(0, DataError("first"), False), (0, None, False)]])
    with pytest.raises(DataError, match="first"):
        peers.in_rounds(iter([1]), lambda amount: None)


def test_processes_meet_during_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simvp.runtime.group._ROUND_SECONDS", 0.05)
    done: list[int] = []

    def slow_work() -> Iterator[int]:
        for _ in range(4):
            time.sleep(0.03)
            yield 1

    Group(0, 1, torch.device("cpu")).in_rounds(slow_work(), done.append)
    assert sum(done) == 4 and len(done) > 1
