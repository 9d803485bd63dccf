"""Metrics: torchmetrics subclasses over a functional core.

Pictures are ``(B, 3, H, W)`` RGB in [0, 1] (arguments ``rgb``, ``target``) or ``(B, 2, H, W)`` ab in CIE
units (``ab``, ``target_ab``), so that a ``torchmetrics.MetricCollection`` hands each metric what it asks for.
`picture_metrics` builds one from names.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorzoo.metrics.ab_error import AbAUC, MeanAbRMSE, PooledAbRMSE
    from colorzoo.metrics.band import BandPSNR, BandShare, band_psnr, edge_band
    from colorzoo.metrics.cdr import ClusterDiscrepancyRatio, cluster_discrepancy, edge_scores
    from colorzoo.metrics.classify import Classifier, ClassifierAccuracy, classifier_network
    from colorzoo.metrics.clusters import CDRSettings, TruthClusters, truth_clusters
    from colorzoo.metrics.colorful import Colorfulness, DeltaColorfulness, colorfulness
    from colorzoo.metrics.contextual import ContextualSimilarity, contextual_similarity, vgg19_maps
    from colorzoo.metrics.features import FeatureNetwork, feature_network
    from colorzoo.metrics.fid import FID
    from colorzoo.metrics.flow import Flow, opencv_flow
    from colorzoo.metrics.histogram import HistogramIntersection, histogram_intersection
    from colorzoo.metrics.look import (
        ColorfulnessShare,
        GrayGain,
        NeutralChroma,
        RightHue,
        gray_gain,
        neutral_area,
        neutral_chroma,
        right_hues,
    )
    from colorzoo.metrics.named import named_metric, picture_metrics
    from colorzoo.metrics.perceptual import BandLPIPS, MeanLPIPS, lpips_network
    from colorzoo.metrics.psnr import MeanAbPSNR, MeanPSNR, PooledAbPSNR, PooledPSNR, psnr_8bit
    from colorzoo.metrics.structure import MeanSSIM, ssim
    from colorzoo.metrics.video import ColorConsistency, WarpingError, color_consistency, warping_error

# Name -> module. Resolved at first use: a training run that logs PSNR need not import feature networks.
_PUBLIC = {
    "AbAUC": "ab_error",
    "BandLPIPS": "perceptual",
    "BandPSNR": "band",
    "BandShare": "band",
    "CDRSettings": "clusters",
    "Classifier": "classify",
    "ClassifierAccuracy": "classify",
    "ClusterDiscrepancyRatio": "cdr",
    "ColorConsistency": "video",
    "Colorfulness": "colorful",
    "ColorfulnessShare": "look",
    "ContextualSimilarity": "contextual",
    "DeltaColorfulness": "colorful",
    "FID": "fid",
    "FeatureNetwork": "features",
    "Flow": "flow",
    "GrayGain": "look",
    "HistogramIntersection": "histogram",
    "MeanAbPSNR": "psnr",
    "MeanAbRMSE": "ab_error",
    "MeanLPIPS": "perceptual",
    "MeanPSNR": "psnr",
    "MeanSSIM": "structure",
    "NeutralChroma": "look",
    "PooledAbPSNR": "psnr",
    "PooledAbRMSE": "ab_error",
    "PooledPSNR": "psnr",
    "RightHue": "look",
    "TruthClusters": "clusters",
    "WarpingError": "video",
    "band_psnr": "band",
    "classifier_network": "classify",
    "cluster_discrepancy": "cdr",
    "color_consistency": "video",
    "colorfulness": "colorful",
    "contextual_similarity": "contextual",
    "edge_band": "band",
    "edge_scores": "cdr",
    "feature_network": "features",
    "gray_gain": "look",
    "histogram_intersection": "histogram",
    "lpips_network": "perceptual",
    "named_metric": "named",
    "neutral_area": "look",
    "neutral_chroma": "look",
    "opencv_flow": "flow",
    "picture_metrics": "named",
    "psnr_8bit": "psnr",
    "right_hues": "look",
    "ssim": "structure",
    "truth_clusters": "clusters",
    "vgg19_maps": "contextual",
    "warping_error": "video",
}

__all__ = [
    "FID",
    "AbAUC",
    "BandLPIPS",
    "BandPSNR",
    "BandShare",
    "CDRSettings",
    "Classifier",
    "ClassifierAccuracy",
    "ClusterDiscrepancyRatio",
    "ColorConsistency",
    "Colorfulness",
    "ColorfulnessShare",
    "ContextualSimilarity",
    "DeltaColorfulness",
    "FeatureNetwork",
    "Flow",
    "GrayGain",
    "HistogramIntersection",
    "MeanAbPSNR",
    "MeanAbRMSE",
    "MeanLPIPS",
    "MeanPSNR",
    "MeanSSIM",
    "NeutralChroma",
    "PooledAbPSNR",
    "PooledAbRMSE",
    "PooledPSNR",
    "RightHue",
    "TruthClusters",
    "WarpingError",
    "band_psnr",
    "classifier_network",
    "cluster_discrepancy",
    "color_consistency",
    "colorfulness",
    "contextual_similarity",
    "edge_band",
    "edge_scores",
    "feature_network",
    "gray_gain",
    "histogram_intersection",
    "lpips_network",
    "named_metric",
    "neutral_area",
    "neutral_chroma",
    "opencv_flow",
    "picture_metrics",
    "psnr_8bit",
    "right_hues",
    "ssim",
    "truth_clusters",
    "vgg19_maps",
    "warping_error",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
