"""URLs of data, in settings and arguments."""

import re

# Addresses that fsspec can also open, such as file:// or simplecache::, are of no use here, and
# would read files that the user has not named.
SCHEMES = ("https", "http", "s3", "gs")

_URL = re.compile(r"([a-z0-9]+::)*[A-Za-z][A-Za-z0-9+.-]+://")
_USER = re.compile(r"(://)[^/@\s]*@")
_QUERY = re.compile(r"(://[^\s?#]*)[?#][^\s'\"]*")


def is_url(text: str) -> bool:
    """Whether a text is a URL of any scheme, and no path."""
    return _URL.match(text) is not None


def check_url(text: str) -> str:
    """Accept paths, and URLs of data. Raises: ValueError with what is allowed.

    Credentials are refused because runs and split files record where their data are.
    """
    if not is_url(text):
        return text
    scheme, separator, address = text.partition("://")
    if scheme not in SCHEMES or not separator or not address.split("/")[0]:
        schemes = ", ".join(f"{known}://" for known in SCHEMES)
        raise ValueError(f"URLs of data begin with {schemes}")
    if without_credentials(text) != text:
        raise ValueError(
            "a URL of data has no user name, password, ? or #, because runs and split files record "
            "it; give credentials in ~/.netrc (https), or as s3fs and gcsfs read them"
        )
    return text


def without_credentials(text: str) -> str:
    """A text in which user, password and query of URLs are replaced by `...`."""
    return _QUERY.sub(r"\1?...", _USER.sub(r"\1...@", text))
