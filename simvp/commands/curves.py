"""`simvp viz --curves` and `--compare`: losses by epoch, and scores of two runs by step."""

from collections.abc import Sequence
from pathlib import Path

from simvp.commands.drawing import FIGURES, check_free, check_suffix, save_figure
from simvp.commands.report import charts
from simvp.commands.report.comparison import check_comparable
from simvp.commands.report.reported_run import ReportedRun, open_run, read_history
from simvp.config import Config, name_option
from simvp.errors import RunError
from simvp.figures.plots import plot
from simvp.figures.report.charts import Chart
from simvp.progress import Summary
from simvp.runs import RunFolder


def curves(config: Config, output: str, *, overwrite: bool) -> Summary:
    """Draw the losses of a run. Raises UserError, writing nothing."""
    folder = RunFolder(config.run.folder)
    folder.check_exists()
    history = read_history(folder)
    if not history:
        raise RunError(f"{folder.metrics_file}: is missing; it appears after the first epoch")
    drawn = charts.losses(config.run.name, history)
    return _save(folder.pictures / "curves.png", drawn, output, overwrite=overwrite)


def compare(config: Config, names: Sequence[str], output: str, *, overwrite: bool) -> Summary:
    """Draw the scores of runs of the same split by step. Raises UserError, writing nothing."""
    runs: list[ReportedRun] = [open_run(config.run.work_dir, name) for name in names]
    for other in runs[1:]:
        check_comparable(runs[0], other, "--compare")
    for run in runs:
        if not run.metrics.get("channels"):
            raise RunError(
                f"{run.folder.saved / 'metrics.json'}: has no scores by channel, as in runs of "
                f"earlier versions of simvp; run `simvp test{name_option(run.folder.path)}` again"
            )
    drawn = charts.lead_time(runs).charts
    name = f"{'_'.join(names)}.png"
    return _save(runs[0].folder.pictures / name, drawn, output, overwrite=overwrite)


def _save(default: Path, drawn: Sequence[Chart], output: str, *, overwrite: bool) -> Summary:
    path = Path(output) if output else default
    check_suffix(path, FIGURES)
    check_free(path, output, overwrite=overwrite)
    save_figure(path, plot(drawn))
    return Summary([f"wrote {path}"])
