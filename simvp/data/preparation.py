"""Where a command takes its frames from: memory, a cache on disk, or the files of the data set.

Each choice gives the same values. Frames are held in memory if all that the command needs fit, in
one copy for all processes of a machine. Otherwise they are read when they are needed, in little
memory.
"""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from simvp.data import memory_cache
from simvp.data.batches import Waiting
from simvp.data.checksums import DIGITS
from simvp.data.frame_cache import FrameCache, stamp_of
from simvp.data.frame_store import FrameStore
from simvp.data.split import Split
from simvp.errors import ConfigError, OutputError
from simvp.progress import Report
from simvp.runtime.group import Group
from simvp.runtime.machine import Machine, find_machine, shared_memory
from simvp.runtime.memory import free_memory, return_free_memory
from simvp.storage.files import convert_os_errors, remove_stale

# Frames are held in memory if they take at most this share of the free memory.
MEMORY_SHARE = 0.25

# A loop that waits for data for more than this percentage of its time, and seconds, is too slow.
_MOST_WAITING, _LEAST_SECONDS = 10, 1.0

# A killed process leaves the block that it was writing. Others are written in much less time.
_STALE_SECONDS = 600


def prepare(
    stores: Sequence[FrameStore], split: Split, cache_folder: str, group: Group, report: Report
) -> None:
    """Read the frames into memory if they fit, and into the cache if there is one.

    All processes of the group call this, and each reads a part of the frames.

    Args:
        stores: the frames of those parts of the split that the command needs.
        cache_folder: the setting `data.cache`; empty for none.
    Raises: DataError, the same in all processes, if frames that are read are damaged, not finite
        or have changed since the split was made; ConfigError or OutputError if the cache cannot be
        used or written.
    """
    machine = find_machine(group)
    if cache_folder:
        _open_cache(stores, split, Path(cache_folder), group, machine, report)
    held = _allocate(stores, group, machine, report)
    if held is None and not cache_folder:
        return
    # The same limit in all processes, because it decides who reads what.
    limit = group.gather(memory_cache.memory_limit())[machine.ranks[0]]
    with (
        report.progress("reading", sum(store.num_frames for store in stores)) as advance,
        memory_cache.only_reader() if machine.is_first else nullcontext(),
    ):
        work = _read(stores, held or [None] * len(stores), machine, limit)
        group.in_rounds(work, lambda count: advance(count, ""))
    memory_cache.drop_arrays()
    return_free_memory()
    if held is not None:
        for store, frames in zip(stores, held, strict=True):
            store.hold(frames)


def _read(
    stores: Sequence[FrameStore], targets: Sequence[Tensor | None], machine: Machine, limit: int
) -> Iterator[int]:
    """Read this process's blocks and check them; yield the number of frames of each.

    Args:
        targets: memory for all frames of each store; None if they do not fit.
        limit: size of the arrays that each process may decompress at the same time as the others.
    """
    blocks = [
        (store, target, index, block)
        for store, target in zip(stores, targets, strict=True)
        for index, block in enumerate(store.blocks())
    ]
    seen: dict[str, int] = {}
    for number, (store, target, index, block) in enumerate(blocks):
        if machine.index != _reader(number, store.whole_arrays(block), seen, limit) % machine.size:
            continue
        cache = store.cache
        if target is not None or (cache is not None and not cache.has(index)):
            frames = store.read_block(block)
            if cache is not None and not cache.has(index):
                cache.write(index, frames)
            if target is not None:
                target[block.start : block.stop] = torch.from_numpy(store.to_unit(frames))
        yield len(block)


def _reader(number: int, arrays: dict[str, int], seen: dict[str, int], limit: int) -> int:
    """The number of the process, modulo their count, that reads a block.

    An array that has to be decompressed as a whole is read by one process only, and a large one by
    the first, which has the memory for it.

    Args:
        number: of the block.
        arrays: the arrays to decompress for it, with their sizes.
        seen: number of each array of the blocks so far, in order; is completed.
    """
    for name in arrays:
        seen.setdefault(name, len(seen))
    if sum(arrays.values()) > limit:
        return 0
    return seen[next(iter(arrays))] if arrays else number


