"""Results in object storage, uploaded with fsspec from a local folder."""

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
_BLOCK = 2**16  # bytes per read; the provenance is near the beginning of a file


def is_bucket(output: str) -> bool:
    """Return whether an output is an address of object storage instead of a folder."""
    return "://" in output


class ResultBucket:
    """Results of a run at an fsspec address, such as ``s3://bucket/folder``.

    Uploads are atomic, and each object contains its provenance. An interrupted run therefore continues with
    the same command, on any machine and with any number of processes.

    Args:
        address: The address.
        folder: Local folder of the results; each file is removed after its upload.

    Raises:
        DataError: The address is not writable.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._folder = folder
        try:
            self._files, root = fsspec.core.url_to_fs(address)
            self._root = root.rstrip("/")
            self._files.pipe_file(f"{self._root}/{_PROBE}", b"")
            self._files.rm_file(f"{self._root}/{_PROBE}")
        except Exception as error:  # the error class depends on the file system
            raise DataError(f"cannot write to {address!r} ({first_words(error)}).") from error

    def is_done(self, result: Path, origin: ImageProvenance) -> bool:
        """Return whether the object of a local path has the same source and settings as ``origin``.

        Raises:
            ImageError: The server does not respond.
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
        """Upload a result and its sidecar file, and remove the local files.

        Raises:
            ImageError: The upload failed.
        """
        for path in (sidecar_path(result), result):  # the result is last, because it marks a complete upload
            if path.is_file():
                with _named(self._key(path), "sent"):
                    self._files.put_file(str(path), self._key(path))
                path.unlink()

    def put_text(self, name: str, text: str) -> None:
        """Write a text file; an empty text removes the file."""
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
    """Convert errors of the file system to `ImageError`."""
    try:
        yield
    except Exception as error:  # as above
        raise ImageError(f"{key} cannot be {what} ({first_words(error)})") from error
