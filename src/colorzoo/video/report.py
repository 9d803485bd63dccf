"""Entries of the shots of a colored video for a report, each shown by its middle frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from colorzoo.batch.report import Entry, shown, sorted_entries
from colorzoo.pictures.find import absolute
from colorzoo.pictures.provenance import PictureProvenance
from colorzoo.video.frames import FrameSource, ReadIssues, chosen_frames
from colorzoo.video.run import Shot


def shot_entries(
    source: FrameSource,
    out: Path,
    shots: Sequence[Shot],
    origin: PictureProvenance,
    advance: Callable[[], None] = lambda: None,
) -> list[Entry]:
    """Return what a report tells of the shots of a video, by falling doubt.

    Args:
        source: The video.
        out: The colored one, read up to the last of the middle frames.
        shots: Its shots.
        origin: Provenance of the result.
        advance: Called after each shot.

    Raises:
        VideoError: The result cannot be read, or has fewer frames.
    """
    result = source.result(out)
    whole = Entry(
        absolute(source.path),
        absolute(out),
        model=origin.model,
        source_sha256=origin.source,
        result_sha256=result.digest(),
    )
    entries = []
    middles = {shot.middle: shot for shot in shots}
    for frame in chosen_frames(result, middles.keys()):
        shot = middles[frame.number]
        entry = replace(
            whole,
            doubt=shot.doubt,
            frame=shot.frame,
            notes="; ".join((*ReadIssues(list(shot.broken)).lines(), *shot.notes)),
            first_frame=shot.first,
            last_frame=shot.last,
            shown_frame=frame.number,
            first_time=shot.start,
            last_time=shot.end,
        )
        entries.append(shown(entry, frame.picture.levels(), entry.frame))
        advance()
    return sorted_entries(entries)
