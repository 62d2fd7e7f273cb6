"""Render a config as commented TOML."""

from collections.abc import Collection, Mapping
from typing import Any

import tomli_w
from pydantic.fields import FieldInfo

from simvp.config.sections import Config, Section, section_types


def to_toml(config: Config, origins: Mapping[str, str] | None = None) -> str:
    """Render the config as TOML, with description and bounds above each setting.

    Args:
        origins: origin of the values, by dotted key; written as a comment after the value.
    """
    origins = origins or {}
    blocks = []
    for name in section_types():
        section = getattr(config, name)
        of_section = {key: origins.get(f"{name}.{key}") for key in type(section).model_fields}
        blocks.append("\n".join([f"[{name}]", *section_lines(section, of_section)]))
    return "\n\n".join(blocks) + "\n"


def section_lines(
    section: Section,
    origins: Mapping[str, str | None] | None = None,
    leave_out: Collection[str] = (),
) -> list[str]:
    """A comment line and an assignment for each setting of a section that is not None."""
    lines = []
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if value is None or key in leave_out:
            continue
        origin = (origins or {}).get(key)
        assignment = _assignment(key, value)
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
    """The description of a setting, followed by its bounds and other remarks in parentheses."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    limits = [
        f"{sign} {getattr(constraint, name)}"
        for constraint in field.metadata
        for name, sign in signs.items()
        if getattr(constraint, name, 2**63) not in (None, 2**63)
    ]
    # A lower bound of 0 alone is obvious from the description.
    limits = [] if limits == [">= 0"] else limits
    inner = ", ".join([*limits, *filter(None, remarks)])
    return f"{field.description}" + (f" ({inner})" if inner else "")
