"""Metrics: torchmetrics subclasses over a functional core."""

from colorzoo.metrics.cdr import ClusterDiscrepancyRatio, cluster_discrepancy, edge_scores
from colorzoo.metrics.clusters import CDRSettings, TruthClusters, truth_clusters
from colorzoo.metrics.psnr import MeanPSNR, psnr_8bit

__all__ = [
    "CDRSettings",
    "ClusterDiscrepancyRatio",
    "MeanPSNR",
    "TruthClusters",
    "cluster_discrepancy",
    "edge_scores",
    "psnr_8bit",
    "truth_clusters",
]
