"""A config as TOML: commented for people, or plain for a run's folder."""

from collections.abc import Mapping
from typing import Any

import tomli_w
from pydantic.fields import FieldInfo

from simvp.config.sections import Config, Section, section_types


def to_toml(config: Config, origins: Mapping[str, str] | None = None) -> str:
    """The config as TOML, every setting with what it means and which values it takes.

    Args:
        origins: for a dotted key, where its value comes from; told behind the value.
    """
    origins = origins or {}
    blocks = []
    for name in section_types():
        own = {key: origins.get(f"{name}.{key}") for key in section_types()[name].model_fields}
        blocks.append("\n".join([f"[{name}]", *section_lines(getattr(config, name), own)]))
    return "\n\n".join(blocks) + "\n"


def section_lines(section: Section, origins: Mapping[str, str | None] | None = None) -> list[str]:
    """A commented line of TOML for each entry of a section."""
    lines = []
    for key, field in type(section).model_fields.items():
        origin = (origins or {}).get(key)
        assignment = _assignment(key, getattr(section, key))
        lines.append(f"# {describe(field)}")
        lines.append(assignment + (f"  # from {origin}" if origin else ""))
    return lines


def _assignment(key: str, value: Any) -> str:
    """`key = value` in one line of TOML; a table becomes an inline table."""
    if isinstance(value, dict):
        inner = ", ".join(_assignment(name, item) for name, item in value.items())
        return f"{key} = {{ {inner} }}" if inner else f"{key} = {{}}"
    return tomli_w.dumps({key: value}).strip()


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
