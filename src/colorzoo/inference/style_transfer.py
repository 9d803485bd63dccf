"""Photorealistic stylization: transfer the colors of a style image to a content image.

The network stylizes a small copy of the content image. The difference in Lab between the stylized copy and
the copy is upsampled and added to the content image, so the result stays sharp.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.abilities import StyleModel, Transform
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.full_size import BicubicUpsampler, bands
from colorzoo.inference.references import as_reference, require_color
from colorzoo.inference.steps.classes import read_label_image
from colorzoo.model import ColoringModel


def stylize(
    model: ColoringModel,
    content: RasterImage,
    style: RasterImage,
    *,
    transform: Transform | None = None,
    alpha: float = 1.0,
    labels: tuple[Tensor, Tensor] | None = None,
    size: int = 512,
) -> NDArray[np.float32]:
    """Transfer the colors of a style image to a content image.

    Args:
        model: Model that supports `StyleModel.stylize`.
        content: Image to change.
        style: Image whose colors are transferred.
        transform: ``"adain"`` or ``"wct"``; None uses the default of the model.
        alpha: Strength of the style in [0, 1].
        labels: Integer label maps of content and style at full size. Colors are transferred between regions
            with equal labels. None transfers colors between the whole images.
        size: Shorter side of the network input in pixels.

    Returns:
        RGB ``(H, W, 3)`` in [0, 1] with the size of the content image.

    Raises:
        ColorzooError: The model does not support stylization, or the style image is gray.
    """
    if not isinstance(model, StyleModel):
        raise ColorzooError(
            f"--model must support stylization, got {type(model).__name__}. Use xu2020_small, for example."
        )
    require_color(style, "STYLE")
    content_rgb, style_rgb = as_reference(content, size), as_reference(style, size)
    if labels is not None:
        labels = _shrunk(labels[0], content_rgb), _shrunk(labels[1], style_rgb)
    device = model.device
    options: dict[str, Transform] = {} if transform is None else {"transform": transform}
    stylized = model.stylize(
        content_rgb.to(device), style_rgb.to(device), **options, alpha=alpha, labels=labels
    )
    # upsample the change in Lab, and add it to the content image at full size
    change = rgb_to_lab(stylized.cpu()) - rgb_to_lab(content_rgb)
    rgb = content.rgb
    height, width = rgb.shape[:2]
    enlarged = BicubicUpsampler(change[0], (height, width))
    result = np.empty((height, width, 3), dtype=np.float32)
    for first, last in bands(height, width):
        band = torch.from_numpy(np.ascontiguousarray(rgb[first:last])).permute(2, 0, 1)
        lab = rgb_to_lab(band) + enlarged.rows(first, last)
        result[first:last] = lab_to_rgb_in_gamut(lab).permute(1, 2, 0).numpy()
    return result


def read_labels(path: Path, size: tuple[int, int]) -> Tensor:
    """Read an int64 label map ``(H, W)`` and check its size.

    Examples:
        >>> read_labels(Path("photo.png"), size=(48, 32)).shape
        torch.Size([32, 48])

    Args:
        path: Image file with one channel.
        size: Required width and height.

    Raises:
        GuidanceError: The file cannot be read, or has several channels or another size.
    """
    labels = read_label_image(path)
    if labels.shape != size[::-1]:
        raise GuidanceError(
            f"label map {path} must have the same size as the image that it labels ({size[0]} x {size[1]} "
            f"pixels), got {labels.shape[1]} x {labels.shape[0]} pixels"
        )
    return torch.from_numpy(labels)


def _shrunk(labels: Tensor, like: Tensor) -> Tensor:
    """Return a label map at the size of a smaller image."""
    small = F.interpolate(labels[None, None].double(), size=like.shape[-2:], mode="nearest-exact")
    return small[0, 0].long().to(like.device)
