"""Cases of metrics with a network, with small networks without weights."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torchmetrics.image.kid import poly_mmd

from colorzoo import metrics
from colorzoo.metrics.feature_networks import FeatureNetwork
from metrics.cases import IMAGES, NAN, SIDE, select
from metrics.common_checks import Batch, Case, Values

RGB = select("rgb", "target")


class Corners(nn.Module):
    """A feature network without weights: six values of each image."""

    def forward(self, rgb: Tensor) -> Tensor:
        return torch.cat([rgb[:, :, 2, 3], rgb[:, :, -3, -2]], dim=1)


CORNERS = FeatureNetwork("corners", "none", Corners(), 6)
FID_KEY = "fid_corners_none"


def fid(batch: Batch) -> Values:
    statistics = [
        {"mu": found.mean(axis=0), "sigma": np.cov(found, rowvar=False)}
        for found in (Corners()(batch[name]).double().numpy() for name in ("rgb", "target"))
    ]
    distance = fid_statistics_to_metric(*statistics, verbose=False)
    return {FID_KEY: float(next(iter(distance.values())))}


FID_CASE = Case(
    "fid", partial(metrics.FID, CORNERS), [*RGB, RGB[0]], fid, tolerance=1e-3, empty={FID_KEY: NAN}
)


KID_KEY = "kid_corners_none"


def kid(batch: Batch) -> Values:
    made, true = (Corners()(batch[name]).double() for name in ("rgb", "target"))
    return {KID_KEY: float(poly_mmd(true, made)) if len(made) > 1 else NAN}


KID_BUILD = partial(metrics.KID, CORNERS)
KID_CASE = Case("kid", KID_BUILD, [*RGB, RGB[0]], kid, tolerance=1e-3, empty={KID_KEY: NAN})


class RedPatches(nn.Module):
    """A classifier without weights: the mean red of 16 patches."""

    def forward(self, rgb: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(rgb[:, :1], SIDE // 4).flatten(1)


CLASSIFIER = FeatureNetwork("patches", "none", RedPatches(), 16)
LABELED = [{"rgb": batch["rgb"], "labels": torch.arange(3, 3 + len(batch["rgb"])) % 16} for batch in IMAGES]


def accuracy(batch: Batch) -> Values:
    found: dict[int, list[bool]] = {1: [], 5: []}
    for image, label in zip(batch["rgb"].numpy(), batch["labels"].tolist(), strict=True):
        scores = image[0].reshape(4, SIDE // 4, 4, SIDE // 4).mean(axis=(1, 3)).ravel()
        for k, hits in found.items():
            hits.append(label in np.argsort(-scores)[:k])
    return {f"top{k}_patches_none": float(np.mean(hits)) for k, hits in found.items()}


ACCURACY_CASE = Case(
    "accuracy",
    partial(metrics.ClassifierAccuracy, CLASSIFIER),
    LABELED,
    accuracy,
    empty={"top1_patches_none": NAN, "top5_patches_none": NAN},
)


CASES = [FID_CASE, KID_CASE, ACCURACY_CASE]
