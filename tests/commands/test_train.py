"""`simvp train`."""

from pathlib import Path

from helpers import Simvp


def test_print_model_prints_the_cost_and_exits(split_data: Path, simvp: Simvp) -> None:
    lengths = ("--pre-seq-length", "4", "--aft-seq-length", "4")
    result = simvp("train", "--data-path", "data", "--print-model", *lengths)
    assert "gsta, for frames of 1x9x11" in result.stdout
    assert "M  parameters" in result.stdout
    assert not Path("work_dirs").exists()
