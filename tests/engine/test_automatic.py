"""Settings that are resolved automatically."""

import json
from pathlib import Path

import pytest
import torch
from helpers import only_split

from simvp.config import Config
from simvp.data import read_split
from simvp.engine.automatic import resolve_auto
from simvp.engine.weights import StoredWeights
from simvp.errors import ConfigError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("windows", "nproc", "epochs", "expected"),
    # 100 epochs of 70 windows are 3500 steps of two windows; the size is at most 16.
    [
        (70, 1, 100, 2),
        (70, 2, 100, 2),
        (350, 1, 20, 2),
        (1050, 1, 20, 7),
        (1050, 2, 20, 3),
        (14000, 1, 20, 16),
        (3, 4, 20, 1),
    ],
)
def test_automatic_batch_size_gives_enough_steps(
    split_data: Path, windows: int, nproc: int, epochs: int, expected: int
) -> None:
    config = Config.model_validate({"train": {"epochs": epochs}})
    assert resolved(split_data, config, windows, world_size=nproc).train.batch_size == expected
    given = Config.model_validate({"train": {"batch_size": 5}})
    assert resolved(split_data, given, windows, world_size=nproc).train.batch_size == 5


def resolved(
    data: Path,
    config: Config,
    windows: int = 70,
    device: str = "cpu",
    world_size: int = 1,
    weights: StoredWeights | None = None,
) -> Config:
    split = read_split(data)
    return resolve_auto(
        config,
        split,
        num_windows=windows,
        num_val_windows=2,
        device=torch.device(device),
        world_size=world_size,
        weights=weights,
    )


def test_compilation_is_for_long_runs_on_a_gpu(
    split_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    settings = {"batch_size": 2, "epochs": 20, "precision": "fp32"}
    config = Config.model_validate({"train": settings})
    for device, windows, expected in [
        ("cpu", 10**6, False),
        ("cuda", 70, False),
        ("cuda", 900, True),
    ]:
        assert resolved(split_data, config, windows, device).train.compile is expected
    requested = Config.model_validate({"train": {"compile": True}})
    assert resolved(split_data, requested, 1).train.compile is True


@pytest.mark.parametrize(
    ("kind", "recipe", "optimizer", "lr"),
    [
        ("unet", "direct", "muon", 0.01),
        ("unet", "stepwise", "muon", 0.01),
        ("unet", "stepwise", "adam", 0.001),
        ("gsta", "stepwise", "muon", 0.006),
        ("gsta", "direct", "muon", 0.001),
        ("gsta", "stepwise", "adam", 0.001),
    ],
)
def test_automatic_learning_rate(
    kind: str, recipe: str, optimizer: str, lr: float, split_data: Path
) -> None:
    for given, expected in ({}, lr), ({"lr": 3e-4}, 3e-4):
        train = {"recipe": recipe, "optimizer": optimizer, **given}
        config = Config.model_validate({"model": {"model_type": kind}, "train": train})
        assert resolved(split_data, config, 10).train.lr == expected


def test_no_setting_remains_auto(split_data: Path) -> None:
    (split_data / "dataset.toml").write_text("boundary_x = 'periodic'\nsymmetries = ['flip_y']\n")
    config = resolved(split_data, Config.model_validate({"metrics": {"precision": "auto"}}), 70)
    assert config.model.boundary == "zeros,periodic" and config.train.augment == "flip_y"
    assert config.train.precision in ("fp32", "bf16")
    assert config.data.split == str(read_split(split_data).path)
    experiment = config.model_dump(exclude={"run", "split"})
    assert "auto" not in [value for section in experiment.values() for value in section.values()]


def asking(standardize: bool | str) -> Config:
    return Config.model_validate({"model": {"standardize": standardize}})


def test_new_networks_standardise_if_the_statistics_are_known(split_data: Path) -> None:
    assert resolved(split_data, asking("auto")).model.standardize is True
    assert resolved(split_data, asking(False)).model.standardize is False
    path = only_split(split_data)
    record = json.loads(path.read_bytes())
    samples = [
        [f"{segment['series']}/{frame}.npy" for frame in range(8)]
        for segment in record["train"]["segments"]
    ]
    path.write_text(json.dumps({"train": {"samples": samples}}))  # as version 1 wrote it
    assert resolved(split_data, asking("auto")).model.standardize is False
    with pytest.raises(ConfigError, match="has no mean and standard deviation of the data; make"):
        resolved(split_data, asking(True))
    # The weights bring their own statistics.
    trained = StoredWeights(Path("w.pth"), {"mean": torch.ones(1), "std": torch.ones(1)})
    assert resolved(split_data, asking("auto"), weights=trained).model.standardize is True


@pytest.mark.parametrize("has_std", [True, False])
def test_given_weights_decide_about_standardisation(split_data: Path, has_std: bool) -> None:
    # Weights of a run with missing values have a mean in any case.
    state = {"mean": torch.ones(1), **({"std": torch.ones(1)} if has_std else {})}
    weights = StoredWeights(Path("w.pth"), state)
    for setting in ("auto", has_std):
        chosen = resolved(split_data, asking(setting), weights=weights).model.standardize
        assert chosen is has_std
    found = "true: the weights in w.pth were trained without"
    if has_std:
        found = "false: the weights in w.pth were trained with"
    with pytest.raises(ConfigError, match=f"model.standardize = {found} standardisation of .* use"):
        resolved(split_data, asking(not has_std), weights=weights)
