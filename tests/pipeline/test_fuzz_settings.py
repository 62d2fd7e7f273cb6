"""Damaged and hostile data cards, configs and split files: one message, or success."""

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from fuzzing import FUZZ, Worker, changed, check, damaged, files
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = itertools.count()

CARD = {
    "name": "waves",
    "time_step": "1 day",
    "stored": "physical",
    "boundary_y": "reflect",
    "boundary_x": "periodic",
    "origin": "lower",
    "symmetries": ["flip_x"],
    "vectors": [["u", "v"]],
    "channels": {
        "u": {"quantity": "speed", "unit": "m/s", "low": -2.0, "high": 102.5},
        "v": {"thresholds": [10.0, 20.0], "low": 0.0, "high": 200.5},
    },
}
CONFIG = {
    "run": {"name": "default", "work_dir": "work_dirs", "device": "cpu"},
    "data": {"path": "data", "pre_seq_length": 3, "aft_seq_length": 3, "stride": 1},
    "split": {"by": "time", "train_ratio": 0.5, "val_ratio": 0.25, "seed": 1, "variables": "u,v"},
    "model": {"hid_S": 4, "model_type": "gsta", "drop": 0.1, "boundary": "auto"},
    "train": {"epochs": 1, "lr": 1e-3, "rollout": "auto", "recipe": "direct"},
    "simulate": {"system": "boiling", "parameters": {"increment": 10.0}},
    "viz": {"cmap": "viridis"},
}
PARTS = {"train": ["s0", "s1*"], "validation": ["s2"], "test": ["s3"]}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    found = Worker(tmp_path_factory.mktemp("worker"), "simvp.commands.split")
    yield found
    found.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with frames of two channels, `data`, and their card."""
    folder = tmp_path_factory.mktemp("original")
    values = 100 * np.random.default_rng(0).random((4, 8, 2, 8, 9), np.float32)
    for series, frame in np.ndindex(4, 8):
        (folder / f"data/s{series}").mkdir(parents=True, exist_ok=True)
        np.save(folder / f"data/s{series}/{frame}.npy", values[series, frame])
    (folder / "data/dataset.toml").write_text(tomli_w.dumps(CARD))
    return folder


@pytest.mark.parametrize(
    ("name", "valid", "command"),
    [
        ("data/dataset.toml", CARD, ["split", "data"]),
        ("simvp.toml", CONFIG, ["split"]),
        ("simvp.toml", CONFIG, ["train", "--print-config"]),
        ("parts.toml", PARTS, ["split", "data", "--parts", "parts.toml"]),
    ],
    ids=["card", "config", "printed-config", "parts"],
)
def test_toml(
    name: str, valid: object, command: list[str], original: Path, worker: Worker, tmp_path: Path
) -> None:
    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        folder = tmp_path / str(next(NUMBERS))
        shutil.copytree(original, folder)
        if data.draw(st.booleans()):
            content = data.draw(damaged(tomli_w.dumps(valid).encode()))
        else:
            record = data.draw(changed(valid).filter(is_toml))
            content = tomli_w.dumps(record).encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(content)
        before = files(folder)
        answer = worker.run(folder, command)
        if command[-1] == "--print-config" or answer.code:
            assert files(folder) == before
        check(answer)
        shutil.rmtree(folder)

    run()


def is_toml(record: object) -> bool:
    try:
        tomli_w.dumps(record)  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError):
        return False
    return True


def test_split_files(original: Path, worker: Worker, tmp_path: Path) -> None:
    made = tmp_path / "made"
    shutil.copytree(original, made)
    check(worker.run(made, ["split", "data"]))
    (file,) = made.glob("data/*_loaders.json")
    record = json.loads(file.read_text())

    @FUZZ
    @given(st.data())
    def run(data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            content = data.draw(damaged(json.dumps(record, indent=1).encode()))
        else:
            content = json.dumps(data.draw(changed(record))).encode()
        file.write_bytes(content)
        check(worker.run(made, [str(file)], "fuzz_worker:read_split"))
        check(worker.run(made, ["data"], "fuzz_worker:find_split"))

    run()
