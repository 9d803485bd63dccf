"""Faces and figures of held-out characters: color of the skin, of hair and clothes, and saturation.

The characters come from ``characters.tar`` and ``characters.csv``. The tags of a character with a known skin
tone contain ``skin=#rrggbb``. The pixels of this color in the true image are the skin.
"""

from __future__ import annotations

import csv
import io
import re
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from benchmarks._common import Row, where
from benchmarks._held_out import is_held_out_group
from colorzoo.evaluation.statistics import bootstrap_weights, estimate

Rgb = NDArray[np.float32]

MONK = "f6ede4 f3e7db f7ead0 eadaba d7bd96 a07e56 825c43 604134 3a312a 292420"
"""Skin tones of the Monk scale (Monk 2019, https://skintone.google), from light to dark."""
NATURAL = 10.0  # largest CIE76 distance of a natural color from a skin tone
DIFFERENT = 15.0  # smallest CIE76 distance between skin and hair or clothes
GOALS = (0.92, 0.90, 0.8)
_SKIN = 6.0  # largest CIE76 distance from the skin tone in the true image, because of its compression
_PAPER = 4.0  # largest CIE76 distance of paper from white
_SHADES = np.linspace(0.5, 1, 6)  # factors on the RGB values of shaded skin
_RESAMPLES = 2000


@dataclass(frozen=True)
class Character:
    """Drawn character with true lines and a known skin tone.

    Attributes:
        group: Name of the group of images of this character.
        skin: ``(3,)``, skin tone in [0, 1].
        truth: ``(H, W, 3)``, color image in [0, 1].
        lines: ``(H, W)``, drawn lines.
    """

    group: str
    skin: Rgb
    truth: Rgb
    lines: NDArray[np.uint8]


