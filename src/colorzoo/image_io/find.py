"""Find the images that a user named: files, folders, globs, and lists of them."""

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
"""Mark in the names of results that lie beside their sources."""
VIDEO_EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv"}
)
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
_DIGITS = re.compile("([0-9]+)")
_RESULT_STEM = re.compile(rf"(.+){re.escape(RESULT_SUFFIX)}(-\d+)?", re.DOTALL)
_OWN_RESULT = "a result of colorzoo; name the file itself to color it again"
_SYSTEM_FOLDER = "a hidden or system folder"
_MOST_NAMED = 10  # of the files that a run passes over
_MAX_NAME = 255  # bytes, on all common file systems
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
        relative: Its path below the folder or glob that was named; for a named file its name.
    """

    path: Path
    relative: Path


@dataclass(frozen=True)
class Search:
    """Result of a search.

    Attributes:
        found: The images.
        errors: Name and error of each input that is missing or holds no image, and of each folder that
            cannot be searched.
        skipped: Files in folders that look like images and are not colored, each with the reason.
    """

    found: list[FoundImage]
    errors: list[tuple[str, ImageError]]
    skipped: list[tuple[Path, str]]


def find_existing(inputs: Sequence[str | Path], *, exclude: Path | None = None) -> Search:
    """Resolve files, folders and globs to image files, in a fixed order and each once.

    Folders are searched recursively by extension in natural order, without hidden and system folders (see
    `is_hidden`). Symbolic links are followed; a folder reached twice is searched once. Results of earlier
    runs are left out: ``NAME.color.EXT`` and ``NAME.color-2.EXT`` if ``NAME.EXT`` is found too, and in
    folders and globs every file with a record. The files are not opened.

    Args:
        inputs: Paths and globs. A name that exists is taken literally, even with ``*`` or ``[`` in it.
        exclude: A folder not to search, such as the output folder.
    """
    found: dict[str, FoundImage] = {}
    aside = _Aside()
    for name in map(str, inputs):
        try:
            for image in _resolve(name, exclude, aside):
                found.setdefault(absolute(image.path), image)
        except ImageError as error:
            aside.errors.append((name, error))
    results = {absolute(p.path.with_name(result_name(p.path, RESULT_SUFFIX))) for p in found.values()}
    sources = {absolute(p.path.with_suffix("")) for p in found.values()}
    sought = {
        path: image
        for path, image in found.items()
        if path not in results and not _is_result(image.path, found.keys(), sources)
    }
    own = {
        image.path: _OWN_RESULT
        for path, image in sought.items()
        if path not in aside.named and read_provenance(image.path) is not None
    }
    left_out = {path: reason for path, reason in aside.skipped.items() if absolute(path) not in found}
    images = [image for image in sought.values() if image.path not in own]
    return Search(images, aside.errors, [*left_out.items(), *own.items()])


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden or belongs to an operating system or a NAS.

    Such folders hold thumbnails and deleted files. Searches skip them unless the user names them.

    Examples:
        >>> [is_hidden(name) for name in ("a.jpg", "._a.jpg", "@eaDir", "#recycle")]
        [False, True, True, True]

    Args:
        name: Name of the file or folder without its parents.
    """
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS


def natural_sort_key(path: str | Path) -> tuple[object, ...]:
    """Return the sort key of a name or path that orders numbers by value, such as f1, f2, f10.

    Examples:
        >>> sorted(["f10.png", "f2.png", "f1.png"], key=natural_sort_key)
        ['f1.png', 'f2.png', 'f10.png']
    """
    return tuple(  # text and digits alternate, so that equal positions have equal types
        (tuple(int(text) if number % 2 else text for number, text in enumerate(_DIGITS.split(part))), part)
        for part in Path(path).parts
    )


def skipped_files_message(files: Sequence[tuple[Path, str]]) -> str:
    """Return one line that names files that a run passes over, with the reasons; of many the first."""
    named = "; ".join(f"{path} ({reason})" for path, reason in files[:_MOST_NAMED])
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return f"{len(files)} file{'s' if len(files) > 1 else ''} skipped: {named}{more}"


@dataclass
class _Aside:
    """Things that a search meets besides images to color."""

    named: set[str] = field(default_factory=set)  # images that the user named one by one
    skipped: dict[Path, str] = field(default_factory=dict)
    errors: list[tuple[str, ImageError]] = field(default_factory=list)


def _is_result(path: Path, found: Container[str], sources: set[str]) -> bool:
    """Return whether a file beside its source is its result, by name or (of ``--format``) by its record."""
    match = _RESULT_STEM.fullmatch(path.stem)
    if match is None or absolute(path.with_name(match[1])) not in sources:
        return False
    return absolute(path.with_name(match[1] + path.suffix)) in found or read_provenance(path) is not None


def images_and_videos(folder: Path) -> tuple[list[Path], list[tuple[str, ImageError]]]:
    """Find all images and films below a folder by their names, results too, without hidden files.

    Returns:
        The files, and name and error of each folder that cannot be searched.
    """
    aside = _Aside()
    found = list(_walk(folder, None, aside))
    films = [p for p in aside.skipped if p.suffix.lower() in VIDEO_EXTENSIONS and not is_hidden(p.name)]
    return sorted([*found, *films], key=natural_sort_key), aside.errors


def read_list(path: str | Path) -> list[str]:
    """Read the names in a text file, one a line or each with a zero byte behind it; empty lines are skipped.

    Args:
        path: The file; ``-`` is standard input.

    Raises:
        ImageError: The file cannot be read, is no list of names, or is empty.
    """
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"--from {path}: {error.strerror or error}") from error
    names = split_names(data)
    if names is None:
        raise ImageError(f"--from {path} is no list of names, one a line")
    if not names:
        raise ImageError(f"--from {path}: names no image")
    return names


