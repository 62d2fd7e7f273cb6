"""Other networks beside the table of recipes in simvp/docs/recipe.md, on the same data.

    python tests/bench/peers.py FOLDER
    python tests/bench/peers.py FOLDER --systems flow,gray_scott --peers fno,unet \
        --modes direct,stepwise --seconds 300 --tuning-seconds 60 --seeds 0

Makes the data of each system in FOLDER as recipes.py does, or uses what that has made. Trains each
network with the learning rates below for `--tuning-seconds` each, and with the best one by
validation for `--seconds`, of CPU time on one thread in float32. Its best epoch by validation is
scored on the test part. This favours the networks: the time of the tuning does not count, nor do
the validations, about ten in each training, while trials and validations of `simvp train` are part
of the CPU time in recipes.py. Appends a line to FOLDER/peers.jsonl for each network; one whose line
is there is skipped. The number of steps depends on the machine, and so do the results.

A mode is a recipe of simvp: its input frames, frames per pass, target, training windows, passes
that are trained and symmetries hold. A network standardises its input, starts from persistence in
the stepwise mode, and is trained by AdamW with a one-cycle schedule in shares of the time.

The network `fno` needs a package that simvp does not, in an environment that has simvp:

    pip install --no-deps neuraloperator==2.0.0 tensorly tensorly-torch opt_einsum requests \
        charset-normalizer
"""

import argparse
import math
from pathlib import Path

import peer_networks
import recipes
import torch
from peer_training import open_task, train

# Batch size. Four windows leave the direct mode more than the 700 steps that "auto" asks for. In
# short stepwise trainings on turbulence, two windows were better than eight.
MODES = {"direct": 4, "stepwise": 2}
# Around the best ones in trainings of 10 to 20 seconds on turbulence.
LEARNING_RATES = {"fno": (3e-3, 1e-2, 3e-2), "unet": (1e-3, 3e-3, 1e-2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--systems", default=",".join(recipes.SYSTEMS))
    parser.add_argument("--peers", default=",".join(peer_networks.PEERS))
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--tuning-seconds", type=float, default=60.0)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for seed in map(int, given.seeds.split(",")):
        for system in given.systems.split(","):
            for peer in given.peers.split(","):
                for mode in given.modes.split(","):
                    key = {"system": system, "peer": peer, "mode": mode, "seed": seed}
                    key |= {"seconds": given.seconds, "tuning_seconds": given.tuning_seconds}
                    study(given.folder, {**key, "settings": given.set})


def study(folder: Path, key: recipes.Line) -> None:
    """Train and test one network, and append its line, unless it is there."""
    results = folder / "peers.jsonl"
    if recipes.is_done(results, key):
        return
    peer, mode = key["peer"], key["mode"]
    given = [f"train.recipe={mode}", f"train.seed={key['seed']}", f"train.batch_size={MODES[mode]}"]
    task = open_task(recipes.make_data(folder, key["system"]), [*given, *key["settings"]])
    losses = {
        lr: train(peer, task, lr, key["tuning_seconds"]).val_mse for lr in LEARNING_RATES[peer]
    }
    lr = min(losses, key=losses.__getitem__)
    best = train(peer, task, lr, key["seconds"])
    line = {
        **key,
        "parameters": peer_networks.count_parameters(best.forecaster),
        "batch_size": task.config.train.batch_size,
        "val_mse_of_lr": {lr: _rounded(loss) for lr, loss in losses.items()},
        "lr": lr,
        "val_mse": _rounded(best.val_mse),
        "test_mse": _rounded(best.test_mse(task)),
        "steps": best.steps,
        "val_seconds": round(best.val_seconds, 1),
    }
    recipes.append(results, line)


def _rounded(mse: float) -> float | None:
    """None if it is not finite, which JSON cannot say."""
    return round(mse, 5) if math.isfinite(mse) else None


if __name__ == "__main__":
    main()
