"""A web server on loopback for tests, which can be slow, lose connections and fail."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class DataServer:
    """Serves the files of a folder.

    Attributes:
        url: of the folder.
        requests: number of requests for each path, and of answers with its content.
        fault_share: share of the requests that fail: by status 500, by a connection that is closed
            in the middle of the answer or before it, or by an answer that takes a while.
        status: answered to every request, if it is not 0.
        is_hanging: whether requests wait until the server is closed.
        redirect: where all requests are redirected to, if it is not empty.
        lists_folders: whether a folder is answered by a page that lists its files.
        last_modified: changes the times of files.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        handler = partial(_Handler, self, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.requests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.fault_share, self.status, self.redirect = 0.0, 0, ""
        self.is_hanging, self.lists_folders = False, True
        self.closed = threading.Event()
        self._rng, self._lock = random.Random(seed), threading.Lock()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(self, path: str) -> str:
        """Count a request, and draw how it fails; empty if it does not."""
        with self._lock:
            self.requests[path] += 1
            fails = self._rng.random() < self.fault_share
            kind = self._rng.choice(["status", "half", "nothing", "slow"]) if fails else ""
            self.faults[kind] += 1
            return kind

    def chunks(self, name: str, *, counted: "Counter[str] | None" = None) -> dict[str, int]:
        """Number of answers for each chunk of an array."""
        counted = self.answers if counted is None else counted
        return {
            path: count
            for path, count in counted.items()
            if f"/{name}/" in path and path[-1].isdigit()
        }


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: DataServer, *arguments: Any, **options: Any) -> None:
        self.data = server
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        fault = self.data.fault(self.path)
        if self.data.is_hanging:
            self.data.closed.wait()
        if self.data.redirect:
            self.send_response(302)
            self.send_header("Location", self.data.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.data.status or fault == "status":
            self.send_error(self.data.status or 500)
        elif fault == "nothing":
            self.close_connection = True
        elif self.path.endswith("/") and not self.data.lists_folders:
            self.send_error(404)
        elif fault == "half":
            self._send_half()
        else:
            time.sleep(0.2 if fault == "slow" else 0)
            self.data.answers[self.path] += 1
            super().do_GET()

    def _send_half(self) -> None:
        path = Path(self.translate_path(self.path))
        content = path.read_bytes() if path.is_file() else b"folder"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def serving(folder: Path, seed: int = 0) -> Iterator[DataServer]:
    server = DataServer(folder, seed)
    try:
        yield server
    finally:
        server.close()
