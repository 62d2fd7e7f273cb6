"""Free memory: of the system, and within the limits of a process."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simvp.runtime.memory import free_memory, return_free_memory

GB = 10**9


def write(root: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def write_system(root: Path, cgroup: str) -> None:
    meminfo = f"MemTotal: 9000000 kB\nMemAvailable:   {8 * GB // 1024} kB"
    write(root, {"proc/meminfo": meminfo, "proc/self/cgroup": cgroup})


def test_memory_without_limits_is_what_the_system_reports(tmp_path: Path) -> None:
    write_system(tmp_path, "0::/")
    assert free_memory(tmp_path) == 8 * GB // 1024 * 1024


@pytest.mark.parametrize(
    ("limited", "expected"), [("", 4 * GB), ("job_7", 2 * GB), ("job_7/step_0", 3 * GB)]
)
def test_limits_of_all_enclosing_cgroups_count(tmp_path: Path, limited: str, expected: int) -> None:
    """A step of a job has used 4 GB, of which 1 GB is page cache."""
    write_system(tmp_path, "1:name=systemd:/\n0::/job_7/step_0")
    limits = {"": 7 * GB, "job_7": 5 * GB, "job_7/step_0": 6 * GB}
    for name, limit in limits.items():
        folder = Path("sys/fs/cgroup", name)
        content: dict[str, object] = {
            f"{folder}/memory.max": limit if name == limited else "max",
            f"{folder}/memory.high": "max",
            f"{folder}/memory.current": 4 * GB,
            f"{folder}/memory.stat": f"anon 3\nactive_file {GB // 4}\ninactive_file {3 * GB // 4}",
        }
        write(tmp_path, content)
    assert free_memory(tmp_path) == expected


def test_limit_of_a_cgroup_of_version_1_counts(tmp_path: Path) -> None:
    write_system(tmp_path, "4:cpuset,memory:/batch\n0::/elsewhere")
    folder = "sys/fs/cgroup/memory"  # a container sees its own cgroup as the root
    write(
        tmp_path,
        {
            f"{folder}/memory.limit_in_bytes": 5 * GB,
            f"{folder}/memory.usage_in_bytes": 4 * GB,
            f"{folder}/memory.stat": f"inactive_file 5\ntotal_inactive_file {GB}",
        },
    )
    assert free_memory(tmp_path) == 2 * GB


def test_exceeded_limit_leaves_nothing(tmp_path: Path) -> None:
    write_system(tmp_path, "0::/")
    folder = "sys/fs/cgroup"
    write(tmp_path, {f"{folder}/memory.max": 5, f"{folder}/memory.current": 9})
    write(tmp_path, {f"{folder}/memory.high": "max", f"{folder}/memory.stat": "anon 3"})
    assert free_memory(tmp_path) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce these limits")
@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_resource_limits_of_the_process_count(kind: str) -> None:
    code = "from simvp.runtime.memory import free_memory; print(free_memory())"
    limit = 700_000_000
    result = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(getattr(resource, kind), (limit, limit)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert 300_000_000 < int(result.stdout) < limit


def test_memory_of_freed_arrays_can_be_returned() -> None:
    array = np.ones(1000)
    return_free_memory()
    assert array.sum() == 1000
