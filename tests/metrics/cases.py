"""Cases of all metrics without a feature network: their input, and independent reference values."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from scipy.ndimage import binary_dilation
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab
from skimage.feature import canny
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.segmentation import slic

from colorzoo import metrics
from colorzoo.color import hull_centers, prior_probabilities, rgb_to_lab
from metrics.common_checks import Batch, Case, Values

SIDE = 24


def images(count: int, seed: int) -> Batch:
    """Return smooth color images of whole 8-bit levels, noisy copies of them, edges, and the ab of both."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=generator)
    target = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    noise = 0.1 * torch.randn(target.shape, generator=generator)
    edges = (torch.rand(count, 1, SIDE, SIDE, generator=generator) > 0.995).float()
    edges[:, :, 3, 5] = 1
    rgb, target = ((image * 255).round() / 255 for image in ((target + noise).clamp(0, 1), target))
    ab, target_ab = rgb_to_lab(rgb)[:, 1:], rgb_to_lab(target)[:, 1:]
    return {"rgb": rgb, "target": target, "ab": ab, "target_ab": target_ab, "edges": edges}


IMAGES = [images(count, seed) for seed, count in enumerate((2, 1, 3))]


def select(*names: str) -> list[Batch]:
    return [{name: batch[name] for name in names} for batch in IMAGES]


RGB, AB, BAND = select("rgb", "target"), select("ab", "target_ab"), select("rgb", "target", "edges")


def pairs(batch: Batch, *names: str) -> list[tuple[np.ndarray, ...]]:
    """Return images as float64 arrays, channels last."""
    arrays = [batch[name].double().permute(0, 2, 3, 1).numpy() for name in names]
    return list(zip(*arrays, strict=True))


def mean_psnr(batch: Batch, names: tuple[str, str], peak: float) -> Values:
    found = [peak_signal_noise_ratio(true, made, data_range=peak) for made, true in pairs(batch, *names)]
    return {"": float(np.mean(found))}


def band_psnr(batch: Batch, size: int | None) -> Values:
    found = []
    for made, true, edges in pairs(batch, "rgb", "target", "edges"):
        window = np.ones((size or 1, size or 1), bool)
        inside = np.ones((SIDE, SIDE), bool) if size is None else binary_dilation(edges[..., 0] > 0, window)
        found.append(-10 * math.log10(np.mean((made - true)[inside] ** 2)))
    return {f"psnr_{'full' if size is None else f'k{size}'}": float(np.mean(found)), "excluded": 0}


def image_colorfulness(image: np.ndarray, form: str = "hasler") -> float:
    red, green, blue = np.moveaxis(image * 255, -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    if form == "absolute":
        rg, yb = np.abs(rg), np.abs(yb)
    return math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())


def colorfulness(batch: Batch, form: str) -> Values:
    return {f"cf_{form}": float(np.mean([image_colorfulness(made, form) for (made,) in pairs(batch, "rgb")]))}


def delta_colorfulness(batch: Batch, form: str) -> Values:
    rows = [[image_colorfulness(each, form) for each in pair] for pair in pairs(batch, "rgb", "target")]
    made, true = np.array(rows).T
    return {
        f"delta_of_mean_cf_{form}": abs(made.mean() - true.mean()),
        f"mean_delta_cf_{form}": np.abs(made - true).mean(),
    }


def mean_rmse(batch: Batch) -> Values:
    errors = [np.sqrt(np.mean((made - true) ** 2)) for made, true in pairs(batch, "ab", "target_ab")]
    return {"": float(np.mean(errors))}


def mean_ciede2000(batch: Batch) -> Values:
    found = [deltaE_ciede2000(*map(rgb2lab, pair)).mean() for pair in pairs(batch, "rgb", "target")]
    return {"": float(np.mean(found))}


