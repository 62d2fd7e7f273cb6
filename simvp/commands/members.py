"""Ensembles: networks with the same settings, trained one after another with different seeds."""

from simvp.commands import fitting
from simvp.commands.fitting import Data
from simvp.config import Config
from simvp.engine.history import Progress
from simvp.progress import Report
from simvp.runs import RunFolder
from simvp.runtime.group import Group

_NUM_SEEDS = 2**63


def train_others(
    config: Config, folder: RunFolder, group: Group, report: Report, data: Data
) -> list[Progress]:
    """Train the members after the first one, or complete their training. All processes call this.

    Args:
        config: of the first member, resolved.
        data: whose frames have been read.
    Returns: the progress of each of them.
    Raises: what `fitting.fit` raises.
    """
    trained = []
    for number in range(2, config.train.members + 1):
        announce(config, number, report)
        member = folder.member(number)
        settings = of_member(config, number)
        trained.append(
            fitting.fit(
                *(settings, member, group, report, data),
                resume=member.exists(),
                describe=False,
            )
        )
    unused = folder.members_after(config.train.members)
    if unused:
        report.say(f"no longer part of the ensemble: {', '.join(str(m.path) for m in unused)}")
    return trained


def announce(config: Config, number: int, report: Report) -> None:
    """Say which member is trained next, if there are several."""
    if config.train.members > 1:
        seed = of_member(config, number).train.seed
        report.say(f"member {number} of {config.train.members}, seed {seed}:")


def of_member(config: Config, number: int) -> Config:
    """The settings with which a member, counted from 1, would be a run without an ensemble."""
    seed = (config.train.seed + number - 1) % _NUM_SEEDS
    train = config.train.model_copy(update={"seed": seed, "members": 1})
    return config.model_copy(update={"train": train})
