"""Rows for CUDA of the tables in simvp/docs/speed.md, as ratios measured in one run.

    python tests/bench/cuda.py
    OPENSTL=FOLDER python tests/bench/cuda.py    # a checkout of OpenSTL, to compare with its loop

Each measurement is a process of its own, `python tests/bench/cuda.py MEASURE ...`, which prints its
numbers as JSON. Frames are 64x64, ten in and ten out; OpenSTL needs timm and pytorch-lightning.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

NETWORKS = {
    "default": {"hid_S": 16, "hid_T": 128, "N_S": 6, "N_T": 2},
    "published": {"hid_S": 64, "hid_T": 512, "N_S": 4, "N_T": 8},
}
TYPES = {"default": "unet", "published": "gsta"}
OPERATIONS = 2 * 16.5e9  # of a forecast of the published network, see `simvp train --print-model`
BATCHES = (16, 64)
FRAME_SHAPE = (1, 64, 64)
WARM_UP, STEPS, REPEATS = 5, 20, 5


def seconds_per_call(function: Callable[[], object]) -> float:
    """Median over some repeats of many calls; the GPU is waited for after the last one only."""
    import torch

    for _ in range(WARM_UP):
        function()
    seconds = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(STEPS):
            function()
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - start) / STEPS)
    return statistics.median(seconds)


def config_of(network: str, batch: str, settings: list[str]) -> Any:
    from simvp.config import assignment_layer, resolve

    texts = [f"model.{key}={value}" for key, value in NETWORKS[network].items()]
    texts += [f"model.model_type={TYPES[network]}", "train.recipe=direct", "train.lr=0.001"]
    texts += ["model.boundary=zeros", "model.standardize=false", "train.optimizer=adam"]
    texts += ["train.precision=bf16", "train.compile=true", "train.input_noise=0.0"]
    texts += [f"train.batch_size={batch}", *settings]
    return resolve([assignment_layer(text) for text in texts])


def make_learner(network: str, batch: str, settings: list[str]) -> Any:
    """Network and optimizer as `simvp train` uses them on the GPU."""
    import torch
    from plain import BOILING

    from simvp.engine import build_network
    from simvp.engine.learner import Learner
    from simvp.runtime import devices
    from simvp.runtime.group import Group

    device = torch.device("cuda:0")
    devices.configure_backend(device)
    config = config_of(network, batch, settings)
    model = build_network(config, BOILING, device).train()
    return Learner(config, model, Group(0, 1, device))


def training(network: str, batch: str, *settings: str) -> dict[str, float]:
    """Seconds of a step, of a forecast, and the memory of training, for one way to train."""
    import torch
    from plain import PlainSimVP, PlainUNet
    from torch.nn.functional import mse_loss

    from simvp.engine.compilation import uncompiled
    from simvp.runtime import devices

    torch.manual_seed(0)
    device = torch.device("cuda:0")
    frames = torch.rand(int(batch), 20, *FRAME_SHAPE, device=device)
    precision = "fp32"
    if settings == ("plain",):
        plain = PlainUNet if network == "default" else PlainSimVP
        model = plain((10, *FRAME_SHAPE), **NETWORKS[network]).to(device)
        optimizer = torch.optim.Adam(model.parameters())

        def step() -> None:
            optimizer.zero_grad()
            mse_loss(model(frames[:, :10]), frames[:, 10:]).backward()
            optimizer.step()
    else:
        learner = make_learner(network, batch, list(settings))
        model, precision = learner.network, learner.precision

        def step() -> None:
            learner.step(frames, lr_factor=1.0, beta1=0.9)

    model.train()
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    first = time.perf_counter() - start
    times = {"step": seconds_per_call(step), "memory": torch.cuda.max_memory_allocated()}
    model.eval()
    with torch.inference_mode(), devices.autocast(device, precision), uncompiled():
        times["forecast"] = seconds_per_call(lambda: model(frames[:, :10], 10))
    return {**times, "first step": first}


def peaks() -> dict[str, float]:
    """Operations per second of a large matrix product, and bytes per second of a large copy."""
    import torch

    found = {}
    a = torch.randn(8192, 8192, device="cuda")
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        x = a.to(dtype)
        found[name] = 2 * 8192**3 / seconds_per_call(lambda x=x: x @ x)
    source = torch.randn(2**29, device="cuda")
    target = torch.empty_like(source)
    found["copy"] = 2 * source.nbytes / seconds_per_call(lambda: target.copy_(source))
    return found


def openstl(network: str, batch: str) -> dict[str, float]:
    """Seconds of a step in OpenSTL's own loop: its method in a trainer of pytorch-lightning."""
    import pytorch_lightning as lightning
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    sys.path.insert(0, os.environ["OPENSTL"])
    from openstl.methods.simvp import SimVP

    frames = torch.rand(16 * int(batch), 20, *FRAME_SHAPE)
    data = TensorDataset(frames[:, :10], frames[:, 10:])
    loader = DataLoader(
        data, int(batch), shuffle=True, num_workers=4, pin_memory=True, persistent_workers=True
    )
    epochs = 1 + REPEATS
    method = SimVP(
        **NETWORKS[network],
        in_shape=(10, *FRAME_SHAPE),
        model_type="gSTA",
        pre_seq_length=10,
        aft_seq_length=10,
        dataname="mmnist",
        metrics=["mse"],
        opt="adam",
        sched="onecycle",
        lr=1e-3,
        weight_decay=0.0,
        filter_bias_and_bn=False,
        opt_eps=None,
        opt_betas=None,
        momentum=0.9,
        gpus=[0],
        final_div_factor=1e4,
        epoch=epochs,
        steps_per_epoch=len(loader),
    )
    ends: list[float] = []

    class Clock(lightning.Callback):
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            torch.cuda.synchronize()
            ends.append(time.perf_counter())

    trainer = lightning.Trainer(
        accelerator="gpu",
        devices=1,
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[Clock()],
    )
    trainer.fit(method, loader)
    epoch = statistics.median(after - before for before, after in zip(ends, ends[1:], strict=False))
    return {"step": epoch / len(loader), "memory": torch.cuda.max_memory_allocated()}


