"""Options of the commands that train, score and use a network."""

from typing import Annotated, Literal

import typer

from simvp.cli.app import app
from simvp.cli.console import ConsoleReport
from simvp.cli.options import load_config, with_settings
from simvp.progress import Summary

LAUNCH = "nproc nnodes node_rank rdzv_endpoint"


@app.command()
@with_settings(
    data="split path pre_seq_length aft_seq_length",
    model="model_type",
    train="recipe epochs minutes batch_size val_batch_size lr init_from checkpoint_interval "
    "checkpoint_every_minutes seed members",
    run="name device",
    launch=f"{LAUNCH} max_restarts",
)
def train(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="File or folder that `simvp split` has split; default: data.path",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the run's latest checkpoint")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing run of this name")
    ] = False,
    print_model: Annotated[
        bool, typer.Option("--print-model", help="Print the cost of the network, and exit")
    ] = False,
    test: Annotated[bool, typer.Option("--test", help="After training, run `simvp test`")] = False,
) -> Summary:
    """Train the network and save the best model by validation."""
    if resume and overwrite:
        raise typer.BadParameter("--resume and --overwrite cannot be combined; use one of them")
    config = load_config(ctx, of_run=resume)
    from simvp.commands import train as command

    return command.run(
        config,
        ConsoleReport(),
        resume=resume,
        overwrite=overwrite,
        and_test=test,
        print_model=print_model,
    )


@app.command()
@with_settings(run="name device", data="split", launch=LAUNCH)
def test(
    ctx: typer.Context,
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            "--checkpoint",
            metavar="FILE",
            help="Weights to score instead of the run's model: weights or a checkpoint of "
            "simvp, or weights of OpenSTL; .pth or .safetensors",
            show_default=False,
        ),
    ] = "",
    part: Annotated[
        Literal["train", "validation", "test"], typer.Option("--part", help="Samples to score")
    ] = "test",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames to forecast; default: as many as in training", show_default=False
        ),
    ] = None,
) -> Summary:
    """Score the model of a run on test samples, or others, and save the forecasts."""
    config = load_config(ctx, of_run=True)
    from simvp.commands import test as command

    return command.run(config, command.Request(weights, part, steps or 0), ConsoleReport())


@app.command()
@with_settings(run="name device", split="axes", launch=LAUNCH)
def predict(
    ctx: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="File or folder to forecast from; default: the data of the run",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="FRAME",
            help="Last input frame: its number from 0, a date, or all; default: the last frame of "
            "each series",
            show_default=False,
        ),
    ] = "",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames to forecast; default: as many as in training", show_default=False
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help=".nc, .zarr or .npy file, or folder of frames; default: in work_dirs/NAME",
            show_default=False,
        ),
    ] = "",
    weights: Annotated[
        str,
        typer.Option(metavar="FILE", help="Weights instead of the run's model", show_default=False),
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output")
    ] = False,
) -> Summary:
    """Forecast what follows the last frames of each series; no truth is needed."""
    config = load_config(ctx, of_run=True)
    from simvp.commands import predict as command

    request = command.Request(data or "", at, steps or 0, output, weights, overwrite)
    return command.run(config, request, ConsoleReport())
