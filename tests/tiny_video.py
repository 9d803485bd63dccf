"""Tiny videos made by PyAV, and a colorer without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from colorzoo.apps.video.planes import samples

TIME_BASE = Fraction(1, 12800)
RATE = 25
STEP = 512
WIDTH, HEIGHT = 64, 48
TAGS = {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}


def scene(number: int, seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Return a smooth moving pattern with values from 16 to 235."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(40, 220, (5, 6))
    rows, columns = (np.linspace(0, n - 1.001, side) for n, side in zip(coarse.shape, size, strict=True))
    image = coarse[rows.astype(int)][:, columns.astype(int)]
    return np.roll(image, number, axis=1).round().astype(np.uint8)


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    pts: Sequence[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    tags: dict[str, int] = TAGS,
    sound: bool | str = False,
    turn: int = 0,
    matrix: Sequence[int] = (),
    clock: int = 0,
    aspect: Fraction | None = None,
    spoil: Callable[[int, bytes], bytes] = lambda _, content: content,
) -> Path:
    """Write gray images; ``spoil`` may change the bytes of each packet. Values are those of ``pixels``.

    ``sound`` can be an audio codec, by default AAC. ``clock`` is added to all timestamps, in seconds.
    """
    height, width = images[0].shape
    with av.open(f"file:{path}", "w", options={"output_ts_offset": str(clock)} if clock else {}) as container:
        options = {"crf": "4", "bf": "0", "g": "6"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = TIME_BASE
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn:
            stream.set_display_rotation(turn)
        if matrix:
            stream.set_display_matrix(matrix)
        voice_codec = sound if isinstance(sound, str) else "aac"
        voice = container.add_stream(voice_codec, rate=44100, layout="mono") if sound else None
        if voice is not None:
            container.metadata["title"] = "A film"
            voice.bit_rate = 64_000
            voice.metadata["language"] = "fra"
            part = {"start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}
            container.set_chapters([{"id": 1, **part}])
        packets: list[Any] = []
        for number, image in enumerate(images):
            frame = gray_frame(image, pixels)
            frame.pts = number * STEP if pts is None else pts[number]
            frame.time_base = TIME_BASE
            packets += stream.encode(frame)
        for number, packet in enumerate([*packets, *stream.encode()]):
            container.mux(_spoiled(packet, number, spoil))
        if voice is not None:
            add_sound(container, voice, len(images) / RATE)
    return path


def gray_frame(image: np.ndarray, pixels: str) -> Any:
    height, width = image.shape
    if pixels in ("bgr0", "ya8"):
        return av.VideoFrame.from_ndarray(image, format="gray").reformat(format=pixels)
    frame = av.VideoFrame(width, height, pixels)
    bits = next((bits for bits in (10, 12, 16) if str(bits) in pixels), 8)
    for plane, content in zip(frame.planes, [image, 1 << (bits - 1), 1 << (bits - 1), 255], strict=False):
        samples(plane, bits)[:] = content
    return frame


def _spoiled(packet: Any, number: int, spoil: Callable[[int, bytes], bytes]) -> Any:
    made = av.Packet(spoil(number, bytes(packet)))
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
    made.stream, made.duration, made.is_keyframe = packet.stream, packet.duration, packet.is_keyframe
    return made


def add_sound(container: Any, stream: Any, seconds: float) -> None:
    wave = 0.3 * np.sin(np.arange(int(44100 * seconds)) / 20).astype(np.float32)[None]
    for first in range(0, wave.shape[1], 1024):
        piece = np.ascontiguousarray(wave[:, first : first + 1024])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44100, first, Fraction(1, 44100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def read_frames(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times(path: Path) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in read_frames(path)]


def lightness_planes(path: Path, bits: int = 8) -> list[np.ndarray]:
    return [samples(frame.planes[0], bits).copy() for frame in read_frames(path)]


def sound_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        packets = container.demux(audio=0)
        return [(p.pts * p.time_base, bytes(p)) for p in packets if p.dts is not None]


class StubColorer:
    """Colors every frame with one chroma and records frame numbers and sizes."""

    def __init__(self, chroma: float = 0.0) -> None:  # of a and b
        self._chroma = float(chroma)
        self.notes: dict[str, None] = {}
        self.seen: list[tuple[int, tuple[int, ...]]] = []
        self.size = 32
        self.every: int | None = None
        self.max_steady = 1.0

    def start_shot(self, part: object = None, keys: object = (), span: object = None) -> None:
        """Do nothing, because the stub has no state."""

    def keys_of(self, span: object, lightness: object) -> list[int]:
        return []

    def has_images(self, keys: object) -> bool:
        return False

    def carry(self, lightness: object, ab: object) -> None:
        """Do nothing, because the stub has no memory."""

    def is_key(self, frame: Any, lightness: Tensor) -> bool:
        return False

    def is_corrected(self, frame: Any) -> bool:
        return False

    def corrects(self) -> bool:
        return False

    def color(self, frame: Any, lightness: Tensor) -> Tensor:
        self.seen.append((frame.number, tuple(lightness.shape[-2:])))
        return torch.full((1, 2, *lightness.shape[-2:]), self._chroma)
