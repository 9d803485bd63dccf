"""Look at one picture file closely: is it whole, is it what its name says, and what is unusual about it."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageCms, UnidentifiedImageError
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.check import is_gray
from colorzoo.data.decode import eight_bit_rgb
from colorzoo.picture_formats import open_picture

Kind = Literal[
    "broken", "wrong extension", "not read", "animated", "gray", "toned", "flat", "CMYK", "16-bit", "1-bit",
    "palette", "alpha", "profile", "rotated", "damaged EXIF", "tiny", "strip",
]  # fmt: skip

TINY = 64
"""A picture whose shorter side is below this many pixels is tiny: training would enlarge it."""
STRIP = 5.0
"""A picture whose sides have a larger ratio than this is a strip: most of it falls to the crop."""
_THUMBNAIL = 64
_ORIENTATION = 274
_exif_lock = threading.Lock()  # filters of warnings belong to the process, not to a thread


@dataclass(frozen=True)
class Examined:
    """What was found in one file.

    Attributes:
        size: Width and height as shown (EXIF obeyed), None if broken.
        format: Name that Pillow gives the format, "" if it is none.
        facts: Pairs of kind and detail; the first is ``broken`` if the file is.
        digest: Hash of the bytes.
        look: 64-bit difference hash: alike for pictures that look alike; None if broken.
    """

    size: tuple[int, int] | None
    format: str
    facts: tuple[tuple[Kind, str], ...]
    digest: bytes
    look: int | None = None


def examine(name: str, data: bytes) -> Examined:
    """Examine one encoded picture.

    Args:
        name: Name of the file, for its extension.
        data: Its bytes.
    """
    digest = hashlib.blake2b(data, digest_size=16).digest()
    if not data:
        return Examined(None, "", (("broken", "empty file"),), digest)
    try:
        with open_picture(BytesIO(data)) as image:
            size, kind = image.size, image.format or ""
            facts = _header_facts(name, image, data)
            small = _thumbnail(image)
    except UnidentifiedImageError:
        return Examined(None, "", (("broken", "no picture of a known format"),), digest)
    except Exception as error:  # damaged files raise whatever the parser of their format stumbles on
        return Examined(None, "", (("broken", " ".join(str(error).split())),), digest)
    turned = any(kind == "rotated" and "on its side" in detail for kind, detail in facts)
    facts += _shape_facts(*size) + _color_facts(small)
    return Examined(size[::-1] if turned else size, kind, tuple(facts), digest, difference_hash(small))


def difference_hash(image: Image.Image) -> int:
    """Return 64 bits: where the brightness of an 8 x 9 copy falls from left to right."""
    gray = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    return int.from_bytes(np.packbits(gray[:, 1:] > gray[:, :-1]).tobytes(), "big")


def _header_facts(name: str, image: Image.Image, data: bytes) -> list[tuple[Kind, str]]:
    """Return what the header tells; nothing is decoded yet."""
    facts: list[tuple[Kind, str]] = []
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - called per picture
    expected = Image.registered_extensions().get(suffix)
    found = "JPEG" if image.format == "MPO" else image.format
    if expected != found:
        facts.append(("wrong extension", f"{found} named {suffix or 'without one'}"))
    if image.format != "MPO" and getattr(image, "is_animated", False):
        facts.append(("animated", f"{getattr(image, 'n_frames', 2)} frames, the first is used"))
    return facts + _mode_facts(image, data) + _exif_facts(image)


def _mode_facts(image: Image.Image, data: bytes) -> list[tuple[Kind, str]]:
    facts: list[tuple[Kind, str]] = []
    deep_png = image.format == "PNG" and data[24] == 16
    deep_tiff = image.format == "TIFF" and max(getattr(image, "tag_v2", {}).get(258, (8,))) > 8
    if deep_png or deep_tiff or image.mode.startswith(("I", "F")):
        facts.append(("16-bit", "used at 8 bits"))
    if image.mode == "CMYK":
        facts.append(("CMYK", "converted"))
    if image.mode == "1":
        facts.append(("1-bit", "black and white only"))
    if image.mode in ("P", "PA"):
        facts.append(("palette", "at most 256 colors"))
    if image.has_transparency_data:
        facts.append(("alpha", "transparency is dropped, hidden colors show"))
    profile = _profile_name(image)
    if profile and "srgb" not in profile.lower():
        facts.append(("profile", f"{profile}; training takes the numbers as sRGB"))
    return facts


def _profile_name(image: Image.Image) -> str:
    profile = image.info.get("icc_profile")
    if not profile:
        return ""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "damaged color profile"


def _exif_facts(image: Image.Image) -> list[tuple[Kind, str]]:
    try:
        with _exif_lock, warnings.catch_warnings():
            warnings.filterwarnings("error", message="Corrupt EXIF")
            Image.Exif().load(image.info.get("exif", b""))  # anew: opening may have read it already
            orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:  # damaged EXIF raises UserWarning, SyntaxError, struct.error and more
        return [("damaged EXIF", " ".join(str(error).split()))]
    if orientation not in range(2, 9):
        return []
    side = "on its side" if orientation >= 5 else "turned or mirrored"
    return [("rotated", f"stored {side} (EXIF orientation {orientation}), turned upright")]


def _thumbnail(image: Image.Image) -> Image.Image:
    """Decode the whole file, but to few pixels."""
    image.draft("RGB", (2 * _THUMBNAIL, 2 * _THUMBNAIL))
    small = eight_bit_rgb(image)
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return small


def _shape_facts(width: int, height: int) -> list[tuple[Kind, str]]:
    facts: list[tuple[Kind, str]] = []
    if min(width, height) < TINY:
        facts.append(("tiny", f"{width} x {height}"))
    if max(width, height) > STRIP * min(width, height):
        facts.append(("strip", f"{width} x {height}"))
    return facts


def _color_facts(small: Image.Image) -> list[tuple[Kind, str]]:
    rgb = torch.from_numpy(np.array(small)).permute(2, 0, 1)
    with torch.inference_mode():
        if bool((rgb.flatten(1).amax(1) == rgb.flatten(1).amin(1)).all()):
            return [("flat", f"one color, #{bytes(rgb[:, 0, 0].tolist()).hex()}")]
        if is_gray(rgb):
            return [("gray", "no color to learn")]
        return [("toned", "one hue all over, as sepia")] if _is_toned(rgb) else []


def _is_toned(rgb: Tensor) -> bool:
    """Say whether the colors of a ``(3, H, W)`` uint8 picture lie on one curve from black to white."""
    lab = rgb_to_lab(rgb.float() / 255).flatten(1)
    shade = (lab[0] / 5).long().clamp(0, 20)
    counts = torch.zeros(21).index_add_(0, shade, torch.ones(lab.shape[1])).clamp(min=1)
    means = torch.zeros(2, 21).index_add_(1, shade, lab[1:]) / counts
    spread = (lab[1:] - means[:, shade]).square().sum(0).mean().sqrt()
    return bool(spread < 2)
