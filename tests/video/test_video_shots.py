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


def halves(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([first, second], axis=1)


def test_a_cut_needs_a_fifth_of_other_levels_in_the_quarters() -> None:
    """Levels that only change places within a quarter are no cut, whatever the correlation."""
    noise = np.random.default_rng(0).permuted(np.repeat(np.linspace(20, 230, 36), 64).astype(np.uint8))
    picture = noise.reshape(36, 64)
    assert starts([picture, np.random.default_rng(1).permuted(picture.ravel()).reshape(36, 64)]) == [0]
    for share, wanted in ((0.15, [0]), (0.3, [0, 1])):
        other = np.random.default_rng(2).permuted(picture.ravel()).reshape(36, 64)
        for top in (0, 18):
            for left in (0, 32):
                other[top : top + round(18 * share), left : left + 32] = 250
        assert starts([picture, other]) == wanted


def test_a_correlated_picture_is_no_cut_whatever_its_levels() -> None:
    picture = np.random.default_rng(0).integers(60, 120, (36, 64)).astype(np.uint8)
    noise = np.random.default_rng(1).integers(60, 120, (36, 64)).astype(float)
    for share, wanted in ((0.7, [0]), (0.5, [0, 1])):  # correlation, with levels 80 higher
        mixed = share * (picture - 90.0) + (1 - share**2) ** 0.5 * (noise - 90.0) + 170
        assert starts([picture, mixed.round().astype(np.uint8)]) == wanted


def test_quarters_that_change_places_are_a_cut() -> None:
    dark, light = (
        np.random.default_rng(0).integers(*ends, (36, 32)).astype(np.uint8) for ends in ((20, 60), (180, 220))
    )
    assert starts([halves(dark, light), halves(light, dark)]) == [0, 1]


def quarters(*parts: np.ndarray) -> np.ndarray:
    """Return a picture of four quarters of 18 x 32 pixels, row by row."""
    return np.concatenate([halves(*(part.reshape(18, 32) for part in row)) for row in (parts[:2], parts[2:])])


def test_a_cut_may_leave_a_quarter_as_it_is() -> None:
    generator = np.random.default_rng(0)
    dark, *light = (generator.integers(*ends, 576).astype(np.uint8) for ends in ((20, 60), *[(180, 220)] * 3))
    before = quarters(dark, *(generator.permutation(dark) for _ in range(3)))
    assert starts([before, quarters(dark, *light)]) == [0, 1]


def test_levels_that_move_to_the_next_bin_count_by_half() -> None:
    """As in a slow fade: three in ten pixels become a little lighter, and all change their places."""
    generator = np.random.default_rng(0)
    parts = [np.concatenate([np.full(173, 100), generator.integers(130, 250, 403)]) for _ in range(4)]
    lighter = [np.where(part == 100, 108, part) for part in parts]
    pictures = [
        quarters(*(generator.permutation(part).astype(np.uint8) for part in each))
        for each in (parts, lighter)
    ]
    assert starts(pictures) == [0]
