"""Entry point of `simvp` and `python -m simvp`.

Spawned worker processes import this module again, so it imports the rest only on use.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if it is ignored
            signal.signal(signal.SIGINT, _interrupt)
        _check_working_directory()
        from simvp.cli import app

        app(prog_name="simvp")
    except KeyboardInterrupt:  # until the handler is set; commands catch theirs
        _exit_interrupted()
    except SystemExit as error:
        if "torch" in sys.modules:
            from simvp.runtime.launcher import exit_group_process

            exit_group_process(error.code)
        raise


def _check_working_directory() -> None:
    try:
        os.getcwd()
    except OSError:  # libraries end the process, or print tracebacks, when they are imported
        print("error: the working directory was deleted; change to another one", file=sys.stderr)
        sys.exit(2)


def _interrupt(signum: int, frame: "FrameType | None") -> None:
    """Handle Ctrl-C: raise KeyboardInterrupt in a command, which then cleans up; otherwise exit.

    Python ignores the exception in a callback of the import system, and in classes that libraries
    define by `exec` it ends the process by the signal although the exception is caught.
    """
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        if frame.f_globals.get("__name__", "").startswith("simvp.commands."):
            raise KeyboardInterrupt
        frame = frame.f_back
    _exit_interrupted()


def _exit_interrupted() -> None:
    try:
        if "SIMVP_LAUNCHED" not in os.environ:  # the launcher of a group says it once
            os.write(2, b"interrupted\n")  # print() cannot interrupt another print()
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
