"""Sound, subtitles and attachments of a source video in the colorized video."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from colorzoo.apps.video.clock import PacketClock
from colorzoo.apps.video.container import import_av, open_media

_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_SOUND_ENCODERS = {".webm": "libopus"}  # default: aac
_LAYOUTS = {1: "mono", 6: "5.1", 8: "7.1"}  # channel layouts by number of channels; default: stereo
_AUDIBLE = 0.1  # minimum duration in seconds of dropped sound that is reported


class OtherStreams:
    """Streams of a video beside the main video stream, and how each stream is written to the output.

    Audio and subtitles are copied if the output container supports their codec. Other audio is converted, and
    other subtitles are dropped.

    Args:
        original: Container of the source.
        main: Main video stream.
        suffix: Lower-case extension of the output file.
        sound: Whether to write audio streams.

    Attributes:
        notes: Notes for the user on streams that are dropped, converted or damaged.
    """

    def __init__(self, original: Any, main: Any, suffix: str, *, sound: bool) -> None:
        self._original, self._main, self._suffix = original, main, suffix
        self._copied: list[Any] = []
        self._converted: list[Any] = []
        self._attached: list[Any] = []
        self._is_wrapped = False
        self._targets: dict[int, Any] = {}
        self._ends: dict[int, int] = defaultdict(int)  # ends of the converted sound
        self.notes: list[str] = []
        for stream in original.streams:
            if stream.index != main.index and (sound or stream.type != "audio"):
                self._plan(stream)
        if self._is_wrapped and original.chapters():
            self.notes.append("chapters are not copied")

    def _plan(self, stream: Any) -> None:
        context = stream.codec_context
        name = getattr(context, "name", None) or getattr(stream, "name", None) or "unknown"
        is_mkv = self._suffix == ".mkv"
        if is_mkv and stream.type == "attachment":
            self._attached.append(stream)
        elif stream.type in ("audio", "subtitle") and self._accepts(stream, is_wrapped=False):
            self._copied.append(stream)
        elif is_mkv and stream.type == "audio" and self._accepts(stream, is_wrapped=True):
            self._copied.append(stream)
            self._is_wrapped = True
        elif stream.type == "audio" and context is not None:
            self._converted.append(stream)
            self.notes.append(f"stream {stream.index} (audio, {name}) is converted to {self._encoder}")
        else:
            self.notes.append(f"stream {stream.index} ({stream.type}, {name}) is not copied")

    @property
    def _encoder(self) -> str:
        return _SOUND_ENCODERS.get(self._suffix, "aac")

    def _accepts(self, stream: Any, *, is_wrapped: bool) -> bool:
        """Return whether FFmpeg writes a file header for a copy of a stream."""
        try:
            with _open_output(os.devnull, _MUXERS[self._suffix], {}, is_wrapped=is_wrapped) as target:
                target.add_stream_from_template(stream, opaque=True)
                target.start_encoding()
        except (import_av().FFmpegError, ValueError):
            return False
        return True

    def open_output(self, path: Path, options: Mapping[str, str]) -> Any:
        """Open the output file with PyAV.

        Args:
            path: Output file.
            options: Options of the FFmpeg muxer.
        """
        return _open_output(str(path), _MUXERS[self._suffix], options, is_wrapped=self._is_wrapped)

    def add_to(self, target: Any) -> dict[int, Any]:
        """Add the streams to the output container; return them by index of the source stream."""
        for stream in self._attached:
            target.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
        for stream in self._copied:
            self._targets[stream.index] = target.add_stream_from_template(stream, opaque=True)
        rates = import_av().Codec(self._encoder, "w").audio_rates
        for stream in self._converted:
            rate = min(rates, key=lambda rate: abs(rate - stream.rate))
            layout = _LAYOUTS.get(stream.channels, "stereo")
            self._targets[stream.index] = target.add_stream(self._encoder, rate=rate, layout=layout)
        return dict(sorted(self._targets.items()))

    def packets(self, clock: PacketClock) -> Iterator[Any]:
        """Yield the packets of the output streams that `add_to` added.

        Args:
            clock: Clock that makes the timestamps continuous.
        """
        if not self._targets:
            return
        converted = [stream.index for stream in self._converted]
        streams = [self._main, *(self._original.streams[index] for index in self._targets)]
        try:
            for packet in self._original.demux(streams):
                if packet.dts is None or not clock.shift(packet):
                    continue
                if packet.stream_index in converted:
                    yield from self._encoded(packet.stream_index, packet)
                else:
                    packet.stream = self._targets[packet.stream_index]
                    yield packet
        except import_av().FFmpegError as error:
            self.notes.append(f"the audio of the source cannot be read to the end ({error.strerror})")
        for index in converted:
            yield from self._encoded(index, None)  # the sound that decoder and encoder buffer
        if clock.dropped >= _AUDIBLE:
            self.notes.append(f"{float(clock.dropped):.1f} s of sound at jumps of the clock is dropped")

    def _encoded(self, index: int, packet: Any) -> Iterator[Any]:
        """Yield packets with the converted sound of a packet; None flushes decoder and encoder."""
        target = self._targets[index]
        try:
            frames = self._original.streams[index].decode(packet)
        except import_av().FFmpegError:
            note = f"stream {index} (audio) has damaged packets, which are dropped"
            if note not in self.notes:
                self.notes.append(note)
            return
        if packet is None:
            frames = [*frames, None]  # flushes the encoder
        for frame in frames:
            for encoded in target.encode(frame):
                if encoded.pts is None:  # the last packets, because flushed frames have no timestamps
                    encoded.pts = encoded.dts = self._ends[index]
                self._ends[index] = encoded.pts + (encoded.duration or target.frame_size)
                yield encoded


def _open_output(path: str, muxer: str, options: Mapping[str, str], *, is_wrapped: bool) -> Any:
    """Open an output file with PyAV.

    PyAV refuses codecs that Matroska stores with a code of Windows, such as WMA. It does not check the codecs
    of FFmpeg's ``tee`` muxer, which passes the streams to the Matroska muxer but drops chapters.
    """
    if not is_wrapped:
        return open_media(path, "w", format=muxer, options=dict(options))
    settings = ":".join(f"{key}={value}" for key, value in {"f": muxer, **options}.items())
    escaped = re.sub(r"([\\'|])", r"\\\1", path)
    return import_av().open(f"[{settings}]file:{escaped}", "w", format="tee")
