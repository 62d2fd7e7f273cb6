"""The command line: parses options, calls `simvp.commands`, prints and sets exit codes."""

from typing import Annotated

import typer

from simvp import __version__
from simvp.cli.console import ConsoleReport, exit_codes, show
from simvp.cli.options import (
    ConfigOption,
    ParamOption,
    PrintConfigOption,
    SetOption,
    SimulateCommand,
    key,
    load_config,
    load_run_config,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a SimVP network to forecast 2-D simulations",
    epilog="Usual order: simulate (or use your own data), split, train, test, viz.",
)

DataPath = Annotated[str | None, key("data.path", "--data-path")]
DataFile = Annotated[str | None, key("data.split", "--data")]
Name = Annotated[str | None, key("run.name", "--name")]
Device = Annotated[str | None, key("run.device", "--device")]
Nproc = Annotated[int | None, key("launch.nproc", "--nproc")]
Nnodes = Annotated[int | None, key("launch.nnodes", "--nnodes")]
NodeRank = Annotated[int | None, key("launch.node_rank", "--node-rank")]
MaxRestarts = Annotated[int | None, key("launch.max_restarts", "--max-restarts")]
Endpoint = Annotated[str | None, key("launch.rdzv_endpoint", "--rdzv-endpoint")]


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
def simulate(
    ctx: typer.Context,
    simulate__system: Annotated[str | None, key("simulate.system", "--system")] = None,
    simulate__samples: Annotated[int | None, key("simulate.samples", "--samples")] = None,
    simulate__frames: Annotated[int | None, key("simulate.frames", "--frames")] = None,
    simulate__image_size: Annotated[int | None, key("simulate.image_size", "--image-size")] = None,
    parameters: ParamOption = None,
    simulate__parameters__increment: Annotated[
        float | None, typer.Option("--increment", help="Short for --param increment=X")
    ] = None,
    simulate__seed: Annotated[int | None, key("simulate.seed", "--seed")] = None,
    data__path: DataPath = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    print_config: PrintConfigOption = False,
) -> None:
    """Simulate samples to train on. Samples that already exist are skipped."""
    with exit_codes():
        resolved = load_config(ctx)
        from simvp.commands import simulate as command

        show(command.run(resolved, ConsoleReport()))


@app.command()
def split(
    ctx: typer.Context,
    data__path: DataPath = None,
    split__train_ratio: Annotated[float | None, key("split.train_ratio", "--train-ratio")] = None,
    split__val_ratio: Annotated[float | None, key("split.val_ratio", "--val-ratio")] = None,
    split__total_length: Annotated[int | None, key("split.total_length", "--total-length")] = None,
    split__samples: Annotated[int | None, key("split.samples", "--samples")] = None,
    split__start_index: Annotated[int | None, key("split.start_index", "--start-index")] = None,
    split__init_final_only: Annotated[
        bool | None,
        key("split.init_final_only", "--init-final-only/--no-init-final-only"),
    ] = None,
    split__reverse: Annotated[bool | None, key("split.reverse", "--reverse/--no-reverse")] = None,
    split__seed: Annotated[int | None, key("split.seed", "--seed")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    print_config: PrintConfigOption = False,
) -> None:
    """Check all samples and split them into training, validation and test samples."""
    with exit_codes():
        resolved = load_config(ctx)
        from simvp.commands import split as command

        show(command.run(resolved, ConsoleReport()))


@app.command()
def train(
    ctx: typer.Context,
    data__split: DataFile = None,
    data__path: DataPath = None,
    data__pre_seq_length: Annotated[
        int | None, key("data.pre_seq_length", "--pre-seq-length")
    ] = None,
    data__aft_seq_length: Annotated[
        int | None, key("data.aft_seq_length", "--aft-seq-length")
    ] = None,
    model__model_type: Annotated[str | None, key("model.model_type", "--model-type")] = None,
    train__epochs: Annotated[int | None, key("train.epochs", "--epochs")] = None,
    train__batch_size: Annotated[int | None, key("train.batch_size", "--batch-size")] = None,
    train__val_batch_size: Annotated[
        int | None, key("train.val_batch_size", "--val-batch-size")
    ] = None,
    train__lr: Annotated[float | None, key("train.lr", "--lr")] = None,
    train__init_from: Annotated[str | None, key("train.init_from", "--init-from")] = None,
    train__checkpoint_interval: Annotated[
        int | None, key("train.checkpoint_interval", "--checkpoint-interval")
    ] = None,
    train__checkpoint_every_minutes: Annotated[
        float | None, key("train.checkpoint_every_minutes", "--checkpoint-every-minutes")
    ] = None,
    train__seed: Annotated[int | None, key("train.seed", "--seed")] = None,
    run__name: Name = None,
    run__device: Device = None,
    launch__nproc: Nproc = None,
    launch__nnodes: Nnodes = None,
    launch__node_rank: NodeRank = None,
    launch__rdzv_endpoint: Endpoint = None,
    launch__max_restarts: MaxRestarts = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the run's latest checkpoint")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing run of this name")
    ] = False,
    print_model: Annotated[
        bool,
        typer.Option("--print-model", help="Print the cost of the network, and exit"),
    ] = False,
    test: Annotated[bool, typer.Option("--test", help="After training, run `simvp test`")] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
    print_config: PrintConfigOption = False,
) -> None:
    """Train the network and save the model with the lowest validation loss."""
    with exit_codes():
        if resume and overwrite:
            raise typer.BadParameter("--resume and --overwrite cannot be combined; use one of them")
        resolved = load_run_config(ctx) if resume else load_config(ctx)
        from simvp.commands import train as command

        show(
            command.run(
                resolved,
                ConsoleReport(),
                resume=resume,
                overwrite=overwrite,
                and_test=test,
                print_model=print_model,
            )
        )


@app.command()
def test(
    ctx: typer.Context,
    run__name: Name = None,
    data__split: DataFile = None,
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
    run__device: Device = None,
    launch__nproc: Nproc = None,
    launch__nnodes: Nnodes = None,
    launch__node_rank: NodeRank = None,
    launch__rdzv_endpoint: Endpoint = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    print_config: PrintConfigOption = False,
) -> None:
    """Score the best model of a run on the test samples and save the forecasts."""
    with exit_codes():
        resolved = load_run_config(ctx)
        from simvp.commands import test as command

        show(command.run(resolved, weights, ConsoleReport()))


@app.command()
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
    run__name: Name = None,
    viz__cmap: Annotated[str | None, key("viz.cmap", "--cmap")] = None,
    viz__channel: Annotated[int | None, key("viz.channel", "--channel")] = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Output file; default: in work_dirs/NAME", show_default=False
        ),
    ] = "",
    gif: Annotated[bool, typer.Option("--gif", help="Draw an animation")] = False,
    viz__fps: Annotated[float | None, key("viz.fps", "--fps")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing --output file")
    ] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
    print_config: PrintConfigOption = False,
) -> None:
    """Plot a forecast: input, truth, prediction and difference."""
    with exit_codes():
        resolved = load_run_config(ctx)
        from simvp.commands import viz as command

        show(command.run(resolved, sample_id, output=output, gif=gif, overwrite=overwrite))
