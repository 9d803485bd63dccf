"""Structural similarity over RGB (the SSIM column of Su et al. 2020)."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from colorzoo.errors import DataError
from colorzoo.metrics.checks import require_pair
from colorzoo.metrics.mean import PictureMean

WINDOW = 11


def ssim(rgb: Tensor, target: Tensor) -> Tensor:
    """Return the SSIM of each picture: Gaussian window of 11 pixels and deviation 1.5, mean over RGB.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        target: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B,)`` float32; 1 for equal pictures.

    Raises:
        DataError: A side is shorter than the window.
    """
    if min(rgb.shape[-2:]) < WINDOW:
        raise DataError(f"SSIM needs pictures of at least {WINDOW} x {WINDOW}, got {tuple(rgb.shape[-2:])}")
    values = structural_similarity_index_measure(
        rgb.float(), target.float(), data_range=1.0, kernel_size=WINDOW, sigma=1.5, reduction="none"
    )
    assert isinstance(values, Tensor)  # a tuple only where asked for
    return values.reshape(len(rgb))


class MeanSSIM(PictureMean):
    """Mean over pictures of `ssim`."""

    higher_is_better = True
    is_differentiable = True

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]."""
        require_pair(rgb, target, 3)
        self.add(ssim(rgb, target))