def ab_auc(batch: Batch) -> Values:
    made, true = (batch[name].double().permute(0, 2, 3, 1).reshape(-1, 2) for name in ("ab", "target_ab"))
    distance = (made - true).norm(dim=1).numpy()
    nearest = (true[:, None] - hull_centers()[None].double()).norm(dim=2).argmin(dim=1)
    rare = 1 / prior_probabilities().double()[nearest].numpy()
    curves = [
        [np.average(distance <= tolerance, weights=weights) for tolerance in range(151)]
        for weights in (None, rare)
    ]
    raw, rebalanced = (float(np.trapezoid(curve) / 150) for curve in curves)
    return {"auc": raw, "auc_rebalanced": rebalanced}


def mean_ssim(batch: Batch) -> Values:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    found = [
        structural_similarity(true, made, channel_axis=-1, **options)
        for made, true in pairs(batch, "rgb", "target")
    ]
    return {"": float(np.mean(found))}


def intersection(batch: Batch) -> Values:
    edges = np.arange(-115.0, 116.0, 10.0)
    found = []
    for pair in pairs(batch, "ab", "reference_ab"):
        first, second = (
            np.histogram2d(*image.reshape(-1, 2).T, bins=(edges, edges))[0] / SIDE**2 for image in pair
        )
        found.append(np.minimum(first, second).sum())
    return {"": float(np.mean(found))}


def appearance_sums(batch: Batch) -> Values:
    """Return the sums in `NeutralChroma` and `RightHue`, computed pixel by pixel."""
    sums = dict.fromkeys(("neutral", "neutral pixels", "right", "colored"), 0.0)
    for made, true in pairs(batch, "ab", "target_ab"):
        ours, theirs = np.hypot(*made.transpose(2, 0, 1)), np.hypot(*true.transpose(2, 0, 1))
        turn = np.degrees(np.angle((made @ [1, 1j]) / (true @ [1, 1j])))
        for row, column in np.ndindex(ours.shape):
            window = theirs[max(0, row - 4) : row + 5, max(0, column - 4) : column + 5]
            if window.mean() < 5:
                sums["neutral"] += ours[row, column]
                sums["neutral pixels"] += 1
            if theirs[row, column] > 15:
                sums["right"] += ours[row, column] > 6 and abs(turn[row, column]) <= 35
                sums["colored"] += 1
    return sums


def mean_of(batch: Batch, total: str, count: str) -> Values:
    sums = appearance_sums(batch)
    assert sums[count] > 0  # otherwise the case tests nothing
    return {"": sums[total] / sums[count]}


def colorfulness_ratio(batch: Batch) -> Values:
    found = [[image_colorfulness(each) for each in pair] for pair in pairs(batch, "rgb", "target")]
    ours, true = np.sum(found, axis=0)
    return {"": ours / true}


def gray_gains(batch: Batch) -> list[float]:
    found = []
    for made, true in pairs(batch, "rgb", "target"):
        lightness = rgb2lab(true) * [1, 0, 0]
        gray = np.round(lab2rgb(lightness) * 255) / 255
        made, true = (np.round(each * 255) / 255 for each in (made, true))
        found.append(
            peak_signal_noise_ratio(true, made, data_range=1.0)
            - peak_signal_noise_ratio(true, gray, data_range=1.0)
        )
    return found


def gray_gain(batch: Batch) -> Values:
    return {"": float(np.mean(gray_gains(batch)))}


def worse_than_gray(batch: Batch) -> Values:
    return {"": float(np.mean(np.array(gray_gains(batch)) < -0.01))}


EXEMPLARS = [{"ab": batch["ab"], "reference_ab": batch["target_ab"]} for batch in IMAGES]
NAN = math.nan
IN_RGB = {"names": ("rgb", "target"), "peak": 1.0}

