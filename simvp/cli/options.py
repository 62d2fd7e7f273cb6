"""Command-line options for config keys, and the config that results from them.

Name, type, help and default of an option are those of the config field. The option itself has no
default, so that None means "not given".
"""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from simvp import simulators
from simvp.cli.console import exit_codes, show
from simvp.config import (
    Config,
    Layer,
    assignment_layer,
    describe,
    option_layer,
    origins,
    parameter_layer,
    read_layer,
    resolve,
    section_types,
    to_toml,
)
from simvp.progress import Summary
from simvp.runs import RunFolder

FLAGS = {"data.path": "--data-path", "data.split": "--data"}  # others are --NAME


def _common_options(
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Read settings from a TOML file; overrides ./simvp.toml; repeatable",
            rich_help_panel="Settings",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set any key, for example train.lr=3e-4; repeatable",
            rich_help_panel="Settings",
        ),
    ] = None,
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print the resolved settings as commented TOML, and exit",
            rich_help_panel="Settings",
        ),
    ] = False,
) -> None:
    """Options of every command, which `load_config` reads from the context."""


def with_settings(**sections: str) -> Callable[[Callable[..., Summary]], Callable[..., None]]:
    """Add options for config keys to a command, and print its summary.

    Args:
        sections: the keys of each section, separated by spaces, for example `train="epochs lr"`.
    """
    settings = [
        _setting_option(section, name)
        for section, names in sections.items()
        for name in names.split()
    ]

    def decorate(command: Callable[..., Summary]) -> Callable[..., None]:
        context, *own = inspect.signature(command).parameters.values()
        common = inspect.signature(_common_options).parameters.values()

        @functools.wraps(command)
        def run(**values: Any) -> None:
            with exit_codes():
                show(command(**{option.name: values[option.name] for option in [context, *own]}))

        # Typer reads the options of a command from its signature.
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [context, *settings, *own, *common]
        )
        return run

    return decorate


def _setting_option(section: str, name: str) -> inspect.Parameter:
    """The option of a config key; `train__lr` for `train.lr`."""
    field = section_types()[section].model_fields[name]
    kind: Any = (*get_args(field.annotation), field.annotation)[0]  # int of `int | str`
    flag = FLAGS.get(f"{section}.{name}", "--" + name.replace("_", "-"))
    default = str(field.default).lower() if kind is bool else field.default
    text = describe(field, f"default {default}" if default != "" else "")
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
        help=text[0].upper() + text[1:],
        show_default=False,
        rich_help_panel="Multiple processes or machines" if section == "launch" else None,
    )
    return inspect.Parameter(
        f"{section}__{name}",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[kind | None, option],
    )


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
    local = [layer.select(machine=True) for layer in _local_layers()]
    given = _command_line_layers(ctx)
    run = resolve([layer.select(machine=True) for layer in [*local, *given]]).run
    file = RunFolder(Path(run.work_dir) / run.name).config_file
    saved = [read_layer(file).select(machine=False)] if file.exists() else []
    return _resolve_or_print(ctx, [*local, *saved, *given])


def _local_layers() -> list[Layer]:
    file = Path("simvp.toml")
    return [read_layer(file)] if file.exists() else []


def _command_line_layers(ctx: typer.Context) -> list[Layer]:
    """Settings given on the command line, in increasing priority."""
    flags = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    return [
        *map(read_layer, ctx.params.get("config") or []),
        *map(assignment_layer, ctx.params.get("assignments") or []),
        *map(parameter_layer, ctx.params.get("parameters") or []),
        *(
            option_layer(flags[name], name.replace("__", "."), value)
            for name, value in ctx.params.items()
            if "__" in name and value is not None
        ),
    ]


def _resolve_or_print(ctx: typer.Context, layers: list[Layer]) -> Config:
    config = resolve(layers)
    if ctx.params["print_config"]:
        print(to_toml(config, origins(layers)), end="")
        raise typer.Exit()
    return config
