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
    gray_gain,
    neutral_area,
    neutral_chroma,
    right_hues,
)
from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_pair
from colorzoo.metrics.cdr import (
    ClusterDiscrepancyRatio,
    TruthClusters,
    cluster_discrepancy,
    edge_scores,
    truth_clusters,
)
from colorzoo.metrics.classification import ClassifierAccuracy, classifier_network
from colorzoo.metrics.edges import BandLPIPS, BandPSNR, band_psnr, edge_band
from colorzoo.metrics.exemplar import HistogramIntersection, histogram_intersection
from colorzoo.metrics.feature_networks import FeatureNetwork, feature_network
from colorzoo.metrics.fid import FID
from colorzoo.metrics.named import all_metrics, image_metrics, named_metric
from colorzoo.metrics.perceptual import MeanLPIPS, MeanSSIM, lpips_network, ssim
from colorzoo.metrics.psnr import MeanPSNR, psnr_8bit
from colorzoo.metrics.video import Flow, chroma_flicker, color_consistency, opencv_flow, warping_error

__all__ = [
    "FID",
    "AbAUC",
    "BandLPIPS",
    "BandPSNR",
    "ClassifierAccuracy",
    "ClusterDiscrepancyRatio",
    "ColorMetric",
    "Colorfulness",
    "ColorfulnessRatio",
    "DeltaColorfulness",
    "FeatureNetwork",
    "Flow",
    "GrayGain",
    "HistogramIntersection",
    "MeanAbRMSE",
    "MeanLPIPS",
    "MeanPSNR",
    "MeanSSIM",
    "NeutralChroma",
    "Output",
    "RightHue",
    "TruthClusters",
    "WorseThanGray",
    "all_metrics",
    "band_psnr",
    "chroma_flicker",
    "classifier_network",
    "cluster_discrepancy",
    "color_consistency",
    "colorfulness",
    "edge_band",
    "edge_scores",
    "feature_network",
    "gray_gain",
    "histogram_intersection",
    "image_metrics",
    "lpips_network",
    "mean_of_moments",
    "named_metric",
    "neutral_area",
    "neutral_chroma",
    "opencv_flow",
    "psnr_8bit",
    "require_pair",
    "right_hues",
    "ssim",
    "truth_clusters",
    "warping_error",
]
