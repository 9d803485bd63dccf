"""Files to colorize and their outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from colorzoo.image_io.provenance import ResultState
from colorzoo.inference.task import StageRun

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
    """

    source: Path | Callable[[], bytes]
    target: Path
    name: str

    def result(self, status: Status, *notes: str) -> FileResult:
        """Return an outcome with the source and output names of this task.

        Args:
            status: Status of the file, see `FileResult`.
            *notes: Notes for the user, or the reason for a failure.
        """
        return FileResult(self.name, str(self.target), status, notes)

    def existing_result(self, state: ResultState) -> FileResult:
        """Return the outcome if the output file exists and is not replaced.

        Args:
            state: Result of `colorzoo.image_io.provenance.result_state` for the output file.
        """
        if state == "done":
            return self.result("skipped", ALREADY_DONE)
        return self.result("failed", f"{self.target} {_EXISTS[state]}")
