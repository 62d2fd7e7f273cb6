"""`make bench`: benchmarks, as ratios measured in one run.

Each number is the median of several repeats. Unless stated otherwise, the network is the published
one (gsta, 46.8 M parameters) with ten frames of 64x64 in batches of 8. Measurements in a separate
process run as `python tests/bench/speed.py MEASURE` and print their numbers as JSON.
"""

import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cuda

REPEATS = 5
PUBLISHED = ["hid_S=64", "hid_T=512", "N_S=4", "N_T=8"]
FRAME_SHAPE = (1, 64, 64)  # that of plain.BOILING
OPERATIONS = 2 * 16.5e9  # per forecast of one sample, see `simvp train --print-model`
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
SIMVP = [sys.executable, "-m", "simvp"]


def times_of(function: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return seconds


def median_time(function: Callable[[], object], repeats: int = REPEATS) -> float:
    return statistics.median(times_of(function, repeats))


# --- Measurements in a separate process -----------------------------------------------------------


def network_times(kind: str, precision: str, boundary: str) -> dict[str, float]:
    """Seconds of a training step, its forward pass and a forecast; peak memory."""
    import torch
    from plain import BOILING, PlainSimVP

    from simvp.config import Config, assignment_layer, resolve
    from simvp.engine import build_network
    from simvp.engine.learner import Learner
    from simvp.runtime import devices
    from simvp.runtime.group import Group

    torch.manual_seed(0)
    settings = [*(f"model.{s}" for s in PUBLISHED), f"model.boundary={boundary}"]
    settings += [f"train.precision={precision}", "train.optimizer=adam", "model.standardize=false"]
    settings += ["model.model_type=gsta", "train.batch_size=8", "train.input_noise=0.0"]
    settings += ["train.lr=0.001", "train.compile=false"]
    config: Config = resolve([assignment_layer(text) for text in settings])
    device = torch.device("cpu")
    frames = torch.rand(8, 20, *FRAME_SHAPE)

    if kind == "plain":
        network = PlainSimVP((10, *FRAME_SHAPE))
        optimizer = torch.optim.Adam(network.parameters())

        def step() -> None:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(frames[:, :10]), frames[:, 10:]).backward()
            optimizer.step()
    else:
        devices.configure_backend(device)
        network = build_network(config, BOILING, device)
        learner = Learner(config, network, Group(0, 1, device))

        def step() -> None:
            learner.step(frames, lr_factor=1.0, beta1=0.9)

    network.train()
    times = {"step": median_time(step, 3)}
    times["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with devices.autocast(device, precision):
        times["pass"] = median_time(lambda: network(frames[:, :10], 10), 3)
    network.eval()
    with torch.inference_mode(), devices.autocast(device, precision):
        times["forecast"] = median_time(lambda: network(frames[:, :10], 10), 3)
    return times


def metrics_time() -> dict[str, float]:
    import torch

    from simvp.metrics import scores

    pred, true = torch.rand(2, 8, 10, *FRAME_SHAPE)
    return {"metrics": median_time(lambda: scores(pred, true))}


def peak() -> dict[str, float]:
    """Operations per second of a large matrix product in each supported precision.

    The maximum of several repeats, as an estimate of the peak performance.
    """
    import torch

    from simvp.runtime.devices import best_precision

    peaks = {}
    best = best_precision(torch.device("cpu"))[0]
    for name, dtype in {"fp32": torch.float32, best: getattr(torch, DTYPES[best])}.items():
        a = torch.rand(4096, 4096).to(dtype)
        peaks[name] = 2 * 4096**3 / min(times_of(lambda a=a: a @ a, 8))
    return peaks


# --- Tables ---------------------------------------------------------------------------------------


def measure(*arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    numbers: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return numbers


def run_time(*command: str, repeats: int = REPEATS) -> float:
    return median_time(
        lambda: subprocess.run(command, check=True, capture_output=True), repeats=repeats
    )


def row(what: str, before: float, after: float, unit: str, note: str = "") -> None:
    """Print a row of the table, with the ratio of improvement."""
    faster = before / after if unit in ("s", "GB") else after / before
    numbers = " | ".join(f"{float(f'{number:.3g}'):g} {unit}" for number in (before, after))
    print(f"| {what} | {numbers} | {faster:.2f} | {note} |", flush=True)


def network_rows() -> None:
    peaks = measure("peak")
    products = ", ".join(f"{peak / 1e9:.0f} GFLOP/s in {name}" for name, peak in peaks.items())
    print(f"large matrix product: {products}\n")
    print("| | plain loop | simvp | ratio | |\n|---|---:|---:|---:|---|")
    plain = measure("network", "plain", "fp32", "zeros")
    operations = 8 * OPERATIONS
    for name, peak in peaks.items():
        ours = measure("network", "simvp", name, "zeros")
        used = f"{3 * operations / ours['step'] / peak:.0%} of peak"
        row(f"training step, {name}", plain["step"], ours["step"], "s", used)
        row(f"its forward pass, {name}", plain["pass"], ours["pass"], "s")
        used = f"{operations / ours['forecast'] / peak:.0%} of peak"
        row(f"forecast, {name}", plain["forecast"], ours["forecast"], "s", used)
        row(f"peak memory, {name}", plain["memory"] / 1e9, ours["memory"] / 1e9, "GB")
    around = measure("network", "simvp", name, "periodic")
    row(f"training step, {name}: zeros, periodic boundaries", ours["step"], around["step"], "s")
    share = measure("metrics")["metrics"] / ours["forecast"]
    print(f"| metrics, share of a {name} forecast | | {share:.1%} | | |")


def simulate_ours(folder: Path, samples: int) -> None:
    options = ["--samples", str(samples), "--data-path", str(folder)]
    subprocess.run([*SIMVP, "simulate", *options], check=True, stdout=subprocess.PIPE)


def simulate_row(where: str, folder: Path, *, keep: bool) -> None:
    """Alternate between the programs, because recent writes and deletions slow down a disk."""
    import plain

    ways: dict[str, tuple[Callable[[Path, int], None], int]] = {
        "plain": (plain.simulate, 300),
        "ours": (simulate_ours, 2000),
        "write only": (plain.write_only, 1000),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(3):
        for name, (make, samples) in ways.items():
            start = time.perf_counter()
            make(folder / f"{name} {turn}", samples)
            rates[name].append(samples / (time.perf_counter() - start))
            if not keep:
                shutil.rmtree(folder / f"{name} {turn}")
    before, ours, write_only = (statistics.median(found) for found in rates.values())
    row(f"simulate {where}, samples", before, ours, "/s", f"writing only: {write_only:.0f} /s")


def data_rows(folder: Path) -> None:
    # Memory first, because the system flushes disk writes in the background.
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 5e9:
        with tempfile.TemporaryDirectory(dir=memory) as name:
            simulate_row("in memory", Path(name), keep=False)
    simulate_row("on disk", folder / "made", keep=True)
    simulate_ours(folder / "boiling_data", 2000)
    seconds = run_time(*SIMVP, "split", repeats=1)
    print(f"| `simvp split` of 2000 samples of 20 frames | | {seconds:.1f} s | | |")


def group_rows() -> None:
    """One process with two threads and two with one; eight samples per step in total."""
    published = ["--model-type", "gsta"]
    published += [part for s in PUBLISHED for part in ("--set", f"model.{s}")]
    times = {}
    for nproc, batch in [(1, 8), (2, 4)]:
        options = [
            "--nproc",
            str(nproc),
            "--batch-size",
            str(batch),
            "--epochs",
            "5",
            "--overwrite",
        ]
        options += ["--set", "train.recompute_statistics=false", "--recipe", "direct"]
        options += ["--set", "train.augment=none"]
        options += ["--set", "train.optimizer=adam"]
        command = [*SIMVP, "train", *published, *options]
        start = time.perf_counter()
        times_of_lines = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(("gsta", "epoch")):
                    times_of_lines.append(time.perf_counter() - start)
        epochs = [after - before for before, after in pairwise(times_of_lines[1:])]
        times[nproc] = (times_of_lines[0], statistics.median(epochs))
    row("an epoch: one process, two processes", times[1][1], times[2][1], "s")
    starts = f"{times[2][0]:.1f} s | | one process {times[1][0]:.1f} s"
    print(f"| start of a group of two processes | | {starts} |")


def help_rows() -> None:
    """Alternate between the commands and `import torch`, because each takes a short time."""
    commands = {words: [*SIMVP, *words.split()] for words in ("--help", "train --help")}
    commands["torch"] = [sys.executable, "-c", "import torch"]
    seconds: dict[str, list[float]] = {words: [] for words in commands}
    for _ in range(REPEATS):
        for words, command in commands.items():
            seconds[words].append(run_time(*command, repeats=1))
    medians = {words: statistics.median(found) for words, found in seconds.items()}
    for words in ("--help", "train --help"):
        part = f"{medians[words] / medians['torch']:.2f} of `import torch`"
        print(f"| `simvp {words}` | | {medians[words]:.2f} s | | {part} |")


def main() -> None:
    with open("/proc/cpuinfo", encoding="ascii") as file:
        cpu = next(line.partition(": ")[2].strip() for line in file if "model name" in line)
    print(f"{os.cpu_count()} cores of {cpu}")
    folder = Path(tempfile.mkdtemp(prefix="simvp-bench-"))
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    os.chdir(folder)
    try:
        network_rows()
        if importlib.util.find_spec("triton") and shutil.which("nvidia-smi"):
            cuda.main()
        data_rows(folder)
        subprocess.run([*SIMVP, "split", "--samples", "46"], check=True, stdout=subprocess.PIPE)
        group_rows()
        help_rows()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    measures = {"network": network_times, "metrics": metrics_time, "peak": peak}
    if len(sys.argv) > 1:
        print(json.dumps(measures[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
