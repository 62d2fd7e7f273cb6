"""Names of files and channels that the formats made of pictures share."""

from pathlib import Path

import pytest

from simvp.data.pictures import numbering, unique_ids
from simvp.data.series import Options, select_channels
from simvp.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("names", "ordered", "numbers"),
    [
        (["f_2.png", "f_10.png", "f_6.png"], ["f_2.png", "f_6.png", "f_10.png"], range(2, 11, 4)),
        (["r7_t1.png", "r7_t0.jpg"], ["r7_t0.jpg", "r7_t1.png"], range(0, 2)),
        (["8.png", "9.png", "10.png"], ["8.png", "9.png", "10.png"], range(8, 11)),
        (["f_003.png"], ["f_003.png"], range(3, 4)),
        (["only.png"], ["only.png"], range(1)),
    ],
)
def test_frames_are_ordered_by_the_number_that_varies(
    names: list[str], ordered: list[str], numbers: range
) -> None:
    assert numbering(Path("a"), names) == (ordered, numbers)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["f_0.png", "f_1.png", "f_3.png"], "a: number 2 is missing between f_1.png and f_3.png"),
        (["f_0.png", "f_10.png", "f_30.png"], "number 20 is missing between f_10.png and f_30"),
        (["f_0.png", "f_2.png", "f_3.png"], "number 1 is missing between f_0.png and f_2.png"),
        (["f_1.png", "f_2.png", "f_02.png"], "f_02.png and f_2.png have the same number"),
        (["f_1.png", "f_2.png", "mean.png"], "a/mean.png: is not named like f_1.png"),
        (["c1_t0.png", "c1_t1.png", "c2_t0.png"], r"differ in 2 numbers \(c1_t0.png, ..., c2_t0"),
    ],
)
def test_names_that_do_not_count_in_constant_steps_are_refused(
    names: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        numbering(Path("a"), names)


def test_ids_of_files_sort_naturally_and_are_unique() -> None:
    paths = [Path("d/run_10.ome.tif"), Path("d/run_9.tif"), Path("d/a.b.tif")]
    assert list(unique_ids(paths)) == ["a.b", "run_09", "run_10"]
    with pytest.raises(DataError, match="run.tif: would have the same id, run, as run.tiff"):
        unique_ids([Path("run.tiff"), Path("run.tif")])


def test_channels_are_selected_once_each() -> None:
    names = ("red", "green", "blue")
    options = Options(variables=("blue", "red"))
    assert select_channels(names, options, Path("a")) == (("blue", "red"), (2, 0))
    with pytest.raises(ConfigError, match="no channel 'gren', only red, green, blue. Did you mean"):
        select_channels(names, Options(("gren",)), Path("a"))
    with pytest.raises(ConfigError, match="name each channel once, found red, red"):
        select_channels(names, Options(("red", "red")), Path("a"))
