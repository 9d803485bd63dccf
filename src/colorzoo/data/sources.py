"""Search for images in folders and plain ``.tar`` files, for training and for ``colorzoo predict``."""

from __future__ import annotations

import hashlib
import os
import tarfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, overload

import torch
from torch import Tensor

from colorzoo.errors import DataError
from colorzoo.pixels.find import RESULT_SUFFIX, find_images, find_tars, is_hidden
from colorzoo.pixels.formats import READABLE
from colorzoo.pixels.results import read_record
from colorzoo.weights.load import data_digest

_MAX_HASHED = 20 * 10**9  # bytes, about a minute of reading
_NO_ARCHIVE = -1  # index of the tar file for an image outside tar files


class StoredImage(NamedTuple):
    """Location of an encoded image.

    Attributes:
        path: The image file, or the tar file that contains it.
        member: Name inside the tar; "" for a file.
        offset: Position of the encoded image in the file, in bytes.
        size: Size of the encoded image in bytes; -1 for the rest of the file.
    """

    path: str
    member: str = ""
    offset: int = 0
    size: int = -1

    @property
    def name(self) -> str:
        """Name of the image in reports."""
        return f"{self.path}/{self.member}" if self.member else self.path

    def read(self) -> bytes:
        """Return the bytes of the encoded image."""
        with open(self.path, "rb") as stream:  # noqa: PTH123 - called per image; Path is slower
            stream.seek(self.offset)
            return stream.read(self.size)


