"""Files of every format and kind of sample, and what a colored result keeps of each.

``python tests/pictures/kept_formats.py`` writes the table ``kept_formats.md`` again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imagecodecs
import numpy as np
import tifffile
import torch
from PIL import Image, ImageCms

from colorzoo.inference.full_size import full_lightness, join_levels
from colorzoo.pictures.formats import WRITABLE
from colorzoo.pictures.picture import Picture
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.write import depth_at, write_picture

TABLE = Path(__file__).with_suffix(".md")
Make = Callable[[Path], object]

LIGHT = np.linspace(0, 1, 24 * 32).reshape(24, 32)
COLORS = np.stack([LIGHT, LIGHT[::-1], np.tile(np.linspace(0.2, 0.8, 32), (24, 1))], axis=-1)
COVER = np.tile(np.linspace(0.1, 0.9, 32), (24, 1))[..., None]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
)
ARTIST = 315
HEAD = ("file", "bits", "alpha", "lightness", "EXIF", "profile", "XMP", "resolution")


def stored(light: np.ndarray, dtype: str, bits: int | None = None) -> np.ndarray:
    """Return unit values as samples of a type, at full scale."""
    if np.dtype(dtype).kind == "f":
        return light.astype(dtype)
    full = float(np.iinfo(dtype).max if bits is None else 2**bits - 1)
    return np.minimum(np.round(light * full), np.nextafter(full, 0) if full > 2**60 else full).astype(dtype)


def by_pillow(mode: str, **options: Any) -> Make:
    """Write a picture of a mode of Pillow, with the metadata that the format holds."""
    with_alpha = np.dstack([stored(COLORS, "uint8"), stored(COVER, "uint8")])
    image = Image.fromarray(with_alpha).convert(mode) if mode != "P" else Image.fromarray(with_alpha[..., :3])
    image = image.quantize(16) if mode == "P" else image
    exif = Image.Exif()
    exif[ARTIST] = "Ann"
    full = {"exif": exif, "icc_profile": SRGB, "xmp": XMP, "dpi": (300, 300)}
    held = {"BMP": ("dpi",), "WEBP": ("exif", "icc_profile", "xmp"), "AVIF": ("exif", "icc_profile", "xmp")}

    def make(path: Path) -> None:
        kind = WRITABLE.get(path.suffix, "PPM")
        names = held.get(kind, () if kind in ("GIF", "PPM") else tuple(full))
        if mode == "CMYK":
            names = tuple(name for name in names if name != "icc_profile")  # it would be one of RGB
        image.save(path, **{name: full[name] for name in names}, **options)

    return make


def by_tifffile(pixels: np.ndarray, kind: str = "minisblack", **options: Any) -> Make:
    """Write a TIFF with an artist and a resolution."""
    more = {"resolution": (300, 300), "resolutionunit": "INCH", "metadata": None}
    tags = [(ARTIST, "s", 4, "Ann", True)]
    return lambda path: tifffile.imwrite(path, pixels, photometric=kind, extratags=tags, **more, **options)


def by_bytes(encode: Callable[..., bytes], *given: Any, **options: Any) -> Make:
    """Write what an encoder of imagecodecs returns."""
    return lambda path: path.write_bytes(bytes(encode(*given, **options)))


def sources() -> Iterator[tuple[str, Make]]:
    """Yield the name and the writer of each file."""
    for mode in ("L", "RGB", "CMYK"):
        yield f"{mode}.jpg", by_pillow(mode)
        yield f"{mode} progressive.jpg", by_pillow(mode, progressive=True)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        yield f"{mode}.png", by_pillow(mode)
    for name, pixels in (("gray", LIGHT), ("color", COLORS)):
        whole = np.dstack([pixels, COVER])
        yield f"{name} 16.png", by_bytes(imagecodecs.png_encode, stored(pixels, "uint16"))
        yield f"{name} alpha 16.png", by_bytes(imagecodecs.png_encode, stored(whole, "uint16"))
    for mode in ("L", "RGB", "RGBA"):
        yield f"{mode}.webp", by_pillow(mode)
        yield f"{mode} lossless.webp", by_pillow(mode, lossless=True, exact=True)
        yield f"{mode}.avif", by_pillow(mode)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode}.bmp", by_pillow(mode)
    for mode in ("1", "L", "P"):
        yield f"{mode}.gif", by_pillow(mode)
    yield "1.pbm", by_pillow("1")
    yield "L.pgm", by_pillow("L")
    yield "RGB.ppm", by_pillow("RGB")
    deep = stored(LIGHT, "uint16")
    yield "16.pgm", lambda path: path.write_bytes(b"P5 32 24 65535\n" + deep.astype(">u2").tobytes())
    for name, pixels in (("gray", LIGHT), ("color", COLORS)):
        for bits in (4, 8, 12, 16):
            values = stored(pixels, "uint8" if bits <= 8 else "uint16", bits)
            for ending in ("jp2", "j2k"):
                options = {"bitspersample": bits, "reversible": True, "level": 0, "codecformat": ending}
                yield f"{name} {bits}.{ending}", by_bytes(imagecodecs.jpeg2k_encode, values, **options)
    yield from tiffs()


def tiffs() -> Iterator[tuple[str, Make]]:
    """Yield TIFFs of every sample type, number of bits, codec and kind of alpha."""
    for kind in ("minisblack", "miniswhite", "rgb"):
        pixels = COLORS if kind == "rgb" else 1 - LIGHT if kind == "miniswhite" else LIGHT
        for dtype in ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32"):
            yield f"{kind} {dtype}.tif", by_tifffile(stored(pixels, dtype), kind)
        for dtype in ("float16", "float32", "float64"):
            yield f"{kind} {dtype}.tif", by_tifffile(stored(pixels, dtype), kind)
        for bits in (1, 2, 4, 6, 10, 12, 14):
            values = stored(pixels, "uint8" if bits <= 8 else "uint16", bits)
            yield f"{kind} {bits} bits.tif", by_tifffile(values, kind, bitspersample=bits)
    for codec in ("lzw", "deflate", "packbits", "zstd", "lzma"):
        for dtype in ("uint8", "uint16"):
            yield f"{codec} {dtype}.tif", by_tifffile(stored(COLORS, dtype), "rgb", compression=codec)
    for codec in ("jpeg", "webp"):
        yield f"{codec}.tif", by_tifffile(stored(COLORS, "uint8"), "rgb", compression=codec)
    for name, pixels, kind in (("gray", LIGHT, "minisblack"), ("color", COLORS, "rgb")):
        for dtype in ("uint8", "uint16"):
            for alpha in ("unassalpha", "assocalpha"):
                light = pixels.reshape(24, 32, -1) * (COVER if alpha == "assocalpha" else 1)
                values = stored(np.dstack([light, COVER]), dtype)
                options = {"extrasamples": [alpha], "planarconfig": "contig"}
                yield f"{name} {alpha} {dtype}.tif", by_tifffile(values, kind, **options)
    for options in ({"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}, {"predictor": 2}):
        ((name, value),) = options.items()
        more = {**options, "compression": "lzw"} if name == "predictor" else options
        yield f"{name} {value}.tif", by_tifffile(stored(LIGHT, "uint16"), **more)
    for mode, codec in (("1", "group3"), ("1", "group4"), ("P", "raw"), ("CMYK", "raw"), ("LA", "raw")):
        yield f"{mode} {codec}.tif", by_pillow(mode, compression=codec)


def row(folder: Path, name: str, make: Make) -> tuple[str, ...]:
    """Write a file, a colored result beside it, and return what that keeps, in the order of `HEAD`."""
    source = folder / name
    make(source)
    before = read_picture(source)
    target = source.with_suffix(f".color{source.suffix if source.suffix in WRITABLE else '.png'}")
    lightness = full_lightness(before.levels)[0, 0]
    warm = torch.tensor([6.0, 9.0]).view(2, 1, 1)
    colored = join_levels(lightness, warm, depth=depth_at(target, before))
    write_picture(target, colored, before, overwrite=True)
    after = read_picture(target)
    shown = f"{source.name} to {target.suffix[1:]}" if target.suffix != source.suffix else source.name
    moved = float((full_lightness(after.levels)[0, 0] - lightness).abs().max())
    return (
        shown,
        str(before.bit_depth) + (f" to {after.bit_depth}" if after.bit_depth != before.bit_depth else ""),
        kept(before.alpha is not None, np.array_equal(before.alpha, after.alpha)),
        "exact" if moved <= (0.01 if after.bit_depth == 16 else 0.3) else "compressed",
        *metadata(before, after, target),
    )


def metadata(before: Picture, after: Picture, target: Path) -> Iterator[str]:
    """Yield whether EXIF, profile, XMP and resolution of the source are in the result."""
    with Image.open(target) as image:
        artist = image.getexif().get(ARTIST) == "Ann"
        profile = "icc_profile" in image.info
    data, found = before.metadata, after.metadata
    yield kept(data.exif is not None and b"Ann" in data.exif, artist)
    yield kept(data.icc is not None, profile)
    yield kept(data.xmp is not None, found.xmp is not None)
    near = data.dpi is not None and found.dpi is not None and np.allclose(data.dpi, found.dpi, atol=0.1)
    yield kept(data.dpi is not None, near)


def kept(has: bool, is_kept: bool) -> str:
    """Return a cell of the table."""
    return "" if not has else "kept" if is_kept else "lost"


def table() -> str:
    """Return the table in Markdown, a line for each file."""
    with TemporaryDirectory() as name:
        rows = [HEAD, ("---",) * len(HEAD), *(row(Path(name), *each) for each in sources())]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in rows)


if __name__ == "__main__":
    sys.stdout.write(f"{TABLE.write_text(table(), encoding='utf-8')} characters\n")