def profile(network: str, batch: str, *settings: str) -> dict[str, float]:
    """Microseconds per step of each kernel, summed over the names; prints the largest."""
    import torch

    learner = make_learner(network, batch, list(settings))
    frames = torch.rand(int(batch), 20, *FRAME_SHAPE, device=learner.device)
    for _ in range(WARM_UP):
        learner.step(frames, lr_factor=1.0, beta1=0.9)
    activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as record:
        start = time.perf_counter()
        for _ in range(STEPS):
            learner.step(frames, lr_factor=1.0, beta1=0.9)
        torch.cuda.synchronize()
        wall = (time.perf_counter() - start) / STEPS
    kernels = [e for e in record.key_averages() if e.device_type == torch.profiler.DeviceType.CUDA]
    kernels.sort(key=lambda event: -event.self_device_time_total)
    for event in kernels[:25]:
        each = event.self_device_time_total / STEPS
        print(f"{each:9.0f} us {event.count / STEPS:6.1f} x  {event.key[:110]}")
    busy = sum(event.self_device_time_total for event in kernels) / STEPS / 1e6
    launches = sum(event.count for event in kernels) / STEPS
    return {"wall": wall, "busy": busy, "kernels": launches}


def measure(*arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{' '.join(arguments)}:\n{result.stderr[-2000:]}")
    numbers: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return numbers


def main() -> None:
    """Print the rows: samples per second, the ratio to the plain loop, and the memory."""
    peak = measure("peaks")
    print(f"large matrix product: {peak['bf16'] / 1e12:.0f} TFLOP/s in bf16, ", end="")
    print(f"{peak['fp32'] / 1e12:.0f} in fp32; a copy moves {peak['copy'] / 1e12:.1f} TB/s\n")
    print("| network, batch | | training, /s | forecast, /s | ratio | memory | |")
    print("|---|---|---:|---:|---:|---:|---|")
    for network in NETWORKS:
        for batch in map(str, BATCHES):
            plain = measure("training", network, batch, "plain")
            ways = {"plain loop, fp32": plain, "simvp, bf16": measure("training", network, batch)}
            if network == "published" and "OPENSTL" in os.environ:
                ways["OpenSTL, fp32"] = measure("openstl", network, batch)
            for name, times in ways.items():
                rate = int(batch) / times["step"]
                forecast = f"{int(batch) / times['forecast']:.0f}" if "forecast" in times else ""
                share = f"{3 * OPERATIONS * rate / peak['bf16']:.0%} of peak"
                print(
                    f"| {network}, {batch} | {name} | {rate:.0f} | {forecast} "
                    f"| {plain['step'] / times['step']:.2f} | {times['memory'] / 1e9:.1f} GB "
                    f"| {share if network == 'published' else ''} |",
                    flush=True,
                )


if __name__ == "__main__":
    functions = {f.__name__: f for f in (training, peaks, openstl, profile)}
    if len(sys.argv) > 1:
        print(json.dumps(functions[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
