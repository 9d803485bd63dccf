"""Repeat an evaluation with a second implementation: scikit-image, NumPy and torch-fidelity.

`colorzoo evaluate` measures existing results; the second implementation reads the same files with Pillow.
Each row compares the largest difference of a metric over all images with the tolerated difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from skimage.color import lab2rgb, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks._common import Options, Row, SkippedError, share_of, where
from colorzoo.evaluation import evaluate
from colorzoo.metrics.fid import frechet_distance

SIDE = 256
Levels = NDArray[np.uint8]


def psnr(made: Levels, true: Levels) -> float:
    """Return the PSNR of 8-bit RGB in dB."""
    return float(peak_signal_noise_ratio(true, made))


def ssim(made: Levels, true: Levels) -> float:
    """Return the SSIM with a Gaussian window."""
    return float(
        structural_similarity(
            true / 255,
            made / 255,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
        )
    )


def ab_rmse(made: Levels, true: Levels) -> float:
    """Return the root mean squared error of ab."""
    return float(np.sqrt(np.mean((rgb2lab(made)[..., 1:] - rgb2lab(true)[..., 1:]) ** 2)))


def colorfulness(made: Levels, true: Levels) -> float:
    """Return the colorfulness of Hasler and Suesstrunk (2003), eqs. 11 to 13."""
    del true
    red, green, blue = np.moveaxis(made.astype(float), 2, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


SECOND: Mapping[str, tuple[Callable[[Levels, Levels], float], float, str]] = {
    "psnr": (psnr, 1e-4, " [dB]"),
    "ssim": (ssim, 1e-4, ""),
    "ab_rmse": (ab_rmse, 5e-3, " [CIE units]"),
    "colorfulness": (colorfulness, 1e-3, ""),
}
"""The second implementation of each number, the tolerated difference, and its unit."""


def run(options: Options) -> list[Row]:
    """Compare all metrics of all images, and the FID."""
    try:
        from torch_fidelity.metric_fid import fid_statistics_to_metric
    except ImportError as error:
        raise SkippedError(f"{error.name} is missing; python -m pip install torch-fidelity") from error
    crops = squares()[: 2 if options.quick else None]
    generator = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "truth", crops)
        write(root / "theirs", [paler(crop, generator) for crop in crops])
        ours = measured(root)
        pairs = [[read(root / kind / name) for kind in ("theirs", "truth")] for name in sorted(ours)]
    place = f"{len(crops)} squares of {SIDE} pixels; {where()}"
    rows = []
    for index, (name, (function, tolerance, unit)) in enumerate(SECOND.items()):
        theirs = [function(*pair) for pair in pairs]
        found = [ours[key][index] for key in sorted(ours)]
        rows.append(
            share_of(f"largest difference, {name}{unit}", largest(found, theirs), tolerance, 1.0, place)
        )
    one, other = generator.normal(0, 1, (40, 16)), generator.normal(0.2, 1.1, (40, 16))
    statistics = [{"mu": each.mean(0), "sigma": np.cov(each, rowvar=False)} for each in (one, other)]
    fid = float(next(iter(fid_statistics_to_metric(*statistics, verbose=False).values())))
    difference = largest([frechet_distance(one, other)], [fid])
    rows.append(share_of("largest difference, FID of 40 features", difference, 1e-4, 1.0, where()))
    return rows


def largest(one: list[float], other: list[float]) -> float:
    """Return the largest difference between two lists of numbers."""
    return float(np.abs(np.array(one) - np.array(other)).max())


def squares() -> list[Levels]:
    """Return square crops of photos from scikit-image."""
    found = []
    for photo in (data.astronaut(), data.chelsea(), data.coffee()):
        for top in range(0, photo.shape[0] - SIDE + 1, SIDE):
            found += [
                photo[top : top + SIDE, left : left + SIDE] for left in range(0, photo.shape[1] - SIDE, 90)
            ]
    return found


def paler(true: Levels, generator: np.random.Generator) -> Levels:
    """Return an image with half of its chroma and added noise."""
    lab = rgb2lab(true) * [1, 0.5, 0.5] + generator.normal(0, 2, true.shape)
    return np.asarray((lab2rgb(lab) * 255).round(), dtype=np.uint8)


def write(folder: Path, images: list[Levels]) -> None:
    """Write images as numbered PNG files."""
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:03d}.png")


def read(path: Path) -> Levels:
    """Read an image."""
    return np.asarray(Image.open(path))


def measured(root: Path) -> dict[str, list[float]]:
    """Return the metrics of `colorzoo evaluate` by image, in the order of `SECOND`."""
    outcome = evaluate({"theirs": root / "theirs"}, root / "truth", metrics=tuple(SECOND), resamples=100)
    return {row["image"]: [row[key] for key in row if "@" in key] for row in outcome.per_image()}
