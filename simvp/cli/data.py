"""Options of the commands that make and split data."""

from typing import Annotated

import typer

from simvp.cli.app import app
from simvp.cli.console import ConsoleReport
from simvp.cli.options import SimulateCommand, load_config, with_settings
from simvp.progress import Summary


@app.command(cls=SimulateCommand)
@with_settings(simulate="system samples frames image_size seed", data="path")
def simulate(
    ctx: typer.Context,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="NAME=VALUE",
            help="Set a parameter of the system, listed below; repeatable",
        ),
    ] = None,
    simulate__parameters__increment: Annotated[
        float | None, typer.Option("--increment", help="Short for --param increment=X")
    ] = None,
) -> Summary:
    """Simulate samples to train on. Samples that already exist are skipped."""
    config = load_config(ctx)
    from simvp.commands import simulate as command

    return command.run(config, ConsoleReport())


@app.command()
@with_settings(
    data="path",
    split="variables inputs static axes level crop resize start stop every by gap group parts "
    "train_ratio val_ratio total_length samples start_index init_final_only reverse scale seed",
)
def split(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA", help="File or folder to read; default: data.path", show_default=False
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the split file; default: the folder of the data",
            show_default=False,
        ),
    ] = "",
    write_card: Annotated[
        bool,
        typer.Option("--write-card", help="Write a data card with what is known, to be edited"),
    ] = False,
) -> Summary:
    """Check all samples and split them into training, validation and test samples."""
    config = load_config(ctx)
    from simvp.commands import split as command

    return command.run(config, ConsoleReport(), output=output, write_card=write_card)
