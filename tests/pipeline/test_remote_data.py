"""Data at a URL: from `split` to `predict`, with a server that is slow, fails and goes away."""

import logging
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
from fsspec.implementations.memory import MemoryFileSystem
from helpers import TINY, Simvp, assert_same, run_state, wait_for_epoch
from servers import DataServer, serving

from simvp.data import preparation, read_split, remote

TRAIN = ["train", *TINY, "--set", "data.stride=3", "--epochs", "3"]


@pytest.fixture
def ocean(tmp_path: Path) -> Path:
    """A store in the folder `served`: 90 frames in chunks of 8."""
    values = np.random.default_rng(0).random((90, 9, 11), dtype=np.float32)
    path = tmp_path / "served" / "ocean.zarr"
    dataset = xr.Dataset({"sst": (("time", "lat", "lon"), values)})
    dataset.to_zarr(path, zarr_format=2, encoding={"sst": {"chunks": (8, 9, 11)}})
    return path


@pytest.fixture
def server(ocean: Path) -> Iterator[DataServer]:
    with serving(ocean.parent, seed=1) as started:
        yield started


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(remote, "_PATIENCE", 1.0)


@pytest.fixture
def on_disk(ocean: Path, simvp: Simvp) -> Path:
    """The run of `TRAIN` on the files."""
    simvp("split", "served/ocean.zarr")
    simvp(*TRAIN, "--data-path", "served/ocean.zarr", "--name", "disk")
    return Path("work_dirs/disk")


def test_results_of_an_unreliable_server_equal_those_from_disk(
    on_disk: Path, server: DataServer, quick: None, simvp: Simvp
) -> None:
    url = f"{server.url}/ocean.zarr"
    server.fault_share = 0.4
    result = simvp("split", url)
    assert f"at a URL, so their split file and data card are in {Path.cwd()};" in result.stdout
    assert f"next: simvp train --data-path {url}" in result.stdout
    # Two boundaries between the parts are within a chunk, which is read once nevertheless.
    assert set(server.chunks("sst").values()) == {1} and len(server.chunks("sst")) == 12
    simvp(*TRAIN, "--data-path", url)
    assert min(server.faults[kind] for kind in ("status", "half", "nothing", "slow")) > 0
    assert_same(run_state(on_disk), run_state(Path("work_dirs/default")))
    assert "warning" not in simvp("test").stderr
    simvp("predict", url, "--output", "url.nc")
    simvp("predict", "served/ocean.zarr", "--name", "disk", "--output", "disk.nc")
    with xr.open_dataset("url.nc") as found, xr.open_dataset("disk.nc") as expected:
        xr.testing.assert_equal(found, expected)
    simvp("predict", "--output", "own.nc")
    simvp("viz", "--report")


class LostConnection(Exception):
    """Of a library that simvp does not know, such as botocore."""


class Bucket(MemoryFileSystem):
    """Stands in for s3fs: `s3://` names files in memory. Every fourth request fails."""

    protocol = "s3"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    requests: ClassVar[int] = 0

    def cat_file(self, *arguments: Any, **options: Any) -> bytes:
        Bucket.requests += 1
        if Bucket.requests % 4 == 0:
            logging.getLogger("gcsfs").error("out of retries")  # as gcsfs does
            raise LostConnection("the endpoint does not answer")
        return super().cat_file(*arguments, **options)  # type: ignore[no-any-return]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("s3://").strip("/")


