"""Which files a user named, and where their colored results go."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from colorzoo.errors import PictureError

#: Extensions a result can have; other inputs get ``.png`` behind their own.
WRITABLE = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".png", ".apng"), "PNG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    ".webp": "WEBP",
    ".gif": "GIF",
    ".avif": "AVIF",
}
#: Extensions of pictures that colorzoo reads; a file named by itself is read whatever its name.
READABLE = frozenset({*WRITABLE, ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".mpo"})

RAW = "a raw file"
#: Pictures all the same: inside a folder they are found, so that each is read by a library of the extra
#: ``formats``, or named as one that cannot be read.
FOREIGN = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw"), RAW),
    ".jxl": "JPEG XL",
    ".pdf": "PDF",
    ".svg": "SVG",
    ".xcf": "a GIMP file",
    ".psd": "a Photoshop file",
    ".tga": "TGA",
    ".pcx": "PCX",
    ".eps": "PostScript",
}

_MAX_NAME = 255  # bytes, on all common file systems
_EXTENSION = re.compile(
    r"\.(?!v\d)[A-Za-z][A-Za-z0-9]{1,4}"
)  # of pictures, not that of colored.2024 or scans.v2


@dataclass(frozen=True)
class FoundPicture:
    """A picture file to read.

    Attributes:
        path: Where it is.
        relative: Its path below the folder or glob that was named; for a named file its name.
    """

    path: Path
    relative: Path


def find_pictures(
    inputs: Sequence[str | Path], *, exclude: Path | None = None, suffix: str = ".color"
) -> list[FoundPicture]:
    """Resolve files, folders and globs to picture files, in a fixed order and each once.

    Folders are searched recursively by extension, without hidden files. Symbolic links are followed, a folder
    reached twice is entered once. ``NAME.color.EXT`` is left out where ``NAME.EXT`` is among the pictures
    too: it is the result of an earlier run.

    Args:
        inputs: What the user named. A name that exists is taken literally, even with ``*`` or ``[`` in it.
        exclude: A folder not to search, such as the output folder.
        suffix: The mark of earlier results.

    Returns:
        The pictures; not yet opened.

    Raises:
        PictureError: If a path is missing, or a folder or glob holds no picture.
    """
    found: dict[str, FoundPicture] = {}
    for name in inputs:
        for picture in _resolve(str(name), exclude):
            found.setdefault(_absolute(picture.path), picture)
    results = {_absolute(output_path(picture, suffix=suffix)) for picture in found.values()}
    return [picture for place, picture in found.items() if place not in results]


def _resolve(name: str, exclude: Path | None) -> list[FoundPicture]:
    path = Path(name)
    if path.is_dir():
        below = [FoundPicture(p, p.relative_to(path)) for p in _walk(path, exclude)]
    elif path.exists():
        return [FoundPicture(path, Path(path.name))]
    elif glob.has_magic(name):
        below = _globbed(name, exclude)
    else:
        raise PictureError(f"{name}: no such file or folder")
    if not below:
        kinds = "JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF"
        raise PictureError(f"{name} holds no picture ({kinds} by extension were looked for)")
    return below


def _globbed(name: str, exclude: Path | None) -> list[FoundPicture]:
    parts = Path(name).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    found: list[FoundPicture] = []
    for match in sorted(glob.glob(name, recursive=True)):  # noqa: PTH207 - Path.glob refuses absolute patterns
        path = Path(match)
        files = _walk(path, exclude) if path.is_dir() else [path] if _is_picture(path) else []
        found += [FoundPicture(p, p.relative_to(root)) for p in files]
    return list({picture.path: picture for picture in found}.values())


def _is_picture(path: Path) -> bool:
    return (
        path.suffix.lower() in READABLE | FOREIGN.keys() and not path.name.startswith(".") and path.is_file()
    )


def _walk(root: Path, exclude: Path | None) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    if exclude is not None and exclude.is_dir():
        status = exclude.stat()
        if not exclude.samefile(root):
            seen.add((status.st_dev, status.st_ino))
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_raise):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (path for path in (Path(folder, name) for name in sorted(files)) if _is_picture(path))


def _raise(error: OSError) -> None:
    raise PictureError(f"{error.filename} cannot be searched: {error.strerror}") from error


def output_path(
    found: FoundPicture, out: str | Path | None = None, *, suffix: str = ".color", single: bool = True
) -> Path:
    """Say where the result of one picture goes.

    Without `out` that is ``NAME.color.EXT`` beside the source. `out` may name a file (with a picture's
    extension, for a single input) or a folder, in which the tree is mirrored under the same names. Formats
    that cannot be written get ``.png`` behind their own extension, so ``x.psd`` and ``x.png`` do not meet.

    Args:
        found: The source.
        out: A file or folder, or None.
        suffix: What marks a result beside its source.
        single: `found` is the only input.

    Returns:
        The path of the result; never the source itself.

    Raises:
        PictureError: If one file was named for several inputs, or that file is the source.
    """
    if out is None:
        return found.path.with_name(_result_name(found.path, suffix))
    target = Path(out)
    if names_file(str(out)):
        if not single:
            raise PictureError(f"{out} is one file, for several pictures name a folder")
        if _same_file(target, found.path):
            raise PictureError(f"{out} is the source itself, name another file for the result")
        return target
    mirrored = target / found.relative.with_name(_result_name(found.relative, ""))
    if _same_file(mirrored, found.path):
        return mirrored.with_name(_result_name(found.relative, suffix))
    return mirrored


def output_paths(
    found: Sequence[FoundPicture], out: str | Path | None = None, *, suffix: str = ".color"
) -> list[Path]:
    """Say where the results of all pictures go; where two would meet, the later one gets ``-2``, ``-3`` ...

    Raises:
        PictureError: As `output_path`.
    """
    taken: set[str] = set()
    paths = []
    for picture in found:
        wanted = path = output_path(picture, out, suffix=suffix, single=len(found) == 1)
        count = 1
        while _absolute(path).casefold() in taken:  # some file systems ignore case
            count += 1
            path = numbered(wanted, count)
        taken.add(_absolute(path).casefold())
        paths.append(path)
    return paths


def numbered(path: Path, count: int) -> Path:
    """Return the name that the ``count``-th picture of one name gets: ``NAME-2.EXT``."""
    return path.with_name(_fitted(path.stem, f"-{count}{path.suffix}"))


def names_file(out: str) -> bool:
    """Say whether what a user named for the results is a file, not a folder."""
    if out.endswith(("/", os.sep)) or Path(out).is_dir():
        return False
    return Path(out).is_file() or _EXTENSION.fullmatch(Path(out).suffix) is not None


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would merge links that are pictures of their own


def _same_file(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _result_name(path: Path, suffix: str) -> str:
    extension = path.suffix
    kept = extension if extension.lower() in WRITABLE else f"{extension}.png"
    return _fitted(path.stem, suffix + kept)


def _fitted(stem: str, ending: str) -> str:
    """Join a name, shortened where it passes 255 bytes; a hash keeps shortened names apart."""
    room = _MAX_NAME - len(os.fsencode(ending))
    if len(os.fsencode(stem)) > room:
        mark = "~" + sha256(os.fsencode(stem)).hexdigest()[:8]
        stem = os.fsencode(stem)[: room - len(mark)].decode(errors="ignore") + mark
    return stem + ending