def _allocate(
    stores: Sequence[FrameStore], group: Group, machine: Machine, report: Report
) -> list[Tensor] | None:
    """Memory for the frames of each store, (T, C, H, W), shared by the processes of a machine.

    Returns: None in all processes if the frames do not fit, or memory cannot be shared.
    """
    nbytes = sum(store.nbytes for store in stores)
    has_room = not machine.is_first or nbytes <= MEMORY_SHARE * free_memory()
    memory, reason = None, f"they do not fit in {100 * MEMORY_SHARE:.0f} % of the free memory"
    if group.max(int(not has_room)) == 0:
        memory = shared_memory(nbytes, group, machine)
        reason = "the processes of a machine cannot share memory here"
    if memory is None:
        report.say(f"{_size(nbytes)} of frames are read as they are needed: {reason}")
        return None
    flat = torch.from_numpy(memory).view(torch.float32)
    ends = list(accumulate(store.nbytes // 4 for store in stores))
    return [
        flat[end - store.nbytes // 4 : end].view(-1, *store.shape)
        for store, end in zip(stores, ends, strict=True)
    ]


def _open_cache(
    stores: Sequence[FrameStore],
    split: Split,
    folder: Path,
    group: Group,
    machine: Machine,
    report: Report,
) -> None:
    """Connect the stores with the cache in a folder, and see that what it lacks will fit.

    Raises: ConfigError if the data set cannot be cached in this folder; OutputError if the folder
        cannot be written or the disk is too full.
    """
    source = split.source
    if isinstance(source, Path) and folder.resolve().is_relative_to(source.resolve()):
        raise ConfigError(
            f"data.cache = {str(folder)!r}: is within the data set {source}, which would "
            "change by it; choose another folder"
        )
    if any(len(store.checksums) < DIGITS * store.num_frames for store in stores):
        raise ConfigError(
            f"data.cache = {str(folder)!r}: {split.path} has no checksums to find and verify "
            "cached frames by; make another split with `simvp split`, or leave out data.cache"
        )
    with convert_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if machine.is_first:
            remove_stale(folder, older_than=_STALE_SECONDS)
    stamp = group.gather(stamp_of(source) if machine.is_first else "")[machine.ranks[0]]
    for store in stores:
        store.cache = FrameCache(
            folder,
            store.checksums,
            shape=store.shape,
            block_length=store.block_length,
            stamp=stamp,
        )
    needed = sum(store.cache.missing_bytes() for store in stores if store.cache is not None)
    free = shutil.disk_usage(folder).free
    for missing, left in group.gather((needed, free)):
        if missing > left:
            raise OutputError(
                f"data.cache = {str(folder)!r}: {_size(missing)} of decoded frames are to be "
                f"written, but {_size(left)} are free; free some disk space, choose a folder "
                "on another disk, or leave out data.cache"
            )
    if needed:
        report.say(
            f"writing {_size(needed)} of decoded frames to {folder}, where {_size(free)} are free"
        )


def advise_cache(
    waiting: Waiting, stores: Sequence[FrameStore], group: Group, report: Report
) -> bool:
    """Say that a cache would help, if it would, after an epoch. All processes call this.

    Args:
        waiting: how long training has waited for data.
        stores: all frames that training uses.
    Returns: whether it was said, the same in all processes.
    """
    is_long = waiting.waited > _LEAST_SECONDS
    percent = group.max(round(100 * waiting.waited / waiting.total) if is_long else 0)
    is_slow = percent > _MOST_WAITING and stores[0].is_in_files
    if is_slow:
        nbytes = sum(store.nbytes for store in stores)
        report.say(
            f"training waited for data for {percent} % of the epoch; --set data.cache=FOLDER saves "
            f"{_size(nbytes)} of decoded frames in a folder, once, and reads them from there"
        )
    return is_slow


def _size(nbytes: int) -> str:
    """`3.1 GB`, or `25 MB`."""
    return f"{nbytes / 1e9:.1f} GB" if nbytes >= 1e9 else f"{math.ceil(nbytes / 1e6)} MB"
