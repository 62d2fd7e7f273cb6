"""Damaged and hostile files for readers, and a process in which to read them."""

import copy
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SECONDS = 60  # within which a command has to end, also on a busy machine; usual are 0.1

# `make fuzz` tries more files, which differ each time.
_EXAMPLES = int(os.environ.get("SIMVP_FUZZ_EXAMPLES", "0"))
FUZZ = settings(
    max_examples=_EXAMPLES or 12,
    derandomize=not _EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@dataclass(frozen=True)
class Answer:
    """How a command ended.

    Attributes:
        code: its exit code; None if it raised an exception, crashed or did not end in time.
        message: what it wrote to standard error, or the traceback.
        events: forbidden actions, such as starting a program.
        seconds: that it took.
    """

    code: int | None
    message: str
    events: list[str]
    seconds: float


class Worker:
    """A process that runs commands with little memory, restarted if one crashes or hangs it."""

    def __init__(self, folder: Path, *modules: str) -> None:
        self.folder, self.modules = folder, modules
        self.process: subprocess.Popen[str] | None = None

    def run(self, folder: Path, arguments: Sequence[str], command: str = "simvp") -> Answer:
        """Run a command in a folder."""
        process = self.process or self._start()
        request = {"folder": str(folder), "command": command, "arguments": list(arguments)}
        began = time.monotonic()
        assert process.stdin is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = self._line(SECONDS)
        seconds = time.monotonic() - began
        if line:
            return Answer(**json.loads(line), seconds=seconds)
        self.close()
        ended = "did not end" if seconds >= SECONDS else f"crashed ({process.returncode})"
        return Answer(None, f"the process {ended}\n{self._errors()}", [], seconds)

    def _start(self) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            str(Path(__file__).parent / "fuzz_worker.py"),
        ]
        with open(self.folder / "errors", "w") as errors:
            self.process = subprocess.Popen(
                [*command, str(self.folder), *self.modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )
        assert self._line(120) == '"ready"', self._errors()
        return self.process

    def _line(self, seconds: float) -> str:
        """The next answer; empty if there is none in time."""
        assert self.process is not None and self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline().strip() if ready else ""

    def _errors(self) -> str:
        return (self.folder / "errors").read_text()[-2000:]

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def check(answer: Answer) -> None:
    """Success, or one message and exit code 2; nothing was run."""
    assert answer.code in (0, 2), answer.message
    assert not answer.events, answer.events
    if answer.code == 2:
        assert answer.message.startswith(("error: ", "Usage: ")), answer.message
        assert answer.message.count("error: ") == 1, answer.message
        assert "Traceback" not in answer.message
        assert len(answer.message) < 5000, answer.message
    else:
        assert not answer.message, answer.message


def files(folder: Path) -> set[str]:
    """What a folder contains, without locks."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.name.endswith(".lock")}


_HOSTILE_BYTES = [
    bytes(4),
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\x80\x00\x00\x00",
    b"\x01\x00\x00\x00",
    b"\x00\x00\x00\x01",
    b"\xff" * 8,
    bytes(8),
    b"\x00\x00\x00\x00\x00\x00\x00\x40",
    b"(" * 40,
    b"[" * 40,
    b"9" * 20,
    b"-1",
    b"\x00",
    b"\n",
    b"nan",
]


@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
    """A file with one to three damages: bytes that are changed, lost, added or repeated."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        size = len(data)
        near = st.integers(0, min(size, 400))
        at = draw(st.one_of(near, near.map(lambda n, size=size: size - n), st.integers(0, size)))
        kind = draw(st.sampled_from("flip flip set set truncate delete insert repeat zero".split()))
        if kind == "flip" and at < size:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            value = draw(st.sampled_from(_HOSTILE_BYTES))
            data[at : at + len(value)] = value
        elif kind == "truncate":
            del data[at:]
        elif kind == "delete":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = draw(st.one_of(st.sampled_from(_HOSTILE_BYTES), st.binary(max_size=16)))
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        elif kind == "zero":
            length = min(draw(st.integers(1, 512)), size - at)
            data[at : at + length] = bytes(length)
    return bytes(data)


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


SCALARS: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 255, 2**31, 2**32, 2**63, -(2**63), 10**19, 10**30),
    *(0.5, -0.0, 1e-320, 1e38, 1e308, float("nan"), float("inf"), -float("inf")),
    *("", " ", "a", "0", "nan", "\0", "\n", "../x", "/etc/passwd", "a" * 300, "\ud800", "{0}", "é"),
]
VALUES = [*SCALARS, [], {}, [[]], [None], [1, 2, 3, 4], ["a", "a"], {"a": 1}, nested(60)]


@st.composite
def changed(draw: Any, record: Any) -> Any:
    """A JSON value, of which one to three parts are replaced, removed, renamed or repeated."""
    record = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(1, 3))):
        record = _change(draw, record)
    return record


def _change(draw: Any, record: Any) -> Any:
    if isinstance(record, (dict, list)) and record and draw(st.integers(0, 7)):
        keys = sorted(record) if isinstance(record, dict) else range(len(record))
        key = draw(st.sampled_from(keys))
        kind = draw(st.sampled_from(["in"] * 6 + ["remove", "add"]))
        if kind == "in":
            record[key] = _change(draw, record[key])
        elif kind == "remove":
            del record[key]
        elif isinstance(record, dict):
            record[draw(st.sampled_from(["", "x", "\0", "a" * 300, "0"]))] = record[key]
        else:
            record.insert(key, record[key])
        return record
    if isinstance(record, str) and record and draw(st.booleans()):
        at = draw(st.integers(0, len(record) - 1))
        return (
            record[:at]
            + draw(st.sampled_from(["", "x", "\0", "-", "9" * 9, ","]))
            + record[at + 1 :]
        )
    if isinstance(record, (int, float)) and draw(st.booleans()):
        return draw(st.sampled_from([-record, record + 1, record * 1000, record * 2**40]))
    return copy.deepcopy(draw(st.sampled_from(VALUES)))  # which another change may change
