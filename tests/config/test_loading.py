"""Merging of settings from files and options, and messages for invalid ones."""

from pathlib import Path

import pytest

from simvp.config import (
    assignment_layer,
    origins,
    parameter_layer,
    read_layer,
    resolve,
    to_toml,
)
from simvp.errors import ConfigError


def problem(*assignments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve([assignment_layer(text) for text in assignments])
    return str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.lr=fast", "--set train.lr = 'fast': should be auto or a positive number"),
        ("train.lr=0", "--set train.lr = 0: should be auto or a positive number"),
        ("train.lr=nan", "--set train.lr = nan: should be a finite number"),
        (
            "train.rollout_share=nan",
            "--set train.rollout_share = nan: should be a finite number",
        ),
        ("train.epochs=true", "--set train.epochs = True: should be a valid integer"),
        ("train.epochs=2.5", "--set train.epochs = 2.5: should be a valid integer"),
        ("model.N_S=3", "--set model.N_S = 3: should be auto or an even number from 2 to 16"),
        ("model.hid_S=7", "--set model.hid_S = 7: should be even, use 6 or 8"),
        (
            "model.spatio_kernel_enc=4",
            "--set model.spatio_kernel_enc = 4: should be auto or a positive odd number",
        ),
        (
            "train.epoch=3",
            "--set train.epoch: unknown setting. Did you mean 'epochs'?",
        ),
        (
            "model.lr=3",
            "--set model.lr: unknown setting. Did you mean 'train.lr'?",
        ),
        (
            "modle.hid_S=2",
            "--set modle.hid_S: modle: unknown setting. Did you mean 'model'?",
        ),
        (
            "run.name=a/b",
            "--set run.name = 'a/b': should be a folder name without slashes, of at most 200 bytes",
        ),
        (
            "simulate.parameters={increment=300}",
            "--set simulate.parameters: simulate.parameters.increment = 300.0: should be from -212 "
            "to 212 degF (heating per step)",
        ),
        (
            "simulate.parameters.incremnt=3",
            "--set simulate.parameters.incremnt = 3.0: boiling has "
            "no such parameter; its parameters: increment. Did you mean 'increment'?",
        ),
        (
            "simulate.parameters.increment=a",
            "--set simulate.parameters.increment = 'a': should be a valid number",
        ),
        ("train.lr", "--set train.lr: expected section.key=value, for example train.lr=3e-4"),
    ],
)
def test_message_for_an_invalid_setting(assignment: str, message: str) -> None:
    assert problem(assignment) == message


def test_unknown_translator_suggests_a_similar_one() -> None:
    assert "Did you mean 'gsta'?" in problem("model.model_type=gst")


def test_all_problems_are_reported_at_once() -> None:
    lines = problem("train.epochs=0", "model.N_S=3", "split.seed=-1").splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        "--set split.seed",
        "--set model.N_S",
        "--set train.epochs",
    ]


def test_ratios_above_one_are_rejected() -> None:
    message = problem("split.train_ratio=0.9", "split.val_ratio=0.2")
    assert "[split] train_ratio + val_ratio = 1.1: the sum should be at most 1" in message


def test_several_machines_require_an_endpoint() -> None:
    assert "nnodes = 2 requires rdzv_endpoint" in problem("launch.nnodes=2")
    assert "node_rank = 2 with nnodes = 1" in problem("launch.node_rank=2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[train\nepochs = 3", "is not valid TOML"),
        (b"\xff\xfe", "is not valid TOML"),
        (b"x = " + b"[" * 100_000, "is not valid TOML"),
        (b"[train]\nepochs = " + b"9" * 5000, "is not valid TOML"),
    ],
    ids=["syntax", "not-utf8", "deep", "5000-digits"],
)
def test_invalid_toml_file(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "small.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"small.toml: {message}"):
        read_layer(file)


def test_missing_config_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no.toml: config file not found"):
        read_layer(tmp_path / "no.toml")


def test_section_that_is_not_a_table(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text("train = 3\n")
    with pytest.raises(ConfigError, match=r"small.toml: \[train\] should be a valid dictionary"):
        resolve([read_layer(file)])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("increment = 5", {"increment": 5.0}),
        ("system = 'boiling'\nincrement = 10.0", {"increment": 10.0}),
        # Version 1 wrote its default for every system.
        ("system = 'heat'\nincrement = 10.0", {}),
    ],
)
def test_increment_of_version_1_becomes_a_parameter(
    tmp_path: Path, lines: str, expected: dict[str, float]
) -> None:
    file = tmp_path / "old.toml"
    file.write_text(f"[simulate]\n{lines}\n")
    assert resolve([read_layer(file)]).simulate.parameters == expected


def test_increment_of_version_1_is_refused_for_a_system_without_it(tmp_path: Path) -> None:
    file = tmp_path / "old.toml"
    file.write_text("[simulate]\nsystem = 'heat'\nincrement = 5\n")
    with pytest.raises(
        ConfigError, match="old.toml: simulate.parameters.increment = 5.0: heat has"
    ):
        resolve([read_layer(file)])


def test_parameters_of_several_layers_are_merged_in_order(tmp_path: Path) -> None:
    file = tmp_path / "gs.toml"
    file.write_text("[simulate]\nsystem = 'gray-scott'\nparameters = {feed = 0.02, kill = 0.05}\n")
    layers = [
        read_layer(file),
        assignment_layer("simulate.parameters.kill=0.055"),
        parameter_layer("kill=0.06"),
    ]
    config = resolve(layers)
    assert config.simulate.parameters == {"feed": 0.02, "kill": 0.06}
    assert layers[0].tables["simulate"]["parameters"]["kill"] == 0.05
    line = f"parameters = {{ feed = 0.02, kill = 0.06 }}  # from {file}, "
    line += "--set simulate.parameters.kill, --param kill"
    assert line in to_toml(config, origins(layers)).splitlines()
