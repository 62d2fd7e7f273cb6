"""Render a config as commented TOML."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic.fields import FieldInfo

from simvp.config.section import Section
from simvp.config.sections import Config, RunSection, section_types


def to_toml(config: Config, origins: Mapping[str, str] | None = None) -> str:
    """Render the config as TOML, with description and bounds above each setting.

    Args:
        origins: origin of the values, by dotted key; written as a comment after the value.
    """
    blocks = [
        "\n".join([f"[{name}]", *section_lines(getattr(config, name), origins, f"{name}.")])
        for name in section_types()
    ]
    return "\n\n".join(blocks) + "\n"


def section_lines(
    section: Section,
    origins: Mapping[str, str] | None = None,
    prefix: str = "",
    leave_out: Collection[str] = (),
) -> list[str]:
    """A comment line and an assignment for each setting of a section that is not None."""
    lines = []
    for key, field in type(section).model_fields.items():
        value, origin = getattr(section, key), (origins or {}).get(prefix + key)
        if value is not None and key not in leave_out:
            lines.append(f"# {describe(field)}")
            lines.append(_assignment(key, value) + (f"  # from {origin}" if origin else ""))
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
        if getattr(constraint, name, 2**63) < 2**63
    ]
    if limits == [">= 0"]:  # obvious from the description
        limits = []
    inner = ", ".join([*limits, *filter(None, remarks)])
    return f"{field.description} ({inner})" if inner else f"{field.description}"


def name_option(folder: Path) -> str:
    """The options of a command that find a run, each with a leading space; empty by default."""
    default = RunSection()
    name = f" --name {shlex.quote(folder.name)}" if folder.name != default.name else ""
    if folder.parent == Path(default.work_dir):
        return name
    return f"{name} --set {shlex.quote(f'run.work_dir={folder.parent}')}"
