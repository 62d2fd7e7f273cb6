"""The tables on memory in simvp/docs/speed.md: eight processes train on more data than memory.

    python tests/bench/memory.py FOLDER [MEGABYTES [EPOCHS]]

FOLDER is for the data, on a disk: four times the memory that all processes together are allowed.
Each process is allowed MEGABYTES of private memory (RLIMIT_DATA). Pages of the data's files are
removed from the page cache all the time, so that frames are read from the disk.

In the processes of a group this file is run as `memory.py train ...`, which is `simvp train ...`
that also prints how long it waited for data in each epoch.
"""

import json
import os
import resource
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PROCESSES = 8
CHANNELS, SIZE = 8, 128  # of a frame, which is SIZE x SIZE
FRAMES = 200  # of a sample
# As little computation as possible for each frame, because eight processes share the cores of one
# machine. An epoch takes one window out of four.
TRAIN = [
    *("train", "--batch-size", "1", "--set", "train.val_batch_size=1", "--device", "cpu"),
    *("--pre-seq-length", "2", "--aft-seq-length", "2", "--set", "data.stride=16"),
    *("--set", "model.N_S=2", "--set", "model.hid_S=2", "--set", "model.hid_T=4"),
    *("--set", "model.N_T=2", "--set", "model.model_type=convmixer"),
    *("--set", "train.optimizer=adam", "--overwrite", "--recipe", "direct"),
]
PREFIX = "waited "


def samples(nbytes: int) -> Iterator[tuple[str, np.ndarray]]:
    """Samples of moving patterns, (FRAMES, CHANNELS, SIZE, SIZE), float32."""
    pattern = np.random.default_rng(0).random((2 * SIZE, 2 * SIZE), np.float32)
    pattern = np.round(pattern, 2)  # compresses well
    shift = np.arange(FRAMES * CHANNELS)
    for number in range(nbytes // (4 * FRAMES * CHANNELS * SIZE**2)):
        starts = zip((shift + number) % SIZE, (3 * shift + 7 * number) % SIZE, strict=True)
        planes = np.stack([pattern[y : y + SIZE, x : x + SIZE] for y, x in starts])
        yield f"{number:04}", planes.reshape(FRAMES, CHANNELS, SIZE, SIZE)


def write_npy(folder: Path, nbytes: int) -> None:
    """A folder of .npy files, uncompressed."""
    folder.mkdir(parents=True)
    for name, values in samples(nbytes):
        np.save(folder / f"{name}.npy", values)


def write_netcdf(folder: Path, nbytes: int) -> None:
    """One long series in netCDF files, compressed in chunks of 50 frames."""
    import xarray

    folder.mkdir(parents=True)
    encoding = {"zlib": True, "complevel": 4, "chunksizes": (50, SIZE, SIZE)}
    names = [f"u{channel}" for channel in range(CHANNELS)]
    for name, values in samples(nbytes):
        hours = int(name) * FRAMES + np.arange(FRAMES)
        times = np.datetime64("2000-01-01", "ns") + hours * np.timedelta64(1, "h")
        channels = zip(names, values.swapaxes(0, 1), strict=True)
        variables = {channel: (("time", "y", "x"), planes) for channel, planes in channels}
        data = xarray.Dataset(variables, {"time": times})
        encodings = dict.fromkeys(names, encoding)
        data.to_netcdf(folder / f"{name}.nc", engine="h5netcdf", encoding=encodings)


def simvp(*arguments: str, cwd: Path) -> None:
    command = [sys.executable, "-m", "simvp", *arguments]
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def memory_of(pid: int) -> dict[str, int]:
    """Private data, resident private and proportional set size of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text() + Path(f"/proc/{pid}/smaps_rollup").read_text()
    rows = dict(line.split(":", 1) for line in status.splitlines() if line.endswith(" kB"))
    return {name: 1024 * int(rows[name].split()[0]) for name in ("VmData", "RssAnon", "Pss")}


class Monitor(threading.Thread):
    """Records the memory of processes in each epoch, and keeps files out of the page cache."""

    def __init__(self, launcher: int, files: list[Path], metrics: Path) -> None:
        super().__init__(daemon=True)
        self.launcher, self.files, self.metrics = launcher, files, metrics
        self.finished = threading.Event()
        # For each epoch and measure the largest value of a process; the largest sum for "Pss".
        self.largest: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def run(self) -> None:
        opened = [os.open(path, os.O_RDONLY) for path in self.files]
        while not self.finished.wait(1):
            for descriptor in opened:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            lines = self.metrics.read_text().splitlines() if self.metrics.exists() else [""]
            try:
                measured = [memory_of(pid) for pid in children(self.launcher)]
            except (OSError, KeyError):  # one has ended meanwhile
                continue
            if len(measured) == PROCESSES:
                self.record(len(lines), measured)

    def record(self, epoch: int, measured: list[dict[str, int]]) -> None:
        row = self.largest[epoch]
        for name in ("VmData", "RssAnon"):
            row[name] = max(row[name], *(one[name] for one in measured))
        row["Pss"] = max(row["Pss"], sum(one["Pss"] for one in measured))


def train(cwd: Path, data: str, limit: int, epochs: int, *options: str) -> list[str]:
    """Train with limited memory and print a table; returns other lines of interest."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={PROCESSES}"]
    command += [os.path.abspath(__file__), *TRAIN, "--data-path", data, "--epochs", str(epochs)]
    process = subprocess.Popen(
        [*command, *options],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    )
    files = [path for path in (cwd / data).rglob("*") if path.is_file()]
    monitor = Monitor(process.pid, files, cwd / "work_dirs/default/metrics.csv")
    (cwd / "work_dirs/default/metrics.csv").unlink(missing_ok=True)
    monitor.start()
    assert process.stdout is not None
    waiting: dict[int, list[list[float]]] = defaultdict(list)
    said = []
    for line in process.stdout:
        if line.startswith(PREFIX):
            epoch, *seconds = json.loads(line.removeprefix(PREFIX))
            waiting[epoch].append(seconds)
        else:
            said.append(line.rstrip())
    monitor.finished.set()
    monitor.join()
    assert process.wait() == 0, said
    print("| epoch | private memory, largest | resident | all processes (Pss) | step | waiting |")
    print("|---|---:|---:|---:|---:|---:|")
    for epoch, rows in sorted(waiting.items()):
        memory = monitor.largest[epoch]
        share = max(waited / total for waited, total, _ in rows)
        step = max(total / steps for _, total, steps in rows)
        print(
            f"| {epoch} | {memory['VmData'] / 1e6:.0f} MB | {memory['RssAnon'] / 1e6:.0f} MB | "
            f"{memory['Pss'] / 1e9:.2f} GB | {step:.2f} s | {share:.1%} |",
            flush=True,
        )
    return [line for line in said if "of frames" in line or "decoded" in line]


