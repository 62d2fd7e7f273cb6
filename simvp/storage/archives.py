"""Limits for files of PyTorch: what they unpack to is bounded by their size.

Neither a file of a few kilobytes can fill the memory, nor references that are shared many times
keep a process busy for ever.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MOST_ITEMS = 5_000_000  # of nested containers, counted as often as they are referred to
_DEEPEST = 50
_READ_AT_ONCE = 2**20
_LARGEST_SHARE = 16  # size of all tensors, which may share memory, relative to the file


def check_archive(path: Path) -> None:
    """Raises ValueError if an archive would unpack to more than its size.

    PyTorch writes archives without compression. Files of its older format are no archives.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed, which PyTorch never does")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("its parts are larger than the file")


def check_checksums(path: Path) -> None:
    """Raises BadZipFile if a part of an archive is damaged, which PyTorch does not check."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.CRC:  # PyTorch can be told to write none
                with archive.open(member) as file:
                    while file.read(_READ_AT_ONCE):
                        pass


def find_excess(content: Any, file_size: int) -> str:
    """What is too much in the content of a file, which no training writes; empty if nothing is."""
    pending: list[tuple[Any, int]] = [(content, 0)]
    num_items = num_bytes = 0
    while pending:
        value, depth = pending.pop()
        num_items += 1
        if num_items > _MOST_ITEMS or depth > _DEEPEST:
            return "its containers are nested too deeply"
        if isinstance(value, Mapping):
            pending += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list | tuple | set):
            pending += [(item, depth + 1) for item in value]
        elif isinstance(value, Tensor):
            if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
                return f"it holds a tensor of the kind {value.layout} on {value.device}"
            num_bytes += value.nbytes
            if num_bytes > _LARGEST_SHARE * file_size:
                return "its tensors are larger than the file"
    return ""
