"""Zarr stores at URLs, read from a web server on loopback."""

import json
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from servers import DataServer, serving

from simvp.data import open_source, remote
from simvp.data.cf_files import remote_store
from simvp.data.frame_cache import stamp_of
from simvp.data.locations import as_location
from simvp.errors import ConfigError, DataError, UserError


def write_ocean(
    path: Path, *, version: int = 3, consolidated: bool = True, **encoding: object
) -> None:
    values = np.random.default_rng(0).random((40, 8, 9), dtype=np.float32)
    dataset = xr.Dataset(
        {"sst": (("time", "lat", "lon"), values, {"units": "degC"})},
        {
            "time": np.arange("2001-01-01", "2001-02-10", dtype="datetime64[D]").astype("M8[ns]"),
            "lat": ("lat", np.linspace(49, 57, 8), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(-4, 8.5, 9), {"units": "degrees_east"}),
        },
    )
    with warnings.catch_warnings():  # consolidated metadata are not part of version 3 yet
        warnings.simplefilter("ignore")
        dataset.to_zarr(
            path,
            zarr_format=version,
            consolidated=consolidated,
            encoding={"sst": {"chunks": (7, 8, 9), **encoding}},
        )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DataServer]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as started:
        yield started


@pytest.fixture
def ocean(tmp_path: Path, server: DataServer) -> str:
    """The URL of a store that is on disk as well, in `served`."""
    write_ocean(tmp_path / "served" / "ocean.zarr")
    return f"{server.url}/ocean.zarr"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(remote, "_PATIENCE", 0.3)
    monkeypatch.setattr(remote, "_FIRST_PATIENCE", 0.2)


def frames(path: str | Path) -> np.ndarray:
    (series,) = open_source(path).series
    return series.read(0, series.length)


@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_remote_frames_equal_those_on_disk(
    tmp_path: Path, server: DataServer, version: int, consolidated: bool
) -> None:
    local = tmp_path / "served" / "ocean.zarr"
    write_ocean(local, version=version, consolidated=consolidated)
    source, expected = open_source(f"{server.url}/ocean.zarr/"), open_source(local)
    assert source.path == as_location(f"{server.url}/ocean.zarr")
    (series,), (on_disk,) = source.series, expected.series
    np.testing.assert_array_equal(series.read(0, 40), on_disk.read(0, 40))
    assert (series.id, series.frames_per_chunk) == (on_disk.id, 7)
    assert source.card == expected.card and source.assumptions == expected.assumptions
    np.testing.assert_array_equal(series.read(3, 30, 4), on_disk.read(3, 30, 4))
    chunks = server.chunks("sst")
    assert len(chunks) == 6 and set(chunks.values()) == {1}


def test_frames_of_a_shard_are_read_without_the_rest(tmp_path: Path, server: DataServer) -> None:
    """This server ignores the range of bytes that is asked for, and sends the whole file."""
    local = tmp_path / "served" / "ocean.zarr"
    write_ocean(local, shards=(14, 8, 9))
    np.testing.assert_array_equal(frames(f"{server.url}/ocean.zarr"), frames(local))


def test_failed_requests_are_repeated(
    tmp_path: Path, server: DataServer, ocean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_DELAY", 0.01)
    server.fault_share = 0.5
    np.testing.assert_array_equal(frames(ocean), frames(tmp_path / "served" / "ocean.zarr"))
    assert all(server.faults[kind] for kind in ("status", "half", "nothing", "slow"))
    assert set(server.chunks("sst").values()) == {1}


def test_delays_double_up_to_a_limit(
    server: DataServer, ocean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)
        now[0] += seconds

    (series,) = open_source(ocean).series
    server.status, now = 503, [0.0]
    monkeypatch.setattr(remote.asyncio, "sleep", sleep)
    monkeypatch.setattr(remote.random, "uniform", lambda low, high: high)
    monkeypatch.setattr(remote.time, "monotonic", lambda: now[0])
    with pytest.raises(DataError, match=r"in 9 attempts within 92 s \(HTTP 503 Service Unavail"):
        series.read(0, 3)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_server_that_keeps_failing_is_given_up(
    server: DataServer, ocean: str, impatient: None
) -> None:
    (series,) = open_source(ocean).series
    server.status = 500
    with pytest.raises(DataError) as error:
        series.read(0, 7)
    message = str(error.value)
    assert message.startswith(f"{ocean}/sst/c/0/0/0: cannot be read in ")
    assert "(HTTP 500 Internal Server Error); check the network and the server, then run" in message
    attempts = server.chunks("sst", counted=server.requests)["/ocean.zarr/sst/c/0/0/0"]
    assert f" in {attempts} attempts within " in message and attempts > 3
    server.status = 0
    assert series.read(0, 7).shape == (7, 1, 8, 9)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{server}/none.zarr", "is not a Zarr store: zarr.json, .zmetadata and .zgroup are not"),
        ("{server}/ocean.zarr/sst", "is a single Zarr array; expected a group of named arrays"),
        ("http://127.0.0.1:{closed}/x", r"cannot connect to 127.0.0.1: Connect call failed"),
        ("http://no-such-host.invalid/x", "no such host: no-such-host.invalid"),
        ("https{tls}/ocean.zarr", "no TLS connection: "),
        ("http://", "URLs of data begin with https://, http://, s3://, gs://"),
        ("file:///etc", "URLs of data begin with"),
        ("simplecache::{server}/ocean.zarr", "URLs of data begin with"),
        ("s3://bucket/ocean.zarr", r'`pip install "simvp\[remote\]" s3fs`'),
    ],
)
def test_wrong_urls_are_refused_at_once(
    server: DataServer, ocean: str, url: str, message: str
) -> None:
    tls = server.url.removeprefix("http")
    started = time.monotonic()
    with pytest.raises(UserError, match=message):
        open_source(url.format(server=server.url, closed=closed_port(), tls=tls))
    assert time.monotonic() - started < 5


