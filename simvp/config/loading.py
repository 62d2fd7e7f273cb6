"""Merge TOML files and options into one frozen config; report all problems in one error."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from simvp.config.sections import Config, all_keys, section_types
from simvp.errors import ConfigError, did_you_mean, plain_reason
from simvp.storage.urls import without_credentials

Tables = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """Settings from one origin: a file or a command-line option."""

    origin: str
    tables: Tables

    def select(self, *, machine: bool) -> "Layer":
        """Only the sections `run` and `launch`, which describe the machine; or all others."""
        tables = {k: v for k, v in self.tables.items() if (k in ("run", "launch")) == machine}
        return Layer(self.origin, tables)


# What the config of a run leaves out if an earlier version wrote it.
_EARLIER_DEFAULTS = Layer(
    "default of earlier versions",
    {
        "model": {
            **{"model_type": "gsta", "hid_T": 64, "N_S": 2, "N_T": 8, "mlp_ratio": 8.0},
            **{"spatio_kernel_enc": 3, "spatio_kernel_dec": 3, "drop_path_first": 0.01},
        },
        "train": {"recipe": "direct", "val_interval": 1, "input_noise": 0.0},
    },
)


def run_layers(path: Path) -> list[Layer]:
    """The settings of a run, from its config file, with the defaults of the version that wrote it.

    Raises: ConfigError if the file is missing or not TOML.
    """
    return [_EARLIER_DEFAULTS, read_layer(path)]


def read_layer(path: Path, help: str = "`--print-config` prints a complete example") -> Layer:
    """The settings of a TOML file.

    Args:
        help: what to say if it is not TOML.
    Raises: ConfigError if it is missing or not TOML.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        return Layer(str(path), _with_current_names(tomllib.loads(text)))
    except FileNotFoundError:
        raise ConfigError(f"{path}: config file not found; check the path") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or a number too long
        raise ConfigError(f"{path}: is not valid TOML: {error}\n{help}") from None


def option_layer(origin: str, key: str, value: Any) -> Layer:
    """One setting given by a command-line option such as --lr; `key` is dotted."""
    tables = value
    for name in reversed(key.split(".")):
        tables = {name: tables}
    return Layer(origin, _with_current_names(tables))


def assignment_layer(assignment: str) -> Layer:
    """The layer of `--set section.key=value`. Raises ConfigError if it is not an assignment."""
    return _assignment_layer("--set", "section.key=value, for example train.lr=3e-4", assignment)


def parameter_layer(assignment: str) -> Layer:
    """The layer of `--param name=value`. Raises ConfigError if it is not an assignment."""
    expected = "NAME=VALUE, for example increment=5"
    return _assignment_layer("--param", expected, assignment, prefix="simulate.parameters.")


def _assignment_layer(option: str, expected: str, assignment: str, prefix: str = "") -> Layer:
    name, equals, text = (part.strip() for part in assignment.partition("="))
    key = prefix + name
    if not equals or "." not in key or not all(key.split(".")):
        raise ConfigError(f"{option} {assignment}: expected {expected}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML: a string without quotes
        value = text
    return option_layer(f"{option} {name}", key, value)


def _with_current_names(tables: Tables) -> Tables:
    """Rename `simulate.increment` of version 1 to `simulate.parameters.increment`.

    Version 1 wrote its default of 10 for every system, although only boiling used it.
    """
    simulate = tables.get("simulate")
    if not isinstance(simulate, dict) or "increment" not in simulate:
        return tables
    renamed = {key: value for key, value in simulate.items() if key != "increment"}
    increment, parameters = simulate["increment"], simulate.get("parameters", {})
    is_unused = increment == 10 and simulate.get("system", "boiling") != "boiling"
    if not is_unused and isinstance(parameters, dict):
        renamed["parameters"] = {"increment": increment, **parameters}
    return {**tables, "simulate": renamed}


def resolve(layers: Sequence[Layer]) -> Config:
    """Merge the layers over the defaults; later layers take precedence.

    Raises: ConfigError with one line for each problem.
    """
    merged: Tables = {}
    for layer in layers:
        _merge(merged, layer.tables)
        for section, table in layer.tables.items():
            for key, value in table.items() if isinstance(table, dict) else ():
                if isinstance(value, str) and "\0" in value:  # no system has such a path
                    raise ConfigError(
                        f"{layer.origin}: {section}.{key} contains a NUL character; remove it"
                    )
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        # A value that no type of a union accepts has a problem for each; the first one is enough.
        first: dict[object, ErrorDetails] = {}
        for problem in error.errors(include_url=False):
            first.setdefault((problem["loc"][:2], repr(problem["input"])), problem)
        lines = [_describe(problem, layers) for problem in first.values()]
        raise ConfigError("\n".join(lines)) from None


def _merge(into: Tables, tables: Tables) -> None:
    """Set in `into` what `tables` sets, table by table."""
    for key, value in tables.items():
        if isinstance(value, dict):
            earlier = into.get(key)
            into[key] = {**earlier} if isinstance(earlier, dict) else {}
            _merge(into[key], value)
        else:
            into[key] = value


def origins(layers: Iterable[Layer]) -> dict[str, str]:
    """The origin of each value, by dotted key such as `train.lr`.

    A table that several layers set has several origins, separated by commas.
    """
    found: dict[str, str] = {}
    for layer in layers:
        for section, table in layer.tables.items():
            for key, value in table.items() if isinstance(table, dict) else ():
                dotted, origin = f"{section}.{key}", layer.origin
                if isinstance(value, dict):
                    found.update({f"{dotted}.{name}": origin for name in value})
                    earlier = found.get(dotted)
                    origin = f"{earlier}, {origin}" if earlier else origin
                found[dotted] = origin
    return found


def _describe(problem: ErrorDetails, layers: Sequence[Layer]) -> str:
    """`small.toml: model.N_S = 3: should be even, use 2 or 4`."""
    location = [str(part) for part in problem["loc"]]
    known = origins(layers)
    entry = ".".join(location[:3])  # of a table; it may also name a type of a union
    key = entry if entry in known else ".".join(location[:2])
    origin = known.get(key) or next(
        (layer.origin for layer in reversed(layers) if location[0] in layer.tables), "config"
    )
    if len(location) == 1 and problem["type"] != "extra_forbidden":
        return f"{origin}: [{key}] {plain_reason(problem['msg'])}"
    option, _, name = origin.partition(" ")
    is_named = option.startswith("--") and key.endswith(name)  # --epochs, --set train.epochs
    where = origin if is_named else f"{origin}: {key}"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown setting.{_suggest_key(key)}"
    return f"{where}{explain(problem)}"


def explain(problem: ErrorDetails) -> str:
    """` = 3: should be even, use 2 or 4`: the invalid value and the expected one."""
    found = without_credentials(repr(problem["input"]))
    shown = found if len(found) <= 60 else found[:57] + "..."
    return f" = {shown}: {plain_reason(problem['msg'])}"


def _suggest_key(key: str) -> str:
    """Suggest the same name in another section, or the closest name in this section."""
    section, _, name = key.rpartition(".")
    siblings = {known.rpartition(".")[2] for known in all_keys() if known.startswith(f"{section}.")}
    elsewhere = [known for known in all_keys() if known.rpartition(".")[2] == name]
    if elsewhere:
        return " Did you mean " + " or ".join(repr(known) for known in elsewhere) + "?"
    suggestion = did_you_mean(name, siblings or section_types())
    return suggestion or " `simvp train --print-config` lists all"
