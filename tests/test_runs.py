"""Lookup of saved samples."""

from pathlib import Path

import pytest

from simvp.errors import RunError
from simvp.runs import RunFolder, matching


def run_with_samples(folder: Path, *names: str) -> RunFolder:
    for name in names:
        (folder / "saved" / "inputs" / name).mkdir(parents=True)
    return RunFolder(folder)


def test_sample_is_found_by_a_unique_part_of_its_id(tmp_path: Path) -> None:
    run = run_with_samples(tmp_path, "07cf_boiling_2", "18aa_boiling_21", "07dd_boiling_1")
    assert run.find_sample("boiling_2") == "07cf_boiling_2"
    assert run.find_sample("boiling_21") == "18aa_boiling_21"
    assert run.find_sample("07c") == "07cf_boiling_2"
    assert run.find_sample("aa_b") == "18aa_boiling_21"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("07", "2 saved sample ids contain '07': 07cf_boiling_2, 07dd_boiling_1"),
        ("boling_21", "no saved sample id contains 'boling_21'. Did you mean 'boiling_21'"),
        ("../x", "no saved sample id contains"),
        ("", "no saved sample id contains"),
    ],
)
def test_ambiguous_or_unknown_sample_is_rejected(tmp_path: Path, part: str, message: str) -> None:
    run = run_with_samples(tmp_path, "07cf_boiling_2", "18aa_boiling_21", "07dd_boiling_1")
    with pytest.raises(RunError, match=message):
        run.find_sample(part)


def test_matching_does_not_split_numbers() -> None:
    names = ["a1_b_2", "a12_b_21"]
    assert matching("b_2", names) == ["a1_b_2"]
    assert matching("2_b", names) == []
    assert matching("b_", names) == names
    assert matching("a1", names) == names  # prefix of a hash
    assert matching("b_2", names[1:]) == []
