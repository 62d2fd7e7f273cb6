"""The command line: parses options, calls `simvp.commands`, prints and sets exit codes."""

from typing import Annotated, Literal

import typer

from simvp import __version__
from simvp.cli.console import ConsoleReport
from simvp.cli.options import SimulateCommand, load_config, with_settings
from simvp.progress import Summary

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a SimVP network to forecast 2-D simulations",
    epilog="Usual order: simulate (or use your own data), split, train, test, predict, viz.",
)

LAUNCH = "nproc nnodes node_rank rdzv_endpoint"


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


@app.command()
@with_settings(
    data="split path pre_seq_length aft_seq_length",
    model="model_type",
    train="recipe epochs batch_size val_batch_size lr init_from checkpoint_interval "
    "checkpoint_every_minutes seed",
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
    """Train the network and save the model with the lowest validation loss."""
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
            help="Weights to score instead of the run's best model: weights or a checkpoint of "
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
    """Score the best model of a run on the test samples and save the forecasts."""
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
        typer.Option(metavar="FILE", help="Weights instead of the best model", show_default=False),
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


@app.command()
@with_settings(run="name", viz="cmap channel fps")
def viz(
    ctx: typer.Context,
    sample_id: Annotated[
        str | None,
        typer.Argument(
            metavar="SAMPLE_ID",
            help="Unique part of a sample id; omit to list samples",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Output file; default: in work_dirs/NAME", show_default=False
        ),
    ] = "",
    test: Annotated[
        str,
        typer.Option(
            metavar="TEST", help="Forecasts in work_dirs/NAME/tests/TEST", show_default=False
        ),
    ] = "",
    columns: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most frames in a row; others are left out. Default: as many as are legible",
            show_default=False,
        ),
    ] = None,
    gif: Annotated[bool, typer.Option("--gif", help="Draw an animation")] = False,
    mp4: Annotated[bool, typer.Option("--mp4", help="Draw an animation as a video")] = False,
    curves: Annotated[bool, typer.Option("--curves", help="Plot the losses of the run")] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Plot the scores of two runs", show_default=False),
    ] = None,
    report: Annotated[
        bool,
        typer.Option("--report", help="Write a page about the run, work_dirs/NAME/report.html"),
    ] = False,
    others: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME",
            help="With --report: show another run of the same split beside it; repeatable",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing --output file")
    ] = False,
) -> Summary:
    """Plot a forecast: input, truth, prediction and difference; or write a page about the run."""
    _check_exclusive(SAMPLE_ID=sample_id, curves=curves, compare=compare, report=report)
    _check_exclusive(gif=gif, mp4=mp4)
    if (gif or mp4) and sample_id is None:
        raise typer.BadParameter("--gif and --mp4 need a SAMPLE_ID")
    if others and not report:
        raise typer.BadParameter("--with needs --report")
    config = load_config(ctx, of_run=True)
    if report:
        from simvp.commands import report as page

        request = page.Request(others or [], output, overwrite)
        return page.run(config, request, ConsoleReport())
    if curves or compare:
        from simvp.commands import curves as plots

        if compare:
            return plots.compare(config, compare, output, overwrite=overwrite)
        return plots.curves(config, output, overwrite=overwrite)
    from simvp.commands import viz as command

    movie = ".gif" if gif else ".mp4" if mp4 else ""
    drawing = command.Request(sample_id, test, output, movie, columns or 0, overwrite)
    return command.run(config, drawing)


def _check_exclusive(**given: object) -> None:
    """Raises typer.BadParameter if two of the options are given."""
    names = [name if name.isupper() else f"--{name}" for name, value in given.items() if value]
    if len(names) > 1:
        raise typer.BadParameter(f"{' and '.join(names)} cannot be combined; use one of them")