def read_characters(folder: Path) -> list[Character]:
    """Return the held-out characters of ``characters.tar`` with true lines and a known skin tone."""
    with (folder / "characters.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["lines"] == "1"]
    found = []
    with tarfile.open(folder / "characters.tar") as tar:

        def pixels(name: str, mode: str) -> NDArray[np.uint8]:
            stream = tar.extractfile(name)
            assert stream is not None
            return np.asarray(Image.open(io.BytesIO(stream.read())).convert(mode))

        for row in rows:
            tone = re.search(r"skin=(#[0-9a-fA-F]{6})", row["tags"])
            if tone and is_held_out_group(row["group"]):
                truth = pixels(f"{row['key']}.webp", "RGB").astype(np.float32) / np.float32(255)
                lines = pixels(f"{row['key']}.lines.webp", "L")
                skin = np.array(ImageColor.getrgb(tone[1]), np.float32) / np.float32(255)
                found.append(Character(row["group"], skin, truth, lines))
    return found


def face_rows(characters: Sequence[Character], colored: Callable[[NDArray[np.uint8]], Rgb]) -> list[Row]:
    """Return the rows of the held-out characters, with 95 % intervals from a bootstrap over groups.

    Args:
        characters: Result of `read_characters`.
        colored: Function that colorizes lines ``(H, W)`` and returns RGB ``(H, W, 3)`` in [0, 1].
    """
    names = sorted({each.group for each in characters})
    groups = np.array([names.index(each.group) for each in characters])
    weights = bootstrap_weights(len(names), _RESAMPLES, seed=0)
    tones = skin_tones([each.skin for each in characters])
    ours = [measure_face(each, colored(each.lines), tones) for each in characters]
    true = [measure_face(each, each.truth, tones) for each in characters]
    claims = (
        f"skin within {NATURAL:g} CIE units of a natural tone, fraction of its area",
        f"hair and clothes at least {DIFFERENT:g} CIE units from the skin, fraction of their area",
        "saturation of the figure against the true saturation, at most 1 for each image",
    )
    rows = []
    for index, (claim, goal) in enumerate(zip(claims, GOALS, strict=True)):
        value, reference = (
            estimate(np.array([each[index] for each in found]), _ratio, weights, groups)
            for found in (ours, true)
        )
        place = (
            f"95 % interval {value.low:.3f} to {value.high:.3f}, {len(characters)} images of {len(names)} "
            f"held-out characters, {where()}"
        )
        rows.append(Row(claim, value.value, reference.value, value.value, goal, "higher", place))
    return rows


def measure_face(
    character: Character, rgb: Rgb, tones: NDArray[np.float32]
) -> tuple[tuple[float, float], ...]:
    """Return the value of each row for one colorized character, and 1, or twice 0 for an undefined value.

    The areas are the pixels without ink. Hair and clothes are the pixels of the figure whose true color
    differs from all shades of the skin.
    """
    true, found = (cv2.cvtColor(image, cv2.COLOR_RGB2LAB) for image in (character.truth, rgb))
    skin, other, figure = areas_of(character)
    if not skin.any():
        return ((0.0, 0.0),) * 3
    natural = natural_colors(found[skin], tones)
    skin_color = np.median(found[skin], axis=0)
    differs = np.linalg.norm(found[other] - skin_color, axis=-1) >= DIFFERENT
    # saturation is chroma over the distance from black
    saturation, true_saturation = (
        float(
            (
                np.linalg.norm(lab[figure][:, 1:], axis=-1) / np.linalg.norm(lab[figure], axis=-1).clip(1)
            ).mean()
        )
        for lab in (found, true)
    )
    return (
        (float(natural.mean()), 1.0),
        (float(differs.mean()), 1.0) if other.any() else (0.0, 0.0),
        (min(1.0, saturation / true_saturation), 1.0) if true_saturation > 0 else (0.0, 0.0),
    )


def areas_of(character: Character) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks ``(H, W)`` of the skin, of hair and clothes, and of the whole figure, without ink."""
    lab = cv2.cvtColor(character.truth, cv2.COLOR_RGB2LAB)
    no_ink = character.lines > 230
    # paper is connected with the border of the image
    white = (np.linalg.norm(lab - (100, 0, 0), axis=-1) < _PAPER) & no_ink
    framed = np.pad(white, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(framed, connectivity=4)
    figure = (labels != labels[0, 0])[1:-1, 1:-1] & no_ink
    shades = cv2.cvtColor((character.skin * _SHADES[:, None])[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    distance = np.linalg.norm(lab[:, :, None] - shades, axis=-1)
    near = (distance[..., -1] < _SKIN).astype(np.uint8)
    skin = (cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0) & figure
    return skin, (distance.min(-1) >= DIFFERENT) & figure, figure


def skin_tones(drawn: Sequence[Rgb]) -> NDArray[np.float32]:
    """Return Lab ``(N, 3)`` of the Monk scale, with nine steps between its tones, and of drawn skin tones."""
    monk = np.array([ImageColor.getrgb(f"#{tone}") for tone in MONK.split()], np.float32) / 255
    scale = cv2.cvtColor(monk[None], cv2.COLOR_RGB2LAB)[0]
    steps = np.arange(0, len(scale) - 0.95, 0.1)
    axes = [np.interp(steps, np.arange(len(scale)), axis) for axis in scale.T]
    others = cv2.cvtColor(np.array(drawn, np.float32)[None], cv2.COLOR_RGB2LAB)[0]
    return np.concatenate([np.stack(axes, 1), others]).astype(np.float32)


def natural_colors(lab: NDArray[np.float32], tones: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which colors ``(N, 3)`` are near a skin tone and are not white paper."""
    is_paper = (lab[:, 0] > 90) & (np.linalg.norm(lab[:, 1:], axis=1) < 5)
    distance = np.min([np.linalg.norm(lab - tone, axis=1) for tone in np.unique(tones, axis=0)], axis=0)
    return (distance <= NATURAL) & ~is_paper


def _ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return sums[..., 0] / sums[..., 1]
