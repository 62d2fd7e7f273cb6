"""Recognition of the axes of CF variables."""

import pytest

from simvp.data.cf_axes import letter_of, recognise


@pytest.mark.parametrize(
    ("dim", "coordinates", "expected"),
    [
        ("lat", [], "y"),
        ("Longitude", [], "x"),
        ("station", [], None),
        ("p", [("p", {"units": "hPa"})], "z"),
        ("k", [("k", {"positive": "down"})], "z"),
        ("t", [("t", {"units": "hours since 1900-01-01"})], "t"),
        ("m", [("m", {"standard_name": "realization"})], "n"),
        ("r", [("latitude", {})], "y"),
        # attributes come before names
        ("x", [("x", {"axis": "Y"})], "y"),
        ("z", [("z", {"units": "degrees_east"})], "x"),
        # positions along a track are neither rows nor columns
        ("point", [("lat", {}), ("lon", {})], None),
    ],
)
def test_letter_of_a_dimension(
    dim: str, coordinates: list[tuple[str, dict[str, str]]], expected: str | None
) -> None:
    assert letter_of(dim, coordinates) == expected


@pytest.mark.parametrize(
    ("sizes", "letters", "expected"),
    [
        ((5, 8, 9), "tyx", "tyx"),
        ((5, 4, 8, 9), "t?yx", "tnyx"),
        ((5, 4, 3, 8, 9), "tn?yx", "tn?yx"),
        ((5, 1, 8, 9), "tzyx", "t1yx"),
        ((5, 1, 8, 9), "t?yx", "t1yx"),
        ((1, 8, 9), "tyx", "tyx"),
        # two axes of one kind are not known
        ((5, 4, 8, 9), "ttyx", "??yx"),
        ((4, 8, 9), "?yx", "?yx"),
    ],
)
def test_layout_of_a_variable(sizes: tuple[int, ...], letters: str, expected: str) -> None:
    dims = [f"d{i}" for i in range(len(sizes))]
    found = recognise(
        dims,
        sizes,
        dict(zip(dims, letters.replace("?", " "), strict=True))
        | {dim: None for dim, letter in zip(dims, letters, strict=True) if letter == "?"},
    )
    assert "".join(letter or "?" for letter in found.letters) == expected
