"""`simvp viz --report`: what the page says about a run."""

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Simvp

from simvp.commands.report import viewer
from simvp.commands.report.facts import commands
from simvp.commands.report.reported_run import open_run, read_split_of


def scripts(page: Path) -> list[Any]:
    """The JSON in a page: what the viewer needs, and the frames of each sample."""
    text = page.read_text(encoding="utf-8")
    return [json.loads(t) for t in re.findall(r'type="application/json"[^>]*>(.*?)</script>', text)]


def words(page: Path) -> str:
    """The text of a page without markup, with single spaces."""
    text = re.sub(r"(?s)<(script|style|svg).*?</\1>", " ", page.read_text(encoding="utf-8"))
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_page_has_scores_settings_and_commands(tested: Path, simvp: Simvp) -> None:
    assert "wrote work_dirs/default/report.html (0." in simvp("viz", "--report").stdout
    text = words(tested / "report.html")
    record = json.loads((tested / "saved" / "metrics.json").read_bytes())
    for name in ("mse", "mae", "ssim"):
        values = [record[name], record["persistence"][name], record["training_mean"][name]]
        low, high = record["interval"][name]
        shown = [f"{value:#.4g}" for value in (values[0], low, high, *values[1:])]
        assert f"{name} {shown[0]} {shown[1]} to {shown[2]} {shown[3]} {shown[4]}" in text
    for sample, scores in record["samples"].items():
        assert f"{sample} {scores['mse']:#.4g} {scores['mae']:#.4g}" in text
    assert "model.hid_T 8 auto" in text and "7 windows" in text
    assert "Training time 0 min " in text
    assert "The ring marks the epoch whose model the run has kept; its model is scored." in text


def test_frames_are_those_of_the_median_best_and_worst(tested: Path, simvp: Simvp) -> None:
    simvp("viz", "--report")
    settings, *frames = scripts(tested / "report.html")
    record = json.loads((tested / "saved" / "metrics.json").read_bytes())["samples"]
    ranked = sorted(record, key=lambda sample: record[sample]["mse"])
    assert [(s["id"], s["label"]) for s in settings["samples"]] == [
        (ranked[0], "best"),
        (ranked[1], "worst"),
    ]
    for sample, content in zip(settings["samples"], frames, strict=True):
        for kind, text in zip(("inputs", "trues", "preds"), content["values"], strict=True):
            found = np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, 1, 9, 11)
            for number, frame in enumerate(found):
                file = tested / "saved" / kind / sample["id"] / f"{number}.npy"
                np.testing.assert_array_equal(frame, np.load(file))


def test_reported_commands_are_accepted_and_set_what_the_run_had(
    tested: Path, simvp: Simvp
) -> None:
    run = open_run("work_dirs", "default")
    _, train, *_ = commands(run, read_split_of(run), " --name again")
    arguments = train.replace(" \\\n", "").split()[1:]
    printed = simvp(*arguments, "--print-config").stdout
    mine = (tested / "config.toml").read_text()

    def assignments(text: str) -> list[str]:
        lines = [line.partition("  # from")[0] for line in text.splitlines()]
        return [x for x in lines if " = " in x and not x.startswith(("#", "name", "path"))]

    assert assignments(printed) == assignments(mine)


@pytest.fixture
def other(tested: Path) -> Path:
    """A second run, with the same split and forecasts that are better by a half."""
    path = tested.parent / "other"
    shutil.copytree(tested, path)
    for file in (path / "saved" / "preds").rglob("*.npy"):
        truth = np.load(path / "saved" / "trues" / file.parent.name / file.name)
        np.save(file, (np.load(file) + truth) / 2)
    return path


def test_other_runs_are_shown_beside_it(tested: Path, other: Path, simvp: Simvp) -> None:
    simvp("viz", "--report", "--with", "other", "--output", "both.html")
    settings, first, *_ = scripts(Path("both.html"))
    assert settings["runs"] == ["default", "other"]
    sample = settings["samples"][0]["id"]
    found = np.frombuffer(base64.b64decode(first["values"][3]), "<f4").reshape(-1, 9, 11)
    np.testing.assert_array_equal(found[2], np.load(other / "saved/preds" / sample / "2.npy")[0])
    assert "mse of other" in words(Path("both.html"))


def test_runs_of_another_split_are_refused(tested: Path, other: Path, simvp: Simvp) -> None:
    def refused(*names: str) -> str:
        options = [word for name in names for word in ("--with", name)]
        message = " ".join(simvp("viz", "--report", *options, code=2).stderr.split())
        assert not (tested / "report.html").exists()
        return message

    record = json.loads((other / "saved" / "metrics.json").read_bytes())
    assert "default: cannot be shown beside default: it is the same run" in refused("default")
    assert "run not found. Did you mean 'other'?" in refused("othr")
    changed = {**record, "samples": {"else": {"mse": 1.0}}}
    (other / "saved" / "metrics.json").write_text(json.dumps(changed))
    assert "it was tested on other samples than default" in refused("other")
    changed = {**record, "split": "data/ab_loaders.json"}
    (other / "saved" / "metrics.json").write_text(json.dumps(changed))
    assert "it was tested on the split ab_loaders.json, but default on " in refused("other")


