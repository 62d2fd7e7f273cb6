"""Merge TOML files and options into one frozen config; report all problems in one error."""

import copy
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from simvp.config.sections import Config, all_keys, section_types
from simvp.errors import ConfigError, did_you_mean

# Sections that describe the machine, not the experiment. They are not read from a run's config.
MACHINE_SECTIONS = ("run", "launch")

Tables = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """Settings from one origin: a file or a command-line option."""

    origin: str
    tables: Tables


def read_layer(path: Path) -> Layer:
    """The settings of a TOML file. Raises ConfigError if it is missing or not TOML."""
    try:
        text = path.read_bytes().decode("utf-8")
        return Layer(str(path), tomllib.loads(text))
    except FileNotFoundError:
        raise ConfigError(f"{path}: config file not found; check the path") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or a number too long
        raise ConfigError(
            f"{path}: is not valid TOML: {error}\n`--print-config` prints a complete example"
        ) from None


def option_layer(origin: str, key: str, value: Any) -> Layer:
    """One setting given by a command-line option such as --lr."""
    section, _, name = key.partition(".")
    return Layer(origin, {section: {name: value}})


def assignment_layer(assignment: str) -> Layer:
    """One setting given as `--set section.key=value`; values that are not TOML are strings.

    Raises: ConfigError if it is not an assignment.
    """
    key, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals or not all(key.partition(".")):
        raise ConfigError(
            f"--set {assignment}: expected section.key=value, for example train.lr=3e-4"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text
    return option_layer(f"--set {key}", key, value)


def machine_only(layer: Layer) -> Layer:
    """The layer with the sections `run` and `launch` only."""
    return Layer(layer.origin, {k: v for k, v in layer.tables.items() if k in MACHINE_SECTIONS})


def experiment_only(layer: Layer) -> Layer:
    """The layer without the sections `run` and `launch`."""
    return Layer(layer.origin, {k: v for k, v in layer.tables.items() if k not in MACHINE_SECTIONS})


def resolve(layers: Sequence[Layer]) -> Config:
    """Merge the layers over the defaults; later layers take precedence.

    Raises: ConfigError with one line for each problem.
    """
    merged: Tables = {}
    for layer in layers:
        for section, table in layer.tables.items():
            if isinstance(table, dict) and isinstance(merged.get(section), dict):
                merged[section].update(table)
            else:
                merged[section] = copy.copy(table)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        lines = [_describe(problem, layers) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from None


def origins(layers: Iterable[Layer]) -> dict[str, str]:
    """The origin of each value, by dotted key such as `train.lr`."""
    return {
        f"{section}.{key}": layer.origin
        for layer in layers
        for section, table in layer.tables.items()
        if isinstance(table, dict)
        for key in table
    }


def _describe(problem: ErrorDetails, layers: Sequence[Layer]) -> str:
    """`small.toml: model.N_S = 3: should be even, use 2 or 4`."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location[:2])
    origin = origins(layers).get(key) or next(
        (layer.origin for layer in reversed(layers) if location[0] in layer.tables), "config"
    )
    if problem["type"] == "extra_forbidden":
        return f"{origin}: {key}: unknown setting.{_suggest_key(key)}"
    if len(location) == 1:
        return f"{origin}: [{key}] {_reason(problem)}"
    return f"{origin}: {key}{explain(problem)}"


def explain(problem: ErrorDetails) -> str:
    """` = 3: should be even, use 2 or 4`: the invalid value and the expected one."""
    found = repr(problem["input"])
    shown = found if len(found) <= 60 else found[:57] + "..."
    return f" = {shown}: {_reason(problem)}"


def _reason(problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return problem["msg"].replace("Input should", "should")


def _suggest_key(key: str) -> str:
    """Suggest the same name in another section, or the closest name in this section."""
    section, _, name = key.rpartition(".")
    siblings = {known.rpartition(".")[2] for known in all_keys() if known.startswith(f"{section}.")}
    elsewhere = [known for known in all_keys() if known.rpartition(".")[2] == name]
    if elsewhere:
        return " Did you mean " + " or ".join(repr(known) for known in elsewhere) + "?"
    return did_you_mean(name, siblings or section_types())