def split_names(data: bytes) -> list[str] | None:
    """Return the names in the content of a list, see `join_names`; None for another file."""
    if b"\0" in data:
        names = data.split(b"\0")
        is_list = not names[-1] and all(names[:-1])
        return [os.fsdecode(name) for name in names[:-1]] if is_list else None
    # line breaks other than these may be part of a name
    lines = data.decode("utf-8-sig", errors="surrogateescape").split("\n")
    return [_without_return(line) for line in lines if line.strip()]


def join_names(names: Sequence[str]) -> bytes:
    """Return the content of a list: a name a line; a zero byte behind each if one has a line break."""
    ending = "\0" if any("\n" in name for name in names) else "\n"
    return "".join(name + ending for name in names).encode("utf-8", "surrogateescape")


def _without_return(line: str) -> str:
    """Remove the carriage return with which Windows ends a line, unless it is part of a name."""
    return line if not line.endswith("\r") or os.path.lexists(line) else line[:-1]


def result_name(path: Path, mark: str = "", extension: str | None = None) -> str:
    """Return the file name of an image's result: ``NAME`` + mark + ``.EXT``.

    Formats that cannot be written get ``.png`` after their own extension, so ``x.psd`` and ``x.png`` differ.

    Args:
        path: The image.
        mark: Text before the extension.
        extension: Extension of the result; None takes the image's.
    """
    if extension is None:
        extension = path.suffix if path.suffix.lower() in WRITABLE else f"{path.suffix}.png"
    return shorten_name(path.stem, mark + extension)


def shorten_name(stem: str, ending: str) -> str:
    """Join stem and ending; beyond 255 bytes the stem is cut, and a hash keeps cut names apart."""
    room = _MAX_NAME - len(os.fsencode(ending))
    if len(os.fsencode(stem)) > room:
        short = "~" + sha256(os.fsencode(stem)).hexdigest()[:8]
        stem = os.fsencode(stem)[: room - len(short)].decode(errors="ignore") + short
    return stem + ending


def visible_entries(folder: Path) -> list[Path]:
    """Return the entries of a folder in natural order, without those that `is_hidden`."""
    return sorted((entry for entry in folder.iterdir() if not is_hidden(entry.name)), key=natural_sort_key)


def absolute(path: Path) -> str:
    """Return the absolute path; symbolic links stay, as each is an image of its own."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() follows links


def _resolve(name: str, exclude: Path | None, aside: _Aside) -> list[FoundImage]:
    if not name:
        raise ImageError("an empty name was given, name a photo, a folder or a glob")
    path, failures = Path(name), len(aside.errors)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        shown = name if len(name) <= _MAX_NAME else f"{name[:60]}..."
        raise ImageError(f"{shown} cannot be opened: {getattr(error, 'strerror', 0) or error}") from error
    if is_folder:
        below = [FoundImage(p, p.relative_to(path)) for p in _walk(path, exclude, aside)]
    elif exists:
        if reason := explain_irregular_file(path):
            raise ImageError(reason)
        aside.named.add(absolute(path))
        return [FoundImage(path, Path(path.name))]
    elif glob.has_magic(name):
        below = _glob(name, exclude, aside)
    else:
        raise ImageError(f"{name}: no such file or folder")
    if not below and len(aside.errors) == failures:
        formats = "JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF"
        raise ImageError(f"{name} holds no image ({formats} by extension were looked for)")
    return below


def _glob(name: str, exclude: Path | None, aside: _Aside) -> list[FoundImage]:
    parts = Path(name).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    found: dict[Path, FoundImage] = {}
    matches = glob.glob(name, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
    for path in map(Path, sorted(matches, key=natural_sort_key)):
        below = range(fixed, len(path.parts))
        hidden = [n for n in below if is_hidden(path.parts[n]) and path.parts[n] not in parts]
        if hidden and (folder := Path(*path.parts[: hidden[0] + 1])).is_dir():
            aside.skipped[folder] = _SYSTEM_FOLDER
            continue
        if exclude is not None and path.is_dir() and exclude.is_dir() and exclude.samefile(path):
            continue
        if path.is_dir():
            files = list(_walk(path, exclude, aside))
        else:
            files = [path] if _is_image(path) else []
            if not files and (reason := _reason_to_pass_over(path)):
                aside.skipped[path] = reason
        for file in files:
            found[file] = FoundImage(file, file.relative_to(root))
    return list(found.values())


def _is_image(path: Path) -> bool:
    is_named = path.suffix.lower() in READABLE | OTHER_FORMATS.keys() and not is_hidden(path.name)
    return is_named and _is_regular(path)


def _is_regular(path: Path) -> bool:
    """Return whether a path is a file with a content; opening a pipe would wait for another program."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def explain_irregular_file(path: Path) -> str:
    """Return why a path that exists cannot be read as a file, such as a pipe; empty if it can."""
    with suppress(OSError, ValueError):  # a name that is too long, or holds a zero
        if not path.exists() or path.is_dir() or _is_regular(path):
            return ""
        return f"{path} is not a regular file; save its content to a file and name that file"
    return ""


