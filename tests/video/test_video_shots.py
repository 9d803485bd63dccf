"""Detection of cuts."""

import numpy as np

from colorzoo.video.shots import ShotDetector
from tiny_video import scene


def starts(pictures: list[np.ndarray]) -> list[int]:
    detector = ShotDetector()
    return [number for number, picture in enumerate(pictures) if detector.is_cut(picture)]


def test_cuts_are_detected_and_motion_is_not() -> None:
    first = [scene(2 * n, seed=1) for n in range(8)]
    second = [scene(-3 * n, seed=2) for n in range(8)]
    assert starts([*first, *second]) == [0, 8]


def test_flashes_and_fades_are_not_cuts() -> None:
    bright = [
        np.clip(scene(n).astype(int) + (60 if n == 4 else 0), 0, 255).astype(np.uint8) for n in range(8)
    ]
    faded = [(scene(0) * (1 - n / 20)).astype(np.uint8) for n in range(19)]
    assert starts(bright) == [0]
    assert starts(faded) == [0]


def test_a_cut_to_black_is_detected() -> None:
    assert starts([scene(0), scene(1), np.zeros_like(scene(0)), np.zeros_like(scene(0))]) == [0, 2]
