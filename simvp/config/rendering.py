"""A config as TOML: commented for people, or plain for a run's folder."""

from collections.abc import Mapping
from typing import Any

import tomli_w
from pydantic.fields import FieldInfo

from simvp.config.sections import Config, section_types


def to_toml(config: Config, origins: Mapping[str, str] | None = None) -> str:
    """The config as TOML, every setting with what it means and which values it takes.

    Args:
        origins: for a dotted key, where its value comes from; told behind the value.
    """
    origins = origins or {}
    blocks = []
    for section, kind in section_types().items():
        lines = [f"[{section}]"]
        for key, field in kind.model_fields.items():
            value = getattr(getattr(config, section), key)
            origin = origins.get(f"{section}.{key}")
            lines.append(f"# {describe(field)}")
            lines.append(_assignment(key, value) + (f"  # from {origin}" if origin else ""))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def describe(field: FieldInfo, *remarks: str) -> str:
    """What a setting means, with its bounds and further remarks in brackets."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    limits = [
        f"{sign} {getattr(constraint, name)}"
        for constraint in field.metadata
        for name, sign in signs.items()
        if getattr(constraint, name, 2**63) not in (None, 2**63)
    ]
    # The lower bound 0 of a seed says nothing that a user would try.
    limits = [] if limits == [">= 0"] else limits
    inner = ", ".join([*limits, *filter(None, remarks)])
    return f"{field.description}" + (f" ({inner})" if inner else "")


def _assignment(key: str, value: Any) -> str:
    return tomli_w.dumps({key: value}).strip()
