"""Progress in a terminal."""

import io
import re
import sys

import pytest

from simvp.cli.console import ConsoleReport


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [60, 80, 120])
def test_progress_bar_has_the_note_in_a_line_below(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for name, value in (("COLUMNS", str(width)), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    note = "epoch 2/3  [bold]" + 50 * "x"
    with ConsoleReport().progress("training", 21, done=7) as advance:
        advance(2, "")
        advance(3, note)
    text = re.sub(r"\x1b\[[\d?;]*[A-Za-z]", "", terminal.getvalue())
    lines = text.replace("\r", "\n").split("\n")
    shown = note if width >= len(note) else note[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"
    number = [i for i, line in enumerate(lines) if line.startswith("epoch 2/3")][-1]
    assert lines[number].startswith(shown)
    assert lines[number - 1].startswith("training ") and " 12/21 " in lines[number - 1]
    assert "left" in lines[number - 1] and len(lines[number - 1]) <= width


def test_there_is_no_progress_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReport().progress("training", 3) as advance:
        advance(1, "epoch 1")
    assert capsys.readouterr() == ("", "")
