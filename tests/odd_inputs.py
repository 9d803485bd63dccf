"""Unusual image files with their expected results."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageOps

Y, X = np.mgrid[0:24, 0:32]
GRAY = (40 + 5 * X + 2 * Y).astype(np.uint8)
COLOR = np.dstack([GRAY, GRAY[::-1], np.full_like(GRAY, 90)])
GRAY16 = GRAY.astype(np.uint16) * 257
UNIT = (GRAY / 255).astype(np.float32)
ALPHA = (Y * 10).astype(np.uint8)
L, RGB = Image.fromarray(GRAY), Image.fromarray(COLOR)

Make = Callable[[Path], object]


@dataclass(frozen=True)
class OddInput:
    """An unusual file and its expected result.

    Attributes:
        name: File name.
        make: Writes the file.
        refused: Part of the one-line error message; None if the file is colorized.
        note: Part of a note of the result; empty for no notes; None for any notes.
        depth: Bits of a sample of the result.
        alpha: The result has alpha.
        size: Width and height of the result.
        frames: Frames or pages of the result.
        needs: Module of a library without which the error names an install command.
    """

    name: str
    make: Make
    refused: str | None = None
    note: str | None = ""
    depth: int = 8
    alpha: bool = False
    size: tuple[int, int] = (32, 24)
    frames: int = 1
    needs: str = ""


def pil(image: Image.Image, kind: str | None = None, **options: Any) -> Make:
    return lambda path: image.save(path, kind, **options)


def tiff(pixels: np.ndarray, kind: str = "minisblack", **options: Any) -> Make:
    return lambda path: tifffile.imwrite(path, pixels, photometric=kind, metadata=None, **options)


def raw(data: bytes | Callable[[], bytes]) -> Make:
    return lambda path: path.write_bytes(data if isinstance(data, bytes) else data())


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


def cut(data: bytes, share: float = 0.6) -> Make:
    return raw(data[: int(len(data) * share)])


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[274], tags[315] = orientation, "Ann"
    return tags.tobytes()


def animated(kind: str, **options: Any) -> Make:
    others = [L.rotate(turn) for turn in (90, 180)]
    return pil(L, kind, save_all=True, append_images=others, duration=70, **options)


def jpeg2000(pixels: np.ndarray, bits: int) -> Make:
    return raw(partial(imagecodecs.jpeg2k_encode, pixels, level=0, bitspersample=bits, reversible=True))


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.png"))


def bomb() -> bytes:
    data = bytearray(encoded(L, "PNG"))
    data[16:24] = struct.pack(">LL", 60_000, 60_000)
    import zlib

    data[29:33] = struct.pack(">L", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def nan() -> np.ndarray:
    holed = UNIT.copy()
    holed[3, 4] = np.nan
    return holed


SEPIA = ImageOps.colorize(L, "#20140a", "#fff0d0")
IN_COLOR, TINT = "input was already in color", "sepia tint dropped"
P = L.convert("RGB").quantize(16)
LONG = "ü" * 125 + ".png"

PAGE = "nothing to color"
ODD_INPUTS = (
    # PNG
    OddInput("gray.png", pil(L)),
    OddInput("bits 1.png", pil(L.convert("1"))),
    OddInput("bits 16.png", pil(Image.fromarray(GRAY16)), depth=16),
    OddInput("gray as rgb.png", pil(L.convert("RGB"))),
    OddInput(
        "color 16.png",
        raw(partial(imagecodecs.png_encode, COLOR.astype(np.uint16) * 257)),
        note=IN_COLOR,
        depth=16,
    ),
    OddInput("palette.png", pil(P)),
    OddInput("palette transparent.png", pil(P, transparency=3), alpha=True),
    OddInput("one transparent gray.png", pil(L, transparency=80), alpha=True),
    OddInput("lying.png", pil(L, exif=exif(6)), size=(24, 32)),
    OddInput("profile damaged.png", pil(L, icc_profile=b"no profile" * 20), note=None),
    OddInput("animated.png", animated("PNG"), note="first of 3 frames"),
    OddInput("1 x 1.png", pil(L.resize((1, 1))), size=(1, 1), note=PAGE),
    OddInput("1 x 3000.png", pil(L.resize((1, 3000))), size=(1, 3000)),
    OddInput("all black.png", pil(Image.new("L", (32, 24))), note=PAGE),
    OddInput("cut short.png", cut(encoded(RGB, "PNG")), refused="truncated"),
    OddInput("bomb.png", raw(bomb), refused="60000 x 60000"),
    OddInput("empty.png", raw(b""), refused="is empty (0 bytes)"),
    # JPEG
    OddInput("gray as color.jpg", pil(L.convert("RGB"))),
    OddInput("progressive.jpg", pil(L, progressive=True)),
    OddInput("color.jpg", pil(RGB), note=IN_COLOR),
    OddInput("sepia.jpg", pil(SEPIA), note=TINT),
    OddInput("cmyk.jpg", pil(RGB.convert("CMYK")), note="converted from CMYK"),
    OddInput("lying.jpg", pil(L, exif=exif(8)), size=(24, 32)),
    OddInput("exif damaged.jpg", pil(L, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), note=None),
    OddInput("cut short.jpg", cut(encoded(RGB.resize((320, 240)), "JPEG")), refused="truncated"),
    OddInput("text.jpg", raw(b"not an image at all"), refused="is not an image"),
    OddInput("film.jpg", raw(b"\0\0\0\x18ftypisom" + bytes(60)), refused="is not an image"),
    OddInput("film.mp4", raw(b"\0\0\0\x18ftypisom" + bytes(60)), refused="Use `colorzoo video`"),
    OddInput("script.jpg", raw(b"%!PS-Adobe-3.0 EPSF-3.0\n"), refused="is not an image"),
    # TIFF
    OddInput("uint8.tif", tiff(GRAY)),
    OddInput("uint16.tif", tiff(GRAY16), depth=16),
    OddInput(
        "uint32.tif", tiff(GRAY16.astype(np.uint32) * 65537), note="assumed to be 0 to 4294967295", depth=16
    ),
    OddInput("int16.tif", tiff((GRAY16 // 2).astype(np.int16)), note="assumed to be 0 to 32767", depth=16),
    OddInput("float32.tif", tiff(UNIT), depth=16),
    OddInput("float 0 to 255.tif", tiff(UNIT * 255), note="assumed to be 0 to 255", depth=16),
    OddInput("float NaN.tif", tiff(nan()), refused="NaN or infinite values (1 of 768)"),
    OddInput("complex.tif", tiff(UNIT.astype(np.complex64)), refused="complex numbers"),
    OddInput("12 bits.tif", tiff(GRAY.astype(np.uint16) * 16, bitspersample=12), depth=16),
    OddInput("dark.tif", tiff(3 * GRAY.astype(np.uint16)), note="very dark", depth=16),
    OddInput("very dark.tif", tiff(GRAY.astype(np.uint16)), note="very dark", depth=16),
    OddInput("white is 0.tif", tiff(255 - GRAY, "miniswhite")),
    OddInput("palette.tif", pil(P)),
    OddInput(
        "multiplied alpha.tif",
        tiff(np.dstack([GRAY // 2, GRAY * 0 + 128]), extrasamples=["assocalpha"], planarconfig="contig"),
        alpha=True,
    ),
    OddInput("big.tif", tiff(GRAY16, bigtiff=True), depth=16),
    OddInput("tiles.tif", tiff(GRAY16, tile=(16, 16), compression="zstd"), depth=16),
    OddInput("pages.tif", animated("TIFF"), note="3 pages", frames=3),
    OddInput("cut short.tif", cut(encoded(L, "TIFF")), refused="truncated"),
    # other formats
    OddInput("animated.gif", animated("GIF"), note="3 frames", frames=3),
    OddInput("alpha.webp", pil(Image.fromarray(np.dstack([COLOR, ALPHA]))), note=IN_COLOR, alpha=True),
    OddInput("animated.webp", animated("WEBP"), note="3 frames", frames=3),
    OddInput("gray.avif", pil(L)),
    OddInput("4 bits.jp2", jpeg2000(GRAY // 16, 4)),
    OddInput("16 bits in color.jp2", jpeg2000(COLOR.astype(np.uint16) * 257, 16), note=IN_COLOR, depth=16),
    OddInput("16 bits.pgm", raw(b"P5 32 24 65535\n" + GRAY16.astype(">u2").tobytes()), depth=16),
    OddInput(
        "16 bits.ppm",
        raw(b"P6 32 24 65535\n" + (COLOR * np.uint16(257)).astype(">u2").tobytes()),
        note=IN_COLOR,
    ),
    OddInput("drawing.svg", raw(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), refused="is not an image"),
    OddInput("phone.heic", lambda path: raw(heic())(path), needs="pillow_heif"),
    # names
    OddInput("żółw 写真 [1].png", pil(L)),
    OddInput("a\nb.png", pil(L)),
    OddInput("-5.png", pil(L)),
    OddInput(LONG, pil(L)),
    OddInput("no ending", raw(encoded(L, "PNG"))),
    OddInput("gone.png", dangling_link, refused="no such file"),
    OddInput("folder.png", lambda path: path.mkdir(), refused="no image found"),
)


def heic() -> bytes:
    """Return a HEIC file, or its first bytes if no library can write it."""
    if find_spec("pillow_heif") is None:
        return b"\0\0\0\x18ftypheic" + bytes(60)
    import pillow_heif

    memory = io.BytesIO()
    pillow_heif.from_pillow(L).save(memory)
    return memory.getvalue()


def write_odd_inputs(folder: Path) -> dict[str, OddInput]:
    """Write all files into a folder and return their expected results by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for odd in ODD_INPUTS:
        odd.make(folder / odd.name)
    return {odd.name: odd for odd in ODD_INPUTS}
