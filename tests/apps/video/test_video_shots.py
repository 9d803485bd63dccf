"""Shot boundary detection."""

import numpy as np

from colorzoo.apps.video.frames import ShotDetector
from tiny_video import scene


def starts(images: list[np.ndarray]) -> list[int]:
    detector = ShotDetector()
    return [number for number, image in enumerate(images) if detector.is_cut(image)]


def test_shot_detector_ignores_flashes_and_fades() -> None:
    bright = [
        np.clip(scene(n).astype(int) + (60 if n == 4 else 0), 0, 255).astype(np.uint8) for n in range(8)
    ]
    faded = [(scene(0) * (1 - n / 20)).astype(np.uint8) for n in range(19)]
    assert starts(bright) == [0]
    assert starts(faded) == [0]


def is_cut(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether both quadrant histograms and frame correlation indicate a cut."""
    change = 0.0
    for rows in (slice(0, 18), slice(18, 36)):
        for columns in (slice(0, 32), slice(32, 64)):
            counts = (np.histogram(each[rows, columns], 32, (0, 256))[0] for each in (first, second))
            before, after = (np.convolve(each, (0.25, 0.5, 0.25), "same") for each in counts)
            change += np.abs(before / before.sum() - after / after.sum()).sum() / 8
    return bool(change > 0.2 and np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.6)


def test_shot_detector_requires_histogram_and_correlation_change() -> None:
    """A flash, motion within a quadrant and a slow fade each meet at most one criterion."""
    generator, found = np.random.default_rng(0), []
    for _ in range(400):
        image, noise = generator.uniform(-70, 70, (2, 36, 64))
        like, share = generator.uniform(0.45, 0.75), generator.uniform(0, 0.6)
        other = like * image + (1 - like**2) ** 0.5 * noise
        other[generator.random(other.shape) > share] += generator.uniform(20, 60)
        pair = [(each + 120).clip(0, 255).astype(np.uint8) for each in (image, other)]
        found.append(is_cut(*pair))
        assert (starts(pair) == [0, 1]) == found[-1]
        assert starts([each.repeat(2, 0).repeat(2, 1) for each in pair]) == starts(pair)
    assert 100 < sum(found) < 300
