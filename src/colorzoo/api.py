"""`colorize`: the one call for those who want a colored picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from colorzoo.inference.colorizer import Colorizer, ImageLike, ReferenceLike
from colorzoo.inference.guide import GuidanceLike, as_recipe, wanted_model


def colorize(
    image: ImageLike,
    model: str | None = None,
    guidance: GuidanceLike = None,
    *,
    weights: str | Path | None = "default",
    device: str = "auto",
    strength: float | None = None,
    reference: ReferenceLike | None = None,
    **settings: Any,
) -> Image.Image:
    """Color one picture.

    Args:
        image: Path, Pillow image, or array ``(H, W[, C])`` of uint8, uint16 or float in [0, 1].
        model: Registered name, or None for the recipe's or the embedded default.
        guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
        weights: See `create_model`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.
        reference: The picture whose colors to use, for models that take an exemplar, or a look of it.
        **settings: Of the model, by name, such as ``temperature`` or ``render_factor``; see `Colorizer`.

    Returns:
        A Pillow image of the same size; alpha is kept.

    Raises:
        ColorzooError: The picture, the guidance or the weights cannot be used; the message says why.
    """
    given = as_recipe(guidance)
    name = wanted_model(model, given, weights, reference=reference is not None)
    colorizer = _colorizer(name, weights, device, _stamp(weights), **settings)
    return colorizer(image, guidance, strength=strength, reference=reference)


@lru_cache(maxsize=2)
def _colorizer(
    model: str, weights: str | Path | None, device: str, stamp: tuple[int, int] | None, **settings: Any
) -> Colorizer:
    del stamp  # part of the key alone: a file that was trained further is loaded again
    return Colorizer(model, weights=weights, device=device, **settings)


def _stamp(weights: str | Path | None) -> tuple[int, int] | None:
    path = Path(weights or "").expanduser()
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size
