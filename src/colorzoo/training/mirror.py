"""A run whose folder is in a bucket: it works in a local folder, which every checkpoint sends there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from colorzoo.data.shards import s3_client
from colorzoo.errors import ColorzooError, WeightsError, first_words
from colorzoo.training.runs import LOCK, SUFFIX, report
from colorzoo.weights.catalog import cache_home

_SCHEME = "s3://"


def local_folder(address: str) -> Path:
    """Return the local folder in which a run works whose folder is in a bucket.

    Args:
        address: ``s3://bucket/folder``; another server than Amazon's is named by ``AWS_ENDPOINT_URL``.

    Raises:
        ColorzooError: It is an address of another kind.
    """
    bucket, _, prefix = address.removeprefix(_SCHEME).partition("/")
    if not address.startswith(_SCHEME) or not bucket:
        raise ColorzooError(f"{address!r} is no place of a run; use a local folder, or s3://BUCKET/FOLDER.")
    return cache_home() / "runs" / bucket / prefix.strip("/")


def fetch(address: str) -> Path:
    """Bring a run, a folder of runs or a checkpoint to this machine as it is in its bucket.

    All processes may call it at once. Checkpoints that are here alone, which a killed process did not send
    any more, are removed, so that all machines go on from the same one.

    Args:
        address: ``s3://bucket/folder``, or that of a checkpoint in it, with which its run is brought.

    Returns:
        The local path.

    Raises:
        WeightsError: The server does not answer, or refuses.
    """
    path = local_folder(address)
    wanted = address.rstrip("/")
    if wanted.endswith(SUFFIX):
        wanted = wanted.rsplit("/", 2)[0]
    mirror = Mirror(wanted)
    mirror.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(mirror.folder / ".fetch.lock"):
            mirror.fetch()
    except OSError:
        raise
    except Exception as error:  # boto3 has many kinds, without a common base
        raise WeightsError(f"cannot read {address!r} ({first_words(error)}).") from error
    return path


class Mirror:
    """A local folder and its copy in a bucket.

    An object appears in the bucket whole or not at all. Files are compared by size and time; a file that was
    sent or brought has the time of its object.

    Args:
        address: ``s3://bucket/folder``.

    Raises:
        DataError: boto3 is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address, self.folder = address, local_folder(address)
        self._bucket, _, prefix = address.removeprefix(_SCHEME).partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = s3_client()
        self._sent: dict[str, tuple[int, int]] = {}

    def check(self) -> None:
        """Check that the bucket can be written to.

        Raises:
            WeightsError: It cannot.
        """
        place = {"Bucket": self._bucket, "Key": f"{self._prefix}.colorzoo-probe"}
        try:
            self._client.put_object(**place, Body=b"")
            self._client.delete_object(**place)
        except Exception as error:  # boto3 has many kinds, without a common base
            raise WeightsError(f"cannot write to {self.address!r} ({first_words(error)}).") from error

    def fetch(self) -> None:
        """Make the local folder as the bucket is; other files than checkpoints stay."""
        objects = dict(self._objects())
        for name, stamp in objects.items():
            path = self.folder / name
            if not path.is_file() or _stamp(path) != stamp:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(f".{path.name}.part")
                self._client.download_file(self._bucket, self._prefix + name, str(partial))
                os.utime(partial, ns=(stamp[1], stamp[1]))
                partial.replace(path)
        if any(name.endswith(SUFFIX) for name in objects):
            for path in self.folder.rglob(f"*{SUFFIX}"):
                if path.relative_to(self.folder).as_posix() not in objects:
                    path.unlink()

    def send(self) -> None:
        """Send what has changed, checkpoints first, and remove from the bucket what was removed here.

        Raises:
            Exception: Of boto3, if the server does not answer, or refuses.
        """
        if not self._sent:
            self._sent = {name: stamp for name, stamp in self._objects() if self._is_same(name, stamp)}
        here = {path.relative_to(self.folder).as_posix(): path for path in self._files()}
        for name in sorted(here, key=lambda each: (not each.endswith(SUFFIX), each)):
            if _stamp(here[name]) != self._sent.get(name):
                self._send(name, here[name])
        for name in [each for each in self._sent if each not in here]:
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
            del self._sent[name]

    def try_to_send(self) -> bool:
        """Send what has changed; a line on stderr names what prevents it."""
        try:
            self.send()
        except Exception as error:  # boto3 has many kinds; a store that is down must not end a training
            report(f"not sent to {self.address} ({first_words(error)}); it is in {self.folder}")
            return False
        return True

    def _send(self, name: str, path: Path) -> None:
        place = {"Bucket": self._bucket, "Key": self._prefix + name}
        before = _stamp(path)
        with path.open("rb") as file:
            self._client.upload_fileobj(file, place["Bucket"], place["Key"])
        stamp = (before[0], _whole_seconds(self._client.head_object(**place)["LastModified"]))
        if _stamp(path) == before:  # else it was written meanwhile, and is sent again
            os.utime(path, ns=(stamp[1], stamp[1]))
        self._sent[name] = stamp

    def _files(self) -> Iterator[Path]:
        for path in self.folder.rglob("*"):
            hidden = any(part.startswith(".") for part in path.relative_to(self.folder).parts)
            if path.is_file() and not hidden and path.name != LOCK:
                yield path

    def _objects(self) -> Iterator[tuple[str, tuple[int, int]]]:
        pages: Any = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            for each in page.get("Contents", []):
                name = each["Key"].removeprefix(self._prefix)
                if name and not name.endswith("/"):
                    yield name, (each["Size"], _whole_seconds(each["LastModified"]))

    def _is_same(self, name: str, stamp: tuple[int, int]) -> bool:
        path = self.folder / name
        return path.is_file() and _stamp(path) == stamp


def _stamp(path: Path) -> tuple[int, int]:
    """Return size and time of a file; one that is written here has a fraction of a second."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _whole_seconds(moment: datetime) -> int:
    """Return the time of an object in nanoseconds, as servers tell it."""
    return int(moment.timestamp()) * 10**9
