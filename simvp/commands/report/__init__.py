"""`simvp viz --report`: one page about a run, and other runs of the same split beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simvp.commands.drawing import check_free
from simvp.commands.report import charts, facts, scores, viewer
from simvp.commands.report.comparison import check_comparable
from simvp.commands.report.reported_run import ReportedRun, SplitOfRun, open_run, read_split_of
from simvp.commands.report.trials import trials
from simvp.config import Config, name_option
from simvp.engine.mean_spectra import Spectra, mean_spectra
from simvp.engine.saved_forecasts import outdated
from simvp.errors import OutputError
from simvp.figures.report.contents import Page
from simvp.figures.report.page import render
from simvp.progress import Report, Summary
from simvp.runs import PICTURE_MARK
from simvp.storage.files import publish_text, remove_abandoned


@dataclass(frozen=True)
class Request:
    """What to write, and where.

    Attributes:
        others: names of runs to show beside the run.
        output: the file to write; empty for one in the run's folder.
        overwrite: whether `output` may exist.
    """

    others: Sequence[str] = ()
    output: str = ""
    overwrite: bool = False


def run(config: Config, request: Request, report: Report) -> Summary:
    """Write the page. Raises UserError, writing nothing."""
    runs = [open_run(config.run.work_dir, config.run.name)]
    for name in dict.fromkeys(request.others):
        other = open_run(config.run.work_dir, name)
        check_comparable(runs[0], other, "--with")
        runs.append(other)
    path = Path(request.output) if request.output else runs[0].folder.report
    _check_free(path, request)
    ids = list(runs[0].metrics["samples"])
    with report.progress("reading forecasts", len(ids) * len(runs)) as advance:
        spectra = [mean_spectra(item.saved, ids, advance) for item in runs]
    split = read_split_of(runs[0])
    page = _page(config, runs, spectra, split)
    remove_abandoned(path.parent)
    publish_text(path, render(page))
    size = path.stat().st_size / 1e6
    warnings = outdated(runs[0].folder, runs[0].metrics, runs[0].config.train.members)
    written = f"wrote {path} ({size:.1f} MB); open it in a browser"
    return Summary([*split.problems, *page.notes, *warnings, written])


def _check_free(path: Path, request: Request) -> None:
    """Raises OutputError if the file would replace another one."""
    check_free(path, request.output, overwrite=request.overwrite)
    if not request.output and path.exists() and PICTURE_MARK not in path.read_bytes()[:1000]:
        raise OutputError(
            f"{path}: exists, and simvp did not write it; move it, or choose another --output"
        )


def _page(
    config: Config,
    runs: Sequence[ReportedRun],
    spectra: Sequence[Spectra],
    split: SplitOfRun,
) -> Page:
    first = runs[0]
    verdict, is_warning = scores.verdict(first)
    frames, notes = viewer.viewer(config, runs, split)
    return Page(
        title=first.name,
        summary=facts.summary(first, split),
        verdict=verdict,
        is_warning=is_warning,
        highlights=scores.highlights(first),
        scores=scores.scores(runs),
        channels=scores.channels(runs),
        remarks=scores.remarks(first),
        lead_time=charts.lead_time(runs),
        spectra=charts.spectra(runs, spectra),
        training=charts.training(runs),
        trials=trials(first),
        samples=scores.samples(runs),
        viewer=frames,
        facts=facts.facts(first, split),
        data=facts.data(first, split),
        settings=facts.settings(first.config),
        commands=facts.commands(first, split, name_option(config.run.folder)),
        notes=notes,
        created=facts.created(),
    )
