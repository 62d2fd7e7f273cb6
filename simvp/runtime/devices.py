"""Precision and backend settings of the hardware."""

import ctypes
import math
import sys
from contextlib import AbstractContextManager

import torch

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def best_precision(device: torch.device) -> tuple[str, str]:
    """bf16 if the device supports it natively, otherwise fp32; and the reason as text."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        reason = f"CUDA compute capability {major}.{minor}"
        return ("bf16", reason) if major >= 8 else ("fp32", f"{reason}, bfloat16 needs 8.0")
    if device.type != "cpu":
        return "fp32", f"bfloat16 is not used on {device.type}"
    if torch.cpu._is_amx_tile_supported():
        return "bf16", "this CPU has AMX"
    if torch.cpu._is_avx512_bf16_supported():
        return "bf16", "this CPU has AVX512_BF16"
    return "fp32", "this CPU has no bfloat16 support"


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


def peak_memory(device: torch.device) -> float:
    """Most bytes that this process has used so far, on its GPU if it has one; NaN if unknown.

    On other devices than CUDA it is main memory: the largest resident set.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return math.nan
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size  # in bytes and kB; see getrusage(2)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Context in which matrix products and convolutions are computed in fp32, bf16 or fp16.

    Parameters remain float32, as do operations that autocast runs in float32.
    """
    return torch.autocast(device.type, _DTYPES[precision], enabled=precision != "fp32")


def configure_backend(device: torch.device) -> None:
    """Set process-wide options that improve speed without loss of accuracy."""
    if device.type == "cuda":
        # Timing the algorithms of cuDNN takes 20 s for each size of batch, and the choice, with
        # which the last digits change, would differ from run to run.
        torch.backends.cudnn.benchmark = False
        # TF32 would reduce the accuracy of fp32; bf16 is available for speed.
        torch.backends.cudnn.allow_tf32 = False
    elif sys.platform == "linux":
        # Make glibc reuse the memory of freed tensors. By default, large blocks are returned to the
        # system at once, and mapping and zeroing the pages of the next tensor took a third of the
        # time of a training step.
        library = ctypes.CDLL(None)
        if hasattr(library, "mallopt"):
            library.mallopt(-4, 0)  # M_MMAP_MAX: allocate no blocks with mmap
            library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: return no memory to the system
            # M_ARENA_MAX: one heap for all threads. Batches are allocated by the threads that read
            # ahead and freed by the main one. With a heap for each thread, the memory of a process
            # grew from epoch to epoch (tests/bench/memory.py).
            library.mallopt(-8, 1)