def worker() -> None:
    """`simvp train`, which prints the waiting time of each process in each epoch."""
    from simvp.data.batches import Waiting
    from simvp.engine import Trainer
    from simvp.engine import trainer as module

    train_epoch = Trainer._train_epoch
    found: list[Waiting] = []

    class Recorded(Waiting):
        def __init__(self) -> None:
            super().__init__()
            found.append(self)

    def recording(self: Trainer, *arguments: object) -> None:
        train_epoch(self, *arguments)
        row = [self.progress.epoch + 1, found[-1].waited, found[-1].total, self.steps_per_epoch]
        # One write, because the processes share the output.
        print(PREFIX + json.dumps(row) + "\n", end="", flush=True)

    module.Waiting = Recorded
    Trainer._train_epoch = recording
    from simvp.__main__ import main

    main()


def run(folder: Path, megabytes: int, epochs: int) -> None:
    limit = megabytes * 10**6
    nbytes = 4 * PROCESSES * limit
    ratios = ["--train-ratio", "0.98", "--val-ratio", "0.01"]
    if not (folder / "plain").exists():
        write_npy(folder / "plain", nbytes)
        simvp("split", "plain", "--axes", "tcyx", *ratios, cwd=folder)
    if not (folder / "packed").exists():
        write_netcdf(folder / "packed", nbytes // 32)
        simvp("split", "packed", *ratios, cwd=folder)
    print(f"\n{PROCESSES} processes of {megabytes} MB each, {nbytes / 1e9:.1f} GB of frames\n")
    print(*train(folder, "plain", limit, epochs), sep="\n")
    print(f"\ncompressed, {nbytes / 32e9:.1f} GB of frames\n")
    print(*train(folder, "packed", limit, 2), sep="\n")
    print("\ncompressed, with data.cache\n")
    print(*train(folder, "packed", limit, 2, "--set", "data.cache=cache"), sep="\n")


if __name__ == "__main__":
    if sys.argv[1] == "train":
        worker()
    else:
        given = [int(text) for text in sys.argv[2:]]
        run(Path(sys.argv[1]), *given, *[500, 4][len(given) :])
