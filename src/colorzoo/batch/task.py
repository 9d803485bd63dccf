"""Files to colorize, their output paths and their outcomes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from colorzoo._files import digest_or_empty
from colorzoo.errors import ImageError
from colorzoo.files import digest_of
from colorzoo.image_io.provenance import ImageProvenance, ResultState, read_provenance, result_state
from colorzoo.inference.stages import StageRun
from colorzoo.pixels.find import RESULT_SUFFIX, FoundImage, result_name, shorten_name
from colorzoo.pixels.formats import WRITABLE

Status = Literal["colored", "skipped", "failed", "planned"]

ALREADY_DONE = "already exists with the same source and settings"
_EXISTS = {
    "changed": "already exists but was made with other settings. Set --overwrite to replace this file.",
    "foreign": "already exists but was made from another image. Set --overwrite to replace this file, or "
    "choose another --output.",
    "unknown": "already exists and does not record its source image. Set --overwrite to replace this file, "
    "or choose another --output.",
}
"""Reason why an existing file is not replaced, by its `ResultState`."""
# extensions of images, but not of folder names such as colored.2024 and scans.v2
_EXTENSION = re.compile(r"\.(?!v\d)[A-Za-z][A-Za-z0-9]{1,4}")


@dataclass(frozen=True)
class FileResult:
    """Outcome of one file in a run.

    Examples:
        >>> FileResult("photo.png", "colored/photo.png", "failed", ("photo.png: no image",)).error
        'photo.png: no image'

    Attributes:
        source: Name of the source image.
        output: Path of the output file; empty if the source was not found.
        status: ``"colored"``, ``"skipped"`` (for example because the output exists), ``"planned"`` (in a dry
            run) or ``"failed"``.
        notes: Notes for the user, or the reason if the status is ``"failed"``.
        model: Registered name of the model; empty if nothing was colorized.
        stages: Processing stages of the image, with durations; empty if the file has several frames.
    """

    source: str
    output: str
    status: Status
    notes: tuple[str, ...] = ()
    model: str = ""
    stages: tuple[StageRun, ...] = ()

    def list_entry(self, folder: str | None) -> str:
        """Return the path of the source for a list of ``--from``.

        The path contains ``/./`` before the part that is mirrored in the output folder, as in rsync. A run
        with the list therefore writes the result to the same path.

        Examples:
            >>> FileResult("album/1915/1.jpg", "out/1915/1.jpg", "failed").list_entry("out")
            'album/./1915/1.jpg'

        Args:
            folder: Output folder of the run; None if the results are beside their sources.
        """
        source, output = Path(self.source), Path(self.output)
        if folder is None or not self.output or not output.is_relative_to(folder):
            return self.source
        mirrored = output.relative_to(folder).parent.parts
        start = len(source.parts) - 1 - len(mirrored)
        if not mirrored or start < 0 or source.parent.parts[start:] != mirrored:
            return self.source
        return f"{Path(*source.parts[:start])}/./{Path(*source.parts[start:])}"

    @property
    def error(self) -> str:
        """Reason for a failure, as one line; empty if the file did not fail."""
        return "; ".join(self.notes) if self.status == "failed" else ""

    @property
    def finished(self) -> bool:
        """Whether the output was written by this run or by an earlier run."""
        return self.status == "colored" or ALREADY_DONE in self.notes


@dataclass(frozen=True)
class FileTask:
    """File to colorize.

    Examples:
        >>> FileTask(Path("photo.png"), Path("colored.png"), "photo.png").result("planned").output
        'colored.png'

    Attributes:
        source: Source file, or a function that returns the bytes of the source.
        target: Output file.
        name: Name of the source in `FileResult` and in error messages.
        is_done: Whether the output of an earlier run is kept, and the file is only colorized because the
            colors of later files depend on its colors.
        hints: Values of kinds of guidance of this image, which are added to the recipe of the run.
    """

    source: Path | Callable[[], bytes]
    target: Path
    name: str
    is_done: bool = False
    hints: Mapping[str, Any] = field(default_factory=dict)

    def result(
        self, status: Status, *notes: str, model: str = "", stages: Iterable[StageRun] = ()
    ) -> FileResult:
        """Return an outcome with the source and output names of this task.

        Args:
            status: Status of the file, see `FileResult`.
            *notes: Notes for the user, or the reason for a failure.
            model: Registered name of the model; empty if nothing was colorized.
            stages: Processing stages of the image.
        """
        return FileResult(self.name, str(self.target), status, notes, model, tuple(stages))

    def existing_result(self, state: ResultState) -> FileResult:
        """Return the outcome if the output file exists and is not replaced.

        Args:
            state: Result of `colorzoo.image_io.provenance.result_state` for the output file.
        """
        if state == "done":
            return self.result("skipped", ALREADY_DONE)
        return self.result("failed", f"{self.target} {_EXISTS[state]}")


def output_path(
    found: FoundImage, out: str | Path | None = None, *, single: bool = True, extension: str | None = None
) -> Path:
    """Return the output path for one image.

    If ``out`` is None, the output is ``NAME.color.EXT`` in the folder of the source. If ``out`` is a folder,
    the output has the same relative path as the source. For formats that cannot be written, ``.png`` is
    appended to the extension.

    Args:
        found: Source image.
        out: Output folder, or output file for a single input, or None.
        single: Whether ``found`` is the only input.
        extension: Extension of the output, unless ``out`` is a file; None uses the extension of the source.

    Returns:
        Output path, which is never the source path.

    Raises:
        ImageError: ``out`` is a file but there are several inputs, or ``out`` is the source.
    """
    if out is None:
        return found.path.with_name(result_name(found.path, RESULT_SUFFIX, extension))
    target = Path(out)
    if names_file(str(out)):
        if not single:
            raise ImageError(f"--output must be a folder if there are several images, got {out}")
        if _is_same_file(target, found.path):
            raise ImageError(f"{out} is also the source image. Set --output to another file.")
        return target
    mirrored = target / found.relative.with_name(result_name(found.relative, extension=extension))
    if _is_same_file(mirrored, found.path):
        return mirrored.with_name(result_name(found.relative, RESULT_SUFFIX, extension))
    return mirrored


def names_file(out: str) -> bool:
    """Return whether the value of ``-o`` is a file name rather than a folder name.

    If the path does not exist, it is a file name if it ends with an image-like extension such as ``.png``.
    """
    # unlike the methods of Path, these functions do not raise an error for names that are too long
    if out.endswith(("/", os.sep)) or os.path.isdir(out):  # noqa: PTH112
        return False
    return os.path.isfile(out) or _EXTENSION.fullmatch(Path(out).suffix) is not None  # noqa: PTH113


def plan_outputs(
    found: Sequence[FoundImage],
    provenance: Callable[[], ImageProvenance],
    out: str | None = None,
    *,
    overwrite: bool = False,
    listed: Sequence[str] = (),
    extension: str | None = None,
    ending: str = "",
    others: Iterable[Path] = (),
) -> list[tuple[Path, ResultState | Literal["missing"]]]:
    """Select an output file for each image; no two images have the same output file.

    If two output paths are equal or differ only in case, the second path gets a suffix such as ``-2``. If an
    output path contains the result of a different source image, a suffix is also added, unless ``out`` is a
    file. Beside the source, ``overwrite`` also replaces the result of an earlier version of the same file.
    An existing file whose name differs only in case counts as existing, as on file systems that ignore case.

    If an output path exists and ``overwrite`` is not set, missing weight files are downloaded, because the
    provenance of the existing file contains their hash.

    Examples:
        >>> from colorzoo.pixels.find import find_images
        >>> files = FileColorizer(model="zhang2017_local_small")
        >>> found = find_images(["photo.png"]).found
        >>> [path.name for path, _ in plan_outputs(found, files.provenance)]
        ['photo.color.png']

    Args:
        found: Source images.
        provenance: Function that returns the record of the results without their source, such as
            `FileColorizer.provenance`; called if an output exists, and compared with its record.
        out: Output file or folder, or None; see `output_path`.
        overwrite: Whether existing files are replaced, except results of other images in a folder.
        listed: Paths of a list (``--from``); an output in a folder is placed where an earlier run placed it.
        extension: Extension of the outputs, unless ``out`` is a file. None uses the extension of each source
            or, with a list, the extension of an earlier result.
        ending: Text that is appended to the stems, for further outputs of each image: ``-2`` or
            ``-sheet.jpg``.
        others: Further outputs of the run, whose paths are not used.

    Returns:
        Path and state of each output, in the order of ``found``. The state is ``"missing"`` if the file does
        not exist or the run overwrites existing files. Otherwise, it is the result of `result_state`, which
        compares the existing file with the planned result.

    Raises:
        ImageError: ``out`` is a file but there are several inputs or ``out`` is the source, or there are too
            many files with the same name.
        ColorzooError: A model does not exist, or its weights cannot be downloaded.
    """
    is_single, listings = len(found) == 1, _Listings()
    is_fixed = out is not None and names_file(out)  # the user selected the file, so it gets no suffix
    extensions = [extension] * len(found)
    if listed and out is not None and not is_fixed:
        found = _place_listed(found, listed, Path(out), listings)
        if extension is None:  # the result of an earlier run may have another format than its source
            earlier = [_earlier_extensions(image, Path(out), listings) for image in found]
            extensions = [each[0] if each else None for each in earlier]
    preferred = [
        output_path(image, out, single=is_single, extension=each)
        for image, each in zip(found, extensions, strict=True)
    ]
    if ending:
        preferred = [
            path.with_name(shorten_name(path.stem, ending + ("" if Path(ending).suffix else path.suffix)))
            for path in preferred
        ]
    taken = set(map(_folded, others))
    renamed = distinct_paths(preferred, taken)
    targets = [renamed.get(index, path) for index, path in enumerate(preferred)]
    planned: list[tuple[Path, ResultState | Literal["missing"]]] = []
    if (overwrite and is_fixed) or not any(map(listings.occupant, targets)):
        planned += [(target, "missing") for target in targets]
    else:
        # only the sources of existing results are compared if other settings are replaced anyway
        expected = ImageProvenance("", "", "") if overwrite else provenance()
        reserved = set(map(_folded, preferred))
        for image, path in zip(found, preferred, strict=True):
            # not the numbered targets, because the numbers of earlier results depend on the images of the run
            for free in _free_paths(path, taken):
                occupant = listings.occupant(free)
                if occupant is None or (is_fixed and occupant != free):
                    if free != path and _folded(free) in reserved:
                        continue  # a new result does not take the path of another image
                    planned.append((free, "missing"))
                    break
                try:
                    expected = replace(expected, source=digest_of(image.path))
                except OSError:  # reported when the image is opened
                    expected = replace(expected, source="")
                existing = read_provenance(occupant)
                state = result_state(existing, expected)
                if occupant != free and state in ("foreign", "unknown"):
                    continue
                # beside the source, the path and the recorded name identify the source file
                is_earlier_version = out is None and existing is not None and existing.name == image.path.name
                if state != "foreign" or is_fixed or (overwrite and is_earlier_version):
                    planned.append((occupant, "missing" if overwrite else state))
                    break
            taken.add(_folded(planned[-1][0]))
    return planned


class _Listings(dict[Path, dict[str, Path]]):
    """Entries of folders by their names without case; each folder is listed once."""

    def __missing__(self, folder: Path) -> dict[str, Path]:
        self[folder] = {}
        with suppress(OSError):
            self[folder] = {each.name.casefold(): each for each in sorted(folder.iterdir())}
        return self[folder]

    def occupant(self, path: Path) -> Path | None:
        """Return the existing file with the name of ``path``, or with a name that differs only in case."""
        return path if os.path.lexists(path) else self[path.parent].get(path.name.casefold())


def _place_listed(
    found: Sequence[FoundImage], listed: Sequence[str], out: Path, listings: _Listings
) -> list[FoundImage]:
    """Return images with the paths of their results in the output folder, for files of a list.

    An earlier run derived these paths from a folder that is the beginning of a listed path. The folder is
    known if the listed path contains ``/./``, or if ``out`` contains an earlier result of the image. All
    other paths are relative to the common folder of the listed files.
    """
    # unlike the methods of Path, this function does not raise an error for names that are too long
    plain = {os.path.abspath(name) for name in listed if "/./" not in name and os.path.isfile(name)}  # noqa: PTH113
    try:
        common = os.path.commonpath([os.path.dirname(path) for path in plain])  # noqa: PTH120
    except ValueError:  # no path, or paths on several drives
        common = ""
    placed = []
    for image in found:
        absolute = os.path.abspath(image.path)
        if absolute not in plain:
            placed.append(image)
            continue
        relative = Path(os.path.relpath(absolute, common)) if common else image.relative
        parts = Path(absolute).parts
        for start in range(1, len(parts)):  # the longest path first, because short paths are ambiguous
            candidate = replace(image, relative=Path(*parts[start:]))
            if (out / candidate.relative.parent).is_dir() and _earlier_extensions(candidate, out, listings):
                relative = candidate.relative
                break
        placed.append(replace(image, relative=relative))
    return placed


def _earlier_extensions(image: FoundImage, out: Path, listings: _Listings) -> list[str | None]:
    """Return the extensions of an image's results in an output folder; None is the extension of the source.

    The results can have any number. If a result has the extension of the source, it is first.
    """
    extensions = []
    for extension in (None, *WRITABLE):
        wanted = output_path(image, out, single=False, extension=extension)
        for path in map(listings.occupant, _numbered(wanted)):
            if path is None:
                break
            record = read_provenance(path)
            if record is not None and record.source == digest_or_empty(image.path):
                extensions.append(extension)
                break
    return extensions


def _free_paths(wanted: Path, taken: set[str]) -> Iterator[Path]:
    """Yield a path and its numbered alternatives without the taken paths, which are in lower case."""
    return (path for path in _numbered(wanted) if _folded(path) not in taken)


def distinct_paths(wanted: Iterable[Path], others: Iterable[str] = ()) -> dict[int, Path]:
    """Add a number to paths that equal an earlier path or differ from it only in case.

    Args:
        wanted: Output paths.
        others: Further absolute paths in lower case, which are not used.

    Returns:
        New path for each index of a numbered path.
    """
    taken = set(others)
    renamed: dict[int, Path] = {}
    for index, path in enumerate(wanted):
        free = path
        if _folded(path) in taken:
            free = renamed[index] = next(_free_paths(path, taken))
        taken.add(_folded(free))
    return renamed


def _folded(path: Path) -> str:
    """Return the absolute path without case, because some file systems ignore case."""
    return os.path.abspath(path).casefold()


def _numbered(wanted: Path) -> Iterator[Path]:
    """Yield a path and its alternatives: ``NAME.EXT``, ``NAME-2.EXT`` and so on."""
    yield wanted
    for count in range(2, 10_000):
        yield wanted.with_name(shorten_name(wanted.stem, f"-{count}{wanted.suffix}"))
    raise ImageError(f"{wanted}: too many files have this name. Choose another folder with --output.")


def _is_same_file(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)
