"""Whether the scores of two runs can be compared."""

from simvp.commands.report.reported_run import ReportedRun
from simvp.errors import RunError


def check_comparable(run: ReportedRun, other: ReportedRun, option: str) -> None:
    """Raises RunError if scores of two runs cannot be compared, with the reason.

    Args:
        option: which named the other run.
    """
    reason = ""
    mine, theirs = run.split_name, other.split_name
    lengths = [
        f"{item.config.data.pre_seq_length} frames in and {item.config.data.aft_seq_length} out"
        for item in (run, other)
    ]
    if run is other or run.name == other.name:
        reason = "it is the same run"
    elif mine != theirs:
        reason = f"it was tested on the split {theirs}, but {run.name} on {mine}"
    elif lengths[0] != lengths[1]:
        reason = f"it has {lengths[1]}, but {run.name} has {lengths[0]}"
    elif run.data.forecast_channels != other.data.forecast_channels:
        reason = (
            f"it forecasts {', '.join(other.data.forecast_channels)}, but {run.name} "
            f"{', '.join(run.data.forecast_channels)}"
        )
    elif run.metrics["samples"].keys() != other.metrics["samples"].keys():
        reason = f"it was tested on other samples than {run.name}; run `simvp test` on both"
    if reason:
        raise RunError(f"{option} {other.name}: cannot be shown beside {run.name}: {reason}")
