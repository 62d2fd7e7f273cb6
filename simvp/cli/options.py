"""Command-line options for config keys, and the config that results from them.

Name, type, help and default of an option are those of the config field. The option itself has no
default, so that None means "not given".
"""

import functools
import inspect
from collections.abc import Callable, Iterator
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
    run_layers,
    section_types,
    to_toml,
)
from simvp.progress import Summary
from simvp.runs import RunFolder

FLAGS = {"data.path": "--data-path", "data.split": "--data"}  # others are --NAME


_general_option = functools.partial(typer.Option, rich_help_panel="Settings")


def _common_options(
    config: Annotated[
        list[Path] | None,
        _general_option(
            "--config",
            metavar="FILE",
            readable=False,  # `read_layer` says more
            help="Read settings from a TOML file; overrides ./simvp.toml; repeatable",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        _general_option(
            "--set", metavar="KEY=VALUE", help="Set any key, such as train.lr=3e-4; repeatable"
        ),
    ] = None,
    print_config: Annotated[
        bool, _general_option("--print-config", help="Print all settings as TOML, and exit")
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
        context_option, *own = inspect.signature(command).parameters.values()
        common = inspect.signature(_common_options).parameters.values()

        @functools.wraps(command)
        def run(**values: Any) -> None:
            context = values[context_option.name]
            with exit_codes(_names_as_typed(context)):
                show(
                    command(
                        **{option.name: values[option.name] for option in [context_option, *own]}
                    )
                )

        # Typer reads the options of a command from its signature.
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [context_option, *settings, *own, *common]
        )
        return run

    return decorate


def _setting_option(section: str, name: str) -> inspect.Parameter:
    """The option of a config key; `train__lr` for `train.lr`."""
    field = section_types()[section].model_fields[name]
    kind: Any = (*get_args(field.annotation), field.annotation)[0]  # int of `int | str`
    kind = kind if isinstance(kind, type) else str  # str of a Literal
    is_number = kind in (int, float)
    auto = "|auto" if field.default == "auto" else ""
    flag = FLAGS.get(f"{section}.{name}", "--" + name.replace("_", "-"))
    default = str(field.default).lower() if kind is bool else field.default
    text = describe(field, f"default {default}" if default != "" else "")
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
        help=text[0].upper() + text[1:],
        parser=functools.partial(_number_or_text, kind) if is_number else None,
        metavar=f"<{kind.__name__}{auto}>" if is_number else None,
        show_default=False,
        rich_help_panel="Multiple processes or machines" if section == "launch" else None,
    )
    return inspect.Parameter(
        f"{section}__{name}",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _number_or_text(kind: type, text: str) -> Any:
    """The number, or the text, which the config accepts or refuses."""
    try:
        return kind(text)
    except ValueError:
        return text


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


def load_config(ctx: typer.Context, *, of_run: bool = False) -> Config:
    """Merge defaults < ./simvp.toml < --config files < --set < other options.

    With --print-config, prints the result and exits.

    Args:
        of_run: start from the config saved with the existing run `run.name`, if there is one. Then
            only the sections `run` and `launch` are read from ./simvp.toml.
    """
    local_file = Path("simvp.toml")
    layers = [read_layer(local_file)] if local_file.exists() else []
    given = _command_line_layers(ctx)
    if of_run:
        run = resolve([layer.select(machine=True) for layer in (*layers, *given)]).run
        saved_file = RunFolder(Path(run.work_dir) / run.name).config_file
        if saved_file.exists():
            layers = [layer.select(machine=True) for layer in layers]
            layers += [layer.select(machine=False) for layer in run_layers(saved_file)]
    layers += given
    config = resolve(layers)
    if ctx.params["print_config"]:
        print(to_toml(config, origins(layers)), end="")
        raise typer.Exit()
    return config


def _command_line_layers(ctx: typer.Context) -> list[Layer]:
    """Settings given on the command line, in increasing priority."""
    return [
        *map(read_layer, ctx.params["config"] or []),
        *map(assignment_layer, ctx.params["assignments"] or []),
        *map(parameter_layer, ctx.params.get("parameters") or []),
        *(option_layer(*given) for given in _given_options(ctx)),
    ]


def _names_as_typed(ctx: typer.Context) -> dict[str, str]:
    """The option of each name by which a message may call a value from the command line."""
    options = [(p.name or "", p.opts[0]) for p in ctx.command.params if p.opts[0][:2] == "--"]
    names = {name.rpartition("__")[2]: option for name, option in options}
    return names | {key: option for option, key, _ in _given_options(ctx)}


def _given_options(ctx: typer.Context) -> Iterator[tuple[str, str, Any]]:
    """Option, key and value of each setting that has an option on the command line."""
    if ctx.params.get("source"):
        yield "DATA", "data.path", ctx.params["source"]
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if "__" in name and ctx.params[name] is not None:
            yield parameter.opts[0], name.replace("__", "."), ctx.params[name]
