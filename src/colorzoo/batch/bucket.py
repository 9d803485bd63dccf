"""Results in object storage: written to a local folder, sent by fsspec, and recognized there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from colorzoo.errors import DataError, ImageError, first_words
from colorzoo.image_io.provenance import (
    ImageProvenance,
    embedded_provenance,
    parse_provenance,
    result_state,
    sidecar_path,
)

_PROBE = ".colorzoo-probe"
_BLOCK = 2**16  # bytes that are read at once; the provenance stands near the beginning


def is_bucket(output: str) -> bool:
    """Return whether results go to an address instead of a folder."""
    return "://" in output


class ResultBucket:
    """The results of a run at an address of fsspec, such as ``s3://bucket/folder``.

    An object appears whole or not at all and holds its provenance, so that a run that was killed goes on with
    the same command, also elsewhere and with another number of processes.

    Args:
        address: The address.
        folder: Local folder in which results are made; each is removed once it is sent.

    Raises:
        DataError: The address cannot be written to.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._folder = folder
        try:
            self._files, root = fsspec.core.url_to_fs(address)
            self._root = root.rstrip("/")
            self._files.pipe_file(f"{self._root}/{_PROBE}", b"")
            self._files.rm_file(f"{self._root}/{_PROBE}")
        except Exception as error:  # each file system has errors of its own
            raise DataError(f"cannot write to {address!r} ({first_words(error)}).") from error

    def is_done(self, result: Path, origin: ImageProvenance) -> bool:
        """Return whether the object of a local path is a result of exactly this origin.

        Raises:
            ImageError: The server does not answer.
        """
        with _named(self._key(result), "looked up"):
            if not self._files.exists(self._key(result)):
                return False
            with self._files.open(self._key(result), block_size=_BLOCK) as file:
                found = embedded_provenance(file)
            beside = self._key(sidecar_path(result))
            if found is None and self._files.exists(beside):
                found = parse_provenance(self._files.cat_file(beside))
        return result_state(found, origin) == "done"

    def add(self, result: Path) -> None:
        """Send a result and the file beside it, and remove both here.

        Raises:
            ImageError: They cannot be sent.
        """
        for path in (sidecar_path(result), result):  # the result last: it says that both are there
            if path.is_file():
                with _named(self._key(path), "sent"):
                    self._files.put_file(str(path), self._key(path))
                path.unlink()

    def put_text(self, name: str, text: str) -> None:
        """Write a text, or remove it if it is empty."""
        key = f"{self._root}/{name}"
        with _named(key, "written"):
            if text:
                self._files.pipe_file(key, text.encode("utf-8", "replace"))
            elif self._files.exists(key):
                self._files.rm_file(key)

    def _key(self, path: Path) -> str:
        return f"{self._root}/{path.relative_to(self._folder).as_posix()}"


@contextmanager
def _named(key: str, what: str) -> Iterator[None]:
    """Turn the errors of a file system into ours."""
    try:
        yield
    except Exception as error:  # as above
        raise ImageError(f"{key} cannot be {what} ({first_words(error)})") from error
