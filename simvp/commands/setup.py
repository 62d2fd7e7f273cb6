"""What several commands do before they begin, and words that they share."""

import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from simvp.config import Config
from simvp.data import split as splits
from simvp.data.card import read_card
from simvp.errors import ConfigError
from simvp.progress import Report
from simvp.runs import RunFolder
from simvp.runtime import launcher
from simvp.runtime.devices import best_precision
from simvp.runtime.group import Group, process_group, rank_info
from simvp.storage import locks

_STEPS_WORTH_COMPILING = 2000

# Of an automatic batch size. Below two BatchNorm has too little to average over; above sixteen a
# GPU is busy.
_STEPS_WANTED, _SMALLEST_BATCH, _LARGEST_BATCH = 700, 2, 16


def resolve(config: Config) -> Config:
    """The config with what was left to the data filled in.

    `data.split` becomes the newest split file if none is named; `model.boundary` and
    `train.augment` become what the data card beside it says.
    """
    split = config.data.split or str(splits.newest(Path(config.data.path)))
    card = read_card(Path(split).parent)
    config = _with(config, "data", split=split)
    if config.model.boundary == "auto":
        config = _with(config, "model", boundary=f"{card.boundary_y},{card.boundary_x}")
    if config.train.augment == "auto":
        config = _with(config, "train", augment=",".join(card.symmetries) or "none")
    return config


def _with(config: Config, section: str, **changes: object) -> Config:
    """The config with some settings of a section changed."""
    changed = getattr(config, section).model_copy(update=changes)
    return config.model_copy(update={section: changed})


def choose_precision(config: Config, section: str, device: torch.device) -> tuple[Config, str]:
    """The config with `precision` of that section chosen, and why in words.

    Raises: ConfigError if the device cannot compute in it.
    """
    asked = getattr(config, section).precision
    chosen, reason = best_precision(device) if asked == "auto" else (asked, "as asked for")
    if chosen == "fp16" and device.type == "mps":
        raise ConfigError(f"{section}.precision = 'fp16': not on this device; use fp32 or auto")
    return _with(config, section, precision=chosen), f"computing in {chosen}: {reason}"


def choose_batch_size(config: Config, num_samples: int) -> Config:
    """The config with `train.batch_size` decided: few samples are seen in small steps."""
    if config.train.batch_size != "auto":
        return config
    share = -(-num_samples // num_processes(config))
    fitting = config.train.epochs * share // _STEPS_WANTED
    chosen = min(max(fitting, _SMALLEST_BATCH), _LARGEST_BATCH, share)
    return _with(config, "train", batch_size=chosen)


def num_processes(config: Config) -> int:
    """How many train together: those of the group, or those that are to be launched."""
    info = rank_info()
    return info.world_size if info else config.launch.nproc * config.launch.nnodes


def choose_compile(config: Config, num_samples: int, group: Group) -> Config:
    """The config with `train.compile` decided: compiling takes minutes, which have to come back."""
    if config.train.compile != "auto":
        return config
    steps = config.train.epochs * num_samples // (config.train.samples_per_step * group.world_size)
    worth_it = group.device.type == "cuda" and steps >= _STEPS_WORTH_COMPILING
    chosen = worth_it and importlib.util.find_spec("triton") is not None
    return _with(config, "train", compile=chosen)


def joined_group(config: Config) -> AbstractContextManager[Group]:
    """This process's group, as the config wants it."""
    launcher.exit_with_launcher()
    return process_group(config.run.device, timeout_minutes=config.launch.timeout_minutes)


@contextmanager
def sole_writer(folder: RunFolder, group: Group) -> Iterator[None]:
    """Hold the run's folder, for the whole group, while the block runs. Raises RunError."""
    with locks.lock_folder(folder.path) if group.is_main else nullcontext():
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
