"""Sound, subtitles and attachments of a source video in the colorized video."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from colorzoo.apps.video.clock import PacketClock
from colorzoo.apps.video.container import import_av, open_media

_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_SOUND_ENCODERS = {".webm": "libopus"}  # default: aac
_LAYOUTS = {1: "mono", 6: "5.1", 8: "7.1"}  # channel layouts by number of channels; default: stereo


class OtherStreams:
    """Streams of a video beside the main video stream, and how each stream is written to the output.

    Audio and subtitles are copied if the output container supports their codec. Other audio is converted, and
    other subtitles are dropped.

    Args:
        input_container: Container of the source.
        main: Main video stream.
        suffix: Lower-case extension of the output file.
        sound: Whether to write audio streams.

    Attributes:
        notes: Notes for the user on streams that are dropped, converted or damaged.
        outputs: Output streams that `add_to` added, in order, by index of the input stream.
    """

    def __init__(self, input_container: Any, main: Any, suffix: str, *, sound: bool) -> None:
        self._input, self._main, self._suffix = input_container, main, suffix
        self._encoder = _SOUND_ENCODERS.get(suffix, "aac")
        self._copied: list[Any] = []
        self._converted: list[Any] = []
        self._attached: list[Any] = []
        self.outputs: dict[int, Any] = {}
        self._ends: dict[int, int] = defaultdict(int)  # end of the converted sound of each input stream
        self.notes: list[str] = []
        for stream in input_container.streams:
            if stream.index == main.index or (stream.type == "audio" and not sound):
                continue
            # QuickTime stores time codes and chapter titles as data streams. Both are copied in another form:
            # a time code as a tag of the main stream, and chapter titles as chapters of the file.
            timecode = stream.metadata.get("timecode")
            has_timecode = timecode is not None and timecode == main.metadata.get("timecode")
            chapters = input_container.chapters()
            has_titles = stream.name == "bin_data" and 0 < stream.frames == len(chapters)
            if stream.type == "data" and (has_timecode or has_titles):
                continue
            # copy, convert, attach or drop the stream
            context = stream.codec_context
            name = getattr(context, "name", None) or getattr(stream, "name", None) or "unknown"
            if suffix == ".mkv" and stream.type == "attachment":
                self._attached.append(stream)
            elif stream.type in ("audio", "subtitle") and self._accepts(stream):
                self._copied.append(stream)
            elif stream.type == "audio" and context is not None:
                self._converted.append(stream)
                self.notes.append(f"stream {stream.index} (audio, {name}) is converted to {self._encoder}")
            else:
                self.notes.append(f"stream {stream.index} ({stream.type}, {name}) is not copied")

    def _accepts(self, stream: Any) -> bool:
        """Return whether FFmpeg writes a file with a copy of a stream."""
        try:
            with self.open_output(os.devnull, {}) as container:
                copy = container.add_stream_from_template(stream, opaque=True)
                container.start_encoding()
                if stream.type == "audio":  # MP4 describes the stream after its packets
                    with import_av().open(self._input.name) as source:
                        packets = source.demux(source.streams[stream.index])
                        packet = next((each for each in packets if each.dts is not None), None)
                        if packet is not None:
                            packet.stream = copy
                            container.mux_one(packet)
        except (import_av().FFmpegError, ValueError):
            return False
        return True

    def open_output(self, path: str | Path, options: Mapping[str, str]) -> Any:
        """Open the output file with PyAV.

        Args:
            path: Output file.
            options: Options of the FFmpeg muxer.
        """
        return open_media(path, "w", format=_MUXERS[self._suffix], options=dict(options))

    def add_to(self, output_container: Any) -> dict[int, Any]:
        """Add the streams to the output container; return them by index of the source stream."""
        for stream in self._attached:
            name, mime_type = stream.name or "attachment", stream.mimetype or ""
            output_container.add_attachment(name, mime_type, stream.data)
        for stream in self._copied:
            self.outputs[stream.index] = output_container.add_stream_from_template(stream, opaque=True)
        rates = import_av().Codec(self._encoder, "w").audio_rates
        for stream in self._converted:
            rate = min(rates, key=lambda rate: abs(rate - stream.rate))
            layout = _LAYOUTS.get(stream.channels, "stereo")
            self.outputs[stream.index] = output_container.add_stream(self._encoder, rate=rate, layout=layout)
        return dict(sorted(self.outputs.items()))

    def packets(self, clock: PacketClock) -> Iterator[Any]:
        """Yield the packets of the output streams that `add_to` added; add notes on damaged packets.

        Args:
            clock: Clock that makes the timestamps continuous.
        """
        if not self.outputs:
            return
        streams = [self._main, *(self._input.streams[index] for index in self.outputs)]
        converted = {stream.index for stream in self._converted}
        try:
            for packet in self._input.demux(streams):
                if packet.dts is None:
                    continue
                clock.shift(packet)
                if packet.stream_index in converted:
                    yield from self._convert(packet.stream_index, packet)
                elif packet.stream_index in self.outputs:
                    packet.stream = self.outputs[packet.stream_index]
                    yield packet
        except import_av().FFmpegError as error:
            self.notes.append(f"the audio of the source cannot be read to the end ({error.strerror})")
        for stream in self._converted:
            yield from self._convert(stream.index, None)  # the sound that decoder and encoder buffer

    def _convert(self, index: int, packet: Any) -> Iterator[Any]:
        """Decode a sound packet, encode its sound, and yield the encoded packets.

        Args:
            index: Index of the input stream.
            packet: Packet of the input stream; None flushes the decoder and the encoder.
        """
        output = self.outputs[index]
        frames: list[Any] = []
        try:
            frames += self._input.streams[index].decode(packet)
        except import_av().FFmpegError:
            note = f"stream {index} (audio) has damaged packets, which are dropped"
            if note not in self.notes:
                self.notes.append(note)
        if packet is None:
            frames.append(None)  # flushes the encoder
        for frame in frames:
            for encoded in output.encode(frame):
                if encoded.pts is None:  # the last packets, because flushed frames have no timestamps
                    encoded.pts = encoded.dts = self._ends[index]
                self._ends[index] = encoded.pts + (encoded.duration or output.frame_size)
                yield encoded
