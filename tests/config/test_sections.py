"""Properties of the config object."""

import pytest

from simvp.config import (
    Config,
)


def test_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().train.epochs = 3
