"""Find image files in files, folders, globs and lists of paths."""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from colorzoo.errors import ImageError
from colorzoo.image_io.formats import OTHER_FORMATS, READABLE, WRITABLE
from colorzoo.image_io.provenance import read_provenance

RESULT_SUFFIX = ".color"
"""Suffix of the stem of results that are stored beside their sources."""
VIDEO_EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv"}
)
"""Extensions of video files, which ``colorzoo video`` colorizes."""
_SIGNATURES = {
    b"\xff\xd8\xff": "a JPEG",
    b"\x89PNG": "a PNG",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"GIF8": "a GIF",
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\0\0\1\0": "an icon",
    b"\x1aE\xdf\xa3": "a video",
}
_DIGITS = re.compile("([0-9]+)")
_RESULT_STEM = re.compile(rf"(.+){re.escape(RESULT_SUFFIX)}(-\d+)?", re.DOTALL)
_OWN_RESULT = "a result of colorzoo; give its path to colorize it again"
_SYSTEM_FOLDER = "a hidden or system folder"
_MAX_LISTED = 10  # skipped files in a message
_MAX_NAME_BYTES = 255  # limit of all common file systems
_SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "@recycle", "@recently-snapshot", "@sharebin", "@tmp", "@downloads"),  # Synology and QNAP
        *("#recycle", "#snapshot", "~snapshot", "lost+found", "network trash folder"),
        *("$recycle.bin", "$recycled", "recycled", "recycler", "system volume information", "found.000"),
        *("__macosx", "_vti_cnf", "thefindbyfolderindex", "temporary items"),
    }
)


@dataclass(frozen=True)
class FoundImage:
    """An image file to read.

    Attributes:
        path: Path of the file.
        relative: Path below the searched folder or the fixed part of the glob; the file name for a single
            file.
    """

    path: Path
    relative: Path


@dataclass(frozen=True)
class Search:
    """Result of a search.

    Attributes:
        found: The images.
        errors: Name and error of each input that does not exist or contains no image, and of each folder
            that cannot be searched.
        skipped: Path and reason of each file in a folder that looks like an image but is not read.
    """

    found: list[FoundImage]
    errors: list[tuple[str, ImageError]]
    skipped: list[tuple[Path, str]]


