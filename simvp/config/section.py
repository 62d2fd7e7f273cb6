"""The base class of tables that are read from TOML and JSON files and checked."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen table of settings. Unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )
