"""The table of translators in simvp/docs/recipe.md: the cost and training time of each.

    python tests/bench/translators.py

Times are those of training steps on README's boiling example (batches of 8 samples of 10 frames,
64x64, periodic boundaries), the median of some, in one run, relative to gsta's.
"""

import statistics
import time

import torch
from plain import BOILING

from simvp.config import assignment_layer, resolve
from simvp.engine import build_network, network_cost
from simvp.models.simvp import translators

STEPS = 3
PUBLISHED = [
    assignment_layer(text)
    for text in (
        *("model.hid_S=64", "model.hid_T=512", "model.N_S=4", "model.N_T=8"),
        "model.standardize=false",
        "train.batch_size=8",
    )
]
PERIODIC = assignment_layer("model.boundary=periodic")
ZEROS = assignment_layer("model.boundary=zeros")


def seconds_per_step(name: str) -> float:
    config = resolve([assignment_layer(f"model.model_type={name}"), *PUBLISHED, PERIODIC])
    network = build_network(config, BOILING, torch.device("cpu")).train()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    frames = torch.rand(config.train.samples_per_step, config.data.pre_seq_length, *BOILING.shape)
    seconds = []
    for _ in range(1 + STEPS):
        start = time.perf_counter()
        torch.nn.functional.mse_loss(network(frames), frames).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def main() -> None:
    reference = seconds_per_step("gsta")
    print("| translator | parameters | multiply-adds | memory to train | time of an epoch |")
    print("|---|---:|---:|---:|---:|")
    for name in translators.names():
        config = resolve([assignment_layer(f"model.model_type={name}"), *PUBLISHED, ZEROS])
        cost = network_cost(config, BOILING)
        ratio = 1.0 if name == "gsta" else seconds_per_step(name) / reference
        print(
            f"| `{name}` | {cost.parameters / 1e6:.1f} M | {cost.multiply_adds / 1e9:.1f} G "
            f"| {cost.training_bytes / 1e9:.1f} GB | {ratio:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
