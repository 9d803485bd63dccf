"""`colorize`: the one call for those who want a colored picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image

from colorzoo.inference.colorizer import Colorizer, GuidanceLike, ImageLike


def colorize(
    image: ImageLike,
    model: str | None = None,
    guidance: GuidanceLike = None,
    *,
    weights: str | Path | None = "default",
    device: str = "auto",
    strength: float | None = None,
) -> Image.Image:
    """Color one picture.

    Args:
        image: Path, Pillow image, or array ``(H, W[, C])`` of uint8, uint16 or float in [0, 1].
        model: Registered name, or None for the recipe's or the embedded default.
        guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
        weights: See `create_model`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.

    Returns:
        A Pillow image of the same size; alpha is kept.

    Raises:
        ColorzooError: The picture, the guidance or the weights cannot be used; the message says why.
    """
    return _colorizer(model, weights, device)(image, guidance, strength=strength)


@lru_cache(maxsize=2)
def _colorizer(model: str | None, weights: str | Path | None, device: str) -> Colorizer:
    return Colorizer(model, weights=weights, device=device)
