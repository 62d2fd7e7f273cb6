"""The tables of recipes in simvp/docs/recipe.md: trainings of the same budget on four systems.

    python tests/bench/recipes.py FOLDER
    python tests/bench/recipes.py FOLDER --systems flow --recipes direct,stepwise_2 --epochs 20 \
        --seeds 0 --set model.N_T=4

Makes the data of each system in FOLDER, trains with each recipe, one thread and one process at a
time, and appends a line to FOLDER/results.jsonl: the settings, validation and test mse, the scores
of an ensemble (`--set train.members=4`) and the CPU time of the training. A run whose line is there
is skipped. The budget is that of `--epochs` of the direct recipe, in activations, as
`--recipe auto` counts it; for an ensemble, that of each member.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from simvp.commands import trials
from simvp.config import assignment_layer, resolve

SYSTEMS = {  # folder: system and size
    "flow": ("navier-stokes", 32),
    "gray_scott": ("gray-scott", 64),
    "heat": ("heat", 64),
    "boiling": ("boiling", 64),
}
Line = dict[str, Any]  # of the results
RECIPES = ("direct", "stepwise_2", "stepwise_5", "auto")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--epochs", default="20,80")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds.split(","):
        for epochs in given.epochs.split(","):
            for system in given.systems.split(","):
                for recipe in given.recipes.split(","):
                    settings = [f"train.seed={seed}", f"train.epochs={epochs}", *given.set]
                    study(given.folder, system, recipe, settings)


def study(folder: Path, system: str, recipe: str, settings: list[str]) -> None:
    """Train and test one run, and append its line, unless it is there."""
    results = folder / "results.jsonl"
    key = {"system": system, "recipe": recipe, "settings": settings}
    if is_done(results, key):
        return
    data = make_data(folder, system)
    name = "_".join([system, recipe, *settings]).replace("=", "_")
    base = [f"data.path={data}", f"run.work_dir={folder / 'work_dirs'}", f"run.name={name}"]
    sets = [*base, *settings, f"train.recipe={recipe}"]
    if recipe != "auto":
        sets = [*base, *settings, *within_budget(base + settings, recipe)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    simvp("train", "--overwrite", *(word for text in sets for word in ("--set", text)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    simvp("test", "--set", base[1], "--name", name)
    run = folder / "work_dirs" / name
    seconds = round(cpu_seconds(after) - cpu_seconds(before))
    append(results, {**key, **outcome(run), "cpu_seconds": seconds})


def is_done(results: Path, key: Line) -> bool:
    """Whether a line of the results has all entries of `key`."""
    lines = results.read_text().splitlines() if results.exists() else []
    return any(key.items() <= json.loads(line).items() for line in lines)


def append(results: Path, line: Line) -> None:
    """Append a line to the results, and print it."""
    with results.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def make_data(folder: Path, system: str) -> Path:
    data, (name, size) = folder / system, SYSTEMS[system]
    if not any(data.glob("*_loaders.json")):
        simvp(*("simulate", "--system", name, "--image-size", str(size), "--data-path", str(data)))
        simvp("split", str(data))
    return data


def within_budget(settings: list[str], recipe: str) -> list[str]:
    """The settings of a training with this recipe that uses the whole budget."""
    layers = [assignment_layer(text) for text in [*settings, "train.recipe=auto"]]
    plan = trials.plan(resolve(layers))
    found = plan.candidates[recipe].within(plan.budget, 1)
    assert found is not None, f"the budget is too small for {recipe}"
    config = found.config
    chosen = {
        **{f"model.{key}": getattr(config.model, key) for key in ("history", "block_frames")},
        "train.recipe": config.train.recipe,
        "train.epochs": config.train.epochs,
        "train.windows_per_epoch": config.train.windows_per_epoch,
        "train.batch_size": config.train.batch_size,
    }
    return [f"{key}={value}" for key, value in chosen.items()]


def simvp(*arguments: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "simvp", *arguments]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def outcome(run: Path) -> dict[str, Any]:
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val_mse"]]
    scores = json.loads((run / "saved" / "metrics.json").read_text())
    chosen = run / "trials" / "trials.json"
    choice = json.loads(chosen.read_text())["choice"]["trial"] if chosen.exists() else None
    channels = [*scores["channels"].values()]
    of_ensemble = {
        name: [round(channel[name], 5) for channel in channels]
        for name in ("rmse_unit", "crps", "spread_skill")
        if "crps" in channels[0]
    }
    return {
        "choice": choice,
        "epochs": len(rows),
        "val_mse": round(min(float(row["val_mse"]) for row in rows), 5),
        "test_mse": round(scores["mse"], 5),
        **of_ensemble,
    }


def cpu_seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
