"""What several commands do before they begin, and words that they share."""

from pathlib import Path

import torch

from simvp import splits
from simvp.config import Config
from simvp.distributed import Group
from simvp.report import Report


def with_split_file(config: Config) -> Config:
    """The config with `data.split` filled in: the newest split file if none is named."""
    if config.data.split:
        return config
    newest = splits.newest(Path(config.data.path))
    data = config.data.model_copy(update={"split": str(newest)})
    return config.model_copy(update={"data": data})


def for_rank(report: Report, group: Group) -> Report:
    """The report itself in the first process, a silent one in the others."""
    return report if group.is_main else Report()


def device_name(device: torch.device) -> str:
    """`cpu (2 threads)`, or the name of the GPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'s' if threads > 1 else ''})" if device.type == "cpu" else "mps"