def test_results_from_a_bucket_equal_those_from_disk(
    on_disk: Path, ocean: Path, quick: None, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", Bucket)
    Bucket().put(str(ocean), "s3://waves/ocean.zarr", recursive=True)
    assert (
        "next: simvp train --data-path s3://waves/ocean.zarr"
        in simvp("split", "s3://waves/ocean.zarr").stdout
    )
    assert "retries" not in simvp(*TRAIN, "--data-path", "s3://waves/ocean.zarr").stderr
    assert_same(run_state(on_disk), run_state(Path("work_dirs/default")))
    assert Bucket.requests > 20
    result = simvp("split", "s3://waves/other.zarr", code=2)
    assert "s3://waves/other.zarr: is not a Zarr store" in result.stderr


def test_split_file_and_card_of_a_url_are_in_the_output_folder(
    server: DataServer, simvp: Simvp
) -> None:
    url = f"{server.url}/ocean.zarr"
    simvp("split", url, "--output", "there", "--write-card")
    assert {path.name[-12:] for path in Path("there").iterdir()} == {"loaders.json", "ocean.toml"}
    card = Path("there/ocean.toml")
    card.write_text(card.read_text().replace('boundary_x = "zeros"', 'boundary_x = "periodic"'))
    (split,) = Path("there").glob("*.json")
    found = read_split(split)
    assert found.data.card.boundary_x == "periodic" and str(found.source) == url
    result = simvp("train", "--data-path", url, code=2)
    assert f"{url}: has no split file (*_loaders.json) in the current folder" in result.stderr
    result = simvp(*TRAIN, "--data", str(split), "--epochs", "1")
    assert "boundary: zeros along y and periodic along x" in result.stdout


def test_chunks_that_the_server_does_not_have_are_reported(
    ocean: Path, server: DataServer, simvp: Simvp
) -> None:
    encoding = {"sst": {"chunks": (8, 9, 11), "_FillValue": None}}
    values = np.ones((90, 9, 11), np.float32)
    dataset = xr.Dataset({"sst": (("time", "lat", "lon"), values)})
    dataset.to_zarr(ocean, mode="w", zarr_format=2, encoding=encoding)
    (ocean / "sst" / "3.0.0").unlink()
    result = simvp("split", f"{server.url}/ocean.zarr", "--variables", "sst")
    assert "warning: chunks without a file hold the fill value" in result.stdout
    assert "sst (1 of 12, read as 0)" in result.stdout


@pytest.fixture
def from_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are fetched when they are needed, and not kept."""
    monkeypatch.setattr(preparation, "MEMORY_SHARE", 0.0)
    monkeypatch.setattr(remote, "_RECENT_BYTES", 0)


def test_training_is_resumed_after_the_server_was_away(
    on_disk: Path,
    server: DataServer,
    quick: None,
    from_network: None,
    simvp: Simvp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"{server.url}/ocean.zarr"
    simvp("split", url)
    simvp(*TRAIN, "--data-path", url, "--epochs", "3", "--name", "whole")
    epoch = sum(server.chunks("sst").values()) // 3
    original = server.fault

    def fault(path: str) -> str:
        server.status = 503 if sum(server.answers.values()) > limit else 0
        return original(path)

    monkeypatch.setattr(server, "fault", fault)
    limit = sum(server.answers.values()) + int(1.5 * epoch)
    result = simvp(*TRAIN, "--data-path", url, code=2)
    assert result.stderr.count("error: ") == 1 and "(HTTP 503 Service Unavail" in result.stderr
    assert "run the same command again (train: with --resume)" in result.stderr
    limit = 10**9
    simvp("train", "--resume")
    assert_same(run_state(on_disk), run_state(Path("work_dirs/default")))


def test_cache_fetches_each_chunk_once(
    on_disk: Path, server: DataServer, from_network: None, simvp: Simvp
) -> None:
    url = f"{server.url}/ocean.zarr"
    simvp("split", url)
    server.answers.clear()
    simvp(*TRAIN, "--data-path", url, "--set", "data.cache=cache", "--set", "data.stride=3")
    chunks = server.chunks("sst")
    assert_same(run_state(on_disk), run_state(Path("work_dirs/default")))
    # Training and validation frames are one block each, which may share a chunk.
    assert sum(chunks.values()) <= len(chunks) + 1
    server.answers.clear()
    simvp(*TRAIN, "--data-path", url, "--set", "data.cache=cache", "--name", "again")
    assert server.chunks("sst") == {}


def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
    Path("patched.py").write_text(f"{code}\nfrom simvp.__main__ import main\nmain()\n")
    command = [sys.executable, "patched.py", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def interrupted(process: "subprocess.Popen[str]", server: DataServer) -> tuple[str, str]:
    """Interrupt a process that waits for the server. Returns its output."""
    seen = sum(server.requests.values())
    while sum(server.requests.values()) == seen:
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    output = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert time.monotonic() - started < 20  # a request alone may wait for 30 s
    return output


def test_split_that_waits_for_the_network_can_be_interrupted(
    server: DataServer, simvp: Simvp
) -> None:
    server.is_hanging = True
    process = start("", "split", f"{server.url}/ocean.zarr")
    assert interrupted(process, server) == ("", "interrupted\n")


def test_training_that_waits_for_the_network_is_saved_when_interrupted(
    on_disk: Path, server: DataServer, simvp: Simvp
) -> None:
    url = f"{server.url}/ocean.zarr"
    simvp("split", url)
    code = (
        "from simvp.data import preparation, remote\n"
        "preparation.MEMORY_SHARE = remote._RECENT_BYTES = 0\n"
    )
    train = [*TRAIN, "--data-path", url, "--epochs", "3"]
    process = start(code, *train)
    wait_for_epoch(process)
    server.is_hanging = True
    _, errors = interrupted(process, server)
    assert errors.startswith("stopped after ") and "Traceback" not in errors
    server.is_hanging = False
    simvp("train", "--resume")
    assert_same(run_state(on_disk), run_state(Path("work_dirs/default")))


def test_validation_that_waits_for_the_network_can_be_interrupted(
    on_disk: Path, server: DataServer, simvp: Simvp
) -> None:
    url = f"{server.url}/ocean.zarr"
    simvp("split", url)
    code = (
        "from pathlib import Path\n"
        "from simvp.data import preparation, remote\n"
        "from simvp.engine import trainer\n"
        "preparation.MEMORY_SHARE = remote._RECENT_BYTES = 0\n"
        "original = trainer.validate\n"
        "def validate(*arguments, **options):\n"
        "    Path('validating').touch()\n"
        "    while not Path('hanging').exists(): pass\n"
        "    return original(*arguments, **options)\n"
        "trainer.validate = validate\n"
    )
    process = start(code, *TRAIN, "--data-path", url)
    while not Path("validating").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    server.is_hanging = True
    Path("hanging").touch()
    _, errors = interrupted(process, server)
    assert re.match(r"stopped after 0 epochs and (\d+) of \1 steps, saved; ", errors), errors
    server.is_hanging = False
    simvp("train", "--resume")
    assert_same(run_state(on_disk), run_state(Path("work_dirs/default")))


@pytest.mark.slow
def test_two_processes_fetch_each_chunk_once_each(
    server: DataServer, ocean: Path, simvp: Simvp
) -> None:
    simvp("split", "served/ocean.zarr")
    command = [sys.executable, "-m", "simvp", *TRAIN, "--nproc", "2", "--epochs", "2"]
    local = [*command, "--data-path", "served/ocean.zarr", "--name", "disk"]
    subprocess.run(local, check=True, capture_output=True, timeout=240)
    url = f"{server.url}/ocean.zarr"
    simvp("split", url)
    server.answers.clear()
    subprocess.run([*command, "--data-path", url], check=True, capture_output=True, timeout=240)
    assert max(server.chunks("sst").values()) <= 2
    assert_same(run_state(Path("work_dirs/disk")), run_state(Path("work_dirs/default")))


def test_nothing_is_fetched_unless_data_are_at_a_url(
    ocean: Path, simvp: Simvp, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ocean, "copy.zarr")
    code = (
        "import socket, sys\n"
        "def refuse(*arguments): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from simvp.__main__ import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    assert 'aiohttp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, "split", "copy.zarr"], check=True, timeout=60)
