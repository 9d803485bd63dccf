"""Finished shots kept beside the result until all are done, so that an interrupted run goes on."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from colorzoo.inference.write import write_whole
from colorzoo.video.library import VideoError


@dataclass(frozen=True)
class Shot:
    """Frames that belong together.

    Attributes:
        first: Number of the first one.
        count: How many.
    """

    first: int
    count: int


class PartsFolder:
    """``OUT.parts``: a file (or folder) for each shot, and a note on each that is finished.

    Args:
        out: The result.
        made_of: Digest of everything that decides what the parts look like.

    Raises:
        VideoError: The folder cannot be made.
    """

    def __init__(self, out: Path, made_of: str) -> None:
        self.path = parts_path(out)
        self.outdated = False
        note = self.path / "job.json"
        try:
            if self.path.exists() and _text(note) != made_of:
                if any(self.path.iterdir()) and not note.exists():
                    raise VideoError(f"{self.path} is in the way and not of an earlier run; move it")
                shutil.rmtree(self.path)
                self.outdated = True
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VideoError(f"{self.path} cannot be made: {error.strerror}") from error
        if not note.exists():
            write_whole(note, made_of.encode())

    def finished(self, first: int) -> Shot | None:
        """Return the shot that begins with this frame, if it is finished."""
        try:
            return Shot(**json.loads(_text(self._note(first)) or ""))
        except (ValueError, TypeError):
            return None

    def part(self, first: int, extension: str) -> Path:
        """Return where the shot that begins with this frame is written."""
        return self.path / f"shot-{first:08d}{extension}"

    def finish(self, shot: Shot) -> None:
        """Note that a shot is finished."""
        write_whole(self._note(shot.first), json.dumps(asdict(shot)).encode())

    def publish(self, whole: Path, out: Path) -> None:
        """Move the result to its place and remove all else.

        Raises:
            VideoError: It cannot be moved.
        """
        try:
            if out.is_dir():
                shutil.rmtree(out)
            whole.replace(out)
        except OSError as error:
            raise VideoError(f"{out} cannot be written: {error.strerror}") from error
        shutil.rmtree(self.path, ignore_errors=True)

    def _note(self, first: int) -> Path:
        return self.path / f"shot-{first:08d}.json"


def parts_path(out: Path) -> Path:
    """Return the folder beside a result in which its shots are kept."""
    return out.with_name(f"{out.name}.parts")


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return None
