"""Encoding of a video: codec, pixel format and tags of the output, and joining it with the source's sound."""

from __future__ import annotations

import heapq
import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorzoo.pictures.film import load_av
from colorzoo.pictures.metadata import Metadata
from colorzoo.pictures.provenance import PictureProvenance, add_provenance
from colorzoo.video.frames import VideoError
from colorzoo.video.matroska import set_pixel_aspect
from colorzoo.video.planes import FULL_RANGE, Layout

CODECS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "ffv1": "ffv1"}
CONTAINERS = {
    ".mp4": ("h264", "hevc"),
    ".m4v": ("h264", "hevc"),
    ".mov": ("h264", "hevc"),
    ".mkv": ("h264", "hevc", "vp9", "ffv1"),
    ".webm": ("vp9",),
}
_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_CRF = {"h264": 16, "hevc": 18, "vp9": 22}  # visually lossless
_PRESET = "superfast"  # of libx264: a fifth of the time of the default, and a fifth more bytes
# keeps the times: Matroska would shift everything by the encoder delay of the sound
_JOIN_OPTIONS = {"avoid_negative_ts": "disabled"}
_COPIED = ("audio", "subtitle")
_MATROSKA = (".mkv", ".webm")
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@dataclass(frozen=True)
class Encoding:
    """Codec and quality.

    Attributes:
        codec: A key of `CODECS`.
        crf: Constant rate factor, lower is better; None for the codec's default.
    """

    codec: str
    crf: int | None = None


