"""Wording of numbers."""

from simvp.progress import plural


def test_one_has_no_s() -> None:
    assert [plural(n, "test window") for n in (0, 1, 2)] == [
        *("0 test windows", "1 test window", "2 test windows")
    ]
