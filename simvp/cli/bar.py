"""The progress bar, in a separate module because importing rich is slow."""

from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text


class RateAndTimeLeft(ProgressColumn):
    """`3.1/s, 0:01:20 left`, or seconds per item if an item takes more than a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        rate = f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"
        left = task.time_remaining
        if left is None or task.finished:
            return Text(rate)
        return Text(f"{rate}, {timedelta(seconds=int(left))} left")


def progress_bar() -> Progress:
    """A bar on standard error with count, rate, time left and a note; removed when complete."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        RateAndTimeLeft(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True)),
        console=Console(stderr=True),
        transient=True,
        expand=True,
        redirect_stdout=False,
        redirect_stderr=False,
        speed_estimate_period=120,
    )
