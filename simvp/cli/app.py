"""The program `simvp` and its general options."""

from typing import Annotated

import typer

from simvp import __version__

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a SimVP network to forecast 2-D simulations",
    epilog="Usual order: simulate (or use your own data), split, train, test, predict, viz.",
)


def _show_version(requested: bool) -> None:
    if requested:
        print(f"simvp {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version")
    ] = False,
) -> None:
    pass
