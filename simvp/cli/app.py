"""The program `simvp` and its general options."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from simvp import __version__
from simvp.errors import plain_reason


class _Commands(TyperGroup):
    """The subcommands, whose messages about options are those of settings."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:  # some versions of Typer show pydantic's messages
            error.message = plain_reason(error.message)
            raise


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a neural network to forecast 2-D fields",
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
