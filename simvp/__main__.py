"""Entry point of `simvp` and `python -m simvp`.

Spawned worker processes import this module again, so it imports the rest only on use.
"""

import os
import sys


def main() -> None:
    try:
        os.getcwd()
    except OSError:  # libraries end the process, or print tracebacks, when they are imported
        print("error: the working directory was deleted; change to another one", file=sys.stderr)
        sys.exit(2)
    try:
        from simvp.cli import app

        app(prog_name="simvp")
    except KeyboardInterrupt:  # during imports; commands handle it themselves
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except SystemExit as error:
        if "torch" in sys.modules:
            from simvp.runtime.launcher import exit_group_process

            exit_group_process(error.code)
        raise


if __name__ == "__main__":
    main()
