"""Choose the output file of each image, without name collisions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from colorzoo.errors import ImageError
from colorzoo.image_io.find import RESULT_SUFFIX, FoundImage, absolute, result_name, shorten_name
from colorzoo.image_io.provenance import ImageProvenance, ResultState, read_provenance, result_state
from colorzoo.weights.files import digest_of

if TYPE_CHECKING:
    from colorzoo.batch.task import FileTask

# extensions of images, but not of folder names such as colored.2024 and scans.v2
_EXTENSION = re.compile(r"\.(?!v\d)[A-Za-z][A-Za-z0-9]{1,4}")


@dataclass(frozen=True)
class PlannedOutput:
    """Planned output file of an image.

    Attributes:
        path: The file.
        state: ``"missing"`` if the file does not exist; else its state, see `result_state`.
    """

    path: Path
    state: ResultState | Literal["missing"]


def output_path(
    found: FoundImage, out: str | Path | None = None, *, single: bool = True, extension: str | None = None
) -> Path:
    """Return the output file of one image.

    Without ``out`` the output is ``NAME.color.EXT`` beside the source. ``out`` is a file, for a single input,
    or a folder with the folder structure of the sources. For formats that cannot be written, ``.png`` is
    appended to the extension.

    Args:
        found: The source.
        out: A file or folder, or None.
        single: Whether ``found`` is the only input.
        extension: Extension of the result, unless ``out`` is a file; None uses the extension of the image.

    Returns:
        The path of the result; never the source itself.

    Raises:
        ImageError: ``out`` is one file for several inputs, or ``out`` is the source.
    """
    if out is None:
        return found.path.with_name(result_name(found.path, RESULT_SUFFIX, extension))
    target = Path(out)
    if names_file(str(out)):
        if not single:
            raise ImageError(f"{out} is one file, for several images name a folder")
        if _is_same_file(target, found.path):
            raise ImageError(f"{out} is the source itself, name another file for the result")
        return target
    mirrored = target / found.relative.with_name(result_name(found.relative, extension=extension))
    if _is_same_file(mirrored, found.path):
        return mirrored.with_name(result_name(found.relative, RESULT_SUFFIX, extension))
    return mirrored


def output_paths(
    found: Sequence[FoundImage], out: str | Path | None = None, *, extension: str | None = None
) -> list[Path]:
    """Return the output files of all images; repeated names get a suffix ``-2``, ``-3`` ...

    Raises:
        ImageError: See `output_path`.
    """
    taken: set[str] = set()
    paths = []
    for image in found:
        wanted = output_path(image, out, single=len(found) == 1, extension=extension)
        path = next(path for path in _numbered(wanted) if absolute(path).casefold() not in taken)
        taken.add(absolute(path).casefold())  # some file systems ignore case
        paths.append(path)
    return paths


def names_file(out: str) -> bool:
    """Return whether the option ``-o`` names a file instead of a folder."""
    if out.endswith(("/", os.sep)) or Path(out).is_dir():
        return False
    return Path(out).is_file() or _EXTENSION.fullmatch(Path(out).suffix) is not None


def plan_outputs(
    found: Sequence[FoundImage],
    tasks: Sequence[FileTask],
    out: str | None,
    *,
    overwrite: bool,
    extension: str | None,
) -> list[PlannedOutput]:
    """Choose a different output file for each image.

    A result of another image is kept: the next free name is used, unless the user named the file.

    Args:
        found: The images.
        tasks: The task of each image; its origin is computed only if the output file exists.
        out: A file or folder, or None; see `output_path`.
        overwrite: Whether to replace existing files.
        extension: See `output_path`.

    Raises:
        ImageError: See `output_path`.
    """
    targets = output_paths(found, out, extension=extension)
    if overwrite or not any(map(os.path.lexists, targets)):
        return [PlannedOutput(target, "missing") for target in targets]
    fixed = out is not None and names_file(out)
    taken = set(targets)
    planned = []
    for image, target, task in zip(found, targets, tasks, strict=True):
        free = (path for path in _numbered(target) if path == target or path not in taken)
        planned.append(_plan(image.path, [target] if fixed else free, task.origin, fixed))
        taken.add(planned[-1].path)
    return planned


def _plan(
    source: Path, paths: Iterator[Path] | list[Path], origin: ImageProvenance, fixed: bool
) -> PlannedOutput:
    for path in paths:
        if not os.path.lexists(path):
            return PlannedOutput(path, "missing")
        try:
            origin = replace(origin, source=digest_of(source))
        except OSError:  # reported when the image is opened
            origin = replace(origin, source="")
        state = result_state(read_provenance(path), origin)
        if state != "foreign" or fixed:
            return PlannedOutput(path, state)
    raise AssertionError("numbers do not end")


def _numbered(wanted: Path) -> Iterator[Path]:
    """Yield a name and its alternatives: ``NAME.EXT``, ``NAME-2.EXT`` ..."""
    yield wanted
    for count in range(2, 10_000):
        yield wanted.with_name(shorten_name(wanted.stem, f"-{count}{wanted.suffix}"))
    raise ImageError(f"{wanted}: too many files of this name")


def _is_same_file(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)