def _reason_to_pass_over(path: Path) -> str:
    """Return why a file that looks like an image is not colored; empty for files that are no images."""
    named = path.suffix.lower() in READABLE | OTHER_FORMATS.keys()
    if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 - Path.exists may raise
        return "a link to a file that is gone" if named or not path.suffix else ""
    try:
        if not _is_regular(path):
            raise OSError
        with path.open("rb") as file:
            kind = _kind_of(file.read(16))
    except OSError:
        return "not a regular file, or not readable" if named else ""
    if is_hidden(path.name):
        return "hidden" if named or kind else ""
    if path.suffix.lower() in VIDEO_EXTENSIONS or kind == "a film":
        return "a film, which `colorzoo video` colors"
    if kind in ("an icon", ""):
        return kind
    return f"{kind}, but its name has no ending of an image"


def _kind_of(head: bytes) -> str:
    """Return the kind of an image or film by its first bytes; empty for other files."""
    if head[4:8] == b"ftyp":
        still = head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
        return "an image" if still else "a film"
    if head[:4] == b"RIFF":
        return {b"WEBP": "an image", b"AVI ": "a film"}.get(head[8:12], "")
    return next((kind for start, kind in _BEGINNINGS.items() if head.startswith(start)), "")


def _walk(root: Path, exclude: Path | None, aside: _Aside) -> Iterator[Path]:
    """Yield the images below a folder; what is left out goes aside."""
    for path in _files_below(root, exclude, aside):
        if _is_image(path):
            yield path
        elif reason := _reason_to_pass_over(path):
            aside.skipped[path] = reason


def find_tars(folder: Path) -> list[Path]:
    """Find the ``.tar`` files below a folder, where `find_existing` looks for images."""
    files = _files_below(folder, None, _Aside())
    return [p for p in files if p.suffix.lower() == ".tar" and not is_hidden(p.name) and _is_regular(p)]


def _files_below(root: Path, exclude: Path | None, aside: _Aside) -> Iterator[Path]:
    """Yield the files below a folder in natural order, without folders that `is_hidden`.

    A folder is entered once, and a link to a folder above the root never: all its images would be taken.
    """
    above = _identities(root.resolve().parents)
    seen = set(above)
    if exclude is not None and exclude.is_dir() and not exclude.samefile(root):
        seen |= _identities([exclude])

    def note(error: OSError) -> None:
        text = f"{error.filename} cannot be searched: {error.strerror}; it was passed over"
        aside.errors.append((str(error.filename), ImageError(text)))

    for folder, folders, files in os.walk(root, followlinks=True, onerror=note):
        try:
            status = Path(folder).stat()
        except OSError as error:  # it may be listed without a right to what is in it
            note(error)
            folders.clear()
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            if identity in above:
                aside.skipped[Path(folder)] = "a link to a folder above"
            folders.clear()
            continue
        seen.add(identity)
        hidden = sorted(name for name in folders if is_hidden(name))
        aside.skipped |= {Path(folder, name): _SYSTEM_FOLDER for name in hidden}
        folders[:] = sorted(set(folders) - set(hidden), key=natural_sort_key)
        yield from (Path(folder, name) for name in sorted(files, key=natural_sort_key))


def _identities(folders: Iterable[Path]) -> set[tuple[int, int]]:
    """Return device and inode of folders, without those that cannot be looked at."""
    found = set()
    for folder in folders:
        with suppress(OSError):
            status = folder.stat()
            found.add((status.st_dev, status.st_ino))
    return found
