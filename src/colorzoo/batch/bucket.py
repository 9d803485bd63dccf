"""Storage of results in an object store such as S3, through fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsspec.core import url_to_fs

from colorzoo.console import first_words
from colorzoo.errors import DataError, ImageError
from colorzoo.image_io.provenance import ImageProvenance, embedded_provenance, parse_provenance
from colorzoo.pixels.results import sidecar_path

_BLOCK_SIZE = 2**16  # bytes per read; the provenance is near the beginning of a file


class ResultBucket:
    """Output folder in an object store, at an fsspec address such as ``s3://bucket/folder``.

    Each result is written to a local folder and then uploaded with its provenance record. An interrupted run
    can therefore continue on another machine.

    Args:
        address: fsspec address of the output folder.
        folder: Local folder to which results are written before the upload. Paths relative to this folder
            become object names in the store.

    Raises:
        DataError: The address is invalid.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self._folder = address, folder
        try:
            self._fs, self._root = url_to_fs(address.rstrip("/"))
        except Exception as error:  # the file systems have no common error class
            raise DataError(
                f"--output must be a folder or an address such as s3://BUCKET/FOLDER, got {address!r} "
                f"({first_words(error)})"
            ) from error

    def require_writable(self, name: str, content: bytes) -> None:
        """Write and remove a test object to check the permissions.

        Args:
            name: Name of the test object, relative to the output folder.
            content: Content of the test object. An existing object that begins with it is deleted.

        Raises:
            DataError: The object cannot be written or removed, or exists with another beginning.
        """
        key = f"{self._root}/{name}"
        try:
            is_foreign = self._fs.exists(key) and not self._fs.cat_file(key).startswith(content)
            if not is_foreign:
                self._fs.pipe_file(key, content)
                self._fs.rm_file(key)
        except Exception as error:
            raise DataError(f"--output {self.address!r} cannot be written ({first_words(error)})") from error
        if is_foreign:
            raise DataError(f"{self.address}/{name} lists no failed images. Choose another --output.")

    def read_provenance(self, path: Path) -> ImageProvenance | None:
        """Return the provenance record of an uploaded result.

        The return value is None if the result has not been uploaded or has no record.

        Args:
            path: Local path of the result.

        Raises:
            ImageError: The object store cannot be read.
        """
        with self._named(path, "read") as key:
            try:
                with self._fs.open(key, block_size=_BLOCK_SIZE) as file:
                    found = embedded_provenance(file)
                return found or parse_provenance(self._fs.cat_file(f"{key}.colorzoo.xmp"))
            except FileNotFoundError:
                return None

    def upload(self, path: Path) -> None:
        """Upload a result and its XMP sidecar file, if any, and remove the local files.

        Args:
            path: Local path of the result.

        Raises:
            ImageError: A file cannot be uploaded.
        """
        for each in (path, sidecar_path(path)):
            if each.is_file():
                try:
                    with self._named(each, "written") as key:
                        self._fs.put_file(str(each), key)
                finally:
                    each.unlink()

    @contextmanager
    def _named(self, path: Path, what: str) -> Iterator[str]:
        """Yield the object key of a local path; convert errors of the file system to `ImageError`."""
        name = path.relative_to(self._folder).as_posix()
        try:
            yield f"{self._root}/{name}"
        except Exception as error:
            raise ImageError(f"{self.address}/{name} cannot be {what} ({first_words(error)})") from error
