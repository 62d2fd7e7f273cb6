"""Names of boundary conditions and symmetries."""

import pytest

from simvp.physics import parse_boundary, parse_symmetries


def test_parsing_of_boundaries_and_symmetries() -> None:
    assert parse_boundary("periodic") == ("periodic", "periodic")
    assert parse_boundary("zeros,reflect") == ("zeros", "reflect")
    assert parse_symmetries("none") == ()
    assert parse_symmetries("rot90,roll") == ("roll", "rot90")
    for parse, wrong in [(parse_boundary, "round"), (parse_boundary, "a,b,c")]:
        with pytest.raises(ValueError, match="should be one of zeros, periodic"):
            parse(wrong)
    with pytest.raises(ValueError, match="should be none or a comma-separated list of roll"):
        parse_symmetries("roll,spin")
