"""How the colored frames of a file are encoded: all that is decided before the first frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorzoo.video.library import VideoError, load_av
from colorzoo.video.planes import FULL_RANGE, Layout

CODECS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "ffv1": "ffv1"}
CONTAINERS = {
    ".mp4": ("h264", "hevc"),
    ".m4v": ("h264", "hevc"),
    ".mov": ("h264", "hevc"),
    ".mkv": ("h264", "hevc", "vp9", "ffv1"),
    ".webm": ("vp9",),
}
_CRF = {"h264": 16, "hevc": 18, "vp9": 22}  # no loss that is seen
_UNTAGGED = 2


@dataclass(frozen=True)
class Encoding:
    """What the user chose.

    Attributes:
        codec: A key of `CODECS`.
        crf: Quality, lower is better; None for the codec's default.
    """

    codec: str
    crf: int | None = None


@dataclass(frozen=True)
class StreamPlan:
    """The video stream that is written; `add_to` makes the same one every time.

    Attributes:
        encoding: What the user chose.
        width: Of the stored frame.
        height: Of the stored frame.
        layout: How frames hold their colors.
        time_base: Seconds of one step of the timestamps.
        rate: Frames a second, on average.
        tags: Range, matrix, primaries and transfer, by their names in FFmpeg's context.
        aspect: Of a pixel.
        turned: The display matrix of the source, nine numbers; empty for an upright one.
    """

    encoding: Encoding
    width: int
    height: int
    layout: Layout
    time_base: Fraction
    rate: Fraction
    tags: dict[str, int]
    aspect: Fraction | None = None
    turned: tuple[int, ...] = ()

    def add_to(self, container: Any) -> Any:
        """Add the stream to an output container and return it."""
        codec = self.encoding.codec
        stream = container.add_stream(CODECS[codec], rate=self.rate, options=self._options())
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.layout.name
        context = stream.codec_context
        context.time_base = self.time_base
        if codec != "ffv1":
            context.max_b_frames = 0  # shots are encoded by themselves, and decoding order must go on
        if codec == "vp9":
            context.bit_rate = 0  # else it limits the quality
        for name, value in self.tags.items():
            setattr(context, name, value)
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        if self.turned:
            stream.set_display_matrix(self.turned)
        return stream

    def _options(self) -> dict[str, str]:
        codec = self.encoding.codec
        crf = self.encoding.crf if self.encoding.crf is not None else _CRF.get(codec)
        options = {} if crf is None else {"crf": str(crf)}
        if codec == "hevc":
            options["x265-params"] = "log-level=none"
        return options | ({"cpu-used": "4", "row-mt": "1"} if codec == "vp9" else {})


def choose_encoding(out: Path, codec: str | None, crf: int | None) -> Encoding:
    """Return the encoding for a file of this name.

    Raises:
        VideoError: The container is unknown or cannot hold the codec, or the encoder is not there.
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


def output_layout(source: Layout, gray: bool, size: tuple[int, int], codec: str) -> tuple[Layout, list[str]]:
    """Return how frames are written, and what of the source is lost by it.

    Args:
        source: How the source holds its frames.
        gray: It has no planes of chroma, or is stored as RGB.
        size: Width and height.
        codec: A key of `CODECS`.
    """
    notes = []
    across, down = (2, 2) if gray else (source.across, source.down)
    if size[0] % across or size[1] % down:
        across, down = 1, 1
        notes.append("written as 4:4:4, as its sides are odd; some players show only 4:2:0")
    known = {form.name for form in load_av().Codec(CODECS[codec], "w").video_formats}
    for bits in (min(source.bits, 10), 8):
        layout = Layout(across, down, bits, source.full, source.matrix)
        if layout.name in known:
            break
    if layout.bits < source.bits:
        notes.append(f"reduced from {source.bits} to {layout.bits} bits")
    return layout, notes


def tags_of(frame: Any, layout: Layout) -> dict[str, int]:
    """Return the tags to write: the source's own, and for a missing matrix the one that was used."""
    matrix = int(frame.colorspace)
    known = matrix not in (0, _UNTAGGED)
    return {
        "color_range": FULL_RANGE if layout.full else 1,
        "colorspace": matrix if known else layout.matrix,
        "color_primaries": int(frame.color_primaries),
        "color_trc": int(frame.color_trc),
    }
