"""Ensembles: networks with the same settings, trained one after another with different seeds."""

from simvp.commands import fitting
from simvp.commands.fitting import Data
from simvp.config import Config
from simvp.engine.history import describe_kept
from simvp.progress import ProgressOnly, Report
from simvp.runs import RunFolder
from simvp.runtime.group import Group

_NUM_SEEDS = 2**63


def train_others(
    config: Config, folder: RunFolder, group: Group, report: Report, data: Data
) -> list[str]:
    """Train the members after the first one, or complete their training. All processes call this.

    Args:
        config: of the first member, resolved.
        data: whose frames have been read.
    Returns: what to add to the summary of the first member.
    Raises: what `fitting.fit` raises.
    """
    count = config.train.members
    for number in range(2, count + 1):
        name = f"member {number} of {count}"
        member, details = of_member(config, number), ProgressOnly(report, name)
        progress = fitting.fit(
            *(member, folder.member(number), group, report, data), resume=True, details=details
        )
        report.say(f"{name}, seed {member.train.seed}: {describe_kept(progress.history)}")
        for warning in fitting.warnings(member, progress):
            report.say(f"{name}: {warning}")
    others = "member 2" if count == 2 else f"members 2 to {count}"
    return [f"wrote {folder.members}: the same of {others}"] * (count > 1)


def of_member(config: Config, number: int) -> Config:
    """The settings with which a member, counted from 1, would be a run without an ensemble."""
    seed = (config.train.seed + number - 1) % _NUM_SEEDS
    train = config.train.model_copy(update={"seed": seed, "members": 1})
    return config.model_copy(update={"train": train})
