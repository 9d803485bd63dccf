"""Detection of cuts, dissolves and fades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from colorzoo.apps.video.frames import VideoError, VideoFrame
from colorzoo.apps.video.shots import LOOK_AHEAD, Boundary, ShotFinder, ShotSpan, read_shots, shot_spans

COUNT = 60  # frames of each shot


@dataclass(frozen=True)
class Frame(VideoFrame):
    """Gray frame of any size."""

    image: np.ndarray

    def gray(self) -> np.ndarray:
        return self.image


def shot(seed: int, count: int = COUNT, size: tuple[int, int] = (128, 72)) -> np.ndarray:
    """Return a slow pan over rectangles of any gray with film grain, ``(T, H, W)``."""
    generator = np.random.default_rng(seed)
    width, height = size
    image = np.full((height, width + count // 4), generator.uniform(40, 200))
    for _ in range(60):
        x, y = generator.integers(-10, image.shape[1]), generator.integers(-10, height)
        w, h = generator.integers(8, width // 2), generator.integers(8, height // 2)
        image[max(0, y) : y + h, max(0, x) : x + w] = generator.uniform(20, 230)
    image = cv2.GaussianBlur(image, (0, 0), 1)
    grain = generator.normal(0, 2, (count, height, width))
    return grain + np.stack([image[:, n // 4 : n // 4 + width] for n in range(count)])


def film(images: np.ndarray | Sequence[np.ndarray]) -> list[VideoFrame]:
    return [Frame(n, np.clip(image, 0, 255).astype(np.uint8)) for n, image in enumerate(images)]


def dissolve(first: np.ndarray, second: np.ndarray, length: int) -> np.ndarray:
    weight = (np.arange(1, length + 1) / (length + 1))[:, None, None]
    mixed = first[-length:] * (1 - weight) + second[:length] * weight
    return np.concatenate([first[:-length], mixed, second[length:]])


def starts(images: np.ndarray | Sequence[np.ndarray]) -> list[int]:
    return [span.frames.start for span in read_shots(film(images))]


@pytest.mark.parametrize("size", [(128, 72), (72, 128), (64, 48)])
def test_cuts_are_found_at_their_frame(size: tuple[int, int]) -> None:
    images = np.concatenate([shot(seed, COUNT + seed, size) for seed in range(4)])
    assert starts(images) == [0, 60, 121, 183]


@pytest.mark.parametrize("length", [10, 20, 36])
def test_dissolve_starts_a_shot_whose_first_frames_are_mixed(length: int) -> None:
    first, second = read_shots(film(dissolve(shot(0), shot(1), length)))
    assert first == ShotSpan(range(second.frames.start))
    assert second.frames.start == pytest.approx(COUNT - length, abs=length / 3)
    assert second.frames.start + second.mixed == pytest.approx(COUNT, abs=length / 3)
    assert second.tested >= second.clear.start


def test_fade_starts_a_shot_at_its_darkest_frames() -> None:
    first, second = shot(0), shot(1)
    level = np.linspace(1, 0, 13)[1:, None, None]
    first[-12:] *= level
    second[:12] *= level[::-1]
    images = np.concatenate([first, np.zeros((6, 72, 128)), second])
    _, found = read_shots(film(images))
    assert COUNT - 2 <= found.frames.start <= COUNT + 8
    assert found.mixed == 0


def test_flashes_flicker_and_pans_start_no_shot() -> None:
    generator = np.random.default_rng(0)
    images = shot(0, 120)
    assert starts(images) == [0]
    assert starts(images * generator.uniform(0.85, 1.15, (len(images), 1, 1))) == [0]
    images[50:52] += 80
    assert starts(images) == [0]
    # a fade to black and back to the same view
    level = np.abs(np.linspace(-1, 1, 41))[:, None, None]
    images[60:101] = images[60] * level
    images[101:] = images[60]
    assert starts(images) == [0]


def test_boundaries_are_known_within_the_look_ahead() -> None:
    images = np.concatenate([dissolve(shot(0), shot(1), 40), shot(2), *(shot(3, 400),)])
    finder, known = ShotFinder(), dict[int, int]()
    for frame in film(images):
        for found in finder.add(frame):
            known[found.start] = frame.number
    assert finder.finish() == []
    assert list(known) == starts(images)
    assert len(known) == 4
    assert all(when - start <= LOOK_AHEAD for start, when in known.items())


def test_a_new_frame_size_starts_a_shot_that_cannot_be_joined() -> None:
    images = [*shot(0), *shot(0, size=(64, 36))]
    assert starts(images) == [0, 60]
    with pytest.raises(VideoError, match="frame size"):
        read_shots(film(images), join=[60])
    with pytest.raises(VideoError, match="no shot starts"):
        read_shots(film(images), join=[61])


def test_corrections_change_the_shots() -> None:
    found = [Boundary(0), Boundary(100, 20), Boundary(200, is_doubtful=True)]

    def spans(**changes: Sequence[int]) -> list[ShotSpan]:
        return shot_spans(found, 300, **changes)

    assert spans() == [
        ShotSpan(range(100)),
        ShotSpan(range(100, 200), 20),
        ShotSpan(range(200, 300), 0, True),
    ]
    assert spans(join=[200])[1:] == [ShotSpan(range(100, 300), 20)]
    # a split replaces a dissolve, and confirms a doubtful cut
    assert spans(split=[112])[:2] == [ShotSpan(range(112)), ShotSpan(range(112, 200))]
    assert spans(split=[200])[2] == ShotSpan(range(200, 300))
    # a dissolve ends before a key frame, and has fewer frames than its shot
    assert spans(keys=[108, 150])[1] == ShotSpan(range(100, 200), 8)
    assert spans(split=[125])[1] == ShotSpan(range(100, 125), 20)
    assert shot_spans([Boundary(0, 9)], 5) == [ShotSpan(range(5), 4)]
