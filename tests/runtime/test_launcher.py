"""When a group of processes is launched."""

import pytest

from simvp.config import assignment_layer, resolve
from simvp.errors import ConfigError
from simvp.runtime import launcher


def test_launching_a_group_inside_a_group_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not launcher.is_needed(resolve([]))
    with pytest.raises(ConfigError, match="remove --nproc, --nnodes"):
        launcher.is_needed(resolve([assignment_layer("launch.nproc=4")]))
