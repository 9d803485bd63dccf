"""Find the pictures that a user named: files, folders, globs, and lists of them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from colorzoo.errors import PictureError
from colorzoo.pictures.formats import FOREIGN, READABLE, WRITABLE
from colorzoo.pictures.provenance import read_provenance

RESULT_MARK = ".color"
"""Mark in the names of results that lie beside their sources."""
FILMS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv"})
"""Extensions of films, which another verb colors."""
_BEGINNINGS = {
    b"\xff\xd8\xff": "a JPEG",
    b"\x89PNG": "a PNG",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"GIF8": "a GIF",
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\0\0\1\0": "an icon",
    b"\x1aE\xdf\xa3": "a film",
}
_MAX_NAME = 255  # bytes, on all common file systems


@dataclass(frozen=True)
class FoundPicture:
    """A picture file to read.

    Attributes:
        path: Path of the file.
        relative: Its path below the folder or glob that was named; for a named file its name.
    """

    path: Path
    relative: Path


def find_pictures(inputs: Sequence[str | Path], *, exclude: Path | None = None) -> list[FoundPicture]:
    """Resolve files, folders and globs to picture files, in a fixed order and each once.

    Folders are searched recursively by extension, without hidden files. Symbolic links are followed; a folder
    reached twice is searched once. ``NAME.color.EXT`` is left out if ``NAME.EXT`` is found too: it is the
    result of an earlier run.

    Args:
        inputs: Paths and globs. A name that exists is taken literally, even with ``*`` or ``[`` in it.
        exclude: A folder not to search, such as the output folder.

    Returns:
        The pictures; they are not opened.

    Raises:
        PictureError: A path is missing, or a folder or glob holds no picture.
    """
    search = find_existing(inputs, exclude=exclude)
    for _, error in search.errors:
        raise error
    return search.found


@dataclass(frozen=True)
class Search:
    """Result of a search.

    Attributes:
        found: The pictures.
        errors: Name and error of each input that is missing or holds no picture.
        passed_over: Files in folders that look like pictures and are not colored, each with the reason.
    """

    found: list[FoundPicture]
    errors: list[tuple[str, PictureError]]
    passed_over: list[tuple[Path, str]]


def find_existing(inputs: Sequence[str | Path], *, exclude: Path | None = None) -> Search:
    """Resolve inputs as `find_pictures` does, but go on after errors."""
    found: dict[str, FoundPicture] = {}
    errors = []
    passed_over: dict[Path, str] = {}
    for name in map(str, inputs):
        try:
            for picture in _resolve(name, exclude, passed_over):
                found.setdefault(absolute(picture.path), picture)
        except PictureError as error:
            errors.append((name, error))
    results = {absolute(p.path.with_name(result_name(p.path, RESULT_MARK))) for p in found.values()}
    sources = {absolute(p.path.with_suffix("")) for p in found.values()}
    named = [
        picture
        for path, picture in found.items()
        if path not in results and not _is_result(picture.path, sources)
    ]
    others = [(path, reason) for path, reason in passed_over.items() if absolute(path) not in found]
    return Search(named, errors, others)


def _is_result(path: Path, sources: set[str]) -> bool:
    """Return whether a file is a result of ``--format`` beside its source, which has another extension."""
    stem = path.stem.removesuffix(RESULT_MARK)
    if stem == path.stem or absolute(path.with_name(stem)) not in sources:
        return False
    return read_provenance(path) is not None


def pictures_and_films(folder: Path) -> list[Path]:
    """Return all pictures and films below a folder by their names, results too, without hidden files.

    Raises:
        PictureError: A folder cannot be searched.
    """
    passed_over: dict[Path, str] = {}
    found = list(_walk(folder, None, passed_over))
    films = [path for path in passed_over if path.suffix.lower() in FILMS and not path.name.startswith(".")]
    return sorted([*found, *films])


def read_list(path: str | Path) -> list[str]:
    """Read the names in a text file, one a line; empty lines are skipped.

    Raises:
        PictureError: The file cannot be read, or is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise PictureError(f"--from {path}: {error.strerror or error}") from error
    names = [line for line in text.splitlines() if line.strip()]
    if not names:
        raise PictureError(f"--from {path}: names no picture")
    return names


def result_name(path: Path, mark: str = "", extension: str | None = None) -> str:
    """Return the file name of a picture's result: ``NAME`` + mark + ``.EXT``.

    Formats that cannot be written get ``.png`` after their own extension, so ``x.psd`` and ``x.png`` differ.

    Args:
        path: The picture.
        mark: Text before the extension.
        extension: Extension of the result; None takes the picture's.
    """
    if extension is not None:
        return shortened(path.stem, mark + extension)
    extension = path.suffix if path.suffix.lower() in WRITABLE else f"{path.suffix}.png"
    return shortened(path.stem, mark + extension)


def shortened(stem: str, ending: str) -> str:
    """Join stem and ending; beyond 255 bytes the stem is cut, and a hash keeps cut names apart."""
    room = _MAX_NAME - len(os.fsencode(ending))
    if len(os.fsencode(stem)) > room:
        short = "~" + sha256(os.fsencode(stem)).hexdigest()[:8]
        stem = os.fsencode(stem)[: room - len(short)].decode(errors="ignore") + short
    return stem + ending


def absolute(path: Path) -> str:
    """Return the absolute path; symbolic links stay, as each is a picture of its own."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() follows links


def _resolve(name: str, exclude: Path | None, passed_over: dict[Path, str]) -> list[FoundPicture]:
    path = Path(name)
    if path.is_dir():
        below = [FoundPicture(p, p.relative_to(path)) for p in _walk(path, exclude, passed_over)]
    elif path.exists():
        return [FoundPicture(path, Path(path.name))]
    elif glob.has_magic(name):
        below = _glob(name, exclude, passed_over)
    else:
        raise PictureError(f"{name}: no such file or folder")
    if not below:
        formats = "JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF"
        raise PictureError(f"{name} holds no picture ({formats} by extension were looked for)")
    return below


def _glob(name: str, exclude: Path | None, passed_over: dict[Path, str]) -> list[FoundPicture]:
    parts = Path(name).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    found: dict[Path, FoundPicture] = {}
    for match in sorted(glob.glob(name, recursive=True)):  # noqa: PTH207 - Path.glob refuses absolute patterns
        path = Path(match)
        if path.is_dir():
            files = list(_walk(path, exclude, passed_over))
        else:
            files = [path] if _is_picture(path) else []
            if not files and (reason := _reason_to_pass_over(path)):
                passed_over[path] = reason
        for file in files:
            found[file] = FoundPicture(file, file.relative_to(root))
    return list(found.values())


def _is_picture(path: Path) -> bool:
    return (
        path.suffix.lower() in READABLE | FOREIGN.keys() and not path.name.startswith(".") and path.is_file()
    )


def _reason_to_pass_over(path: Path) -> str:
    """Return why a file that looks like a picture is not colored; empty for files that are no pictures."""
    named = path.suffix.lower() in READABLE | FOREIGN.keys()
    if path.is_symlink() and not path.exists():
        return "a link to a file that is gone" if named or not path.suffix else ""
    try:
        with path.open("rb") as file:
            kind = _kind_of(file.read(16))
    except OSError:
        return "no regular file, or not readable" if named else ""
    if path.name.startswith("."):
        return "hidden" if named or kind else ""
    if path.suffix.lower() in FILMS or kind == "a film":
        return "a film, which `colorzoo video` colors"
    if kind in ("an icon", ""):
        return kind
    return f"{kind}, but its name has no ending of a picture"


def _kind_of(head: bytes) -> str:
    """Return the kind of a picture or film by its first bytes; empty for other files."""
    if head[4:8] == b"ftyp":
        still = head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
        return "a picture" if still else "a film"
    if head[:4] == b"RIFF":
        return {b"WEBP": "a picture", b"AVI ": "a film"}.get(head[8:12], "")
    return next((kind for start, kind in _BEGINNINGS.items() if head.startswith(start)), "")


def _walk(root: Path, exclude: Path | None, passed_over: dict[Path, str]) -> Iterator[Path]:
    """Yield the pictures below a folder, and add the files that look like pictures and are none of them."""
    seen: set[tuple[int, int]] = set()
    if exclude is not None and exclude.is_dir() and not exclude.samefile(root):
        status = exclude.stat()
        seen.add((status.st_dev, status.st_ino))
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_raise):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        hidden = sorted(name for name in folders if name.startswith("."))
        passed_over |= {Path(folder, name): "a hidden folder" for name in hidden}
        folders[:] = sorted(set(folders) - set(hidden))
        for path in (Path(folder, name) for name in sorted(files)):
            if _is_picture(path):
                yield path
            elif reason := _reason_to_pass_over(path):
                passed_over[path] = reason


def _raise(error: OSError) -> None:
    raise PictureError(f"{error.filename} cannot be searched: {error.strerror}") from error
