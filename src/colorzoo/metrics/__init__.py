"""Metrics as torchmetrics classes and as functions.

Images are ``(B, 3, H, W)`` RGB in [0, 1] (arguments ``rgb``, ``target``) or ``(B, 2, H, W)`` ab in CIE units
(``ab``, ``target_ab``). All metrics use the same argument names, so a ``torchmetrics.MetricCollection``
passes each metric the inputs that it accepts. `image_metrics` builds a collection from metric names.
"""

from colorzoo.metrics.ab_error import AbAUC, MeanAbRMSE
from colorzoo.metrics.appearance import (
    Colorfulness,
    ColorfulnessRatio,
    DeltaColorfulness,
    GrayGain,
    NeutralChroma,
    RightHue,
    WorseThanGray,
    colorfulness,
)
from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_pair
from colorzoo.metrics.cdr import ClusterDiscrepancyRatio
from colorzoo.metrics.ciede2000 import MeanCIEDE2000
from colorzoo.metrics.classification import ClassifierAccuracy
from colorzoo.metrics.edges import BandLPIPS, BandPSNR
from colorzoo.metrics.exemplar import HistogramIntersection
from colorzoo.metrics.fid import FID, KID
from colorzoo.metrics.named import image_metrics
from colorzoo.metrics.perceptual import MeanLPIPS, MeanSSIM
from colorzoo.metrics.psnr import MeanPSNR, psnr_8bit
from colorzoo.metrics.video import chroma_flicker, color_consistency, warping_error

__all__ = [
    "FID",
    "KID",
    "AbAUC",
    "BandLPIPS",
    "BandPSNR",
    "ClassifierAccuracy",
    "ClusterDiscrepancyRatio",
    "ColorMetric",
    "Colorfulness",
    "ColorfulnessRatio",
    "DeltaColorfulness",
    "GrayGain",
    "HistogramIntersection",
    "MeanAbRMSE",
    "MeanCIEDE2000",
    "MeanLPIPS",
    "MeanPSNR",
    "MeanSSIM",
    "NeutralChroma",
    "Output",
    "RightHue",
    "WorseThanGray",
    "chroma_flicker",
    "color_consistency",
    "colorfulness",
    "image_metrics",
    "mean_of_moments",
    "psnr_8bit",
    "require_pair",
    "warping_error",
]
