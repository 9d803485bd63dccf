"""The parts of all shots made one file, with the sound and all else of the source copied packet by packet."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorzoo.video.library import VideoError, load_av, writing
from colorzoo.video.plan import StreamPlan

# times stay as they are: Matroska would else shift all by the encoder delay of the sound
_OPTIONS = {"avoid_negative_ts": "disabled"}
_COPIED = ("audio", "subtitle")


def join_parts(source: Path, parts: Sequence[Path], whole: Path, plan: StreamPlan, last: int) -> list[str]:
    """Write the result.

    Args:
        source: The video whose sound, subtitles, chapters and titles are copied.
        parts: The colored shots in order.
        whole: The file to write.
        plan: The stream that the parts were encoded by.
        last: How long the last frame lasts, in steps of the time base.

    Returns:
        What could not be copied.

    Raises:
        VideoError: The container cannot hold the sound.
    """
    av = load_av()
    notes: list[str] = []
    with (
        writing(whole),
        av.open(str(source)) as original,
        av.open(str(whole), "w", options=_OPTIONS) as target,
    ):
        video = plan.add_to(target)
        copied = _add_copies(original, target, whole, notes)
        target.metadata.update(original.metadata)
        target.set_chapters(original.chapters())
        target.start_encoding()
        with closing(_video_packets(parts, video, last)) as colored:
            for packet in heapq.merge(colored, _other_packets(original, copied, notes), key=_time):
                target.mux_one(packet)
    return notes


def _add_copies(original: Any, target: Any, whole: Path, notes: list[str]) -> dict[int, Any]:
    copied = {}
    for stream in original.streams:
        if stream.type == "video":
            continue
        name = getattr(stream.codec_context, "name", None) if stream.type in _COPIED else None
        if name and stream.codec_context.codec.canonical_name in target.supported_codecs:
            copied[stream.index] = target.add_stream_from_template(stream)
            copied[stream.index].metadata.update(stream.metadata)
        elif stream.type == "audio":
            raise VideoError(f"{whole.suffix} cannot hold the sound ({name}); name the result .mkv")
        else:
            notes.append(f"a stream of {stream.type} ({name or 'unknown'}) is not copied")
    return copied


def _video_packets(parts: Sequence[Path], stream: Any, last: int) -> Generator[Any]:
    """Yield the packets of all parts; each lasts until the next one."""
    waiting: Any = None
    for part in parts:
        with load_av().open(str(part)) as container:
            for packet in container.demux(video=0):
                if packet.dts is None:
                    continue
                packet.stream = stream
                if waiting is not None:
                    waiting.duration = packet.pts - waiting.pts
                    yield waiting
                waiting = packet
    if waiting is not None:
        waiting.duration = last
        yield waiting


def _other_packets(original: Any, copied: dict[int, Any], notes: list[str]) -> Iterator[Any]:
    streams = [stream for stream in original.streams if stream.index in copied]
    if not streams:
        return
    try:
        for packet in original.demux(streams):
            if packet.dts is not None:
                packet.stream = copied[packet.stream_index]
                yield packet
    except load_av().FFmpegError as error:
        notes.append(f"the sound cannot be read to its end ({error.strerror})")


def _time(packet: Any) -> Fraction:
    return Fraction(packet.dts * packet.time_base)
