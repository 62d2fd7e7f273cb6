"""Damaged and hostile files of runs: one message, or success."""

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzzing import FUZZ, SCALARS, Worker, changed, check, damaged, nested
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from simvp.storage import checkpoint
from simvp.storage.archives import find_excess

NUMBERS = itertools.count()
RUN = Path("work_dirs/default")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    modules = ["simvp.commands.train", "simvp.commands.test", "simvp.commands.report"]
    found = Worker(tmp_path_factory.mktemp("worker"), *modules, "matplotlib.figure", "safetensors")
    yield found
    found.close()


def load(worker: Worker, folder: Path) -> None:
    check(worker.run(folder, [str(RUN)], "simvp:load"))


@pytest.mark.parametrize("name", ["config.toml", "data.json", "simvp_model.pth"])
def test_damaged_files_of_a_run(name: str, tested: Path, worker: Worker, tmp_path: Path) -> None:
    original = (tested / name).read_bytes()
    load(worker, tmp_path)

    @FUZZ
    @given(damaged(original))
    def run(content: bytes) -> None:
        (tested / name).write_bytes(content)
        load(worker, tmp_path)

    run()


def test_changed_description(tested: Path, worker: Worker, tmp_path: Path) -> None:
    record = json.loads((tested / "data.json").read_text())

    @FUZZ
    @given(changed(record))
    def run(content: Any) -> None:
        (tested / "data.json").write_text(json.dumps(content))
        load(worker, tmp_path)

    run()


@pytest.mark.parametrize(
    "command", [["viz"], ["viz", "--report", "--overwrite"]], ids=["list", "report"]
)
def test_changed_scores(command: list[str], tested: Path, worker: Worker, tmp_path: Path) -> None:
    record = json.loads((tested / "saved/metrics.json").read_text())
    (sample, *_) = record["samples"]
    small = {**record, "samples": {sample: record["samples"][sample]}}

    @FUZZ
    @given(changed(small))
    def run(content: Any) -> None:
        (tested / "saved/metrics.json").write_text(json.dumps(content))
        check(worker.run(tmp_path, command))

    run()


def test_damaged_history(tested: Path, worker: Worker, tmp_path: Path) -> None:
    original = (tested / "metrics.csv").read_bytes()

    @FUZZ
    @given(damaged(original))
    def run(content: bytes) -> None:
        (tested / "metrics.csv").write_bytes(content)
        check(worker.run(tmp_path, ["viz", "--curves"]))

    run()


def shared(depth: int) -> Any:
    """A small object that has 2**depth paths to its leaves."""
    value: Any = [1]
    for _ in range(depth):
        value = [value, value]
    return value


TENSORS = [
    torch.zeros(3),
    torch.zeros(1).expand(2**40),
    torch.zeros(()),
    torch.full((2, 3), torch.nan),
    torch.zeros(2, dtype=torch.complex64),
    torch.zeros(2, dtype=torch.uint8),
    torch.zeros(3).to_sparse(),
    torch.zeros(2, device="meta"),
]
HOSTILE = [*SCALARS, *TENSORS, [], {}, {1: 2}, (1, 2), nested(60), shared(60), b"x", 1j]


def change(draw: Any, value: Any) -> Any:
    """The content of a checkpoint with another value, or without one, somewhere within."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        keys = list(value)
        key = draw(st.sampled_from(keys))
        kind = draw(st.sampled_from(["in"] * 6 + ["remove", "add"]))
        if kind == "in":
            return {**value, key: change(draw, value[key])}
        if kind == "remove":
            return {k: v for k, v in value.items() if k != key}
        return {**value, draw(st.sampled_from(["x", 1, "", "state_dict", "std"])): value[key]}
    if isinstance(value, (list, tuple)) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], change(draw, value[at]), *value[at + 1 :]]
    return draw(st.sampled_from(HOSTILE))


def test_changed_checkpoints(trained: Path, worker: Worker, tmp_path: Path) -> None:
    """Their hashes are right, so that nothing but the checks of the content is tested."""
    original = torch.load(trained / "checkpoints/latest.pth", weights_only=True)
    original.pop("sha256")
    spare = tmp_path / "spare"
    shutil.copytree(trained, spare)

    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        shutil.rmtree(trained)
        shutil.copytree(spare, trained)
        content = change(data.draw, original)
        if isinstance(content, dict):
            if not find_excess(content, 10**6):  # of such content, the hash would take for ever
                content["sha256"] = checkpoint.digest(content)
        for path in (trained / "checkpoints").iterdir():
            path.unlink()
        torch.save(content, trained / "checkpoints/latest.pth")
        check(worker.run(tmp_path, ["train", "--resume", "--epochs", "3"]))

    run()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_changed_weights(suffix: str, trained: Path, worker: Worker, tmp_path: Path) -> None:
    original = dict(torch.load(trained / "simvp_model.pth", weights_only=True))
    file = tmp_path / f"weights{suffix}"

    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        if suffix == ".pth":
            torch.save(change(data.draw, original), file)
        else:
            save_file(original, file)
            file.write_bytes(data.draw(damaged(file.read_bytes())))
        check(worker.run(tmp_path, ["test", "--weights", str(file)]))

    run()


def test_damaged_checkpoint_bytes(trained: Path, worker: Worker, tmp_path: Path) -> None:
    original = (trained / "checkpoints/latest.pth").read_bytes()
    for path in (trained / "checkpoints").iterdir():
        path.unlink()

    @FUZZ
    @given(damaged(original))
    def run(content: bytes) -> None:
        (trained / "checkpoints/latest.pth").write_bytes(content)
        check(worker.run(tmp_path, ["train", "--resume"]))

    run()
