"""Results in object storage: written to a local folder, sent to a bucket, and recognized there."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colorzoo.data.shards import s3_client
from colorzoo.errors import DataError, PictureError, first_words
from colorzoo.pictures.provenance import PictureProvenance, sidecar_path

_SCHEME, _ORIGIN = "s3://", "colorzoo-origin"
_PROBE = ".colorzoo-probe"


def is_bucket(output: str) -> bool:
    """Return whether results go to a bucket instead of a folder."""
    return output.startswith(_SCHEME)


class ResultBucket:
    """The results of a run in a bucket of an S3 server.

    An object appears whole or not at all, and its metadata name its origin, so that a run that was killed
    goes on with the same command, also elsewhere and with another number of processes.

    Args:
        address: ``s3://bucket/folder``; another server than Amazon's is named by ``AWS_ENDPOINT_URL``.
        folder: Local folder in which results are made; each is removed once it is sent.

    Raises:
        DataError: The bucket cannot be written to.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._bucket, _, prefix = address.removeprefix(_SCHEME).partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._folder, self._client = folder, s3_client()
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + _PROBE, Body=b"")
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + _PROBE)
        except Exception as error:  # boto3 has many kinds, without a common base
            raise DataError(f"cannot write to {address!r} ({first_words(error)}).") from error

    def is_done(self, result: Path, origin: PictureProvenance) -> bool:
        """Return whether the object of a local path is a result of exactly this origin.

        Raises:
            PictureError: The server does not answer.
        """
        key = self._key(result)
        with _named(key, "looked up"):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=key)
            except self._client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return bool(head["Metadata"].get(_ORIGIN) == _mark(origin))

    def add(self, result: Path, origin: PictureProvenance) -> None:
        """Send a result and the file beside it, and remove both here.

        Raises:
            PictureError: They cannot be sent.
        """
        beside = sidecar_path(result)
        for path in (beside, result):  # the result last: it says that both are there
            if path.is_file():
                kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                extra = {"Metadata": {_ORIGIN: _mark(origin)}, "ContentType": kind}
                with _named(self._key(path), "sent"):
                    self._client.upload_file(str(path), self._bucket, self._key(path), ExtraArgs=extra)
                path.unlink()

    def put_text(self, name: str, text: str) -> None:
        """Write a text, or remove it if it is empty."""
        place = {"Bucket": self._bucket, "Key": self._prefix + name}
        with _named(place["Key"], "written"):
            if text:
                self._client.put_object(**place, Body=text.encode("utf-8", "replace"))
            else:
                self._client.delete_object(**place)

    def _key(self, path: Path) -> str:
        return self._prefix + path.relative_to(self._folder).as_posix()


def _mark(origin: PictureProvenance) -> str:
    return f"{origin.settings}-{origin.source}"


@contextmanager
def _named(key: str, what: str) -> Iterator[None]:
    """Turn the errors of the server's client into ours."""
    try:
        yield
    except Exception as error:  # as above
        raise PictureError(f"{key} cannot be {what} ({first_words(error)})") from error