class Sources(Sequence[StoredImage]):
    """Immutable, compact sequence of `StoredImage` that all workers share.

    The sequence uses about 40 bytes per image. Create it with `Sources.of`. Slices and `select` return views.

    Args:
        root: Common prefix of the file names.
        names: Path of each image: below ``root`` for a file, inside the tar for a tar member.
        archives: Paths of the tar files.
        members: ``(N, 3)`` int64: index into ``archives`` (-1 for files), and the offset and size of
            `StoredImage`. None without tar members.
        rows: Rows of the stored images in this view, in order; None selects all rows.
    """

    def __init__(
        self,
        root: str,
        names: PackedStrings,
        archives: tuple[str, ...] = (),
        members: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> None:
        self._root, self._names, self._archives = root, names, archives
        self._members, self._rows = members, rows

    @classmethod
    def of(cls, sources: Iterable[StoredImage], root: str | Path = "") -> Sources:
        """Create the sequence from an iterable, without a list of all locations in memory.

        Args:
            sources: Locations of the images, in the order of the sequence.
            root: Common parent folder, which is stored only once.
        """
        prefix = f"{Path(root)}{os.sep}" if root else ""  # Path removes "./" and a trailing slash
        archives: dict[str, int] = {}  # index of each tar file by path
        locations = array("q")  # tar file index, offset and size of each image
        encoded_names, ends = bytearray(), array("q")
        for source in sources:
            if source.member:
                archive = archives.setdefault(source.path, len(archives))
                name = source.member
            else:
                archive = _NO_ARCHIVE
                name = source.path.removeprefix(prefix)
            locations.extend((archive, source.offset, source.size))
            encoded_names += os.fsencode(name)
            ends.append(len(encoded_names))
        names = PackedStrings(tensor_of(encoded_names, torch.uint8), tensor_of(ends, torch.int64))
        members = tensor_of(locations, torch.int64).view(-1, 3) if archives else None
        return cls(prefix, names, tuple(archives), members)

    def __len__(self) -> int:
        return len(self._names) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> StoredImage: ...
    @overload
    def __getitem__(self, index: slice) -> Sources: ...
    def __getitem__(self, index: int | slice) -> StoredImage | Sources:
        if isinstance(index, slice):
            return self.select(torch.arange(len(self), dtype=torch.int32)[index])
        row = range(len(self))[index]  # negative indices, and IndexError beyond the end
        if self._rows is not None:
            row = int(self._rows[row])
        name = self._names[row]
        if self._members is not None:
            archive, offset, size = self._members[row].tolist()
            if archive != _NO_ARCHIVE:
                return StoredImage(self._archives[archive], name, offset, size)
        return StoredImage(os.path.join(self._root, name))  # noqa: PTH118 - called per image

    def __iter__(self) -> Iterator[StoredImage]:
        return (self[index] for index in range(len(self)))

    def select(self, rows: Tensor) -> Sources:
        """Return a view of the images at ``rows`` (int64 or int32), in that order."""
        chosen = rows.to(torch.int32) if self._rows is None else self._rows[rows.long()]
        return Sources(self._root, self._names, self._archives, self._members, chosen)


class PackedStrings:
    """Immutable sequence of file names, stored in two flat tensors.

    A list of a million strings takes 150 MB, and each forked worker would soon have its own copy, because
    reading a Python object changes its reference count. All workers share the tensors, even with the start
    method ``spawn``.

    Args:
        blob: Concatenated encoded names, uint8.
        ends: End of each name in ``blob``, int64.
    """

    def __init__(self, blob: Tensor, ends: Tensor) -> None:
        self._blob, self._ends = blob, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        index = range(len(self))[index]  # negative indices, and IndexError beyond the end
        # arrays, because indexing tensors is slow; not cached, because pickling moves tensors to shared
        # memory
        blob, ends = self._blob.numpy(), self._ends.numpy()
        start = ends[index - 1] if index else 0
        return os.fsdecode(blob[start : ends[index]].tobytes())


def tensor_of(buffer: bytearray | array[int] | array[float], dtype: torch.dtype) -> Tensor:
    """Return a tensor that shares the memory of a buffer; supports empty buffers."""
    return torch.frombuffer(buffer, dtype=dtype) if len(buffer) else torch.empty(0, dtype=dtype)


def find_sources(folder: Path) -> Sources:
    """Return the locations of all images below a folder, sorted by name.

    Examples:
        >>> sources = find_sources(Path("album"))
        >>> len(sources)
        4

    Subfolders and ``.tar`` files are searched too. Symbolic links to folders are followed, except links to a
    parent folder. Hidden files and the folders of operating systems and NAS devices
    (`colorzoo.pixels.find.is_hidden`) are skipped, and results ``NAME.color.*`` of ``colorzoo colorize``.

    Raises:
        DataError: The folder does not exist or contains no image, or a tar file is damaged.
    """
    require_folder(folder)
    sources = Sources.of(_stored_images(folder), folder)
    if not sources:
        extensions = ", ".join(sorted(READABLE))
        raise DataError(f"no image below {str(folder)!r}; expected {extensions}, or .tar files with images")
    return sources


def _stored_images(folder: Path) -> Iterator[StoredImage]:
    """Yield the images below a folder: files, and members of ``.tar`` files."""
    for path in walk_files(str(folder)):
        suffix = suffix_of(path)
        if suffix in READABLE:
            # results of colorzoo with the default names NAME.color.EXT and NAME.color-N.EXT are no originals
            stem, _ = os.path.splitext(path)  # noqa: PTH122 - called per image
            _, found, end = stem.rpartition(RESULT_SUFFIX)
            has_result_name = found and (not end or end.startswith("-"))
            if not (has_result_name and read_record(Path(path)) is not None):
                yield StoredImage(path)
        elif suffix == ".tar":
            yield from tar_sources(path)


def require_folder(folder: Path) -> None:
    """Check that a path is a folder.

    Raises:
        DataError: The path is a file or does not exist.
    """
    if folder.is_file():
        raise DataError(f"the data must be a folder of images (--data.root), got the file {str(folder)!r}")
    if not folder.is_dir():
        raise DataError(
            f"data folder {str(folder)!r} does not exist. Choose a folder of images (--data.root)."
        )


def digest_of(sources: Sources, root: str | Path) -> dict[str, Any]:
    """Return a dict that identifies a data set.

    The key ``images`` is the number of images. ``sha256`` is a hash of the names relative to ``root`` and of
    the file sizes. ``content_sha256`` is a hash of the names and of the SHA-256 of each image; None if an
    image cannot be read, or if the images have more than 20 GB, because reading them would delay training.
    """
    prefix = f"{Path(root)}{os.sep}"  # Path removes "./" and a trailing slash
    names, sizes = (
        [each.name.removeprefix(prefix) for each in sources],
        [byte_count(each) for each in sources],
    )
    digest = data_digest([f"{name}\0{size}" for name, size in zip(names, sizes, strict=True)])
    content = None
    if min(sizes, default=0) >= 0 and sum(sizes) <= _MAX_HASHED:
        # threads, because reading and hashing release the lock of the interpreter
        with suppress(OSError), ThreadPoolExecutor() as pool:
            hashes = pool.map(lambda each: hashlib.sha256(each.read()).hexdigest(), sources)
            lines = [f"{name}\0{found}" for name, found in zip(names, hashes, strict=True)]
            content = data_digest(lines)["sha256"]
    return {**digest, "content_sha256": content}


def byte_count(source: StoredImage) -> int:
    """Return the size of an encoded image in bytes; -1 if its file does not exist."""
    if source.size >= 0:
        return source.size
    try:
        return os.stat(source.path).st_size  # noqa: PTH116 - called per image; Path is slower
    except OSError:
        return -1


def walk_files(folder: str, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the sorted paths of the files below a folder.

    Args:
        folder: The folder.
        above: Real paths of the parent folders. A symbolic link to a parent is skipped, because following it
            would never end.
    """
    real_path = os.path.realpath(folder)
    if real_path in above:
        return
    with os.scandir(folder) as listing:
        entries = sorted((entry.name, entry.is_dir()) for entry in listing)
    for name, is_folder in entries:
        path = os.path.join(folder, name)  # noqa: PTH118 - a million Path objects take 400 MB
        if is_hidden(name):
            continue
        if is_folder:
            yield from walk_files(path, above | {real_path})
        else:
            yield path


def tar_sources(path: str) -> Iterator[StoredImage]:
    """Yield the locations of the images inside an uncompressed tar file.

    Raises:
        DataError: The tar is compressed, truncated, damaged or unreadable, or stores an image as a sparse
            file.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # otherwise tarfile keeps one object per member
                is_image = member.isfile() and suffix_of(member.name) in READABLE
                if not is_image or any(is_hidden(part) for part in member.name.split("/") if part != "."):
                    continue
                if member.issparse():  # a 512-byte header can declare any size
                    raise DataError(
                        f"{member.name!r} in {path!r} is a sparse file. Run tar without --sparse."
                    )
                yield StoredImage(path, member.name, member.offset_data, member.size)
            # The archive must end with a block of zeros at the position of the next member; the module
            # `tarfile` also treats a damaged header as the end.
            stream: Any = archive.fileobj
            stream.seek(archive.offset)
            if any(stream.read(tarfile.BLOCKSIZE)):
                raise tarfile.ReadError(f"damaged or truncated at byte {archive.offset:,}")
    except tarfile.TarError as error:
        raise DataError(f"{path!r} is truncated or not a plain (uncompressed) tar file: {error}") from error
    except OSError as error:
        raise DataError(f"{path!r} cannot be read: {error.strerror or error}") from error


def suffix_of(path: str) -> str:
    """Return the lowercase extension of a path, such as ``.jpg``."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - called per image


@dataclass(frozen=True)
class Original:
    """Image file or tar member to colorize at full size.

    Attributes:
        name: Name in reports.
        relative: Path relative to the data folder. The path of a tar member starts with the path of the tar
            file, such as ``a.tar/1.jpg``.
        source: Path of the file, or a function that returns its bytes.
    """

    name: str
    relative: str
    source: Path | Callable[[], bytes]


@dataclass(frozen=True)
class Originals:
    """Images of a folder, as files or in tar shards.

    Attributes:
        sources: Files and tar members.
        root: Data folder.
        skipped: Path of each skipped file that looks like an image, and the reason.
        errors: Messages about folders that cannot be searched.
    """

    sources: Sources
    root: str | Path
    skipped: Sequence[tuple[Path, str]] = ()
    errors: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Original:
        found = self.sources[index]
        data = found.read if found.member else Path(found.path)
        return Original(found.name, relative_name(found.name, str(self.root)), data)


def find_originals(root: str | Path) -> Originals:
    """Find images below a folder as ``colorzoo colorize`` does, and images in ``.tar`` files.

    Raises:
        DataError: The folder does not exist or contains no image.
    """
    folder = Path(root)
    require_folder(folder)
    search, tars = find_images([folder]), find_tars(folder)
    files = (StoredImage(str(image.path)) for image in search.found)
    sources = Sources.of(chain(files, *(tar_sources(str(path)) for path in tars)), folder)
    if not sources:
        raise DataError(f"no image below {str(folder)!r}; expected image files, or .tar files with images")
    errors = [str(error) for name, error in search.errors if name != str(folder)]
    return Originals(sources, root, search.omitted, errors)


def relative_name(name: str, root: str) -> str:
    """Return the path of an image relative to a folder, without parent references (``..``)."""
    return str(Path(*(part for part in Path(os.path.relpath(name, root)).parts if part != os.pardir)))
