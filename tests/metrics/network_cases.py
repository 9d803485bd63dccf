"""Cases of metrics of video and of metrics with a network, with small networks without weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import jensenshannon
from skimage.color import rgb2lab
from torch import Tensor, nn
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from colorzoo import metrics
from metrics.cases import IMAGES, NAN, SIDE, given
from metrics.common_checks import Batch, Case, Values

RGB = given("rgb", "target")


class Corners(nn.Module):
    """A feature network without weights: six numbers of each image."""

    def forward(self, rgb: Tensor) -> Tensor:
        return torch.cat([rgb[:, :, 2, 3], rgb[:, :, -3, -2]], dim=1)


CORNERS = metrics.FeatureNetwork("corners", "none", Corners(), 6)
FID_KEY = "fid_corners_none"


def fid(batch: Batch) -> Values:
    statistics = [
        {"mu": found.mean(axis=0), "sigma": np.cov(found, rowvar=False)}
        for found in (Corners()(batch[name]).double().numpy() for name in ("rgb", "target"))
    ]
    answer = fid_statistics_to_metric(*statistics, verbose=False)
    return {FID_KEY: float(next(iter(answer.values())))}


FID_CASE = Case(
    "fid", partial(metrics.FID, CORNERS), [*RGB, RGB[0]], fid, tolerance=1e-3, empty={FID_KEY: NAN}
)

KID_KEY = "kid_corners_none"


def kid(batch: Batch) -> Values:
    found = [Corners()(batch[name]).double().numpy() for name in ("target", "rgb")]
    answer = kid_features_to_metric(
        *(torch.from_numpy(each) for each in found),
        verbose=False,
        kid_subsets=1,
        kid_subset_size=len(found[0]),
    )
    return {KID_KEY: float(next(iter(answer.values())))}


KID_CASE = Case(
    "kid", partial(metrics.KID, CORNERS), [*RGB, RGB[0]], kid, half_tolerance=0.1, empty={KID_KEY: NAN}
)


class RedPatches(nn.Module):
    """A classifier without weights: the mean red of 16 patches."""

    def forward(self, rgb: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(rgb[:, :1], SIDE // 4).flatten(1)


CLASSIFIER = metrics.FeatureNetwork("patches", "none", RedPatches(), 16)
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


CLASSIFICATION_CASE = replace(
    ACCURACY_CASE, name="classification", build=partial(metrics.Classification, CLASSIFIER)
)


class Patches(nn.Module):
    """A network of maps without weights: 4 x 4 pixels of RGB become a vector."""

    def forward(self, rgb: Tensor) -> Tensor:
        return nn.functional.pixel_unshuffle(rgb, 4)


PATCHES = metrics.FeatureNetwork("patches", "full-size", Patches(), 48)
CX_KEY = "cx_patches_full-size_h0.5"


def one_similarity(made: np.ndarray, reference: np.ndarray) -> float:
    """Mechrez et al. 2018, eqs. 1 to 4, feature by feature; ``(C, N)`` each."""
    center = reference.mean(axis=1, keepdims=True)
    x, y = ((part - center) / np.linalg.norm(part - center, axis=0) for part in (made, reference))
    affinity = np.zeros((x.shape[1], y.shape[1]))
    for i, feature in enumerate(x.T):
        distance = 1 - feature @ y
        weights = np.exp((1 - distance / (distance.min() + 1e-5)) / 0.5)
        affinity[i] = weights / weights.sum()
    return float(affinity.max(axis=0).mean())


def similarity(batch: Batch) -> Values:
    maps = [Patches()(batch[name]).double().flatten(2).numpy() for name in ("rgb", "reference_rgb")]
    return {CX_KEY: float(np.mean([one_similarity(*pair) for pair in zip(*maps, strict=True)]))}


CONTEXTUAL_CASE = Case(
    "contextual",
    partial(metrics.ContextualSimilarity, PATCHES),
    [{"rgb": batch["rgb"], "reference_rgb": batch["target"]} for batch in IMAGES],
    similarity,
    empty={CX_KEY: NAN},
)


def clips(batch: Batch) -> Batch:
    """Return clips in which an image moves by one pixel per frame and gets lighter, and its truth."""
    made = [batch["rgb"].roll(step, dims=3) * (0.8 + 0.03 * step) for step in range(6)]
    true = [batch["target"].roll(step, dims=3) for step in range(6)]
    return {"frames": (torch.stack(made, 1) * 255).round() / 255, "target_frames": torch.stack(true, 1)}


CLIPS = [clips(batch) for batch in IMAGES]


def consistency(batch: Batch) -> Values:
    found = []
    for clip in (batch["frames"] * 255).round().long().numpy():
        shares = [[np.bincount(c.ravel(), minlength=256) / c.size for c in frame] for frame in clip]
        by_step = [
            np.mean(
                [
                    jensenshannon(*pair) ** 2
                    for t in range(6 - step)
                    for pair in zip(shares[t], shares[t + step], strict=True)
                ]
            )
            for step in (1, 2, 4)
        ]
        found.append(np.mean(by_step))
    return {"cdc": float(np.mean(found)), "excluded": 0}


CONSISTENCY_CASE = Case(
    "cdc",
    metrics.ColorConsistency,
    [{"frames": clip["frames"]} for clip in CLIPS],
    consistency,
    half_tolerance=0.2,  # rounding to half moves whole levels
    empty={"cdc": NAN, "excluded": 0},
    gradient_of="frames",
)


def quarter_pixel(first: Tensor, second: Tensor) -> Tensor:
    """A constant flow: a quarter of a pixel to the right, as the clips move, and back in time to the left."""
    flow = torch.zeros(len(first), 2, *first.shape[2:])
    flow[:, 0] = 0.25 if torch.equal(second, first.roll(1, dims=3)) else -0.25
    return flow


def changes(clip: np.ndarray) -> Iterator[np.ndarray]:
    """Yield how each frame differs from the one before, along the flow, with SciPy's interpolation."""
    rows, columns = np.mgrid[:SIDE, : SIDE - 1].astype(float)
    for before, after in pairwise(clip):
        there = [map_coordinates(channel, (rows, columns + 0.25), order=1) for channel in after]
        yield np.stack(there) - before[..., :-1]


def warped(batch: Batch) -> Values:
    found = [np.square(change) for clip in batch["frames"].double().numpy() for change in changes(clip)]
    return {"warping_error_quarter": float(np.mean(found)), "excluded": 0}


WARPING_CASE = Case(
    "warping",
    partial(metrics.WarpingError, quarter_pixel, "quarter"),
    CLIPS,
    warped,
    empty={"warping_error_quarter": NAN, "excluded": 0},
    gradient_of="frames",
)


def chroma_changed(batch: Batch) -> Values:
    clips = [rgb2lab(clip, channel_axis=1)[:, 1:] for clip in batch["frames"].double().numpy()]
    found = [np.linalg.norm(change, axis=0) for clip in clips for change in changes(clip)]
    return {"chroma_flicker_quarter": float(np.mean(found)), "excluded": 0}


CHROMA_CASE = Case(
    "chroma flicker",
    partial(metrics.ChromaFlicker, quarter_pixel, "quarter"),
    CLIPS,
    chroma_changed,
    empty={"chroma_flicker_quarter": NAN, "excluded": 0},
    gradient_of="frames",
)

CASES = [
    *(FID_CASE, KID_CASE, ACCURACY_CASE, CLASSIFICATION_CASE),
    *(CONTEXTUAL_CASE, CONSISTENCY_CASE, WARPING_CASE, CHROMA_CASE),
]
