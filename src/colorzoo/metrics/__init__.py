"""Metrics: torchmetrics subclasses over a functional core."""

from colorzoo.metrics.psnr import MeanPSNR, psnr_8bit

__all__ = ["MeanPSNR", "psnr_8bit"]
