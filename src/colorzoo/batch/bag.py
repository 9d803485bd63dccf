"""Checksums of results as a bag (BagIt, RFC 8493), which archives check after copying.

A bag is a folder whose ``data`` holds the files; beside it lie the manifest and the tags.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from colorzoo import __version__
from colorzoo.errors import ColorzooError
from colorzoo.pictures.provenance import current_date
from colorzoo.pictures.write import write_whole
from colorzoo.weights.files import digest_of, sha256_of

PAYLOAD = "data"
_DECLARATION = "bagit.txt"
_INFORMATION = "bag-info.txt"  # to which archives add
_MANIFEST, _TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
_VERSION = "0.97"  # whose readers take a percent sign in a name as it is


def check_payload(output: str | None) -> Path:
    """Return the folder of results if it can be the payload of a bag.

    Raises:
        ColorzooError: It is not named ``data``, or the bag around it has checksums of another kind.
    """
    folder = Path(output or "").absolute()
    if output is None or folder.name != PAYLOAD or folder.is_file():
        raise ColorzooError(
            f"--checksums makes a bag (BagIt); name the folder of its files: -o BAG/{PAYLOAD}"
        )
    others = {path.name for path in folder.parent.glob("manifest-*.txt")} - {_MANIFEST}
    if others:
        raise ColorzooError(
            f"--checksums: {folder.parent} has a {min(others)}, which would not fit; remove it"
        )
    return folder


def write_bag(payload: Path, advance: Callable[[], None]) -> Path:
    """Write the manifest and the tags of a bag around a folder of results; return the manifest.

    All files of the folder are read, those of earlier runs too. The list of the tags' checksums is written
    last, so that a bag is complete or recognized as incomplete.

    Args:
        payload: Folder named ``data``.
        advance: Called after each file.

    Raises:
        ColorzooError: A file cannot be read or written.
    """
    bag, lines, size = payload.parent, [], 0
    files = sorted(path for path in payload.rglob("*") if path.is_file())
    for path in files:
        try:
            lines.append(f"{digest_of(path)}  {_encoded(path.relative_to(bag))}\n")
            size += path.stat().st_size
        except OSError as error:
            raise ColorzooError(f"--checksums: {path}: {error.strerror or error}") from error
        advance()
    information = {
        "Bag-Software-Agent": f"colorzoo {__version__}",
        "Bagging-Date": current_date()[:10],
        "Payload-Oxum": f"{size}.{len(files)}",
    }
    added = "".join(line for line in _lines(bag / _INFORMATION) if line.partition(":")[0] not in information)
    (bag / _TAG_MANIFEST).unlink(missing_ok=True)
    tags = {
        _DECLARATION: f"BagIt-Version: {_VERSION}\nTag-File-Character-Encoding: UTF-8\n",
        _INFORMATION: added + "".join(f"{name}: {value}\n" for name, value in information.items()),
        _MANIFEST: "".join(lines),
    }
    for name, text in tags.items():
        write_whole(bag / name, text.encode())
    sums = "".join(f"{sha256_of(bag / name)}  {name}\n" for name in tags)
    write_whole(bag / _TAG_MANIFEST, sums.encode())
    return bag / _MANIFEST


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    return [f"{line}\n" for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]


def _encoded(path: Path) -> str:
    """Return a path as a line of a manifest.

    Raises:
        ColorzooError: Its name is no text.
    """
    try:
        path.as_posix().encode()
    except UnicodeEncodeError as error:
        raise ColorzooError(f"--checksums: {path}: a bag takes only names in UTF-8; rename it") from error
    return path.as_posix().replace("\r", "%0D").replace("\n", "%0A")
