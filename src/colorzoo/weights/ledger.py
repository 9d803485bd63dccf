"""What is known of a weight file on this machine, without hashing a gigabyte at each start.

Beside each file of the cache lies a note, ``.NAME.json``: its hash, and the size and time of change that it
had then. While these are the same the hash counts as known. Where the authors state no hash, the note of the
first use is all that tells the file from another one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from colorzoo.card import Weights
from colorzoo.weights._files import megabytes, sha256_of, write_atomic

Verdict = Literal["embedded", "verified", "recorded", "unchecked", "changed", "refused", "missing"]

_ROUNDING = 0.98  # how far a stated size, such as "130.5 MiB", may lie above the true one
_LEAST, _MOST = (
    0.3,
    4,
)  # of a computed one: stored in half precision; with an optimizer, three times its weights


@dataclass(frozen=True)
class FileState:
    """What is known of one file.

    Attributes:
        verdict: ``"embedded"`` ships with the package; ``"verified"`` has the hash of the card;
            ``"recorded"`` that of its first use; ``"unchecked"`` was never used, and no hash is stated;
            ``"changed"`` has another hash; ``"refused"`` is not the file; ``"missing"``.
        sha256: Its hash, as far as it was needed.
        reason: What is wrong, to follow a colon in a message.
    """

    verdict: Verdict
    sha256: str | None = None
    reason: str = ""

    @property
    def trusted(self) -> bool:
        """Whether the file may be used without further checks."""
        return self.verdict in ("embedded", "verified", "recorded")


@dataclass(frozen=True)
class Note:
    """What was found out about a file, and how to see that it is still the same.

    Attributes:
        sha256: Hash of the whole file.
        size: Bytes.
        changed: Time of its last change, in nanoseconds.
        since: When it was looked at, ISO 8601.
        refused: Why it is not the file that it should be; empty if it is.
    """

    sha256: str
    size: int
    changed: int
    since: str
    refused: str = ""


def inspect(weights: Weights, path: Path, *, thorough: bool = False) -> FileState:
    """Say what is known of a file; hashes it only if it is not the one of its note.

    Args:
        weights: The card's entry.
        path: Where the file is or should be.
        thorough: Hash it anyway, embedded files too.
    """
    if not path.is_file():
        return FileState("missing", reason="missing")
    if weights.file is not None and not thorough:
        return FileState("embedded", weights.sha256)
    note = read_note(path)
    if weights.sha256 is None:
        return _by_first_use(weights, path, note, thorough)
    current = take_note(path, None if thorough else note)
    if weights.file is None and current != note:
        write_note(path, current)
    if current.sha256 != weights.sha256:
        reason = f"expected sha256 {weights.sha256}, found {current.sha256}"
        return FileState("changed", current.sha256, reason)
    return FileState("verified" if weights.file is None else "embedded", current.sha256)


def take_note(path: Path, known: Note | None = None, *, refused: str = "") -> Note:
    """Return what is to be noted of a file; one that is as it was is not hashed again."""
    status = path.stat()
    size, changed = status.st_size, status.st_mtime_ns
    if known is not None and (known.size, known.changed) == (size, changed) and known.refused == refused:
        return known
    return Note(sha256_of(path), size, changed, datetime.now(UTC).isoformat(timespec="seconds"), refused)


def read_note(path: Path) -> Note | None:
    """Return the note of a file, None if there is none that can be read."""
    try:
        return Note(**json.loads(note_path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_note(path: Path, note: Note) -> None:
    """Keep a note; where the cache cannot be written, the file will be looked at again."""
    try:
        write_atomic(note_path(path), json.dumps(asdict(note), indent=1).encode())
    except OSError:
        return


def note_path(path: Path) -> Path:
    """Return where the note of a file is."""
    return path.with_name(f".{path.name}.json")


def wrong_size(weights: Weights, size: int) -> str:
    """Say why a file of so many bytes is not the one, empty if it may be."""
    least, most = size_limits(weights)
    if least <= size <= most:
        return ""
    if weights.size_stated:
        return f"has {size} bytes instead of {weights.size}"
    return f"has {megabytes(size)} instead of about {megabytes(weights.size)}"


def size_limits(weights: Weights) -> tuple[int, int]:
    """Return the fewest and the most bytes that a file may have."""
    if weights.size_stated:
        return weights.size, weights.size
    if weights.sha256 is not None:  # which decides; the limits only stop a server that sends without end
        return int(_ROUNDING * weights.size), 2 * weights.size
    return int(_LEAST * weights.size), _MOST * weights.size


def _by_first_use(weights: Weights, path: Path, note: Note | None, thorough: bool) -> FileState:
    """Say what is known of a file whose authors state no hash."""
    status = path.stat()
    same = note is not None and (note.size, note.changed) == (status.st_size, status.st_mtime_ns)
    if note is None or (note.refused and not same):
        reason = wrong_size(weights, status.st_size)
        return FileState("refused" if reason else "unchecked", reason=reason)
    if note.refused:
        return FileState("refused", note.sha256, note.refused)
    current = take_note(path, None if thorough else note)
    if current.sha256 != note.sha256:
        reason = (
            f"changed since its first use on {note.since[:10]}: expected sha256 {note.sha256}, found "
            f"{current.sha256}; to trust the new file, remove {note_path(path)}"
        )
        return FileState("changed", current.sha256, reason)
    if not same:
        write_note(path, Note(note.sha256, current.size, current.changed, note.since))
    return FileState("recorded", note.sha256)
