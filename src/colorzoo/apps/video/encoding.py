"""Video encoding, and muxing of the result with the audio of the source."""

from __future__ import annotations

import heapq
import os
import re
import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorzoo.apps.video.clock import Clock, PacketClock
from colorzoo.apps.video.container import import_av, main_video_stream, open_media
from colorzoo.apps.video.frames import VideoError
from colorzoo.apps.video.other_streams import OtherStreams
from colorzoo.apps.video.planes import Layout
from colorzoo.image_io import ImageProvenance, Metadata, add_provenance

CODECS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "ffv1": "ffv1"}
CONTAINERS = {
    ".mp4": ("h264", "hevc"),
    ".mov": ("h264", "hevc"),
    ".mkv": ("h264", "hevc", "vp9", "ffv1"),
    ".webm": ("vp9",),
}
_CRF = {"h264": 16, "hevc": 18, "vp9": 22}  # default constant rate factors, visually lossless
_PRESET = "superfast"  # libx264 preset, five times as fast as the default; files are 20 % larger
# tags that describe the source encoding, some with a language
_SOURCE_TAGS = re.compile(
    r"(?i)(encoder|software|(major|compatible)_brands?|minor_version|vendor_id|(alpha|stereo)_mode|duration"
    r"|bps|number_of_(frames|bytes)|_statistics_\w+)(-\w+)?"
)
_CONVERTED_TAGS = frozenset({"language", "creation_time"})  # values that depend on the container
# languages that FFmpeg writes to QuickTime files only as another code of ISO 639-2
_QUICKTIME_LANGUAGES = {"fre": "fra", "deu": "ger", "nld": "dut", "zho": "chi", "ell": "gre"}
_PADDING = "\x01" * 14  # start of the track name, replaced by the two elements of the display size
# Matroska elements: an id, the length (with the highest bit set), and the value
_WIDTH_ID, _HEIGHT_ID = b"\x54\xb0", b"\x54\xba"
# a length has one byte if the first byte is at least 0x80, two from 0x40, and three from 0x20
_PADDED_NAME = re.compile(
    rb"\x53\x6e([\x80-\xff]|[\x40-\x7f].|[\x20-\x3f]..)" + _PADDING.encode(), re.DOTALL
)  # id and length of the track name, and the padding
_VIDEO_SETTINGS = re.compile(rb"\xe0[\x80-\xef](?=\xb0)")  # id and length, before the id of the pixel width
_UNIT_UNKNOWN, _UNIT_PIXELS = b"\x54\xb2\x81\x04", b"\x54\xb2\x81\x00"  # unit of the display size
_MATROSKA = (".mkv", ".webm")
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@dataclass(frozen=True)
class StreamPlan:
    """Properties of the encoded video stream.

    Attributes:
        codec: A key of `CODECS`.
        crf: Constant rate factor; lower values give higher quality. None uses the default of the codec.
        width: Width of the stored source frames in pixels, before rotation.
        height: Height of the stored source frames in pixels, before rotation.
        layout: Pixel format and color matrix of the result.
        time_base: Unit of the timestamps in seconds.
        rate: Mean number of frames per second.
        tags: FFmpeg codes of the color range, matrix, primaries and transfer function, by the attribute name
            of PyAV's codec context.
        aspect: Pixel aspect ratio; None if the source does not specify it.
        matrix: Nine numbers of the source's display matrix, which rotates and flips frames; empty without a
            display matrix.
    """

    codec: str
    crf: int | None
    width: int
    height: int
    layout: Layout
    time_base: Fraction
    rate: Fraction
    tags: dict[str, int]
    aspect: Fraction | None
    matrix: tuple[int, ...] = ()

    @property
    def needs_display_size(self) -> bool:
        """Whether `join_parts` must write the pixel aspect ratio into the container.

        This is the case for VP9 and FFV1, because PyAV cannot write the ratio into their containers.
        """
        return self.codec in ("vp9", "ffv1") and self.aspect not in (None, 1)

    def add_to(self, container: Any) -> Any:
        """Add the video stream to an output container, and return the stream."""
        codec = self.codec
        # options of the FFmpeg encoder
        crf = self.crf if self.crf is not None else _CRF.get(codec)
        options = {} if crf is None else {"crf": str(crf)}
        if codec == "h264":
            options["preset"] = _PRESET
        elif codec == "hevc":
            options |= {"x265-params": "log-level=none", "a53cc": "1"}
        elif codec == "vp9":
            options |= {"cpu-used": "4", "row-mt": "1"}
        stream = container.add_stream(CODECS[codec], rate=self.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.layout.name
        context = stream.codec_context
        if codec == "hevc" and container.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple players do not play the default, hev1
        context.time_base = self.time_base
        context.flags |= import_av().codec.context.Flags.global_header  # required by all containers
        if codec != "ffv1":
            context.max_b_frames = 0  # shots can only be joined if decoding order equals display order
        if codec == "vp9":
            context.bit_rate = 0  # no bit rate limit; only the crf determines the quality
        for name, value in self.tags.items():
            setattr(context, name, value)
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        if self.matrix:
            stream.set_display_matrix(self.matrix)
        try:
            context.open()
        except import_av().FFmpegError:
            video = (
                f"{self.width} x {self.height} pixels in {self.layout.name} at {float(self.rate):g} frames/s"
            )
            raise VideoError(f"{codec} does not support {video}") from None
        return stream


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Convert I/O and encoder errors in a ``with`` block to `VideoError`."""
    try:
        yield
    except (OSError, import_av().FFmpegError) as error:
        raise VideoError(f"{path} cannot be written: {error.strerror or error}") from error


def choose_codec(out: Path, codec: str | None = None) -> str:
    """Return the codec of an output file, a key of `CODECS`.

    Args:
        out: Output file, whose extension determines the container and the default codec.
        codec: Codec that the user selects; None selects the default codec of the extension.

    Raises:
        VideoError: The extension is unknown, or the container does not support the codec.
    """
    codecs = CONTAINERS.get(out.suffix.lower())
    if codecs is None:
        known = " ".join(CONTAINERS)
        raise VideoError(f"{out}: the extension must be one of {known}, got {out.suffix or 'none'}")
    codec = codec or codecs[0]
    if codec not in codecs:
        raise VideoError(f"{out}: --codec must be {' or '.join(codecs)} for {out.suffix}, got {codec}")
    return codec


def output_layout(
    source: Layout, size: tuple[int, int], codec: str, *, has_chroma: bool
) -> tuple[Layout, list[str]]:
    """Return the pixel format of the output, and notes for the user on lost properties.

    The chroma subsampling of the source is kept. A source without chroma planes is written as 4:2:0.

    Args:
        source: Pixel format of the source.
        size: Width and height of the frames in pixels.
        codec: A key of `CODECS`.
        has_chroma: Whether the source has chroma planes, unlike gray video and RGB video.
    """
    notes = []
    width, height = size
    across, down = (source.across, source.down) if has_chroma else (2, 2)
    if width % across or height % down:
        across, down = 1, 1
        notes.append("written as 4:4:4 because width or height is odd; some players support only 4:2:0")
    supported = {pixel_format.name for pixel_format in import_av().Codec(CODECS[codec], "w").video_formats}
    layout = replace(source, across=across, down=down, bits=min(source.bits, 10))
    if layout.name not in supported:
        layout = replace(layout, bits=8)
    if layout.bits < source.bits:
        notes.append(f"reduced from {source.bits} to {layout.bits} bits")
    return layout, notes


def join_parts(
    source: Path,
    parts: Sequence[Path],
    result: Path,
    plan: StreamPlan,
    clock: Clock,
    last_duration: int,
    origin: ImageProvenance | None,
    *,
    sound: bool = True,
    is_excerpt: bool = False,
) -> list[str]:
    """Join the colorized shots, and add the other streams of the source.

    The streams are copied. Sound is converted only if the container does not support its codec.

    Args:
        source: Source video with audio, subtitles, cover art, chapters and metadata to copy.
        parts: Video files of the colorized shots in order. Without parts, this function only checks whether
            the result can be written.
        result: Output file.
        plan: Properties of the video stream.
        clock: Clock of the source, which makes the timestamps of the other streams continuous.
        last_duration: Duration of the last frame in units of the time base of ``plan``.
        origin: Provenance of the result. An MP4 file stores it as XMP; a Matroska file stores only the source
            type, as a tag. None stores no provenance.
        sound: Whether the result contains the sound of the source.
        is_excerpt: Whether the shots are a part of the source. Then the other streams are cut to this part,
            the result starts at time 0, and it has no chapters.

    Returns:
        Notes on streams that were not copied or not copied completely.

    Raises:
        VideoError: The output file cannot be written.
    """
    suffix = result.suffix.lower()
    # options of the FFmpeg muxer; Matroska would otherwise shift all streams by the audio encoder delay
    options = {"avoid_negative_ts": "disabled"}
    if suffix in _MATROSKA:
        options["default_mode"] = "passthrough"
    else:
        options["movflags"] = "+faststart"  # browsers play the film before it is downloaded completely
    if plan.needs_display_size:
        options["write_crc32"] = "0"  # a checksum would become invalid, because elements are changed later
    with write_errors(result), open_media(source) as input_container:
        main = main_video_stream(input_container)
        others = OtherStreams(input_container, main, suffix, sound=sound)
        notes = others.notes
        with others.open_output(result if parts else os.devnull, options) as output_container:
            video = plan.add_to(output_container)
            # copy the tags of the file and the streams, except tags about the source encoding
            added = others.add_to(output_container)
            copies = [(input_container.streams[index], stream) for index, stream in added.items()]
            for original, copy in [(input_container, output_container), (main, video), *copies]:
                items = original.metadata.items()
                tags = {key: value for key, value in items if not _SOURCE_TAGS.fullmatch(key)}
                timecode = next((key for key in tags if key.lower() == "timecode"), None)
                if timecode and (is_excerpt or not _is_timecode(tags[timecode], plan.rate, suffix)):
                    notes.append(f"time code {tags.pop(timecode)} is dropped")
                if "title" not in tags and "name" in tags:  # streams of QuickTime and MP4
                    tags["title"] = tags["name"]
                if suffix == ".mov" and tags.get("language") in _QUICKTIME_LANGUAGES:
                    tags["language"] = _QUICKTIME_LANGUAGES[tags["language"]]
                copy.metadata.update(tags)
                if original is not input_container:
                    copy.disposition = original.disposition
            if plan.needs_display_size:
                video.metadata["title"] = _PADDING + video.metadata.get("title", "")
            chapters = input_container.chapters()
            if is_excerpt and chapters:
                notes.append("chapters are dropped")
            output_container.set_chapters([] if is_excerpt else chapters)
            if origin is not None and suffix in _MATROSKA:
                output_container.metadata["DIGITAL_SOURCE_TYPE"] = origin.source_type
            output_container.start_encoding()
            if not parts:
                return notes
            # write the packets of all streams in the order of their timestamps
            start = end = Fraction(0)
            if is_excerpt:
                first, *_, last = [  # one frame is two equal times
                    time for part in (parts[0], parts[-1]) for time in _packet_times(part)
                ]
                start, end = first, last + last_duration * plan.time_base
            other_packets = others.packets(PacketClock(clock, main.index))
            with closing(_video_packets(parts, video, last_duration, plan.time_base)) as video_packets:
                for packet in heapq.merge(
                    video_packets, other_packets, key=lambda each: Fraction(each.dts * each.time_base)
                ):
                    if is_excerpt:
                        shown = packet.pts * packet.time_base
                        stop = shown + (packet.duration or 0) * packet.time_base
                        if packet.stream.type == "subtitle" and shown < end and start < stop:
                            # cut the time of a subtitle to the excerpt
                            shown = max(shown, start)
                            packet.pts = packet.dts = round(shown / packet.time_base)
                            packet.duration = round((min(stop, end) - shown) / packet.time_base)
                        elif not start <= shown < end:
                            continue
                        offset = round(start / packet.time_base)
                        packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
                    output_container.mux_one(packet)
        if plan.needs_display_size and plan.aspect:
            _write_display_size(result, round(plan.width * plan.aspect), plan.height)
        notes += _lost_tags(input_container, result, [main.index, *others.outputs])
        xmp = input_container.metadata.get("xmp", "").encode()
    if origin is not None:
        xmp = add_provenance(Metadata(xmp=xmp), origin).xmp or b""
    if xmp and suffix not in _MATROSKA:
        # append an XMP box (XMP specification, part 3)
        with write_errors(result), result.open("ab") as file:
            file.write((24 + len(xmp)).to_bytes(4, "big") + b"uuid" + _XMP_BOX + xmp)
    return notes


def _is_timecode(text: str, rate: Fraction, suffix: str) -> bool:
    """Return whether a container can store a time code; drop-frame codes need 30 or 60 frames per second."""
    match = re.fullmatch(r"\d+:\d+:\d+([:;.])\d+", text)
    is_supported = match and round(rate) < 256 and (match[1] == ":" or round(rate) % 30 == 0)
    return suffix in _MATROSKA or bool(is_supported)


def _lost_tags(source: Any, result: Path, streams: Sequence[int]) -> list[str]:
    """Return notes on tags and flags of the source, with the stream indices ``streams``, that a file lost."""
    notes = []
    with open_media(result) as written:
        pairs = [("the file", source, written)]
        for index, copy in zip(streams, written.streams, strict=False):  # attachments follow
            pairs.append((f"stream {index}", source.streams[index], copy))
        for label, original, copy in pairs:
            kept = {*copy.metadata.values(), *written.metadata.values(), "und"}
            lost = [
                key
                for key, value in original.metadata.items()
                if value not in kept
                and not _SOURCE_TAGS.fullmatch(key)
                and key.lower() not in ("xmp", "timecode")
                if key not in _CONVERTED_TAGS or key not in copy.metadata
            ]
            if original is not source:
                lost += [flag.name for flag in original.disposition & ~copy.disposition]
            if lost:
                notes.append(f"tags of {label} are dropped: {', '.join(lost)}")
    return notes


def _write_display_size(path: Path, width: int, height: int) -> None:
    """Write the display size of a Matroska video track into the place of the padding of its name.

    FFmpeg would write the display size from ``sample_aspect_ratio``, which PyAV 18 cannot set on a stream.
    The length of the header does not change::

        before:  name length | padding | name | other elements | settings length | settings
        after:   name length | name | other elements | settings length | display size | settings

    Args:
        path: Matroska file whose track name starts with `_PADDING`.
        width: Width of the displayed frames in pixels.
        height: Height of the displayed frames in pixels.
    """
    # two elements with values of 4 bytes; the length 4 is stored as 0x84
    display_size = struct.pack(">2sBI2sBI", _WIDTH_ID, 0x84, width, _HEIGHT_ID, 0x84, height)
    with path.open("r+b") as file:
        header = file.read(2**16)
        # remove the padding of the track name
        padded_name = _PADDED_NAME.search(header)
        if padded_name is None:
            raise VideoError("cannot write the pixel aspect ratio, because the file has no video track name")
        length_bytes = padded_name[1]
        before_length = header[: padded_name.start(1)]
        after_padding = header[padded_name.end() :]
        # Matroska stores a length plus an offset: 0x80 for one byte, 0x4000 for two bytes
        length_offset = 2 ** (7 * len(length_bytes))
        new_stored_length = int.from_bytes(length_bytes) - len(_PADDING)
        name_length = new_stored_length - length_offset

        # insert the display size into the video settings
        settings_header = _VIDEO_SETTINGS.search(after_padding, name_length)  # skips the name
        if settings_header is None:
            raise VideoError(
                "cannot write the pixel aspect ratio, because the file has no video track header"
            )
        settings_start = settings_header.end()
        settings_length_position = settings_start - 1  # the length is the last byte of the header
        stored_settings_length = after_padding[settings_length_position]
        settings_length = stored_settings_length - 0x80  # stored in one byte
        settings_end = settings_start + settings_length
        settings = after_padding[settings_start:settings_end]
        parts = [
            before_length,
            new_stored_length.to_bytes(len(length_bytes)),
            after_padding[:settings_length_position],  # name, other elements and the id of the settings
            bytes([stored_settings_length + len(display_size)]),
            display_size,
            settings.replace(_UNIT_UNKNOWN, _UNIT_PIXELS),
            after_padding[settings_end:],
        ]
        file.seek(0)
        file.write(b"".join(parts))


def _packet_times(part: Path) -> list[Fraction]:
    """Return the times of the frames of a shot in seconds."""
    with open_media(part) as container:
        return [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size]


def _video_packets(
    parts: Sequence[Path], stream: Any, last_duration: int, time_base: Fraction
) -> Generator[Any]:
    """Yield the packets of the colorized shots, with the duration until the next packet.

    Args:
        parts: Video files of the shots in order.
        stream: Output stream of the packets.
        last_duration: Duration of the last packet in units of ``time_base``.
        time_base: Unit of the timestamps of the source in seconds.
    """
    previous = None
    for part in parts:
        with open_media(part) as container:
            for packet in container.demux(video=0):
                if not packet.size:  # the empty packet at the end
                    continue
                packet.stream = stream
                # without B-frames both timestamps are equal, but short shots may lack decoding timestamps
                packet.dts = packet.pts
                if previous is not None:
                    previous.duration = packet.pts - previous.pts
                    yield previous
                previous = packet
    if previous is not None:
        previous.duration = round(last_duration * time_base / previous.time_base)
        yield previous
