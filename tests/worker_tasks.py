"""Tasks for worker processes, apart from helpers.py because workers import this module."""

import os
import time


def process_id(_: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def exit_at_task_5(task: int) -> None:
    if task == 5:
        os._exit(1)
