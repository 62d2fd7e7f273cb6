"""Free main memory, within the limits that the system sets for this process."""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Of a memory cgroup, version 2 and 1: its limits, its use, and the part of that which is page cache
# of files, which the system drops when memory is needed.
_CGROUP_FILES = {
    "": ("sys/fs/cgroup", ("memory.max", "memory.high"), "memory.current", ""),
    "memory": (
        "sys/fs/cgroup/memory",
        ("memory.limit_in_bytes",),
        "memory.usage_in_bytes",
        "total_",
    ),
}


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that can still be allocated on this machine, by all processes together.

    This is the least of what the system has available, what the cgroups of this process leave and
    what its resource limits leave. Half of the total memory if the system does not report what is
    available; 2 GB if it reports neither.
    """
    meminfo = root / "proc/meminfo"
    if meminfo.exists():
        free = 1024 * int(meminfo.read_text().partition("MemAvailable:")[2].split()[0])
        return max(0, min([free, *_left_by_cgroups(root), *_left_by_limits()]))
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return 2 * 10**9


def _left_by_cgroups(root: Path) -> Iterator[int]:
    """What each limited memory cgroup of this process leaves, from its own to the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            if name in _CGROUP_FILES:
                mount, limits, usage, prefix = _CGROUP_FILES[name]
                # In a container, the path may be that outside of it; its root is there in any case.
                own = Path(path.lstrip("/"))
                for folder in (root / mount / own, *(root / mount / p for p in own.parents)):
                    yield from _left_by_cgroup(folder, limits, usage, prefix)


def _left_by_cgroup(
    folder: Path, limits: tuple[str, ...], usage: str, prefix: str
) -> Iterator[int]:
    try:
        texts = [(folder / name).read_text().strip() for name in limits]
        used = int((folder / usage).read_text())
        rows = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:  # a cgroup without memory controller, or the root
        return
    statistics = {name: int(value) for name, value in rows}
    cached = sum(statistics.get(f"{prefix}{kind}_file", 0) for kind in ("active", "inactive"))
    for text in texts:
        if text.isdecimal():  # otherwise "max"
            yield int(text) - used + cached


def _left_by_limits() -> Iterator[int]:
    """What `ulimit -v` and `ulimit -d` leave to this process."""
    if sys.platform != "linux":
        return
    import resource

    pages = Path("/proc/self/statm").read_text().split()
    for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            yield soft - int(used) * resource.getpagesize()


def return_free_memory() -> None:
    """Return the memory of freed arrays to the system, which glibc keeps for later ones.

    See `devices.configure_backend`. Worthwhile once, after much more memory was used than is going
    to be needed.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)
