"""What the machine computes fast, and the memory it should keep."""

import ctypes
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import torch

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# glibc's mallopt: give memory back to the system above this size; number of blocks that are
# mappings of their own.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_INT_MAX = 2**31 - 1


def best_precision(device: torch.device) -> tuple[str, str]:
    """bf16 where the device computes it natively, else fp32; and which it is, in words."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        found = f"CUDA compute capability {major}.{minor}"
        return ("bf16", found) if major >= 8 else ("fp32", f"{found}, bfloat16 needs 8.0")
    if device.type == "cpu":
        if torch.cpu._is_amx_tile_supported():
            return "bf16", "this CPU has AMX"
        if torch.cpu._is_avx512_bf16_supported():
            return "bf16", "this CPU has AVX512_BF16"
        return "fp32", "this CPU has no bfloat16 support"
    return "fp32", f"bfloat16 is not used on {device.type}"


def describe_precision(device: torch.device, precision: str) -> str:
    """`computing in bf16: this CPU has AMX`."""
    best, reason = best_precision(device)
    return f"computing in {precision}" + (f": {reason}" if precision == best else "")


def describe_device(device: torch.device) -> str:
    """`cpu (2 threads)`, or the name of the GPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'s' if threads > 1 else ''})" if device.type == "cpu" else "mps"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Compute matrix products and convolutions in fp32, bf16 or fp16 while the context lasts.

    Parameters stay float32, and so does what autocast deems delicate.
    """
    return torch.autocast(device.type, _DTYPES[precision], enabled=precision != "fp32")


def prepare(device: torch.device) -> None:
    """Settings of the whole process, for speed that costs no accuracy."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        # float32 is to mean float32; who wants it faster says so by the precision.
        torch.backends.cudnn.allow_tf32 = False
    elif sys.platform == "linux":
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let the C library reuse the memory of freed tensors.

    By default large blocks go back to the system at once, and the next tensor of that size has
    its pages mapped and zeroed again: a third of the time of a training step.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # of glibc; others have their own ways
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, _INT_MAX)


def free_memory() -> int:
    """Bytes of main memory that this process may still take: its share, if it is one of a group.

    Where the system does not tell what is free, half of the memory that there is; 2 GB where it
    does not tell that either.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    meminfo, limit = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.exists():
        free = int(meminfo.read_text().partition("MemAvailable:")[2].split()[0]) * 1024
        if limit.exists() and (text := limit.read_text().strip()).isdecimal():
            free = min(free, int(text) - int(limit.with_name("memory.current").read_text()))
    elif hasattr(os, "sysconf"):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    else:
        free = 2 * 10**9
    return free // processes
