"""One HTTP request that goes on where an earlier one was cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

_CHUNK = 1 << 18
_WORTH_ANOTHER_TRY = frozenset({408, 416, 425, 429, 500, 502, 503, 504})


class InterruptedTransferError(Exception):
    """The connection was cut or stalled; the same address may answer the next time."""


class UnusableAddressError(Exception):
    """This address does not have the file; only another one can help."""


def transfer(
    url: str, part: Path, *, least: int, most: int, timeout: float, report: Callable[[int], None]
) -> None:
    """Append to ``part`` what it lacks, or write it anew when the server cannot continue.

    Args:
        url: Address; redirects are followed.
        part: The unfinished file.
        least: Bytes that the whole file has at least, for servers that do not say how many they send.
        most: Bytes after which reading stops, whatever the server sends.
        timeout: Seconds without a byte after which the server counts as stalled.
        report: Called with the number of bytes that ``part`` holds.

    Raises:
        InterruptedTransferError: Cut, stalled or overloaded; what came is kept in ``part``.
        UnusableAddressError: No such host, no such file.
        OSError: ``part`` cannot be written.
    """
    offset = part.stat().st_size if part.exists() else 0
    with _open(url, offset, part, timeout) as response:
        start = offset if _continues(response, offset) else 0
        length = response.headers.get("Content-Length", "")
        whole = min(start + int(length), most) if length.isdecimal() else least
        received = start
        with part.open("ab" if start else "wb") as file:
            while received <= most and (chunk := _read(response)):
                file.write(chunk)
                received += len(chunk)
                report(received)
    if received < whole:
        raise InterruptedTransferError(f"connection cut after {received} of {whole} bytes")


def _open(url: str, offset: int, part: Path, timeout: float) -> HTTPResponse:
    """Send the request and translate the many errors of urllib into ours."""
    try:
        # A compressed transfer would be hashed and counted in the wrong bytes.
        request = Request(url, headers={"User-Agent": "colorzoo", "Accept-Encoding": "identity"})
        if offset:
            request.add_header("Range", f"bytes={offset}-")
        response: HTTPResponse = urlopen(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # what we hold is no beginning of the server's file
            part.unlink(missing_ok=True)
        kind = InterruptedTransferError if error.code in _WORTH_ANOTHER_TRY else UnusableAddressError
        raise kind(f"HTTP {error.code} {error.reason}") from None
    except URLError as error:
        raise UnusableAddressError(f"unreachable ({error.reason})") from None
    except ValueError as error:
        raise UnusableAddressError(str(error)) from None
    except (OSError, HTTPException) as error:
        raise InterruptedTransferError(_reason(error)) from None
    return response


def _continues(response: HTTPResponse, offset: int) -> bool:
    """Say whether the answer goes on at ``offset`` rather than starting the file over."""
    first = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if response.status != 206 or first is None:
        return False
    if int(first[1]) != offset:
        raise UnusableAddressError(f"asked for bytes from {offset}, got them from {first[1]}")
    return True


def _read(response: HTTPResponse) -> bytes:
    try:
        # Not `read`, which throws away what it has when the server stalls within the chunk.
        return response.read1(_CHUNK)
    except (OSError, HTTPException) as error:
        raise InterruptedTransferError(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server stalled"
    return f"connection cut ({str(error) or type(error).__name__})"
