"""Report entries for the shots of a colorized video."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from colorzoo.apps.video.run import Shot, Source, chosen_frames
from colorzoo.batch import ReportEntry, with_thumbnails
from colorzoo.image_io import ImageProvenance


def shot_entries(
    source: Source,
    out: Path,
    shots: Sequence[Shot],
    origin: ImageProvenance,
    advance: Callable[[], None] = lambda: None,
) -> list[ReportEntry]:
    """Return a report entry for each shot, with a thumbnail of the middle frame.

    Args:
        source: Source video.
        out: Colorized video; read up to the middle frame of the last shot.
        shots: Shots of the video.
        origin: Provenance of the result.
        advance: Function called after each shot, for a progress bar.

    Raises:
        VideoError: The colorized video cannot be read, or has fewer frames than its shots require.
    """
    result = source.result(out)
    digest = result.digest()
    entries = []
    shots_by_middle = {shot.first + shot.count // 2: shot for shot in shots}
    for frame in chosen_frames(result, shots_by_middle.keys()):
        shot = shots_by_middle[frame.number]
        entry = ReportEntry(
            os.path.abspath(source.path),
            os.path.abspath(out),
            model=origin.model,
            source_sha256=origin.source,
            result_sha256=digest,
            border=shot.border,
            notes="; ".join(shot.notes),
            first_frame=shot.first,
            last_frame=shot.last,
            shown_frame=frame.number,
            first_time=shot.start,
            last_time=shot.end,
        )
        entries.append(with_thumbnails(entry, frame.image.levels(), entry.border))
        advance()
    return entries
