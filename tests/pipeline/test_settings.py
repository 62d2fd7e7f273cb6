"""Each setting has an effect: some module outside of simvp.config reads it."""

import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, Simvp
from pydantic import Field, create_model

from simvp.config import Config, all_keys, section_types
from simvp.config.training import TrainSection
from simvp.data.generation import Job


def record_reads(
    monkeypatch: pytest.MonkeyPatch, kind: type, section: str, found: set[str]
) -> None:
    """Add `section.name` to `found` whenever simvp reads an attribute of an object of this class.

    Attributes read in simvp.config do not count: it prints and validates all of them.
    """
    original = kind.__getattribute__

    def recording(self: object, name: str) -> Any:
        reader = sys._getframe(1).f_globals["__name__"].split(".")
        if reader[0] == "simvp" and reader[1] != "config":
            found.add(f"{section}.{name}")
        return original(self, name)

    monkeypatch.setattr(kind, "__getattribute__", recording)


@pytest.fixture
def never_read(monkeypatch: pytest.MonkeyPatch) -> str:
    """Add a setting that nothing reads, and return its key."""
    field: Any = (int, Field(3, description="negative control"))
    extended = create_model("TrainSection", __base__=TrainSection, never_read=field)
    section: Any = (extended, extended())
    config = create_model("Config", __base__=Config, train=section)
    monkeypatch.setattr("simvp.config.sections.Config", config)
    monkeypatch.setattr("simvp.config.loading.Config", config)
    return "train.never_read"


def test_every_setting_is_read(
    never_read: str, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All commands together read all settings, except the one that is the negative control."""
    read: set[str] = set()
    for section, kind in section_types().items():
        record_reads(monkeypatch, kind, section, read)
    record_reads(monkeypatch, Job, "simulate", read)  # made from a dump of that section

    simvp("simulate", "--samples", "6", "--frames", "7", "--image-size", "8")
    simvp("split", "--by", "time", "--gap", "1")
    simvp("split")
    simvp("train", "--epochs", "1", *TINY)
    simvp("test")
    simvp("viz", "boiling_", "--gif")
    groups: list[Any] = []
    monkeypatch.setattr("torch.distributed.run.run", groups.append)
    for variable in ("OMP_NUM_THREADS", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"):
        monkeypatch.setenv(variable, "1")  # restored after the test, because the launcher sets it
    machines = ("--nnodes", "2", "--node-rank", "1", "--rdzv-endpoint", "localhost:1")
    simvp("train", "--overwrite", *machines, *TINY, "--batch-size", "2")
    assert len(groups) == 1

    assert Path("work_dirs/default/config.toml").read_text().count("never_read = 3") == 1
    assert [key for key in all_keys() if key not in read] == [never_read]
