"""The program, as it is started: `simvp`, or `python -m simvp`.

Processes that share its work import this module once more, hence so late an import of the rest.
"""

import sys


def main() -> None:
    """The console entry point."""
    from simvp.cli import app

    try:
        app(prog_name="simvp")
    except SystemExit as leaving:
        if "torch" in sys.modules:
            from simvp.runtime.launcher import leave

            leave(leaving.code)
        raise


if __name__ == "__main__":
    main()
