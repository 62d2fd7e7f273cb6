"""README and the pages in simvp/docs: what they show exists, and runs."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from helpers import PACKAGE, RANKS, Simvp
from typer.main import get_command

from simvp.cli import app
from simvp.config import all_keys, describe, read_layer, resolve, section_types
from simvp.data.card import read_card
from simvp.data.parts_file import read_parts

README = PACKAGE.parent / "README.md"
PAGES = [README, *sorted((PACKAGE / "docs").glob("*.md"))]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}

# Python blocks below this comment are not run.
UNCHECKED = "<!-- check after merge -->\n"

# Appended to the commands of the worked example. Later options override earlier ones.
SHRINK = {
    "train": "--epochs 8 --batch-size 2 --device cpu --set model.hid_S=2 --set model.hid_T=4 "
    "--set model.N_T=2 --set train.recompute_statistics=false --set train.val_interval=2"
}


class Block(NamedTuple):
    """A fenced block: its language, its text, and whether it is to be checked."""

    language: str
    text: str
    checked: bool


def blocks(page: str, *languages: str) -> list[Block]:
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL)
    every = [
        Block(match[1], match[2], not TEXTS[page][: match.start()].endswith(UNCHECKED))
        for match in found
    ]
    return [block for block in every if block.language in languages]


def spans(page: str) -> list[str]:
    """The inline code of a page, each on one line."""
    prose = re.sub(r"^```.*?^```$", "", TEXTS[page], flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def shown_commands(page: str) -> list[str]:
    """Every `simvp ...` in fenced blocks and inline code, without prompt and output."""
    lines = [line for block in blocks(page, "", "sh") for line in block.text.splitlines()]
    found = [re.match(r"(?:\$ |srun .*)?(simvp .+)", text) for text in [*lines, *spans(page)]]
    return [match[1] for match in found if match]


def arguments_of(command: str) -> list[str]:
    """The arguments of a shell command, without redirection; `N` and `FILE` stand for a value."""
    words = shlex.split(command, comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words
    return ["1" if re.fullmatch(r"[A-Z_]+", word) else word for word in words]


COMMANDS = sorted({command for page in TEXTS for command in shown_commands(page)})
OPTIONS = {
    flag
    for command in [get_command(app), *get_command(app).commands.values()]
    for parameter in command.params
    for flag in [*parameter.opts, *parameter.secondary_opts]
}


def test_readme_has_at_most_300_lines() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 300


@pytest.mark.parametrize("name", [None, *get_command(app).commands])
def test_every_option_is_described_in_the_help(name: str | None) -> None:
    command = get_command(app).commands[name] if name else get_command(app)
    assert command.help
    undescribed = [parameter.name for parameter in command.params if not parameter.help]
    assert undescribed == []


def test_every_setting_is_described() -> None:
    undescribed = [
        f"{section}.{key}"
        for section, kind in section_types().items()
        for key, field in kind.model_fields.items()
        if not field.description or not describe(field)
    ]
    assert undescribed == []


@pytest.mark.parametrize("command", COMMANDS)
def test_shown_commands_are_accepted(command: str, simvp: Simvp) -> None:
    arguments = arguments_of(command)
    (published,) = [b.text for b in blocks("translators.md", "toml") if "optimizer" in b.text]
    for option, value in zip(arguments, arguments[1:], strict=False):
        if option == "--config":
            Path(value).write_text(published)
    wants_help = "--help" in arguments
    output = simvp(*arguments, *([] if wants_help else ["--print-config"])).stdout
    assert ("Usage: " if wants_help else "[train]\n") in output


def test_invalid_commands_are_not_accepted(simvp: Simvp) -> None:
    assert len(COMMANDS) > 20
    for wrong in ("train --epoch-count 3", "train --set train.rate=1", "train --epochs 0", "run"):
        simvp(*wrong.split(), "--print-config", code=2)


def masked(line: str) -> str:
    """A line of output with every hash and number replaced by #."""
    without_hashes = re.sub(r"[0-9a-f]{64}", "#", line).replace("threads)", "thread)")
    without_hashes = without_hashes.replace("epochs", "epoch")
    return re.sub(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", "#", " ".join(without_hashes.split()))


def test_worked_example_runs_and_prints_what_readme_shows(simvp: Simvp) -> None:
    """The output has the lines that README shows, apart from numbers."""
    text = "".join(block.text for block in blocks("README.md", "") if block.text[:1] == "$")
    steps = [step.splitlines() for step in text.removeprefix("$ ").split("\n$ ")]
    assert [shlex.split(command)[1] for command, *_ in steps] == [
        *("simulate", "split", "train", "test", "viz", "viz", "viz", "predict")
    ]
    for command, *shown in steps:
        arguments = arguments_of(command)
        shrink = SHRINK.get(arguments[0], "").split()
        printed = {masked(line) for line in simvp(*arguments, *shrink).stdout.splitlines()}
        # The precision depends on the CPU, and the choice and its scores on the training.
        varying = ("...", "computing", "better than", "epoch 15", "chosen", "direct:")
        expected = [masked(line) for line in shown if not line.startswith(varying)]
        assert [line for line in expected if line not in printed] == []


@pytest.mark.parametrize("page", TEXTS)
def test_options_and_settings_in_the_text_exist(page: str) -> None:
    options = [span.split()[0] for span in spans(page) if span.startswith("--")]
    assert [option for option in options if option not in OPTIONS] == []
    settings = [
        match[0]
        for span in spans(page)
        if (match := re.match(r"(\w+)\.(\w+)", span))
        and match[1] in section_types()
        and match[2] not in ("csv", "json", "npy", "toml")
    ]
    assert [setting for setting in settings if setting not in all_keys()] == []


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=TEXTS)
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", TEXTS[page.name])
    for target in targets:
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def test_readme_links_to_every_page() -> None:
    linked = set(re.findall(r"simvp/docs/(\w+\.md)", TEXTS["README.md"]))
    assert linked == set(TEXTS) - {"README.md"}