@dataclass(frozen=True)
class StreamPlan:
    """All properties of the encoded video stream.

    Attributes:
        encoding: Codec and quality.
        width: Width of the stored frame.
        height: Height of the stored frame.
        layout: Pixel format.
        time_base: Unit of the timestamps in seconds.
        rate: Mean frames per second.
        tags: Range, matrix, primaries and transfer, by their names in FFmpeg.
        aspect: Aspect ratio of a pixel.
        rotation: Display matrix of the source, nine numbers; empty for an upright one.
    """

    encoding: Encoding
    width: int
    height: int
    layout: Layout
    time_base: Fraction
    rate: Fraction
    tags: dict[str, int]
    aspect: Fraction | None
    rotation: tuple[int, ...] = ()

    def add_to(self, container: Any) -> Any:
        """Add the stream to an output container and return it."""
        codec = self.encoding.codec
        crf = self.encoding.crf if self.encoding.crf is not None else _CRF.get(codec)
        options = {} if crf is None else {"crf": str(crf)}
        if codec == "h264":
            options["preset"] = _PRESET
        elif codec == "hevc":
            options["x265-params"] = "log-level=none"
        elif codec == "vp9":
            options |= {"cpu-used": "4", "row-mt": "1"}
        stream = container.add_stream(CODECS[codec], rate=self.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.layout.name
        context = stream.codec_context
        context.time_base = self.time_base
        if codec != "ffv1":
            context.max_b_frames = 0  # shots are encoded separately, and decoding order must continue
        if codec == "vp9":
            context.bit_rate = 0  # else it limits the quality
        for name, value in self.tags.items():
            setattr(context, name, value)
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        if self.rotation:
            stream.set_display_matrix(self.rotation)
        return stream


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk and of the encoder into a `VideoError`."""
    try:
        yield
    except (OSError, load_av().FFmpegError) as error:
        raise VideoError(f"{path} cannot be written: {error.strerror or error}") from error


def choose_encoding(out: Path, codec: str | None, crf: int | None) -> Encoding:
    """Return the encoding for an output file.

    Raises:
        VideoError: The container is unknown or cannot hold the codec, or the encoder is not available.
    """
    codecs = CONTAINERS.get(out.suffix.lower())
    if codecs is None:
        known = " ".join(CONTAINERS)
        raise VideoError(f"{out}: videos cannot be written as {out.suffix or 'a folder'}, use one of {known}")
    codec = codec or codecs[0]
    if codec not in codecs:
        raise VideoError(f"{out}: {out.suffix} cannot hold {codec}, it holds {' '.join(codecs)}")
    if CODECS[codec] not in load_av().codecs_available:
        raise VideoError(f"this build of PyAV has no encoder {CODECS[codec]}")
    return Encoding(codec, crf)


def require_sound(source: Path, out: Path) -> None:
    """Refuse a result that cannot hold the sound of its source, before any frame is colored.

    Raises:
        VideoError: The container of ``out`` does not hold it.
    """
    av = load_av()
    with (
        write_errors(source),
        av.open(str(source)) as original,
        av.open(io.BytesIO(), "w", format=_MUXERS[out.suffix.lower()]) as target,
    ):
        for stream in original.streams.audio:
            name = getattr(stream.codec_context, "name", None)
            if name is None or stream.codec_context.codec.canonical_name not in target.supported_codecs:
                raise _refused_sound(out, name)


def _refused_sound(out: Path, name: str | None) -> VideoError:
    advice = "; name the result .mkv" if out.suffix.lower() != ".mkv" else ""
    return VideoError(f"{out}: {out.suffix} cannot hold the sound ({name or 'of an unknown kind'}){advice}")


def output_layout(source: Layout, gray: bool, size: tuple[int, int], codec: str) -> tuple[Layout, list[str]]:
    """Return the pixel format of the output, and notes on what is lost of the source.

    Args:
        source: Pixel format of the source.
        gray: The source has no chroma planes, or stores RGB.
        size: Width and height.
        codec: A key of `CODECS`.
    """
    notes = []
    across, down = (2, 2) if gray else (source.across, source.down)
    if size[0] % across or size[1] % down:
        across, down = 1, 1
        notes.append("written as 4:4:4 because of odd sides; some players show only 4:2:0")
    known = {form.name for form in load_av().Codec(CODECS[codec], "w").video_formats}
    for bits in (min(source.bits, 10), 8):
        layout = Layout(across, down, bits, source.full, source.matrix)
        if layout.name in known:
            break
    if layout.bits < source.bits:
        notes.append(f"reduced from {source.bits} to {layout.bits} bits")
    return layout, notes


def tags_of(frame: Any, layout: Layout) -> dict[str, int]:
    """Return the tags of the source; a missing or unknown matrix is replaced by the assumed one."""
    return {
        "color_range": FULL_RANGE if layout.full else 1,
        "colorspace": layout.matrix,
        "color_primaries": int(frame.color_primaries),
        "color_trc": int(frame.color_trc),
    }


def join_parts(
    source: Path,
    parts: Sequence[Path],
    whole: Path,
    plan: StreamPlan,
    last: int,
    origin: PictureProvenance | None,
) -> list[str]:
    """Join the colored shots into one file; other streams of the source are copied packet by packet.

    Args:
        source: The video whose sound, subtitles, chapters and metadata are copied.
        parts: The colored shots in order.
        whole: The file to write.
        plan: The stream of the parts.
        last: Duration of the last frame, in units of the time base.
        origin: Provenance of the result: XMP in an MP4, the source type as a tag of a Matroska file.

    Returns:
        Notes on what could not be copied.

    Raises:
        VideoError: The container cannot hold the sound.
    """
    av = load_av()
    notes: list[str] = []
    with (
        write_errors(whole),
        av.open(str(source)) as original,
        av.open(str(whole), "w", options=_JOIN_OPTIONS) as target,
    ):
        video = plan.add_to(target)
        copied = _add_copies(original, target, whole, notes)
        target.metadata.update(original.metadata)
        if origin is not None and whole.suffix.lower() in _MATROSKA:
            target.metadata["DIGITAL_SOURCE_TYPE"] = origin.source_type
        target.set_chapters(original.chapters())
        target.start_encoding()
        with closing(_video_packets(parts, video, last, plan.time_base)) as colored:
            others = _copied_packets(original, copied, notes)
            for packet in heapq.merge(colored, others, key=lambda p: Fraction(p.dts * p.time_base)):
                target.mux_one(packet)
    if origin is not None and whole.suffix.lower() not in _MATROSKA:
        with write_errors(whole), whole.open("ab") as file:
            file.write(_xmp_box(add_provenance(Metadata(), origin).xmp or b""))
    # libx264 and libx265 write it into the stream
    needs_aspect = plan.encoding.codec in ("vp9", "ffv1") and plan.aspect not in (None, 1)
    if needs_aspect and plan.aspect and not set_pixel_aspect(whole, plan.aspect):
        notes.append(f"the aspect {plan.aspect} of a pixel is dropped")
    return notes


def _xmp_box(packet: bytes) -> bytes:
    """Return the box that holds XMP in an MP4 or QuickTime file (XMP specification, part 3)."""
    return (24 + len(packet)).to_bytes(4, "big") + b"uuid" + _XMP_BOX + packet


def _add_copies(original: Any, target: Any, whole: Path, notes: list[str]) -> dict[int, Any]:
    """Add the streams that can be copied, by their index in the source."""
    copied = {}
    for stream in original.streams:
        if stream.type == "video":
            continue
        name = getattr(stream.codec_context, "name", None) if stream.type in _COPIED else None
        if name and stream.codec_context.codec.canonical_name in target.supported_codecs:
            copied[stream.index] = target.add_stream_from_template(stream)
            copied[stream.index].metadata.update(stream.metadata)
        elif stream.type == "audio":
            raise _refused_sound(whole, name)
        else:
            notes.append(f"a stream of {stream.type} ({name or 'unknown'}) is not copied")
    return copied


def _video_packets(parts: Sequence[Path], stream: Any, last: int, time_base: Fraction) -> Generator[Any]:
    """Yield the packets of all parts; each lasts until the next one, and the last one ``last`` time bases."""
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
        waiting.duration = round(last * time_base / waiting.time_base)
        yield waiting


def _copied_packets(original: Any, copied: dict[int, Any], notes: list[str]) -> Iterator[Any]:
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