PSNR_CASES = [
    Case("ciede2000", metrics.MeanCIEDE2000, RGB, mean_ciede2000, tolerance=1e-3),
    Case("mean_psnr_8bit", metrics.MeanPSNR, RGB, partial(mean_psnr, **IN_RGB)),
    Case("mean_psnr", partial(metrics.MeanPSNR, eight_bit=False), RGB, partial(mean_psnr, **IN_RGB)),
]
BAND_CASES = [
    Case(
        f"psnr_{name}",
        partial(metrics.BandPSNR, kernel_size=size),
        BAND,
        partial(band_psnr, size=size),
        empty={f"psnr_{name}": NAN, "excluded": 0},
    )
    for name, size in (("k7", 7), ("full", None))
]
COLOR_CASES = [
    case
    for form in ("hasler", "absolute")
    for case in (
        Case(
            f"cf_{form}",
            partial(metrics.Colorfulness, form=form),
            select("rgb"),
            partial(colorfulness, form=form),
            empty={f"cf_{form}": NAN},
        ),
        Case(
            f"delta_cf_{form}",
            partial(metrics.DeltaColorfulness, form=form),
            RGB,
            partial(delta_colorfulness, form=form),
            empty={f"delta_of_mean_cf_{form}": NAN, f"mean_delta_cf_{form}": NAN},
        ),
    )
]
AB_CASES = [
    Case("mean_ab_rmse", metrics.MeanAbRMSE, AB, mean_rmse, gradient_of="ab"),
    Case("ab_auc", metrics.AbAUC, AB, ab_auc, empty={"auc": NAN, "auc_rebalanced": NAN}, gradient_of="ab"),
    Case("intersection", metrics.HistogramIntersection, EXEMPLARS, intersection, gradient_of="ab"),
]
MIXED = [
    {"rgb": batch["rgb"].where(batch["rgb"][:, :1] > 0.5, 0.5), "target": batch["target"]} for batch in IMAGES
]
NEARLY_GRAY = [{**batch, "target_ab": batch["target_ab"] * 0.1} for batch in AB]
APPEARANCE_CASES = [
    Case(
        "neutral_chroma",
        metrics.NeutralChroma,
        NEARLY_GRAY,
        partial(mean_of, total="neutral", count="neutral pixels"),
        gradient_of="ab",
    ),
    Case(
        "right_hue", metrics.RightHue, AB, partial(mean_of, total="right", count="colored"), gradient_of="ab"
    ),
    Case("colorfulness_ratio", metrics.ColorfulnessRatio, RGB, colorfulness_ratio),
    # at some levels the Lab formulas differ
    Case("gray_gain", metrics.GrayGain, RGB, gray_gain, tolerance=0.02),
    Case("worse_than_gray", metrics.WorseThanGray, MIXED, worse_than_gray),
]
SSIM_CASES = [Case("mean_ssim", metrics.MeanSSIM, RGB, mean_ssim)]


def cdr_loop(batch: Batch) -> Values:
    """Kim et al. 2021 sec. 8 pixel by pixel, with scikit-image on the gray triple."""
    channels = []
    for made, true in pairs(batch, "ab", "target_ab"):
        channels.append([plane_cdr(made[..., index], true[..., index]) for index in (0, 1)])
    a, b = np.mean(channels, axis=0)
    return {"cdr_a": float(a), "cdr_b": float(b), "cdr": float((a + b) / 2), "excluded": 0}


def plane_cdr(made: np.ndarray, true: np.ndarray, size: int = 5) -> float:
    labels = [np.pad(triple_slic(plane), size) for plane in (true, made)]
    edges = canny(true.astype(np.float32), 1.2, 0.2, 0.7, use_quantiles=True)
    scores = []
    for row, column in np.argwhere(edges):
        truth, result = (plane[row : row + 2 * size, column : column + 2 * size] for plane in labels)
        others = truth != truth[size, size]
        merged = others & (result == result[size, size])
        scores.append(1 - merged.sum() / others.sum() if others.any() else 1.0)
    return float(np.mean(scores))


def triple_slic(plane: np.ndarray) -> np.ndarray:
    triple = np.repeat(plane[..., None], 3, axis=2)
    return slic(triple, n_segments=250, compactness=10, sigma=1, start_label=1)


CDR_CASES = [
    Case(
        "cdr",
        metrics.ClusterDiscrepancyRatio,
        AB,
        cdr_loop,
        half_tolerance=0.1,
        empty={"cdr_a": NAN, "cdr_b": NAN, "cdr": NAN, "excluded": 0},
        gradient_of="ab",
    )
]

CASES = [*PSNR_CASES, *BAND_CASES, *COLOR_CASES, *AB_CASES, *APPEARANCE_CASES, *SSIM_CASES, *CDR_CASES]