def test_missing_package_is_named(
    server: DataServer, ocean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "simvp.data.remote")
    monkeypatch.delattr("simvp.data.remote")
    monkeypatch.delitem(sys.modules, "simvp.data.network_errors")
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ConfigError, match=r'install them with `pip install "simvp\[remote\]"`$'):
        open_source(ocean)


@pytest.mark.parametrize("status", [401, 403])
def test_denied_access_is_reported(server: DataServer, ocean: str, status: int) -> None:
    server.status = status
    with pytest.raises(DataError, match=rf"no Zarr store can be read \(HTTP {status} "):
        open_source(ocean)
    server.status = 0
    (series,) = open_source(ocean).series
    server.status = status
    with pytest.raises(
        DataError, match=rf"\(HTTP {status} .*; check the URL; give credentials in ~/.netrc"
    ):
        series.read(0, 3)  # a chunk that may not be read is not one that holds the fill value


def test_server_without_an_answer_times_out(
    server: DataServer, ocean: str, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_READ_SECONDS", 0.1)
    server.is_hanging = True
    with pytest.raises(DataError, match=r"zarr.json: cannot be read in \d attempts .*no answer in"):
        open_source(ocean)


def test_redirects_to_files_are_not_followed(
    server: DataServer, ocean: str, tmp_path: Path, impatient: None
) -> None:
    server.redirect = f"file://{tmp_path}/served/ocean.zarr/zarr.json"
    with pytest.raises(DataError, match=r"\(redirected to file:.*\); check the URL"):
        open_source(ocean)


def test_redirects_that_do_not_end_are_reported(
    server: DataServer, ocean: str, impatient: None
) -> None:
    server.redirect = f"{ocean}/zarr.json"
    with pytest.raises(DataError, match="too many redirects"):
        open_source(ocean)


def put_pickle(path: Path, version: int, consolidated: bool) -> None:
    """Make a store name pickle as the code that decodes an array."""
    name = {True: {2: ".zmetadata", 3: "zarr.json"}, False: {2: "sst/.zarray", 3: "sst/zarr.json"}}
    file = path / name[consolidated][version]
    metadata = json.loads(file.read_text())
    node = metadata
    if consolidated and version == 2:
        node = metadata["metadata"]["sst/.zarray"]
    elif consolidated:
        node = metadata["consolidated_metadata"]["metadata"]["sst"]
    if version == 2:
        node["filters"] = [{"id": "pickle", "protocol": 5}]
    else:
        node["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    file.write_text(json.dumps(metadata))


@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_pickle_is_refused(
    tmp_path: Path, server: DataServer, version: int, consolidated: bool
) -> None:
    local = tmp_path / "served" / "ocean.zarr"
    write_ocean(local, version=version, consolidated=consolidated)
    put_pickle(local, version, consolidated)
    with pytest.raises(DataError, match="encoded by pickle, which can run code"):
        open_source(f"{server.url}/ocean.zarr")
    assert server.chunks("sst") == {}


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b"{", b"[" * 100000, b"\xff"])
def test_metadata_that_are_not_json_are_refused(
    tmp_path: Path, server: DataServer, ocean: str, content: bytes
) -> None:
    (tmp_path / "served" / "ocean.zarr" / "zarr.json").write_bytes(content)
    with pytest.raises(DataError, match="zarr.json: is not valid metadata of a Zarr store"):
        open_source(ocean)


def test_store_that_cannot_be_listed_is_reported(tmp_path: Path, server: DataServer) -> None:
    write_ocean(tmp_path / "served" / "ocean.zarr", consolidated=False)
    server.lists_folders = False
    with pytest.raises(DataError, match="does not list the arrays.*zarr.consolidate_metadata"):
        open_source(f"{server.url}/ocean.zarr")


def test_reading_in_another_thread_is_aborted(server: DataServer, ocean: str) -> None:
    (series,) = open_source(ocean).series
    server.is_hanging = True
    errors: list[BaseException] = []

    def read() -> None:
        try:
            series.read(0, 40)
        except DataError as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while not server.chunks("sst", counted=server.requests):
        time.sleep(0.01)
    series.abort_reading()
    thread.join(timeout=5)
    assert not thread.is_alive() and len(errors) == 1
    server.is_hanging = False
    assert series.read(0, 3).shape == (3, 1, 8, 9)


def test_stamp_of_a_store_tells_that_it_was_written_again(
    tmp_path: Path, server: DataServer, ocean: str
) -> None:
    (series,) = open_source(ocean).series
    location = as_location(ocean)
    before = stamp_of(location)
    series.abort_reading()  # forgets what was read
    assert stamp_of(location) == before
    series.abort_reading()
    file = tmp_path / "served" / "ocean.zarr" / "zarr.json"
    file.write_text(file.read_text().replace("degC", "degF"))
    assert stamp_of(location) != before
    assert server.chunks("sst") == {}


def test_recent_chunks_take_bounded_memory(
    server: DataServer, ocean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_RECENT_BYTES", 4000)
    (series,) = open_source(ocean).series
    series.read(0, 40)
    store = remote_store(ocean)
    assert 0 < store._recent_bytes == sum(len(data or b"") for data in store._recent.values())
    assert store._recent_bytes <= 4000
