"""Video files: decoding of frames, and encoding of colorized frames shot by shot.

Damaged packets are skipped and reported.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.apps.video.clock import Clock
from colorzoo.apps.video.container import (
    declared_durations,
    frame_rate,
    frame_to_rgb,
    import_av,
    main_video_stream,
    open_media,
    side_data_of,
)
from colorzoo.apps.video.encoding import (
    StreamPlan,
    join_parts,
    output_layout,
    write_errors,
)
from colorzoo.apps.video.frames import ALL_FRAMES, SAMPLES, ReadIssues, VideoError, VideoFrame, count_selected
from colorzoo.apps.video.planes import (
    FULL_RANGE,
    LIMITED_RANGE,
    Layout,
    colored_planes,
    is_rgb,
    layout_of,
    lightness_of,
    read_luma,
    samples,
)
from colorzoo.files import digest_of
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io import ImageProvenance, RasterImage
from colorzoo.inference import ColorizedImage

_HDR_METADATA = re.compile("DOVI_.*|DYNAMIC_HDR_.*|MASTERING_DISPLAY_METADATA|CONTENT_LIGHT_LEVEL|AMBIENT_.*")
_SIDE_DATA = {"A53_CC": "closed caption data", "AFD": "active format", "SEI_UNREGISTERED": "user data"}
_WRITTEN_DATA = {"h264": ("A53_CC", "STEREO3D"), "hevc": ("A53_CC",)}  # types that an encoder writes
# values without information: identifiers of the encoders x264 and x265, and zero with a marker bit
_EMPTY_DATA = re.compile(rb"(?s)\xdc\x45\xe9\xbd\xe6\xd9\x48.*|\x2c\xa2\xde\x09\xb5\x17\x47.*|\0[\0\x10]?\0*")
_SEEK_MARGIN = (
    16  # frames before a frame from which decoding starts, because frames can refer to earlier frames
)
_COMPLETE = 0.9  # a file that ends before this fraction of its declared duration is truncated


@dataclass(frozen=True)
class FileFrame(VideoFrame):
    """Decoded frame of a video file.

    Attributes:
        number: Frame number, counted from 0.
        decoded: PyAV frame.
        pts: Timestamp in units of the stream's time base.
        turns: Number of counterclockwise quarter turns that make the frame upright, after mirroring.
        mirrored: Whether the frame is mirrored horizontally before it is turned.
    """

    decoded: Any
    pts: int
    turns: int
    mirrored: bool = False

    def lightness(self) -> Tensor:
        """Return the upright lightness ``(1, 1, H, W)`` at full size."""
        lightness = lightness_of(read_luma(self.decoded), layout_of(self.decoded))
        if self.mirrored:
            lightness = lightness.flip(3)
        return torch.rot90(lightness, self.turns, (2, 3)).contiguous()

    def rgb_image(self) -> RasterImage:
        """Return the upright 8-bit image in its own colors."""
        return RasterImage(np.ascontiguousarray(self._upright(frame_to_rgb(self.decoded))))

    def luma(self, layout: Layout) -> NDArray[Any]:
        """Return the luma Y' ``(H, W)`` of the stored frame, with the bit depth of ``layout``."""
        own = layout_of(self.decoded)
        luma = read_luma(self.decoded)
        if own.bits == layout.bits:
            return luma
        levels = luma * (layout.luma_scale[1] / own.luma_scale[1])
        return np.rint(levels).astype(np.uint8 if layout.bits == 8 else np.uint16)

    def gray(self) -> NDArray[np.uint8]:
        """Return the upright 8-bit luma Y' ``(H, W)``."""
        luma, bits = read_luma(self.decoded), layout_of(self.decoded).bits
        return self._upright(luma if bits == 8 else (luma >> (bits - 8)).astype(np.uint8))

    def as_stored(self, ab: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return colors ``(2, H, W)`` of the upright frame in the orientation of the stored frame."""
        turned = np.rot90(ab, -self.turns, (1, 2))
        return np.ascontiguousarray(turned[:, :, ::-1] if self.mirrored else turned)

    def _upright(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.rot90(stored[:, ::-1] if self.mirrored else stored, self.turns)


class VideoFile:
    """Video file to colorize.

    Args:
        path: Path of the file.
        codec: Codec of the result; see `choose_codec`.
        selected: Numbers of the frames to colorize; the other frames are not part of the result.
        crf: Constant rate factor of the result; None uses the default of the codec.
        sound: Whether the result contains the sound of the source.

    Attributes:
        selected: Numbers of the frames to colorize.
        issues: Problems found while reading, and notes on properties that the result does not have.
        plan: Properties of the output stream.

    Raises:
        VideoError: PyAV is not installed, or the file cannot be decoded as a video.
    """

    extension = ".nut"  # this container supports all codecs and time bases

    def __init__(
        self,
        path: Path,
        codec: str,
        selected: range = ALL_FRAMES,
        *,
        crf: int | None = None,
        sound: bool = True,
    ) -> None:
        self.path, self.selected, self._sound = path, selected, sound
        self.issues = ReadIssues()
        self._last = (-1, 0)  # timestamp and duration of the last packet, in units of the time base
        self._end_of_others = Fraction(0)  # last timestamp of the other streams in seconds
        self._av = import_av()
        try:
            # properties of the main video stream
            with open_media(path) as container:
                if container.format.name == "image2" or container.format.name.endswith("_pipe"):
                    # FFmpeg decodes no animated WebP, and one page of a TIFF
                    raise VideoError(f"{path} is an image, not a video. Run `colorzoo colorize {path}`.")
                stream = main_video_stream(container)
                if stream is None:
                    raise VideoError(f"{path} must be a video, but it has no video stream")
                self._time_base = stream.time_base
                self._rate = frame_rate(stream)
                aspect = stream.sample_aspect_ratio
                self._own_duration, self._longest = declared_durations(container, stream)
                self._duration = self._own_duration or self._longest
                self._frames = stream.frames or max(0, round(self._duration * self._rate)) or None
                self._codec = stream.codec_context.name
                # VP8 and VP9 store transparency outside the frames, and FFmpeg decodes them without it
                has_alpha = stream.metadata.get("alpha_mode") == "1"
                flags = self._av.format.Flags(container.format.flags)
                self._clock = Clock(self._av.format.Flags.ts_discont in flags)
            first = self._first = next(self._decoded())
            read_luma(first)  # raises an error if the pixel format cannot be converted
            # properties of the output stream, and notes on properties that the result does not have
            has_chroma = len(first.format.components) >= 3 and not is_rgb(first.format)
            size = (first.width, first.height)
            layout, notes = output_layout(layout_of(first), size, codec, has_chroma=has_chroma)
            side_data = dict(side_data_of(first))
            if has_alpha or any(part.is_alpha for part in first.format.components):
                notes.append("transparency is dropped")
            self.issues.notes += notes
            # the display matrix rotates and flips frames; it has nine numbers
            display_matrix = np.frombuffer(side_data.get("DISPLAYMATRIX", b""), np.int32).tolist()
            self._mirrored, self._turns = _orientation(display_matrix)
            self.plan = StreamPlan(
                codec=codec,
                crf=crf,
                width=first.width,
                height=first.height,
                layout=layout,
                time_base=self._time_base,
                rate=self._rate,
                tags={
                    "color_range": FULL_RANGE if layout.full else LIMITED_RANGE,
                    "colorspace": layout.matrix,
                    "color_primaries": int(first.color_primaries),
                    "color_trc": int(first.color_trc),
                },
                aspect=aspect,
                matrix=tuple(display_matrix),
            )
            self._note_lost(first)
        except (self._av.FFmpegError, OSError) as error:
            raise VideoError(f"{path} cannot be read as a video: {error.strerror}") from error
        except StopIteration:
            raise VideoError(f"{path} contains no frame that can be decoded") from None

    def describe(self) -> dict[str, Any]:
        """Return frame size, frame count, frame rate, and formats of source and result."""
        plan = self.plan
        return {
            "width": plan.width,
            "height": plan.height,
            "frames": count_selected(self._frames, self.selected),
            "rate": float(self._rate),
            "from": f"{self._codec} {self._first.format.name}",
            "to": f"{plan.codec} {plan.layout.name}",
        }

    def sample(self) -> Iterator[RasterImage]:
        """Yield the first frame and frames at regular intervals, except frames that cannot be decoded."""
        yield RasterImage(frame_to_rgb(self._first))
        with open_media(self.path) as container:
            stream = main_video_stream(container)
            for number in range(1, SAMPLES):
                time = (self._first.pts or 0) * self._time_base + self._duration * number / SAMPLES
                with suppress(self._av.FFmpegError, StopIteration):
                    container.seek(round(time / self._time_base), stream=stream)
                    yield RasterImage(frame_to_rgb(next(container.decode(stream))))

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        return digest_of(self.path)

    def frames(self) -> Iterator[FileFrame]:
        """Yield the decoded frames in order; record damaged packets and a missing end in ``issues``.

        The timestamps increase, without jumps of the clock. A frame without a timestamp starts at the end of
        the previous frame.
        """
        self.issues.broken.clear()
        self.issues.resized.clear()
        self._clock = Clock(self._clock.can_jump_ahead)
        last_pts: int | None = None
        end = 0  # end of the previous frame in units of the time base
        for number, decoded in enumerate(self._decoded()):
            pts = end
            if decoded.pts is not None:
                time = self._clock.shift(decoded.pts * self._time_base, end * self._time_base)
                pts = round(time / self._time_base)
            if last_pts is not None:
                pts = max(pts, last_pts + 1)
            last_pts = pts
            end = pts + (decoded.duration or self._usual_duration())
            if decoded.is_corrupt:
                self.issues.broken.append(_time_code(pts * self._time_base))
            if number in self.selected:
                self._note_lost(decoded)
                found, size = (decoded.width, decoded.height), (self.plan.width, self.plan.height)
                if found != size:
                    # width and height of the upright frame
                    (width, height), (new_width, new_height) = (
                        each[::-1] if self._turns % 2 else each for each in (found, size)
                    )
                    note = f"have {width} x {height} pixels and were scaled to {new_width} x {new_height}"
                    self.issues.resized.setdefault(note, []).append(number)
                yield self._frame(number, decoded, pts)
            if number + 1 == self.selected.stop:
                return
        # check that the file does not end before its declared duration
        last_packet_pts, duration = self._last
        end = (last_packet_pts + (duration or self._usual_duration())) * self._time_base
        start = (self._first.pts or 0) * self._time_base
        is_joined = len(self._clock.offsets) > 1  # the declared duration is the duration of one section
        longest_end = max(end, self._end_of_others)
        for last, expected in ((end, self._own_duration), (longest_end, self._longest)):
            if last - start < _COMPLETE * expected and not is_joined and not self.issues.incomplete:
                self.issues.incomplete = (
                    f"the file ends at {_time_code(last - start)} instead of {_time_code(expected)}"
                )

    def frames_from(self, first: int, times: Sequence[int]) -> Iterator[FileFrame]:
        """Yield the decoded frames from a frame on, without decoding the film from its start.

        Frames whose timestamps are not in ``times`` are skipped.

        Args:
            first: Number of the first frame.
            times: Timestamp of each decoded frame of the film in units of the time base, in increasing order.
        """
        with open_media(self.path) as container:
            stream = main_video_stream(container)
            stream.codec_context.thread_count = 1
            container.seek(times[max(0, first - _SEEK_MARGIN)], stream=stream)
            for packet in self._packets(container, stream):
                with suppress(self._av.FFmpegError):
                    for decoded in stream.codec_context.decode(packet):
                        number = len(times) if decoded.pts is None else bisect_left(times, decoded.pts, first)
                        if number < len(times) and times[number] == decoded.pts:
                            yield self._frame(number, decoded, decoded.pts)

    def part(self, path: Path) -> FilePart:
        """Return an encoder that writes one shot to the file ``path``."""
        return FilePart(path, self.plan)

    def join(self, parts: Sequence[Path], result: Path, origin: ImageProvenance | None = None) -> None:
        """Write the result: the joined shots, the source's other streams and the provenance.

        Args:
            parts: Files of the shots, in order. Without parts, this method only checks whether the result can
                be written, and adds notes on properties that it does not have.
            result: Output file.
            origin: Provenance of the result; None stores no provenance.
        """
        last_duration = self._last[1] or self._usual_duration()
        notes = join_parts(
            self.path,
            parts,
            result,
            self.plan,
            self._clock,
            last_duration,
            origin,
            sound=self._sound,
            is_excerpt=self.selected != ALL_FRAMES,
        )
        self.issues.notes += [note for note in notes if note not in self.issues.notes]

    def _decoded(self) -> Iterator[Any]:
        """Yield the decoded frames; add packets that cannot be decoded to ``issues``."""
        with open_media(self.path) as container:
            stream = main_video_stream(container)
            # with several threads, a decoder reports errors for the wrong packets
            stream.codec_context.thread_count = 1
            for packet in self._packets(container, stream):
                if packet.pts is not None and packet.pts > self._last[0]:
                    self._last = packet.pts, packet.duration or 0
                try:
                    yield from stream.codec_context.decode(packet)
                except self._av.FFmpegError:
                    self.issues.broken.append(_time_code((packet.pts or 0) * self._time_base))

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yield the packets of a stream; read the other streams if the file declares the longest duration."""
        try:
            for packet in container.demux(list(container.streams) if self._longest else [stream]):
                if packet.stream.index == stream.index:
                    yield packet
                elif packet.pts is not None:
                    packet_end = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self._end_of_others = max(self._end_of_others, packet_end)
        except self._av.FFmpegError as error:
            self.issues.incomplete = f"the file cannot be read to the end ({error.strerror})"
            yield self._av.Packet()  # an empty packet flushes the decoder

    def _frame(self, number: int, decoded: Any, pts: int) -> FileFrame:
        """Return a decoded frame at the size of the first frame."""
        width, height = self._first.width, self._first.height
        if (decoded.width, decoded.height) != (width, height):
            decoded = decoded.reformat(width=width, height=height)
        return FileFrame(number, decoded, pts, self._turns, self._mirrored)

    def _note_lost(self, decoded: Any) -> None:
        """Add a note for each property of a frame that the result does not have."""
        notes, codec = list[str](), self.plan.codec
        if decoded.interlaced_frame and codec != "ffv1":
            notes.append("interlaced frames are written as progressive frames; deinterlace the video first")
        for name, data in side_data_of(decoded):
            if name in ("DISPLAYMATRIX", *_WRITTEN_DATA.get(codec, ())) or _EMPTY_DATA.fullmatch(data):
                continue
            # a time code that starts at zero equals the timestamps
            if not name.endswith("TIMECODE") or decoded is self._first:
                label = _SIDE_DATA.get(name, f"{name.replace('_', ' ').lower()} metadata")
                label = "HDR metadata" if _HDR_METADATA.fullmatch(name) else label
                notes.append(f"{label} of the frames is dropped")
        self.issues.notes += [note for note in notes if note not in self.issues.notes]

    def _usual_duration(self) -> int:
        """Return the mean frame duration in units of the time base."""
        return round(1 / float(self._rate * self._time_base))


class FilePart:
    """Encoder for the frames of one shot.

    Args:
        path: Output file of the shot.
        plan: Properties of the output stream.
    """

    def __init__(self, path: Path, plan: StreamPlan) -> None:
        self._av, self._plan, self._path = import_av(), plan, path
        with write_errors(path):
            self._container = open_media(path, "w", format="nut")
            self._stream = plan.add_to(self._container)

    def write(self, frame: Any, ab: Tensor, inside: Rectangle | None) -> None:
        """Encode a frame.

        Args:
            frame: `FileFrame` of the source.
            ab: ``(2, h, w)`` colors of the upright frame in CIE units.
            inside: Part of the upright frame that ``ab`` covers; pixels outside stay gray. None if ``ab``
                covers the whole frame.
        """
        layout = self._plan.layout
        luma = frame.luma(layout)
        height, width = luma.shape if frame.turns % 2 == 0 else luma.shape[::-1]
        inside = inside or Rectangle(0, 0, width, height)
        # resize the colors to the full frame; one channel at a time, which is three times as fast
        whole = np.zeros((2, height, width), np.float32)
        for small, enlarged in zip(ab.numpy(), whole, strict=True):
            cv2.resize(small, inside[2:], enlarged[inside.slices], interpolation=cv2.INTER_CUBIC)
        self._encode(frame, colored_planes(luma, frame.as_stored(whole), layout))

    def copy(self, frame: Any, decoded: Any = None) -> None:
        """Encode a frame with its own colors, or with the colors of the PyAV frame ``decoded``."""
        decoded, layout = decoded or frame.decoded, self._plan.layout
        if layout_of(decoded) != layout or is_rgb(decoded.format):  # a pixel format without encoder
            value_range = FULL_RANGE if layout.full else LIMITED_RANGE
            decoded = decoded.reformat(
                format=layout.name, dst_colorspace=layout.matrix, dst_color_range=value_range, threads=1
            )
        self._encode(frame, [samples(plane, layout.bits) for plane in decoded.planes[:3]])

    def write_drawing(self, frame: Any, colored: ColorizedImage) -> None:
        """Encode a colorized drawing, whose lightness differs from the lightness of the source."""
        stored = np.rot90(colored.levels(), -frame.turns)
        stored = np.ascontiguousarray(stored[:, ::-1] if frame.mirrored else stored)
        self.copy(frame, self._av.VideoFrame.from_ndarray(stored, "rgb24"))

    def _encode(self, frame: FileFrame, planes: Sequence[NDArray[Any]]) -> None:
        plan = self._plan
        encoded = frame.decoded.reformat(format=plan.layout.name, threads=1)
        # the frame keeps its side data, such as captions
        encoded.make_writable()
        encoded.pict_type = 0  # selected by the encoder
        for plane, content in zip(encoded.planes, planes, strict=True):
            samples(plane, plan.layout.bits)[:] = content
        encoded.pts, encoded.time_base = frame.pts, plan.time_base
        with write_errors(self._path):
            self._container.mux(self._stream.encode(encoded))

    def close(self) -> None:
        """Flush the encoder and close the file."""
        with write_errors(self._path):
            self._container.mux(self._stream.encode())
            self._container.close()


def _orientation(matrix: Sequence[int]) -> tuple[bool, int]:
    """Return whether a display matrix mirrors frames, and the counterclockwise quarter turns after that."""
    if not matrix:
        return False, 0
    a, b, _, c, d = matrix[:5]  # the stored pixel (x, y) is displayed at (a x + c y, b x + d y)
    is_mirrored = a * d - b * c < 0  # negative determinant
    sign = -1 if is_mirrored else 1
    clockwise_angle = math.atan2(sign * b, sign * a)
    return is_mirrored, round(-clockwise_angle / (math.pi / 2)) % 4


def _time_code(seconds: Fraction) -> str:
    """Format a time as hours, minutes, seconds and milliseconds, such as ``1:02:03.450``."""
    minutes, rest = divmod(round(abs(seconds) * 1000), 60_000)
    sign = "-" if seconds < 0 else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
