"""Cuts are found, motion and flashes are none."""

import numpy as np

from colorzoo.video.shots import ShotFinder
from tiny_video import scene


def starts(pictures: list[np.ndarray]) -> list[int]:
    finder = ShotFinder()
    return [number for number, picture in enumerate(pictures) if finder.begins(picture)]


def test_a_cut_is_found_and_motion_is_none() -> None:
    first = [scene(2 * n, seed=1) for n in range(8)]
    second = [scene(-3 * n, seed=2) for n in range(8)]
    assert starts([*first, *second]) == [0, 8]


def test_a_flash_and_a_fade_are_no_cuts() -> None:
    bright = [
        np.clip(scene(n).astype(int) + (60 if n == 4 else 0), 0, 255).astype(np.uint8) for n in range(8)
    ]
    faded = [(scene(0) * (1 - n / 20)).astype(np.uint8) for n in range(19)]
    assert starts(bright) == [0]
    assert starts(faded) == [0]


def test_a_cut_to_black_is_one() -> None:
    assert starts([scene(0), scene(1), np.zeros_like(scene(0)), np.zeros_like(scene(0))]) == [0, 2]
