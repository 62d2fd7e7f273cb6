"""Zarr stores that are read over a network.

Chunks are fetched whole. A request that fails is repeated, with waiting times that double. What was
fetched last is kept, so that frames which share a chunk fetch it once.
"""

import asyncio
import atexit
import hashlib
import logging
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Self, TypeVar

import aiohttp
from zarr.abc.store import ByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, WrapperStore

from simvp.data.network_errors import CREDENTIALS, Failure, explain
from simvp.data.zarr_metadata import check_group, parse, single_array
from simvp.errors import DataError

# Seconds before the first repetition, and between later ones at most.
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
# Seconds after which a request is not repeated: of a server that has not answered yet, which is
# probably the wrong one, and of one that has.
_FIRST_PATIENCE, _PATIENCE = 20.0, 120.0
# Seconds to wait for a connection, and for the next bytes of an answer.
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 30.0
_RECENT_BYTES = 2**27

Answer = TypeVar("Answer")

_METADATA = ("zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs")


class RemoteStore(WrapperStore[FsspecStore]):
    """A store that repeats failed requests and keeps the newest answers.

    Attributes:
        absent: keys of chunks that the server does not have.
        denied: why the server refused metadata, which may not exist; empty if it did not.
    """

    def __init__(self, store: FsspecStore, url: str) -> None:
        super().__init__(store)
        self.absent: set[str] = set()
        self.denied = ""
        self._url, self._has_answered, self._is_aborted = url, False, False
        self._recent: OrderedDict[str, bytes | None] = OrderedDict()
        self._recent_bytes = 0
        self._pending: dict[str, asyncio.Task[bytes | None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def _with_store(self, store: FsspecStore) -> Self:
        return type(self)(store, self._url)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The content of a file of the store; None if there is none.

        Raises: DataError if it cannot be fetched.
        """
        data = await self._get(key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        return list(await asyncio.gather(*(self.get(k, prototype, r) for k, r in key_ranges)))

    async def exists(self, key: str) -> bool:
        return await self._get(key, None) is not None

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        async def listed() -> list[str]:
            return [name async for name in self._store.list_dir(prefix)]

        for name in await self._repeated(prefix, listed) or ():
            yield name

    async def details(self, key: str) -> dict[str, Any]:
        """What the server says about a file; empty if it says nothing."""

        async def info() -> dict[str, Any]:
            try:
                return dict(await self._store.fs._info(f"{self._store.path}/{key}"))
            except FileNotFoundError:  # some servers do not answer such requests
                return {}

        return await self._repeated(key, info) or {}

    def abort(self) -> None:
        """Abort all requests, those that other threads wait for as well. They raise an error."""
        self._is_aborted = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    def disconnect(self) -> None:
        """Abort all requests and close the connections."""
        self.abort()
        fs = self._store.fs
        connections = getattr(fs, "_session", None) or getattr(fs, "_s3", None)  # http and gs; s3
        if connections is not None:
            with suppress(TimeoutError):  # at the end of the process, which closes them as well
                sync(connections.close(), timeout=1)

    def _cancel(self) -> None:
        for task in list(self._pending.values()):
            task.cancel()

    async def _get(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        """Fetch a file or a part of it, unless it is there or on its way already.

        All calls run in one event loop, so that nothing has to be locked.
        """
        self._loop = asyncio.get_running_loop()
        name = f"{key} {byte_range}"
        if name in self._recent:
            self._recent.move_to_end(name)
            return self._recent[name]
        task = self._pending.get(name)
        if task is None:
            task = asyncio.create_task(self._fetch(key, byte_range))
            self._pending[name] = task
            task.add_done_callback(lambda done: self._arrived(name, done))
        return await asyncio.shield(task)

    def _arrived(self, name: str, task: "asyncio.Task[bytes | None]") -> None:
        """Keep what was fetched, and drop what was used least recently."""
        del self._pending[name]
        if task.cancelled() or task.exception() is not None or task.result() is None:
            return
        self._recent[name] = task.result()
        self._recent_bytes += len(task.result() or b"")
        while self._recent_bytes > _RECENT_BYTES:
            self._recent_bytes -= len(self._recent.popitem(last=False)[1] or b"")

    async def _fetch(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        async def read() -> bytes | None:
            found = await self._store.get(key, default_buffer_prototype(), byte_range)
            return None if found is None else _only(found.to_bytes(), byte_range)

        is_metadata = PurePosixPath(key).name in _METADATA
        data = await self._repeated(key, read, may_be_denied=is_metadata)
        if is_metadata and data is not None:
            parse(f"{self._url}/{key}", data)
        elif data is None and not is_metadata:
            self.absent.add(key)
        return data

    async def _repeated(
        self, key: str, request: Callable[[], Awaitable[Answer]], *, may_be_denied: bool = False
    ) -> Answer | None:
        """Await `request()`, repeatedly if it fails for a reason that may pass.

        Args:
            may_be_denied: return None if the server denies access. Some stores answer so where
                there is no such file.
        """
        started, delay, attempts = time.monotonic(), _FIRST_DELAY, 0
        while not self._is_aborted:
            attempts += 1
            try:
                result = await request()
                self._has_answered = True
                return result
            except Exception as error:  # fsspec raises errors of the libraries that it uses
                failure = explain(error, self._has_answered)
            if failure.is_denied and may_be_denied:
                self.denied = failure.reason
                return None
            seconds = time.monotonic() - started
            patience = _PATIENCE if self._has_answered else _FIRST_PATIENCE
            if not failure.may_pass or seconds + delay > patience:
                raise self._failed(key, failure, attempts, seconds)
            # At random, because many processes may have failed at the same moment.
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(2 * delay, _LONGEST_DELAY)
        raise DataError(f"{self._url}/{key}: reading was aborted")

    def _failed(self, key: str, failure: Failure, attempts: int, seconds: float) -> DataError:
        tried = f" in {attempts} attempts within {seconds:.0f} s" if attempts > 1 else ""
        return DataError(
            f"{self._url}/{key}: cannot be read{tried} ({failure.reason}); {failure.remedy}"
        )


def _only(data: bytes, byte_range: ByteRequest | None) -> bytes:
    """The part of a file that was asked for: some servers ignore this and send all of it.

    Raises: ConnectionError if there is less.
    """
    if isinstance(byte_range, RangeByteRequest):
        length = byte_range.end - byte_range.start
        if len(data) < length:
            raise ConnectionError(f"{len(data)} bytes instead of {length}")
        return data if len(data) == length else data[byte_range.start : byte_range.end]
    if isinstance(byte_range, SuffixByteRequest):
        return data[-byte_range.suffix :]
    return data


@cache
def store_of(url: str, pid: int) -> RemoteStore:
    """The store at a URL, one for each process. Nothing is fetched.

    Raises: ImportError if a package that reads such URLs is not installed.
    """
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # of requests that are repeated here
    options: dict[str, Any] = {"skip_instance_cache": True}
    if url.startswith("http"):
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS
        )
        # Proxies of the environment, and ~/.netrc.
        options["client_kwargs"] = {"timeout": timeout, "trust_env": True}
    store = RemoteStore(FsspecStore.from_url(url, storage_options=options, read_only=True), url)
    atexit.register(store.disconnect)
    return store


def open_group(url: str, store: RemoteStore) -> dict[str, Any]:
    """Find a group at the top of a store, and say how xarray opens it.

    Raises: DataError if there is none.
    """
    found = _top_metadata(store, "zarr.json")
    if found is not None:
        check_group(url, found)
        return {"zarr_format": 3, "consolidated": bool(found.get("consolidated_metadata"))}
    if _top_metadata(store, ".zmetadata") is not None:
        return {"zarr_format": 2, "consolidated": True}
    if _top_metadata(store, ".zgroup") is not None:
        return {"zarr_format": 2, "consolidated": False}
    if _top_metadata(store, ".zarray") is not None:
        raise single_array(url)
    if store.denied:
        raise DataError(f"{url}: no Zarr store can be read ({store.denied}); {CREDENTIALS}")
    raise DataError(
        f"{url}: is not a Zarr store: zarr.json, .zmetadata and .zgroup are not there. Check the "
        "URL. Only Zarr stores are read over a network: download other files, or convert them with "
        "xarray's Dataset.to_zarr"
    )


def _top_metadata(store: RemoteStore, key: str) -> dict[str, Any] | None:
    found = sync(store.get(key, default_buffer_prototype()))
    return None if found is None else parse(key, found.to_bytes())


def stamp_of_store(store: RemoteStore) -> str:
    """A hash of the metadata at the top of a store and of what the server says about them.

    A store that is written again has other metadata, or other times of them.
    """
    digest = hashlib.sha256()
    for key in ("zarr.json", ".zmetadata", ".zgroup"):
        found = sync(store.get(key, default_buffer_prototype()))
        if found is not None:
            digest.update(found.to_bytes())
            known = sync(store.details(key))
            names = ("ETag", "Last-Modified", "LastModified", "etag", "updated", "size")
            digest.update(repr([str(known.get(name)) for name in names]).encode())
    return digest.hexdigest()
