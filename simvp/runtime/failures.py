"""Errors of launched processes. The launcher, which imports torch, prints them."""

import json
import os
import time
from pathlib import Path

from simvp.errors import PeerLost, SimvpError

# Environment variable of launched processes: when they were launched, in seconds since the epoch.
LAUNCHED = "SIMVP_LAUNCHED"


def pass_to_launcher(error: SimvpError) -> bool:
    """In a launched process: pass the error to the launcher, which prints it; else return False."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if LAUNCHED not in os.environ or path is None:
        return False
    # A lost connection can be reported in the same second as the death of the process that caused
    # it. A process that hangs is killed half a minute after the others report a lost connection.
    delay = 5 if isinstance(error, PeerLost) else 0
    content = {
        "message": str(error),
        "timestamp": str(int(time.time()) + delay),
        "exit_code": error.exit_code,
    }
    Path(path).write_text(json.dumps(content), encoding="utf-8")
    return True
