"""Files and folders that may not be read or written: one message, exit code 2, nothing changed."""

import ctypes
import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from helpers import TINY, Simvp, only_split

TRAIN = ["train", "--data-path", "data", "--epochs", "1", *TINY, "--name", "new"]
AGAIN = [*TRAIN, "--name", "default", "--overwrite"]
RESUME = ["train", "--resume", "--epochs", "9"]
RUN = "work_dirs/default"
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
Deny = Callable[[str, int], None]
_VERSION_3 = 0x20080522  # of the structures of capset(2)


@pytest.fixture
def restricted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Root is subject to permissions, in this thread and in those that it starts."""
    if os.name == "posix" and os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("permissions do not apply to this user")
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    before = sets[0]  # the effective ones
    sets[0] = before & ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
    assert libc.capset(header, sets) == 0
    monkeypatch.setattr(os, "access", partial(os.access, effective_ids=True))
    yield
    sets[0] = before
    assert libc.capset(header, sets) == 0


@pytest.fixture
def deny(restricted: None) -> Iterator[Deny]:
    """Set the permissions of paths until the end of the test."""
    previous: dict[Path, int] = {}

    def change(pattern: str, mode: int) -> None:
        paths = [Path()] if pattern == "." else sorted(Path().glob(pattern))
        assert paths
        for path in paths:
            previous[path.absolute()] = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode)

    yield change
    for path, mode in reversed(previous.items()):
        path.chmod(mode)


DENIED = "Permission denied"
UNREADABLE = [
    ("data", 0o000, ["split", "data"], f"data: cannot be read ({DENIED}); check its permissions"),
    ("data", 0o600, ["split", "data"], f"data: cannot be read ({DENIED}); check its permissions"),
    ("data", 0o300, ["split", "data"], f"data: cannot be read ({DENIED}); check its permissions"),
    ("data", 0o000, TRAIN, f"data: cannot be read ({DENIED}); check its permissions"),
    ("data", 0o300, TRAIN, f"data: cannot be read ({DENIED}); check its permissions"),
    ("data", 0o000, ["test"], f"_loaders.json: cannot be read ({DENIED}); check its permissions"),
    ("data", 0o000, ["predict", "data"], f"data: cannot be read ({DENIED}); check its permissions"),
    ("data/*wave_3", 0o000, ["split", "data"], f"wave_3: cannot be read ({DENIED}); check its"),
    ("data/*wave_3/4.npy", 0, ["split", "data"], f"4.npy: cannot be read ({DENIED}); check its"),
    ("data/*/4.npy", 0, TRAIN, f"4.npy: cannot be read ({DENIED}); check its permissions"),
    ("data/*/4.npy", 0, ["test"], f"4.npy: cannot be read ({DENIED}); check its permissions"),
    ("data/*/7.npy", 0, ["predict"], f"7.npy: cannot be read ({DENIED}); check its permissions"),
    ("data/dataset.toml", 0, ["split", "data"], f"dataset.toml: cannot be read ({DENIED}); check"),
    ("data/dataset.toml", 0, TRAIN, f"dataset.toml: cannot be read ({DENIED}); check its"),
    ("simvp.toml", 0, ["split", "data"], f"simvp.toml: cannot be read ({DENIED}); check its"),
    ("simvp.toml", 0, ["viz"], f"simvp.toml: cannot be read ({DENIED}); check its permissions"),
    ("simvp.toml", 0, ["simulate"], f"simvp.toml: cannot be read ({DENIED}); check its"),
    ("c.toml", 0, [*TRAIN, "--config", "c.toml"], f"c.toml: cannot be read ({DENIED}); check its"),
    ("data/*.json", 0, TRAIN, f"_loaders.json: cannot be read ({DENIED}); check its permissions"),
    (RUN, 0, ["test"], f"{RUN}/config.toml: {DENIED}; check its permissions and those of"),
    (RUN, 0, ["viz", "--report"], f"{RUN}/config.toml: {DENIED}; check its permissions and"),
    (RUN, 0, AGAIN, f"{RUN}/config.toml: {DENIED}; check its permissions and"),
    (f"{RUN}/config.toml", 0, ["viz"], f"config.toml: cannot be read ({DENIED}); check its"),
    (f"{RUN}/config.toml", 0, AGAIN, f"config.toml: {DENIED}; check its"),
    (f"{RUN}/data.json", 0, ["predict"], f"data.json: cannot be read ({DENIED}); check its"),
    (f"{RUN}/simvp_model.pth", 0, ["test"], f"simvp_model.pth: cannot be read ({DENIED}); check"),
    (f"{RUN}/simvp_model.pth", 0, ["predict"], f"model.pth: cannot be read ({DENIED}); check"),
    (f"{RUN}/checkpoints/latest.pth", 0, RESUME, f"latest.pth: cannot be read ({DENIED}); check"),
    (f"{RUN}/checkpoints", 0, RESUME, f"latest.pth: {DENIED}; check its permissions and those of"),
    (f"{RUN}/metrics.csv", 0, ["viz", "--curves"], f"metrics.csv: {DENIED}; check its permissions"),
    (f"{RUN}/saved/metrics.json", 0, ["viz", "--report"], f"metrics.json: {DENIED}; check its"),
    (f"{RUN}/saved/preds/*/1.npy", 0, ["viz", "w"], f"1.npy: cannot be read ({DENIED}); check"),
]
UNWRITABLE = [
    ("data", ["split", "data", "--seed", "3"], f"data: cannot be written ({DENIED}); choose a"),
    (".", ["simulate", "--samples", "1"], f": cannot be written ({DENIED}); choose a writable"),
    (".", ["predict", "data", "--output", "x.nc"], f": cannot be written ({DENIED}); choose a"),
    ("work_dirs", TRAIN, f"work_dirs: cannot be written ({DENIED}); choose"),
    (RUN, RESUME, f"cannot be written ({DENIED}); choose a writable folder"),
    (RUN, ["test"], f"{RUN}: cannot be written ({DENIED}); choose a writable folder"),
    (RUN, ["predict"], f"{RUN}/forecasts: cannot be written ({DENIED}); choose a writable folder"),
    (RUN, ["viz", "--report"], f"report.html: cannot be written ({DENIED}); choose a writable"),
    (RUN, ["viz", "--curves"], f"curves.png: cannot be written ({DENIED}); choose a writable"),
]
CASES = [*UNREADABLE, *((name, 0o500, command, message) for name, command, message in UNWRITABLE)]


def contents() -> list[Path]:
    return sorted(path for path in Path().rglob("*") if ".lock" not in path.name)


@pytest.mark.parametrize(
    ("name", "mode", "command", "message"),
    CASES,
    ids=[f"{name}-{mode:o}-{'-'.join(command[:2])}" for name, mode, command, _ in CASES],
)
def test_denied_access_is_one_message(
    name: str, mode: int, command: list[str], message: str, tested: Path, simvp: Simvp, deny: Deny
) -> None:
    Path("data/dataset.toml").write_text('name = "waves"\n')
    for settings in ("simvp.toml", "c.toml"):
        Path(settings).write_text("[train]\nseed = 1\n")
    if command == ["viz", "w"]:
        command = ["viz", sorted((tested / "saved" / "preds").iterdir())[0].name]
    split = only_split(Path("data")).name
    before = contents()
    deny(name, mode)
    result = simvp(*command, code=2)
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    assert message in result.stderr.replace(split, "_loaders.json")
    if mode == 0o500:  # otherwise the folder cannot be listed
        assert contents() == before
