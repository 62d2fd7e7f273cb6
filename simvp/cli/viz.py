"""Options of `simvp viz`."""

from typing import Annotated

import typer

from simvp.cli.app import app
from simvp.cli.console import ConsoleReport
from simvp.cli.options import load_config, with_settings
from simvp.progress import Summary


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
            help="Frames in a row; longer sequences wrap. Default: as many as are legible",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Draw only every N-th frame. Default: 1, or more if there are over 48 frames",
            metavar="N",
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
    drawing = command.Request(sample_id, test, output, movie, columns or 0, every or 0, overwrite)
    return command.run(config, drawing)


def _check_exclusive(**given: object) -> None:
    """Raises typer.BadParameter if two of the options are given."""
    names = [name if name.isupper() else f"--{name}" for name, value in given.items() if value]
    if len(names) > 1:
        raise typer.BadParameter(f"{' and '.join(names)} cannot be combined; use one of them")
