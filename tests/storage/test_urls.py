import pytest

from simvp.storage.urls import check_url, is_url, without_credentials


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a.zarr", True),
        ("s3://bucket/a.zarr", True),
        ("simplecache::https://host/a.zarr", True),
        ("file:///etc", True),
        ("C:/data/a.nc", False),
        ("C:\\data", False),
        ("run_*::a.nc", False),
        ("data", False),
    ],
)
def test_urls_are_told_from_paths(text: str, expected: bool) -> None:
    assert is_url(text) is expected


@pytest.mark.parametrize("text", ["data", "https://h", "gs://b/a.zarr", "http://h:80/a%20b@2.zarr"])
def test_paths_and_urls_of_data_are_accepted(text: str) -> None:
    assert check_url(text) == text


@pytest.mark.parametrize(
    "text", ["file:///etc", "memory://a", "https://", "https:///a", "simplecache::https://h/a"]
)
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="begin with https://, http://, s3://, gs://$"):
        check_url(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@h/a.zarr", "https://...@h/a.zarr"),
        ("https://secret@h/a", "https://...@h/a"),
        ("https://me:se?cret@h/a", "https://...@h/a"),
        ("https://h/a.zarr?sig=secret&x=1", "https://h/a.zarr?..."),
        ("https://h/a#secret", "https://h/a?..."),
    ],
)
def test_credentials_are_refused_and_not_shown(text: str, shown: str) -> None:
    assert without_credentials(f"'{text}'") == f"'{shown}'"
    with pytest.raises(ValueError, match="no user name, password") as error:
        check_url(text)
    assert "cret" not in str(error.value)
