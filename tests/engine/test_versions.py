"""The versions that a run records."""

import json
import platform
from pathlib import Path

import numpy
import pytest
import torch
from helpers import TRAIN, Simvp

from simvp.engine import versions
from simvp.engine.versions import describe_versions, read_versions
from simvp.errors import RunError
from simvp.runs import RunFolder


def test_run_records_the_versions_that_train_it(
    split_data: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    simvp(*TRAIN, "--epochs", "1")
    path = Path("work_dirs/default/versions.json")
    (first,) = json.loads(path.read_bytes())
    assert first["from_epoch"] == 0
    found = first["versions"]
    assert (found["Python"], found["torch"], found["numpy"]) == (
        *(platform.python_version(), str(torch.__version__), numpy.__version__),
    )
    before = path.read_bytes()
    simvp(*TRAIN, "--epochs", "2", "--resume")
    assert path.read_bytes() == before
    monkeypatch.setattr(versions, "__version__", "99")
    simvp(*TRAIN, "--epochs", "3", "--resume")
    assert [e["from_epoch"] for e in json.loads(path.read_bytes())] == [0, 2]
    text = describe_versions(read_versions(RunFolder(path.parent)))
    assert f"torch {torch.__version__}" in text and "; from epoch 3: simvp 99, Python" in text
    simvp(*TRAIN, "--epochs", "1", "--overwrite")
    (only,) = json.loads(path.read_bytes())
    assert only["versions"]["simvp"] == "99"


def test_versions_of_earlier_epochs_may_be_unknown(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert describe_versions(read_versions(folder)) == "not recorded"
    versions.record_versions(folder, 4)
    assert describe_versions(read_versions(folder)).startswith("not recorded; from epoch 5: simvp")


@pytest.mark.parametrize("text", ["{", "3", '[{"from_epoch": 0}]', '[{"from_epoch": [], "v": 1}]'])
def test_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "versions.json").write_text(text)
    with pytest.raises(RunError, match=r"versions.json: is damaged \(.*\); restore it from a copy"):
        read_versions(RunFolder(tmp_path))
