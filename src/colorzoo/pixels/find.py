"""Find image files in files, folders, globs and lists of paths."""

from __future__ import annotations

import glob
import itertools
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from colorzoo._files import text_encoding
from colorzoo.errors import ImageError
from colorzoo.pixels.formats import READABLE, VIDEO_EXTENSIONS, WRITABLE
from colorzoo.pixels.results import read_record

RESULT_SUFFIX = ".color"
"""Part of the file name before the extension, for results next to their sources."""
_DIGITS = re.compile("([0-9]+)")
_OWN_RESULT = "a result of colorzoo; to colorize it again, pass its path"
_NAMED_LIKE_RESULT = "named like a result of colorzoo; to colorize it, pass only its path"
_VIDEO = "a video; use `colorzoo video`"
_MAX_LISTED = 10  # maximum number of skipped files listed in a message
_MAX_NAME_BYTES = 255  # maximum length of a name in bytes on all common file systems
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
        relative: Path relative to the searched folder, from which the output path is derived. For a glob, the
            path is relative to the folder before the first wildcard. For a single file, the path is the file
            name, or the part of the path after ``/./`` as in rsync.
    """

    path: Path
    relative: Path


@dataclass(frozen=True)
class Search:
    """Result of a search for images.

    Attributes:
        found: Image files.
        errors: Name and error of each failed input or folder. An input fails if it does not exist or contains
            no image; a folder fails if it cannot be searched.
        skipped: Path of each skipped file and the reason. Files in folders are skipped if they are videos or
            results of colorzoo. Results ``NAME.color.*`` beside their source are not listed.
        broken_links: Symbolic links to missing files in folders, with the extension of an image or video.
    """

    found: list[FoundImage]
    errors: list[tuple[str, ImageError]]
    skipped: list[tuple[Path, str]]
    broken_links: list[Path]

    @property
    def omitted(self) -> list[tuple[Path, str]]:
        """Path of each skipped file and each broken link, and the reason."""
        return [*self.skipped, *((path, "a link to a missing file") for path in self.broken_links)]


def find_images(inputs: Sequence[str | Path], *, exclude: Path | None = None) -> Search:
    """Find the image files in a list of paths, folders and globs.

    The result has no duplicates and a fixed order. Images are not decoded.

    Folders are searched recursively for files with an image extension, in natural order. Hidden and system
    folders are excluded (see `is_hidden`). Symbolic links are followed, but each folder is searched only
    once.

    Results of earlier runs in folders and globs are skipped. These are files with a provenance record.
    Files ``NAME.color.*`` are also skipped if ``NAME.*`` is found, even if their path is passed.

    Examples:
        >>> [image.path.name for image in find_images(["photo.png"]).found]
        ['photo.png']

    Args:
        inputs: Paths and globs. An existing path is used literally, even if it contains ``*`` or ``[``.
        exclude: Folder that is not searched, such as the output folder. A glob that only selects files in
            this folder finds these files.
    """
    found: dict[str, FoundImage] = {}  # by absolute path, in which symbolic links are not resolved
    errors: list[tuple[str, ImageError]] = []
    broken_links: list[Path] = []
    for name in map(str, inputs):
        try:
            for image in _resolve(name, exclude, errors, broken_links):
                found.setdefault(os.path.abspath(image.path), image)
        except ImageError as error:
            errors.append((name, error))
    named = {os.path.abspath(name) for name in inputs}
    stems = {absolute: str(Path(absolute).with_suffix("")) for absolute in found}  # without extension
    sources = set(stems.values())
    # skip videos and results, unless the user passed their path
    images, skipped = list[FoundImage](), list[tuple[Path, str]]()
    for absolute, image in found.items():
        stem = stems[absolute]
        is_beside_source = stem.endswith(RESULT_SUFFIX) and stem.removesuffix(RESULT_SUFFIX) in sources
        if is_beside_source:
            # a result is omitted without a message, because its source is found
            if read_record(image.path) is None:  # a file of the user can have such a name
                skipped.append((image.path, _NAMED_LIKE_RESULT))
        elif absolute in named:
            images.append(image)
        elif _is_video(image.path):
            skipped.append((image.path, _VIDEO))
        elif read_record(image.path) is not None:
            skipped.append((image.path, _OWN_RESULT))
        else:
            images.append(image)
    return Search(images, errors, skipped, broken_links)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden or is a system folder.

    Operating systems and network storage devices create system folders for thumbnails and deleted files. A
    search skips hidden files and system folders unless the user passes their path.

    Examples:
        >>> [is_hidden(name) for name in ("a.jpg", "._a.jpg", "@eaDir", "#recycle")]
        [False, True, True, True]

    Args:
        name: Name of the file or folder without its parents.
    """
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS


def natural_sort_key(path: str | Path) -> tuple[object, ...]:
    """Return a sort key that orders the numbers in names by value: f1, f2, f10.

    Examples:
        >>> sorted(["f10.png", "f2.png", "f1.png"], key=natural_sort_key)
        ['f1.png', 'f2.png', 'f10.png']
    """
    # text and numbers of each part alternate: ("f", 10, ".png")
    return tuple(
        (tuple(int(text) if index % 2 else text for index, text in enumerate(_DIGITS.split(part))), part)
        for part in Path(path).parts
    )


def skipped_files_message(files: Sequence[tuple[Path, str]]) -> str:
    """Return a message for the user about files that a search skipped.

    The message contains the number of files, and the path and reason of the first ten files.

    Examples:
        >>> print(skipped_files_message([(Path("clip.mp4"), "is a video")]))
        1 file skipped: clip.mp4 (is a video)

    Args:
        files: Path of each skipped file and the reason.
    """
    listed = "; ".join(f"{path} ({reason})" for path, reason in files[:_MAX_LISTED])
    more = f" and {len(files) - _MAX_LISTED} more" if len(files) > _MAX_LISTED else ""
    return f"{len(files)} file{'s' if len(files) > 1 else ''} skipped: {listed}{more}"


def images_and_videos(folder: Path) -> tuple[list[Path], list[tuple[str, ImageError]]]:
    """Find all image and video files below a folder by extension.

    Results of colorzoo are included.

    Examples:
        >>> paths, errors = images_and_videos(Path("album"))
        >>> len(paths) > 0, errors
        (True, [])

    Returns:
        Paths of the files, and the name and error of each folder that cannot be searched.
    """
    errors: list[tuple[str, ImageError]] = []
    return [path for path in _files_below(folder, None, errors) if _is_readable(path)], errors


def read_list(path: str | Path) -> list[str]:
    r"""Read a list of paths, separated by line breaks or zero bytes; blank lines are skipped.

    Examples:
        >>> _ = Path("images.txt").write_text("a.png\nb.png\n")
        >>> read_list("images.txt")
        ['a.png', 'b.png']

    Args:
        path: Text file in UTF-8, or in UTF-16 with a byte order mark; ``-`` reads standard input.

    Raises:
        ImageError: The file cannot be read, is empty, is a web page or has another encoding.
    """
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{_list_name(path)} cannot be read: {error.strerror or error}") from error
    encoding = text_encoding(data)
    try:
        text = data.decode(encoding, "strict" if encoding == "utf-16" else "surrogateescape")
    except UnicodeDecodeError as error:
        raise ImageError(f"{_list_name(path)} must be UTF-8 or UTF-16 text: {error}") from error
    if text.lstrip().lower().startswith("<!doctype html"):
        raise ImageError(
            f"{_list_name(path)} is a web page. To colorize images of a report, save a list in the report."
        )
    if "\0" in text:
        lines = text.split("\0")
        # UTF-16 without a byte order mark has a zero byte beside each character
        if any(len(line) == 1 for line in lines):
            raise ImageError(
                f"{_list_name(path)} contains zero bytes inside of names. Save the list as UTF-8."
            )
    else:
        # split only at \n, because other line breaks can be part of a name
        lines = [line.removesuffix("\r") for line in text.split("\n")]
    names = [line for line in lines if line.strip()]
    if not names:
        raise ImageError(f"{_list_name(path)} is empty. Write one image path per line.")
    return names


def _list_name(path: str | Path) -> str:
    return "standard input (--from -)" if str(path) == "-" else f"the file {path} (--from)"


def join_names(names: Sequence[str]) -> bytes:
    r"""Join paths into the content of a list file, which `read_list` can read.

    Paths are separated by line breaks, or by zero bytes if a path contains a line break.

    Examples:
        >>> join_names(["a.png", "b.png"])
        b'a.png\nb.png\n'
    """
    ending = "\0" if any("\n" in name for name in names) else "\n"
    return "".join(name + ending for name in names).encode("utf-8", "surrogateescape")


def result_name(path: Path, suffix: str = "", extension: str | None = None) -> str:
    """Return the file name of a colorized image, made of stem, suffix and extension.

    If the format of the source cannot be written, ``.png`` is appended: ``x.jp2`` becomes ``x.jp2.png``. This
    name differs from the result name for ``x.png``.

    Examples:
        >>> result_name(Path("scan.jp2"), ".color")
        'scan.color.jp2.png'

    Args:
        path: Source image.
        suffix: Text between stem and extension.
        extension: Extension of the result; None keeps the extension of the source.
    """
    if extension is None:
        extension = path.suffix if path.suffix.lower() in WRITABLE else f"{path.suffix}.png"
    return shorten_name(path.stem, suffix + extension)


def shorten_name(stem: str, ending: str) -> str:
    """Join stem and ending into a file name of at most 255 bytes.

    If the name would be longer, a hash of the stem replaces the end of the stem.

    Args:
        stem: File name without extension.
        ending: Remaining part of the name, such as ``".color.png"``.
    """
    limit = _MAX_NAME_BYTES - len(os.fsencode(ending))
    if len(os.fsencode(stem)) > limit:
        digest = "~" + sha256(os.fsencode(stem)).hexdigest()[:8]
        stem = os.fsencode(stem)[: limit - len(digest)].decode(errors="ignore") + digest
    return stem + ending


def visible_entries(folder: Path) -> list[Path]:
    """Return the files and folders in a folder in natural order.

    Hidden and system entries are excluded.

    Examples:
        >>> [path.name for path in visible_entries(Path("album"))]
        ['train', 'val']
    """
    return sorted((entry for entry in folder.iterdir() if not is_hidden(entry.name)), key=natural_sort_key)


def _resolve(
    name: str, exclude: Path | None, errors: list[tuple[str, ImageError]], broken_links: list[Path]
) -> list[FoundImage]:
    """Return the images and videos of an input.

    Errors of folders that cannot be searched, and broken links, are appended to the lists.
    """
    if not name:
        raise ImageError("IMAGE must be a file, a folder or a glob, got an empty path")
    path = Path(name)
    if os.path.isfile(path):  # noqa: PTH113 - as in `explain_irregular_file`
        relative = Path(name.partition("/./")[2].lstrip("/") or path.name)
        # the output must not leave the output folder
        return [FoundImage(path, Path(path.name) if os.pardir in relative.parts else relative)]
    if irregular_file := explain_irregular_file(path):
        raise ImageError(irregular_file)
    earlier_error_count = len(errors)
    if os.path.isdir(path):  # noqa: PTH112
        root, files = path, list(_files_below(path, exclude, errors))
    elif glob.has_magic(name):
        root, files = _glob(name, exclude, errors)
        if exclude is not None and not any(map(_is_readable, files)):
            root, files = _glob(name, None, errors)  # the glob selects only files in the output folder
    else:
        raise ImageError(f"{name}: no such file or folder")
    # a glob can contain "..", but the output must not leave the output folder
    normalized = (Path(os.path.normpath(file.relative_to(root))) for file in files)
    inside = (Path(*(part for part in path.parts if part != os.pardir)) for path in normalized)
    found = [FoundImage(file, path) for file, path in zip(files, inside, strict=True) if _is_readable(file)]
    links = (file for file in files if file.is_symlink() and _has_known_extension(file))
    broken_links += [link for link in links if not os.path.exists(link)]  # noqa: PTH110
    has_image = any(not _is_video(image.path) for image in found)
    # a folder that cannot be searched may contain images
    if not has_image and len(errors) == earlier_error_count:
        raise ImageError(
            f"no image found in {name}; image files have an extension such as .jpg, .png or .tif"
        )
    return found


def _glob(name: str, exclude: Path | None, errors: list[tuple[str, ImageError]]) -> tuple[Path, list[Path]]:
    """Return the part of a glob before the first wildcard, and all matching files."""
    parts = Path(name).parts
    root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), parts))
    excluded = None if exclude is None else exclude.resolve()
    if excluded is not None and root.resolve().is_relative_to(excluded):
        excluded = None  # the root is searched, as in `_files_below`
    files: dict[Path, None] = {}
    matches = glob.glob(name, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
    for path in map(Path, sorted(matches, key=natural_sort_key)):
        is_excluded = excluded is not None and path.resolve().is_relative_to(excluded)
        if is_excluded or any(is_hidden(p) and p not in parts for p in path.relative_to(root).parts):
            continue
        files |= dict.fromkeys(_files_below(path, exclude, errors) if path.is_dir() else [path])
    return root, list(files)


def _is_readable(path: Path) -> bool:
    """Return whether a path in a folder is a visible file with the extension of an image or video."""
    return _has_known_extension(path) and os.path.isfile(path)  # noqa: PTH113


def _has_known_extension(path: Path) -> bool:
    """Return whether a path has the extension of an image or video and is not hidden."""
    return path.suffix.lower() in READABLE | VIDEO_EXTENSIONS and not is_hidden(path.name)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_EXTENSIONS


def explain_irregular_file(path: Path) -> str:
    """Return an error message if a path is a pipe, device or socket.

    For other paths, the function returns an empty string.
    """
    # unlike the methods of Path, these functions do not raise an error, for example for too long names
    if not os.path.exists(path) or os.path.isdir(path) or os.path.isfile(path):  # noqa: PTH110, PTH112, PTH113
        return ""
    return f"{path} is not a regular file. Save its content to a file first."


def find_tars(folder: Path) -> list[Path]:
    """Find the ``.tar`` files below a folder, except in hidden folders and system folders."""
    files = _files_below(folder, None, [])
    return [p for p in files if p.suffix.lower() == ".tar" and not is_hidden(p.name) and p.is_file()]


def _files_below(root: Path, exclude: Path | None, errors: list[tuple[str, ImageError]]) -> Iterator[Path]:
    """Yield the files below a folder in natural order, except in hidden and system folders.

    Each folder is visited only once. Links to a parent of ``root`` are skipped, because they would add
    unrelated images.

    Args:
        root: Folder to search.
        exclude: Folder to skip, unless it is ``root``.
        errors: List to which an error is appended for each folder that cannot be searched.
    """
    skipped = set(root.resolve().parents)
    if exclude is not None and exclude.resolve() != root.resolve():
        skipped.add(exclude.resolve())

    def append_error(error: OSError) -> None:
        text = f"{error.filename} cannot be searched: {error.strerror}; the folder was skipped"
        errors.append((str(error.filename), ImageError(text)))

    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=append_error):
        resolved = Path(folder).resolve()
        if resolved in skipped:
            subfolders.clear()
            continue
        skipped.add(resolved)  # because a link can lead to this folder again
        # `os.walk` visits the subfolders that remain in this list, in their order
        visible = [name for name in subfolders if not is_hidden(name)]
        subfolders[:] = sorted(visible, key=natural_sort_key)
        yield from (Path(folder, name) for name in sorted(files, key=natural_sort_key))
