"""A process that runs commands of simvp on request; see `fuzzing.Worker`.

Reads requests as lines of JSON from standard input and answers each with a line of JSON.
"""

import contextlib
import importlib
import io
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

MEMORY = 2**30  # bytes that a command may allocate beyond what the process has at its start

# Audit events of code that a file must not be able to run. Libraries cause none of them here.
_FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}
_FORBIDDEN |= {"pickle.find_class", "os.fork"}

_events: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        _events.append(f"{event} {arguments!r}"[:200])


def _run(command: str, arguments: list[str]) -> dict[str, Any]:
    """Run `simvp`, or a function of Python that raises its errors, and describe what happened."""
    from simvp.errors import SimvpError

    message = io.StringIO()
    code: Any = 0
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(message):
            if command == "simvp":
                from simvp.cli import app

                app(arguments, prog_name="simvp")
            else:
                module, _, name = command.partition(":")
                getattr(importlib.import_module(module), name)(*arguments)
    except SystemExit as error:
        code = error.code
    except SimvpError as error:
        code = error.exit_code
        message.write(f"error: {error}\n")
    return {"code": code, "message": message.getvalue()}


def read_split(path: str) -> None:
    """Read a split file and all frames of its parts."""
    import simvp.data

    split = simvp.data.read_split(path)
    for name in ("train", "validation", "test"):
        for segment in split.segments(name):
            for first, last in segment.pieces():
                segment.check_unchanged(segment.read_stored(first, last), first)


def find_split(path: str) -> None:
    """Find the split file of a folder with data."""
    from simvp.data.split import describe_choice, find_split, read_split

    describe_choice(read_split(find_split("", path)), "", path)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    os.chdir(request["folder"])
    _events.clear()
    try:
        answer = _run(request["command"], request["arguments"])
    except BaseException as error:
        import traceback

        answer = {"code": None, "message": "".join(traceback.format_exception(error))}
    return {**answer, "events": list(_events)}


def main() -> None:
    # Native libraries print to file descriptors: the answers have one of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    tempfile.tempdir = sys.argv[1]
    os.fsync = lambda descriptor: None  # many small files are written here
    for module in sys.argv[2:]:
        importlib.import_module(module)
    sys.addaudithook(_watch)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
