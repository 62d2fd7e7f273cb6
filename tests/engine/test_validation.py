"""Validation: after which epochs."""

import csv
from pathlib import Path

import pytest
from helpers import TRAIN, Simvp

from simvp.commands.report import charts
from simvp.commands.report.reported_run import read_history
from simvp.config import Config
from simvp.config.training import TrainSection
from simvp.engine.recipes import resolve_recipe
from simvp.engine.validation import is_validated, num_statistics_windows, resolve_interval
from simvp.runs import RunFolder


def validated(epochs: int, interval: int) -> list[int]:
    settings = TrainSection(epochs=epochs, val_interval=interval)
    return [epoch for epoch in range(1, epochs + 1) if is_validated(epoch, settings)]


def test_the_first_and_the_last_two_epochs_are_always_validated() -> None:
    assert validated(20, 8) == [1, 4, 12, 19, 20]
    assert validated(7, 2) == [1, 3, 5, 6, 7]
    assert validated(5, 1) == [1, 2, 3, 4, 5]
    assert validated(3, 100) == [1, 2, 3]
    assert validated(1, 1) == [1]


def test_long_epochs_compute_statistics_from_more_windows() -> None:
    visits = (5, 16, 70, 256, 350, 1046, 100_000)
    assert [num_statistics_windows(number) for number in visits] == [5, 16, 16, 16, 21, 64, 64]


@pytest.mark.parametrize(
    ("train", "visits", "windows", "expected"),
    [
        # 16 windows of statistics and 15 of validation, against 3 x 70: 14.8 % in each epoch
        ({}, 70, 15, 2),
        # without statistics 7.1 %
        ({"recompute_statistics": False}, 70, 15, 1),
        # 21 + 30 x 5 passes, against 3 x 350 x 1.4: 11.6 %
        ({"recipe": "stepwise"}, 350, 30, 2),
        # 21 + 15 x 5 passes: 6.5 %
        ({"recipe": "stepwise"}, 350, 15, 1),
        # 5 + 200 passes, against 3 x 5: at most once in all epochs
        ({"epochs": 8}, 5, 200, 8),
        ({"val_interval": 3}, 70, 15, 3),
    ],
)
def test_validation_takes_a_tenth_of_the_passes_of_training(
    train: dict[str, object], visits: int, windows: int, expected: int
) -> None:
    config = resolve_recipe(Config.model_validate({"train": train}), None)
    assert resolve_interval(config, visits, windows).train.val_interval == expected


def test_epochs_without_validation_have_no_scores(split_data: Path, simvp: Simvp) -> None:
    """They can be neither the best one nor a gap in the curves."""
    result = simvp(*TRAIN, "--epochs", "6", "--set", "train.val_interval=100")
    with Path("work_dirs/default/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["val_loss"]] == ["1", "5", "6"]
    assert all(row["train_loss"] for row in rows)
    lines = [line for line in result.stdout.splitlines() if line.startswith("epoch")]
    assert ["val loss" in line for line in lines] == [True, False, False, False, True, True]
    loss, _ = charts.losses("default", read_history(RunFolder(Path("work_dirs/default"))))
    assert [list(line.x) for line in loss.lines] == [[1, 5, 6], [1, 2, 3, 4, 5, 6]]
