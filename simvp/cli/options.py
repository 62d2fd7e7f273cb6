"""Command-line options for config keys, and the config that results from them.

The parameter `train__lr` is the option for the key `train.lr`. Help and default are those of the
config field. The option itself has no default, so that None means "not given".
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from simvp import simulators
from simvp.config import (
    Config,
    Layer,
    assignment_layer,
    describe,
    experiment_only,
    machine_only,
    option_layer,
    origins,
    parameter_layer,
    read_layer,
    resolve,
    section_types,
    to_toml,
)
from simvp.runs import RunFolder

LOCAL_CONFIG = Path("simvp.toml")


def key(dotted: str, *flags: str) -> Any:
    """The typer option for a config key such as `train.lr`."""
    section, _, name = dotted.partition(".")
    field = section_types()[section].model_fields[name]
    default = str(field.default).lower() if field.default in (True, False) else field.default
    text = describe(field, f"default {default}" if default != "" else "")
    panel = "Multiple processes or machines" if section == "launch" else None
    return typer.Option(
        *flags, help=text[0].upper() + text[1:], show_default=False, rich_help_panel=panel
    )


ConfigOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read settings from a TOML file; overrides ./simvp.toml; repeatable",
        rich_help_panel="Settings",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set any key, for example train.lr=3e-4; repeatable",
        rich_help_panel="Settings",
    ),
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="Set a parameter of the system, listed below; repeatable",
    ),
]
PrintConfigOption = Annotated[
    bool,
    typer.Option(
        "--print-config",
        help="Print the resolved settings as commented TOML, and exit",
        rich_help_panel="Settings",
    ),
]


class SimulateCommand(TyperCommand):
    """A command whose help ends with the parameters of each system.

    They are read when this help is shown, because loading a simulator imports numpy.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        lines = [
            f"{name}: {parameter}, {setting.description} ({setting.bounds}, default "
            f"{setting.default:g})"
            for name in simulators.names()
            for parameter, setting in simulators.load(name).settings.items()
        ]
        self.epilog = "\n\n".join(["Parameters of each system:", *lines])
        super().format_help(ctx, formatter)


def load_config(ctx: typer.Context) -> Config:
    """Merge defaults < ./simvp.toml < --config files < --set < other options.

    With --print-config, prints the result and exits.
    """
    return _resolve_or_print(ctx, [*_local_layers(), *_command_line_layers(ctx)])


def load_run_config(ctx: typer.Context) -> Config:
    """The config of an existing run, selected by `run.name`.

    The sections `run` and `launch` are merged as for a new run. All other settings come from the
    config saved with the run; only --config files and options override them.
    """
    local = [machine_only(layer) for layer in _local_layers()]
    given = _command_line_layers(ctx)
    return _resolve_or_print(ctx, [*local, *_saved_layers([*local, *given]), *given])


def _saved_layers(layers: list[Layer]) -> list[Layer]:
    file = _run_folder(resolve([machine_only(layer) for layer in layers])).config_file
    return [experiment_only(read_layer(file))] if file.exists() else []


def _run_folder(config: Config) -> RunFolder:
    return RunFolder(Path(config.run.work_dir) / config.run.name)


def _local_layers() -> list[Layer]:
    return [read_layer(LOCAL_CONFIG)] if LOCAL_CONFIG.exists() else []


def _command_line_layers(ctx: typer.Context) -> list[Layer]:
    """Settings given on the command line, in increasing priority."""
    files = [read_layer(path) for path in ctx.params.get("config") or []]
    assignments = [assignment_layer(text) for text in ctx.params.get("assignments") or []]
    parameters = [parameter_layer(text) for text in ctx.params.get("parameters") or []]
    flags = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    options = [
        option_layer(flags[name], name.replace("__", "."), value)
        for name, value in ctx.params.items()
        if "__" in name and value is not None
    ]
    return [*files, *assignments, *parameters, *options]


def _resolve_or_print(ctx: typer.Context, layers: list[Layer]) -> Config:
    config = resolve(layers)
    if ctx.params.get("print_config"):
        print(to_toml(config, origins(layers)), end="")
        raise typer.Exit()
    return config
