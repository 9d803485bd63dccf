"""PSNR as the colorization papers report it: per picture, over 8-bit RGB, then averaged."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


def psnr_8bit(rgb: Tensor, target: Tensor) -> Tensor:
    """Return the PSNR of each picture over RGB truncated to 8 bits (Zhang et al. 2017, Table 1).

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        target: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B,)`` in dB; infinite for equal pictures.
    """
    error = to_8bit(rgb) - to_8bit(target)
    mse = error.square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(255.0**2 / mse)


def to_8bit(rgb: Tensor) -> Tensor:
    """Return ``rgb`` in [0, 1] truncated to whole levels of 255, as float32."""
    # 1e-4 of a level: a value that was 8-bit before a float round trip must not fall one level
    return (rgb.float().clamp(0, 1) * 255 + 1e-4).floor()


class MeanPSNR(Metric):
    """Mean over pictures of `psnr_8bit`; pictures without any error are counted apart."""

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor
    exact: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("exact", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures; see `psnr_8bit` for shapes."""
        values = psnr_8bit(rgb, target).double()
        finite = torch.isfinite(values)
        # Not in place: the states may stem from inference mode while this run is outside of it.
        self.total = self.total + values[finite].sum()
        self.count = self.count + finite.sum()
        self.exact = self.exact + (~finite).sum()

    def compute(self) -> Tensor:
        """Return the mean in dB; infinite if every picture is exact, NaN if there was none."""
        if self.count == 0:
            return torch.tensor(float("inf") if self.exact > 0 else float("nan"))
        return (self.total / self.count).float()
