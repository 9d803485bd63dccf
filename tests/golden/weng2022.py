"""Compute the golden files of Weng et al. 2022 in NumPy, from the formulas.

    PYTHONPATH=src python tests/golden/weng2022.py

Only the positions of the 313 bins come from colorzoo.
"""

import json
from pathlib import Path

import numpy as np

from colorzoo.color import hull_centers

CENTERS = hull_centers().double().numpy()
WHITE = np.array([0.95047, 1.0, 1.08883])
XYZ_TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def linear_rgb(lightness: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Convert CIE Lab to linear RGB."""
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * WHITE
    return xyz @ XYZ_TO_RGB.T


def possible_bins(ranges: int) -> np.ndarray:
    """Return which bins contain a color of sRGB in each lightness range, ``(ranges, 313)``."""
    possible = np.zeros((ranges, 313), bool)
    offset_a, offset_b = np.meshgrid(np.linspace(-5, 5, 5), np.linspace(-5, 5, 5))
    for lightness in range(101):
        a, b = CENTERS[:, 0, None] + offset_a.ravel(), CENTERS[:, 1, None] + offset_b.ravel()
        rgb = linear_rgb(np.full_like(a, lightness), a, b)
        inside = ((rgb > -1e-4) & (rgb < 1 + 1e-4)).all(axis=-1)
        possible[min(lightness * ranges // 100, ranges - 1)] |= inside.any(axis=1)
    return possible


def losses(
    logits: np.ndarray, possible: np.ndarray, ab: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the mean divergence over all pixels and its rebalanced gradient with respect to the logits."""
    total, gradient = 0.0, np.zeros_like(logits)
    pixels = logits.shape[0] * logits.shape[2] * logits.shape[3]
    for image, row, column in np.ndindex(logits.shape[0], *logits.shape[2:]):
        squared = ((CENTERS - ab[image, :, row, column]) ** 2).sum(axis=1)
        nearest = np.argsort(squared)[:5]
        target = np.zeros(313)
        target[nearest] = np.exp(-squared[nearest] / (2 * 5**2))
        target /= target.sum()
        allowed = possible[image, :, row, column]
        exponent = np.where(allowed, np.exp(logits[image, :, row, column]), 0)
        probability = exponent / exponent.sum()
        for bin_index in nearest:
            log_probability = np.log(probability[bin_index]) if allowed[bin_index] else 0.0
            total += target[bin_index] * (np.log(target[bin_index]) - log_probability) / pixels
        kept = np.where(allowed, target, 0)
        gradient[image, :, row, column] = weights[nearest[0]] * (probability * kept.sum() - kept) / pixels
    return total, gradient


def smooth_l1(found: np.ndarray, true: np.ndarray) -> float:
    """Return the smooth L1 loss of ab divided by 110."""
    error = np.abs(found - true) / 110
    return float(np.where(error < 1, error**2 / 2, error - 0.5).mean())


def main() -> None:
    """Write ``weng2022_mask.npz`` and ``weng2022_losses.npz``."""
    folder = Path(__file__).parent
    tables = {f"out_possible_{ranges}": possible_bins(ranges) for ranges in (1, 4, 10)}
    meta = {"case": "weng2022_mask", "tolerance": "atol 0"}
    np.savez_compressed(folder / "weng2022_mask.npz", meta=json.dumps(meta), **tables)
    random = np.random.default_rng(0)
    index = random.integers(4, size=(2, 4, 5))
    possible = np.moveaxis(tables["out_possible_4"][index], -1, 1)
    logits, ab = random.normal(size=possible.shape), random.uniform(-60, 60, (2, 2, 4, 5))
    weights, regression = random.uniform(0.2, 5, 313), random.uniform(-110, 110, ab.shape)
    classification, gradient = losses(logits, possible, ab, weights)
    np.savez_compressed(
        folder / "weng2022_losses.npz",
        meta=json.dumps({"case": "weng2022_losses", "tolerance": "rtol 1e-4, atol 1e-6"}),
        in_logits=np.float32(logits),
        in_possible=possible,
        in_ab=np.float32(ab),
        in_weights=np.float32(weights),
        in_regression=np.float32(regression),
        out_classification=np.float32(classification),
        out_gradient=np.float32(gradient),
        out_regression=np.float32(smooth_l1(regression, ab)),
    )


if __name__ == "__main__":
    main()
