"""Errors of network requests, in words, and which of them may pass."""

from dataclasses import dataclass

import aiohttp

from simvp.storage.urls import without_credentials

_AGAIN = "check the network and the server, then run the same command again (train: with --resume)"
CREDENTIALS = "check the URL; give credentials in ~/.netrc (https), or as s3fs and gcsfs read them"
_PASSING_STATUS = (408, 425, 429)  # besides 500 to 599


@dataclass(frozen=True)
class Failure:
    """Why a request failed.

    Attributes:
        reason, remedy: in words.
        may_pass: whether the request may succeed later.
        is_denied: whether the server does not give access.
    """

    reason: str
    remedy: str = _AGAIN
    may_pass: bool = True
    is_denied: bool = False


def explain(error: Exception, has_answered: bool) -> Failure:
    """Explain an error of fsspec.

    Args:
        has_answered: whether the server has answered before. Otherwise its name is probably wrong.
    """
    if isinstance(error, aiohttp.ClientResponseError):
        return _of_status(error)
    if isinstance(error, PermissionError):
        return Failure("access is denied", CREDENTIALS, may_pass=False, is_denied=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        remedy = (
            "check the URL and the clock of this machine; the environment variable SSL_CERT_FILE "
            "names a file of further authorities"
        )
        return Failure(f"its TLS certificate is not accepted: {_text(error)}", remedy, False)
    if isinstance(error, aiohttp.ClientSSLError):
        remedy = "check whether the URL begins with http:// instead of https://"
        return Failure(f"no TLS connection: {_text(error)}", remedy, may_pass=has_answered)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        reason = f"no such host: {error.host}"
        return Failure(reason, "check the URL, and the network", may_pass=has_answered)
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, TimeoutError):
        reason = f"cannot connect to {error.host}: {error.os_error.strerror or _text(error)}"
        return Failure(reason, may_pass=has_answered)
    if isinstance(error, TimeoutError):
        return Failure("no answer in time")
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return Failure(f"redirected to {_text(error)}", "check the URL", may_pass=False)
    if isinstance(error, (OSError, aiohttp.ClientError)):
        return Failure(f"the connection was lost: {_text(error)}")
    # Of a library that s3fs or gcsfs uses.
    remedy = _AGAIN if has_answered else "check the URL and the credentials"
    return Failure(_text(error), remedy, may_pass=has_answered)


def _of_status(error: aiohttp.ClientResponseError) -> Failure:
    """A server has answered with an error."""
    reason = f"HTTP {error.status} {error.message}".strip()
    if isinstance(error, aiohttp.TooManyRedirects):
        return Failure("too many redirects", "check the URL", may_pass=False)
    if error.status in (401, 403):
        return Failure(reason, CREDENTIALS, may_pass=False, is_denied=True)
    if error.status >= 500 or error.status in _PASSING_STATUS:
        return Failure(reason)
    return Failure(reason, "check the URL", may_pass=False)


def _text(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return without_credentials(first) or type(error).__name__
