"""References of training and validation, each made from its picture and the picture's own seed."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.randomness import draw_uniform, picture_generators

_AREA = (0.3, 1.0)  # share of the picture that a reference made from it shows
_TURN = (60.0, 300.0)  # degrees by which the hues of a foreign reference are turned
_SHIFT = 30.0  # CIE units by which its colors are shifted at most


def reference_of(batch: Batch) -> Tensor:
    """Return the references of a batch: those that the data give, or parts of the pictures themselves."""
    given: Tensor | None = dict(batch).get("reference")  # type: ignore[assignment]
    return self_references(batch["rgb"], batch["seed"]) if given is None else given


def self_references(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Return a part of each picture ``(B, 3, H, W)``, enlarged, half of them mirrored."""
    return crop_flip_reference(rgb, picture_generators(seeds, "referen"), scale=_AREA)


def foreign_references(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Return references in colors that are not theirs: of what an unrelated picture shows.

    Not those of a neighbor in the batch, which depends on how processes share the batch out.

    Args:
        rgb: ``(B, 3, H, W)`` references in [0, 1].
        seeds: ``(B,)``, the pictures' own.
    """
    lab = rgb_to_lab(rgb)
    draws = draw_uniform(picture_generators(seeds, "foreign"), len(rgb), 3, rgb.device)[..., None, None]
    angle = torch.deg2rad(_TURN[0] + (_TURN[1] - _TURN[0]) * draws[:, 0])
    a, b = lab[:, 1], lab[:, 2]
    turned = torch.stack([angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b], dim=1)
    return lab_to_rgb(torch.cat([lab[:, :1], turned + _SHIFT * (2 * draws[:, 1:] - 1)], dim=1))
