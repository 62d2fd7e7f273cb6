"""Rendering of the settings as TOML."""

import tomllib
from pathlib import Path

import pytest

from simvp import simulators
from simvp.config import (
    all_keys,
    assignment_layer,
    origins,
    parameter_layer,
    read_layer,
    resolve,
    to_toml,
)


def test_rendered_config_round_trips(tmp_path: Path) -> None:
    layers = [assignment_layer("train.lr=3e-4"), assignment_layer('run.name="a run"')]
    config = resolve(layers)
    text = to_toml(config, origins(layers))
    file = tmp_path / "printed.toml"
    file.write_text(text)
    assert resolve([read_layer(file)]) == config
    assert "lr = 0.0003  # from --set train.lr" in text.splitlines()
    parsed = tomllib.loads(text)
    assert [f"{s}.{k}" for s, table in parsed.items() for k in table] == all_keys()


@pytest.mark.parametrize("system", simulators.names())
@pytest.mark.parametrize("with_parameters", [False, True])
def test_printed_config_is_read_back_for_every_system(
    tmp_path: Path, system: str, with_parameters: bool
) -> None:
    layers = [assignment_layer(f"simulate.system={system}")]
    if with_parameters:
        for name, setting in simulators.load(system).settings.items():
            layers.append(parameter_layer(f"{name}={setting.low + 0.25 * setting.high!r}"))
    config = resolve(layers)
    assert bool(config.simulate.parameters) is with_parameters
    for text in (to_toml(config), to_toml(config, origins(layers))):
        file = tmp_path / "printed.toml"
        file.write_text(text)
        assert resolve([read_layer(file)]) == config