@pytest.mark.parametrize(
    "code", [b.text for page in TEXTS for b in blocks(page, "python") if b.checked]
)
def test_python_code_runs(code: str, trained: Path) -> None:
    rng = np.random.default_rng(0)
    names: dict[str, Any] = {
        "field": rng.uniform(0.0, 212.0, (3, 9, 11)),
        "frames": rng.random((5, 1, 9, 11)),
    }
    shutil.copytree("data", "my_data", dirs_exist_ok=True)
    exec(compile(code, "README.md", "exec"), names)
    if "future" in names:
        assert names["future"].shape == (30, 1, 9, 11)
    if "Block" in names:
        features = torch.rand(2, 4, 5, 6)
        assert names["Block"](4, None)(features).shape == features.shape


@pytest.mark.parametrize("text", [b.text for page in TEXTS for b in blocks(page, "toml")])
def test_toml_is_valid(text: str, tmp_path: Path) -> None:
    file = tmp_path / "dataset.toml"
    file.write_text(text)
    if text.startswith("["):
        resolve([read_layer(file)])
    elif text.startswith("train"):
        read_parts(file)
    else:
        read_card(file)


def test_table_of_ranks_matches_the_checked_ranks() -> None:
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", TEXTS["README.md"], re.MULTILINE)
    rooms = [set(re.findall(r"`(\w+)", modules)) for _, modules in rows]
    assert [int(number) for number, _ in rows] == list(range(len(rows)))
    assert rooms == [rooms for rooms in RANKS if rooms != {"__main__"}]
    folders = {name for _, modules in rows for name in re.findall(r"`(\w+)/`", modules)}
    assert folders == {room for room in set.union(*rooms) if (PACKAGE / room).is_dir()}
