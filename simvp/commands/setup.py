"""What several commands do before they begin, and words that they share."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from simvp import launch, locks, splits
from simvp.config import Config, read_card
from simvp.distributed import Group, process_group
from simvp.report import Report
from simvp.runs import RunFolder


def resolve(config: Config) -> Config:
    """The config with what was left to the data filled in.

    `data.split` becomes the newest split file if none is named; `model.boundary` and
    `train.augment` become what the data card beside it says.
    """
    split = config.data.split or str(splits.newest(Path(config.data.path)))
    card = read_card(Path(split).parent)
    changes: dict[str, dict[str, str]] = {"data": {"split": split}}
    if config.model.boundary == "auto":
        changes["model"] = {"boundary": f"{card.boundary_y},{card.boundary_x}"}
    if config.train.augment == "auto":
        changes["train"] = {"augment": ",".join(card.symmetries) or "none"}
    return config.model_copy(
        update={
            section: getattr(config, section).model_copy(update=values)
            for section, values in changes.items()
        }
    )


def joined_group(config: Config) -> AbstractContextManager[Group]:
    """This process's group, as the config wants it."""
    launch.end_with_launcher()
    return process_group(config.run.device, timeout_minutes=config.launch.timeout_minutes)


@contextmanager
def sole_writer(folder: RunFolder, group: Group) -> Iterator[None]:
    """Hold the run's folder, for the whole group, while the block runs. Raises RunError."""
    with locks.sole_writer(folder.path) if group.is_main else nullcontext():
        yield


def for_rank(report: Report, group: Group) -> Report:
    """The report itself in the first process, a silent one in the others."""
    return report if group.is_main else Report()


def device_name(device: torch.device) -> str:
    """`cpu (2 threads)`, or the name of the GPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'s' if threads > 1 else ''})" if device.type == "cpu" else "mps"