def find_existing(inputs: Sequence[str | Path], *, exclude: Path | None = None) -> Search:
    """Find the image files of paths, folders and globs, each once and in a fixed order.

    Folders are searched recursively by extension in natural order, without hidden and system folders (see
    `is_hidden`). Symbolic links are followed; each folder is searched once. Results of earlier runs are
    excluded: ``NAME.color.EXT`` and ``NAME.color-2.EXT`` if ``NAME.EXT`` is also found, and in folders and
    globs every file with provenance. Images are not decoded.

    Args:
        inputs: Paths and globs. An existing path is used literally, even if it contains ``*`` or ``[``.
        exclude: Folder that is not searched, such as the output folder.
    """
    found: dict[str, FoundImage] = {}
    log = _SearchLog()
    for name in map(str, inputs):
        try:
            for image in _resolve(name, exclude, log):
                found.setdefault(absolute(image.path), image)
        except ImageError as error:
            log.errors.append((name, error))
    results = {absolute(p.path.with_name(result_name(p.path, RESULT_SUFFIX))) for p in found.values()}
    sources = {absolute(p.path.with_suffix("")) for p in found.values()}
    skipped = {path: reason for path, reason in log.skipped.items() if absolute(path) not in found}
    images = []
    for path, image in found.items():
        if path in results or _is_result(image.path, found.keys(), sources):
            continue
        if path not in log.files and read_provenance(image.path) is not None:
            skipped[image.path] = _OWN_RESULT
        else:
            images.append(image)
    return Search(images, log.errors, list(skipped.items()))


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden or created by an operating system or NAS.

    Such folders contain thumbnails and deleted files. A search skips them unless they are its input.

    Examples:
        >>> [is_hidden(name) for name in ("a.jpg", "._a.jpg", "@eaDir", "#recycle")]
        [False, True, True, True]

    Args:
        name: Name of the file or folder without its parents.
    """
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS


def natural_sort_key(path: str | Path) -> tuple[object, ...]:
    """Return a sort key that orders numbers in names by value, such as f1, f2, f10.

    Examples:
        >>> sorted(["f10.png", "f2.png", "f1.png"], key=natural_sort_key)
        ['f1.png', 'f2.png', 'f10.png']
    """
    return tuple(  # text and numbers alternate, so elements at equal positions have the same type
        (tuple(int(text) if number % 2 else text for number, text in enumerate(_DIGITS.split(part))), part)
        for part in Path(path).parts
    )


def skipped_files_message(files: Sequence[tuple[Path, str]]) -> str:
    """Return one line with the number of skipped files and the paths and reasons of the first ten."""
    listed = "; ".join(f"{path} ({reason})" for path, reason in files[:_MAX_LISTED])
    more = f" and {len(files) - _MAX_LISTED} more" if len(files) > _MAX_LISTED else ""
    return f"{len(files)} file{'s' if len(files) > 1 else ''} skipped: {listed}{more}"


@dataclass
class _SearchLog:
    """Errors and skipped files of a search in progress."""

    files: set[str] = field(default_factory=set)  # absolute paths of inputs that are single files
    skipped: dict[Path, str] = field(default_factory=dict)
    errors: list[tuple[str, ImageError]] = field(default_factory=list)


def _is_result(path: Path, found: Container[str], sources: set[str]) -> bool:
    """Return whether a file is the result of a source beside it, by name or by provenance (``--format``)."""
    match = _RESULT_STEM.fullmatch(path.stem)
    if match is None or absolute(path.with_name(match[1])) not in sources:
        return False
    return absolute(path.with_name(match[1] + path.suffix)) in found or read_provenance(path) is not None


def images_and_videos(folder: Path) -> tuple[list[Path], list[tuple[str, ImageError]]]:
    """Find all image and video files below a folder by extension, including results.

    Returns:
        The files, and name and error of each folder that cannot be searched.
    """
    log = _SearchLog()
    found = list(_walk(folder, None, log))
    videos = [p for p in log.skipped if p.suffix.lower() in VIDEO_EXTENSIONS and not is_hidden(p.name)]
    return sorted([*found, *videos], key=natural_sort_key), log.errors


def read_list(path: str | Path) -> list[str]:
    """Read a list of paths: one per line, or each terminated by a zero byte; blank lines are skipped.

    Args:
        path: The file; ``-`` is standard input.

    Raises:
        ImageError: The file cannot be read, is not a list of paths, or is empty.
    """
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"--from {path} cannot be read: {error.strerror or error}") from error
    names = split_names(data)
    if names is None:
        raise ImageError(f"--from must be a list of paths, one per line; {path} contains other data")
    if not names:
        raise ImageError(f"--from {path} is empty; write one path per line")
    return names


def split_names(data: bytes) -> list[str] | None:
    """Parse the content of a list of paths (see `join_names`); None if it is not a list."""
    if b"\0" in data:
        names = data.split(b"\0")
        is_list = not names[-1] and all(names[:-1])
        return [os.fsdecode(name) for name in names[:-1]] if is_list else None
    # split at \n only, because other line breaks can be part of a name
    lines = data.decode("utf-8-sig", errors="surrogateescape").split("\n")
    # a final carriage return is a Windows line end, unless it is part of an existing name
    return [
        line if not line.endswith("\r") or os.path.lexists(line) else line[:-1]
        for line in lines
        if line.strip()
    ]


def join_names(names: Sequence[str]) -> bytes:
    """Return a list of paths, one per line; terminated by zero bytes if a path has a line break."""
    ending = "\0" if any("\n" in name for name in names) else "\n"
    return "".join(name + ending for name in names).encode("utf-8", "surrogateescape")


def result_name(path: Path, suffix: str = "", extension: str | None = None) -> str:
    """Return the file name of an image's result: stem, suffix and extension.

    For formats that cannot be written, ``.png`` is appended, so the results of ``x.jp2`` and ``x.png``
    have different names.

    Args:
        path: The image.
        suffix: Text before the extension.
        extension: Extension of the result; None keeps the extension of the image.
    """
    if extension is None:
        extension = path.suffix if path.suffix.lower() in WRITABLE else f"{path.suffix}.png"
    return shorten_name(path.stem, suffix + extension)


def shorten_name(stem: str, ending: str) -> str:
    """Join stem and ending; replace the end of a stem that is too long by a hash (255 bytes in all)."""
    limit = _MAX_NAME_BYTES - len(os.fsencode(ending))
    if len(os.fsencode(stem)) > limit:
        digest = "~" + sha256(os.fsencode(stem)).hexdigest()[:8]
        stem = os.fsencode(stem)[: limit - len(digest)].decode(errors="ignore") + digest
    return stem + ending


def visible_entries(folder: Path) -> list[Path]:
    """Return the entries of a folder in natural order, without hidden and system entries."""
    return sorted((entry for entry in folder.iterdir() if not is_hidden(entry.name)), key=natural_sort_key)


def absolute(path: Path) -> str:
    """Return the absolute path without resolving symbolic links, because each link is a separate image."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() follows links