def test_page_without_the_data_says_so(tested: Path, simvp: Simvp) -> None:
    shutil.move("data", "moved")
    output = simvp("viz", "--report").stdout
    assert output.startswith("without dates, coordinates and statistics: ")
    assert "without dates" in words(tested / "report.html")


def trials_record() -> dict[str, Any]:
    """The record of two trials, of which the second one was chosen."""

    def training(activations: int, epochs: int, recipe: str) -> dict[str, Any]:
        train = {"recipe": recipe, "rollout": 2, "rollout_share": 1.0, "batch_size": 3}
        train |= {"epochs": epochs, "windows_per_epoch": 11}
        model = {"history": 3, "block_frames": 2, "target": "increments"}
        settings = {f"train.{key}": value for key, value in train.items()}
        settings |= {f"model.{key}": value for key, value in model.items()}
        return {"activations": activations, "settings": settings}

    losses = {"validation_loss": 0.0869, "persistence_loss": 0.25}
    direct = {**training(50, 1, "direct"), **losses}
    stepwise = {**training(100, 3, "stepwise"), **losses, "validation_loss": 0.0625}
    return {
        "activations": 1000,
        "trials": {"direct": direct, "<i>2": stepwise},
        "choice": {"trial": "<i>2", "reason": "the lowest loss", **training(850, 9, "stepwise")},
        "made_with": {"train.epochs": 20},
    }


@pytest.mark.parametrize("unit", ["activations", "multiply_adds"])  # of this version, the first
def test_trials_of_recipes_are_shown(unit: str, tested: Path, simvp: Simvp) -> None:
    simvp("viz", "--report")
    assert "Trials of recipes" not in words(tested / "report.html")
    (tested / "trials").mkdir()
    record = json.dumps(trials_record()).replace("activations", unit)
    (tested / "trials" / "trials.json").write_text(record)
    simvp("viz", "--report")
    text = words(tested / "report.html")
    assert (
        "direct 1 epoch of 11 windows 5.0 % 0.08690 0.2500 direct: 2 frames per pass from the last "
        "3, as increments &lt;i&gt;2 3 epochs of 11 windows 10.0 % 0.06250 0.2500 chosen stepwise: "
        "2 frames per pass from the last 3, as increments Chosen: &lt;i&gt;2, for the lowest loss. "
        "The run started anew with this recipe: 9 epochs of 11 windows, 85.0 % of the budget."
    ) in text


@pytest.mark.parametrize("missing", ["activations", "trials", "choice", "made_with"])
def test_damaged_record_of_trials_is_refused(tested: Path, simvp: Simvp, missing: str) -> None:
    record = trials_record()
    del record[missing]
    (tested / "trials").mkdir()
    (tested / "trials" / "trials.json").write_text(json.dumps(record))
    message = " ".join(simvp("viz", "--report", code=2).stderr.split())
    assert f"trials.json: is damaged (KeyError: '{missing}'); restore it" in message
    assert not (tested / "report.html").exists()


def test_versions_are_those_of_the_training(tested: Path, simvp: Simvp) -> None:
    record = [{"from_epoch": 0, "versions": {"simvp": "1.9", "torch": "<b>0.1"}}]
    (tested / "versions.json").write_text(json.dumps(record))
    simvp("viz", "--report")
    assert "Versions simvp 1.9, torch &lt;b&gt;0.1 " in words(tested / "report.html")
    (tested / "versions.json").unlink()
    simvp("viz", "--report")
    assert "Versions not recorded " in words(tested / "report.html")


def test_only_reports_are_replaced(tested: Path, simvp: Simvp) -> None:
    page = tested / "report.html"
    page.write_text("mine")
    assert "simvp did not write it" in simvp("viz", "--report", code=2).stderr
    assert page.read_text() == "mine"
    page.unlink()
    for _ in range(2):
        simvp("viz", "--report")
    simvp("viz", "--report", "--output", "page.html")
    assert "exists; choose" in simvp("viz", "--report", "--output", "page.html", code=2).stderr
    simvp("viz", "--report", "--output", "page.html", "--overwrite")
    assert "--with needs --report" in simvp("viz", "--with", "other", code=2).stderr


@pytest.mark.parametrize(
    ("shape", "samples", "expected"),
    [
        ((64, 64), 15, (1, 15)),  # README's example, 30 frames
        ((64, 64), 100, (1, 18)),
        ((256, 256), 100, (2, 4)),
        ((1024, 1024), 100, (7, 3)),
        ((1024, 1024), 1, (4, 1)),
    ],
)
def test_samples_fit_in_twelve_megabytes(
    shape: tuple[int, int], samples: int, expected: tuple[int, int]
) -> None:
    stride, count = viewer._fit(30, shape, samples)
    cells = -(-shape[0] // stride) * -(-shape[1] // stride)
    assert (stride, count) == expected
    assert 30 * count * cells * 4 * 4 / 3 <= 12e6


@pytest.mark.parametrize(
    ("available", "count", "expected"),
    [(9, 5, [4, 0, 8, 1, 7]), (9, 3, [4, 0, 8]), (1, 1, [0]), (2, 2, [0, 1]), (4, 4, [1, 0, 3, 2])],
)
def test_samples_are_chosen_at_even_ranks(available: int, count: int, expected: list[int]) -> None:
    assert viewer._choose(available, count) == expected
