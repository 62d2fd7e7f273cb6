"""`simvp train`."""

from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, Simvp, only_split


def test_print_model_prints_the_cost_and_exits(split_data: Path, simvp: Simvp) -> None:
    lengths = ("--pre-seq-length", "4", "--aft-seq-length", "4")
    result = simvp("train", "--data-path", "data", "--print-model", *lengths)
    assert "unet, for frames of 1x9x11" in result.stdout
    assert "M  parameters" in result.stdout
    assert not Path("work_dirs").exists()


@pytest.mark.parametrize("data", [["waves.npy"], ["--data-path", "waves.npy"], ["--data", "."]])
def test_data_and_split_are_named_and_recorded(
    data: list[str], tmp_path: Path, simvp: Simvp
) -> None:
    values = np.random.default_rng(0).random((60, 8, 9), dtype=np.float32)
    np.save("waves.npy", values)
    simvp("split", "waves.npy")
    line = f"data: waves.npy, split by {only_split(Path())}\n"
    assert simvp("train", *data, "--epochs", "1", *TINY).stdout.startswith(line)
    assert simvp("test").stdout.startswith(line)
    assert "forecast of waves after frame 59" in simvp("predict", "--output", "next.npy").stdout