def _resolve(name: str, exclude: Path | None, log: _SearchLog) -> list[FoundImage]:
    if not name:
        raise ImageError("the image path must not be empty; name an image, a folder or a glob")
    path, failures = Path(name), len(log.errors)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        short = name if len(name) <= _MAX_NAME_BYTES else f"{name[:60]}..."
        raise ImageError(f"{short} cannot be opened: {getattr(error, 'strerror', 0) or error}") from error
    if is_folder:
        below = [FoundImage(p, p.relative_to(path)) for p in _walk(path, exclude, log)]
    elif exists:
        if reason := explain_irregular_file(path):
            raise ImageError(reason)
        log.files.add(absolute(path))
        return [FoundImage(path, Path(path.name))]
    elif glob.has_magic(name):
        below = _glob(name, exclude, log)
    else:
        raise ImageError(f"{name}: no such file or folder")
    if not below and len(log.errors) == failures:
        raise ImageError(f"{name} contains no image with an extension such as .jpg, .png or .tif")
    return below


def _glob(name: str, exclude: Path | None, log: _SearchLog) -> list[FoundImage]:
    parts = Path(name).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    found: dict[Path, FoundImage] = {}
    matches = glob.glob(name, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
    for path in map(Path, sorted(matches, key=natural_sort_key)):
        below = range(fixed, len(path.parts))
        hidden = [n for n in below if is_hidden(path.parts[n]) and path.parts[n] not in parts]
        if hidden and (folder := Path(*path.parts[: hidden[0] + 1])).is_dir():
            log.skipped[folder] = _SYSTEM_FOLDER
            continue
        if exclude is not None and path.is_dir() and exclude.is_dir() and exclude.samefile(path):
            continue
        if path.is_dir():
            files = list(_walk(path, exclude, log))
        else:
            files = [path] if _is_image(path) else []
            if not files and (reason := _skip_reason(path)):
                log.skipped[path] = reason
        for file in files:
            found[file] = FoundImage(file, file.relative_to(root))
    return list(found.values())


def _is_image(path: Path) -> bool:
    has_extension = path.suffix.lower() in READABLE | OTHER_FORMATS.keys()
    return has_extension and not is_hidden(path.name) and _is_regular(path)


def _is_regular(path: Path) -> bool:
    """Return whether a path is a regular file; opening a pipe would block."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def explain_irregular_file(path: Path) -> str:
    """Return an error message for pipes, devices and sockets; empty for files, folders and missing paths."""
    with suppress(OSError, ValueError):  # the name is too long or contains a zero byte
        if not path.exists() or path.is_dir() or _is_regular(path):
            return ""
        return f"{path} is not a regular file; save its content to a file first"
    return ""


def _skip_reason(path: Path) -> str:
    """Return why a file that looks like an image is skipped; empty for all other files."""
    has_extension = path.suffix.lower() in READABLE | OTHER_FORMATS.keys()
    if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 - Path.exists may raise
        return "a broken link" if has_extension or not path.suffix else ""
    try:
        if not _is_regular(path):
            raise OSError
        with path.open("rb") as file:
            kind = _detect_kind(file.read(16))
    except OSError:
        return "not a regular file, or not readable" if has_extension else ""
    if is_hidden(path.name):
        return "hidden" if has_extension or kind else ""
    if path.suffix.lower() in VIDEO_EXTENSIONS or kind == "a video":
        return "a video; use `colorzoo video`"
    if kind in ("an icon", ""):
        return kind
    return f"{kind} without the extension of an image"


def _detect_kind(head: bytes) -> str:
    """Return the kind of an image or video file by its first bytes; empty for other files."""
    if head[4:8] == b"ftyp":
        still = head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
        return "an image" if still else "a video"
    if head[:4] == b"RIFF":
        return {b"WEBP": "an image", b"AVI ": "a video"}.get(head[8:12], "")
    return next((kind for start, kind in _SIGNATURES.items() if head.startswith(start)), "")


def _walk(root: Path, exclude: Path | None, log: _SearchLog) -> Iterator[Path]:
    """Yield the images below a folder and log the skipped files."""
    for path in _files_below(root, exclude, log):
        if _is_image(path):
            yield path
        elif reason := _skip_reason(path):
            log.skipped[path] = reason


def find_tars(folder: Path) -> list[Path]:
    """Find the ``.tar`` files below a folder, in the folders that `find_existing` searches."""
    files = _files_below(folder, None, _SearchLog())
    return [p for p in files if p.suffix.lower() == ".tar" and not is_hidden(p.name) and _is_regular(p)]


def _files_below(root: Path, exclude: Path | None, log: _SearchLog) -> Iterator[Path]:
    """Yield the files below a folder in natural order, without hidden and system folders.

    Each folder is visited once. Links to a parent of the root are skipped, because they would add
    unrelated images.
    """
    parents = _identities(root.resolve().parents)
    visited = set(parents)
    if exclude is not None and exclude.is_dir() and not exclude.samefile(root):
        visited |= _identities([exclude])

    def log_error(error: OSError) -> None:
        text = f"{error.filename} cannot be searched: {error.strerror}; the folder was skipped"
        log.errors.append((str(error.filename), ImageError(text)))

    for folder, folders, files in os.walk(root, followlinks=True, onerror=log_error):
        try:
            status = Path(folder).stat()
        except OSError as error:  # a folder can be listed without permission to read its entries
            log_error(error)
            folders.clear()
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in visited:
            if identity in parents:
                log.skipped[Path(folder)] = "a link to a parent folder"
            folders.clear()
            continue
        visited.add(identity)
        hidden = sorted(name for name in folders if is_hidden(name))
        log.skipped |= {Path(folder, name): _SYSTEM_FOLDER for name in hidden}
        folders[:] = sorted(set(folders) - set(hidden), key=natural_sort_key)
        yield from (Path(folder, name) for name in sorted(files, key=natural_sort_key))


def _identities(folders: Iterable[Path]) -> set[tuple[int, int]]:
    """Return device and inode of each folder that can be accessed."""
    found = set()
    for folder in folders:
        with suppress(OSError):
            status = folder.stat()
            found.add((status.st_dev, status.st_ino))
    return found
