"""Node for ComfyUI that colorizes images with color points and reference images.

Install colorzoo in the Python environment of ComfyUI and copy this file to ``ComfyUI/custom_nodes``.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

import colorzoo

AUTOMATIC = "automatic"
_POINT = re.compile(r"\s*(?P<x>[\d.]+)\s*,\s*(?P<y>[\d.]+)\s*=\s*(?P<color>#[0-9a-fA-F]{6})\s*")


class ColorizeNode:
    """Node that colorizes a batch of images."""

    DESCRIPTION = "Colorize photos or drawings. Each line of 'points' sets a color: X,Y=#RRGGBB, in pixels."
    CATEGORY = "image/color"
    FUNCTION = "colorize"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  # the name that ComfyUI calls
        """Return the inputs of the node."""
        models = [AUTOMATIC, *colorzoo.list_models(with_weights=True)]
        points = {"multiline": True, "default": "", "placeholder": "120,80=#c04020"}
        strength = {"default": 1.0, "min": 0.0, "max": 1.5, "step": 0.05}
        return {
            "required": {
                "image": ("IMAGE",),
                "model": (models,),
                "points": ("STRING", points),
                "strength": ("FLOAT", strength),
            },
            "optional": {"reference": ("IMAGE",)},
        }

    def colorize(
        self, image: Tensor, model: str, points: str, strength: float, reference: Tensor | None = None
    ) -> tuple[Tensor]:
        """Colorize a batch of images; each image gets the same points and references.

        Args:
            image: ``(B, H, W, 3)`` float in [0, 1].
            model: Registered name, or `AUTOMATIC` for the best model with local weights.
            points: Lines ``X,Y=#RRGGBB``.
            strength: Multiplier for the chroma.
            reference: ``(N, H, W, 3)``: reference images whose colors are transferred.
        """
        name = None if model == AUTOMATIC else model
        guidance = {"points": parse_points(points)}
        references = None if reference is None else list(_to_channels_first(reference))
        colored = [
            colorzoo.colorize(each, name, guidance, strength=strength, reference=references)
            for each in _to_channels_first(image)
        ]
        return (torch.stack([pil_to_tensor(each).permute(1, 2, 0) / 255 for each in colored]),)


def parse_points(text: str) -> list[dict[str, Any]]:
    """Convert lines ``X,Y=#RRGGBB`` to points of a recipe.

    Raises:
        ValueError: A line is malformed.
    """
    points = []
    for line in filter(str.strip, text.splitlines()):
        match = _POINT.fullmatch(line)
        if match is None:
            raise ValueError(
                f"each line of 'points' must be X,Y=#RRGGBB, such as 120,80=#c04020; got {line!r}"
            )
        points.append({"x": float(match["x"]), "y": float(match["y"]), "color": match["color"]})
    return points


def _to_channels_first(images: Tensor) -> Tensor:
    """Return images ``(B, 3, H, W)`` without their alpha channel."""
    return images[..., :3].movedim(-1, 1).cpu()


NODE_CLASS_MAPPINGS = {"ColorzooColorize": ColorizeNode}
NODE_DISPLAY_NAME_MAPPINGS = {"ColorzooColorize": "Colorize (colorzoo)"}
