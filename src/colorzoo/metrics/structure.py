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

    As in scikit-image and the original definition, only windows that lie inside the picture count.

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
    _, values = structural_similarity_index_measure(
        rgb.float(), target.float(), data_range=1.0, sigma=1.5, reduction="none", return_full_image=True
    )
    margin = WINDOW // 2  # torchmetrics' own mean includes windows that reach beyond the border
    return values[..., margin:-margin, margin:-margin].mean(dim=(1, 2, 3))


class MeanSSIM(PictureMean):
    """Mean over pictures of `ssim`."""

    higher_is_better = True
    is_differentiable = True

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]."""
        require_pair(rgb, target, 3)
        self.add(ssim(rgb, target))
