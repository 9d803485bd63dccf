"""Recall of the colors of key frames."""

from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.frames import VideoFrame
from colorzoo.apps.video.memory import WEAK_SHOTS, Cells, ColorMemory
from colorzoo.apps.video.run import draw_matches
from colorzoo.apps.video.shots import ShotSpan
from colorzoo.apps.video.steady import SteadyColors
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer


@cache
def colorizer() -> Colorizer:
    return Colorizer("colorzoo2026", device="cpu")


def scene(seed: int, left: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return lightness and ab of a textured background with a textured square at a column."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(30, 80, (1, 1, 16, 28))).float()
    lightness = torch.nn.functional.interpolate(coarse, (128, 224), mode="bicubic")
    ab = torch.tensor([-20.0, 30.0]).view(1, 2, 1, 1).expand(1, 2, 128, 224).clone()
    stripes = torch.arange(48).remainder(8).lt(4).float() * 50 + 20
    lightness[..., 40:88, left : left + 48] = stripes[: max(0, 224 - left)]
    ab[..., 40:88, left : left + 48] = torch.tensor([50.0, -30.0]).view(1, 2, 1, 1)
    return lightness.clamp(0, 100), ab


def recalled(key_seed: int, seed: int, opacity: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ab of a frame and of its key colors: the square moves by 96 pixels from the key to the frame."""
    memory = ColorMemory(colorizer())
    lightness, ab = scene(key_seed, 24)
    memory.add(0, lightness, ab, torch.full_like(lightness, opacity))
    frame, true = scene(seed, 120)
    return memory.recall(frame, torch.zeros_like(true), [0]), true


def test_memory_recalls_the_color_of_a_moved_object() -> None:
    ab, true = recalled(1, 1)
    error, gray_error = (ab - true).norm(dim=1), true.norm(dim=1)
    inside = (..., slice(48, 80), slice(128, 160))  # the square
    assert float(error[inside].mean()) < 0.3 * float(gray_error[inside].mean())
    assert float(error.mean()) < 0.3 * float(gray_error.mean())


def test_memory_keeps_automatic_colors_where_nothing_matches() -> None:
    memory = ColorMemory(colorizer())
    lightness, ab = scene(1, 24)
    memory.add(0, lightness, ab, torch.ones_like(lightness))
    noise = torch.rand(lightness.shape, generator=torch.Generator().manual_seed(5)) * 100
    assert float(memory.recall(noise, torch.zeros_like(ab), [0]).norm(dim=1).mean()) < 6


def test_memory_ignores_transparent_pixels_of_a_key() -> None:
    ab, _ = recalled(1, 1, opacity=0.0)
    assert float(ab.norm(dim=1).max()) < 1e-3


def test_memory_of_two_keys_prefers_the_key_that_matches() -> None:
    memory = ColorMemory(colorizer())
    lightness, ab = scene(1, 24)
    other, _ = scene(7, 24)
    memory.add(9, other.flip(-1), -ab, torch.ones_like(other))
    memory.add(0, lightness, ab, torch.ones_like(other))
    frame, true = scene(1, 120)
    found = memory.recall(frame, torch.zeros_like(true), [0, 9])
    assert float((found - true).norm(dim=1).mean()) < float((found + true).norm(dim=1).mean())


def test_stored_frame_of_a_shot_keeps_the_color_of_a_returning_object() -> None:
    memory = ColorMemory(colorizer())
    lightness, ab = scene(1, 24)
    other, _ = scene(7, 24)
    memory.add(0, other, -ab, torch.ones_like(other))
    frame, true = scene(1, 120)
    assert memory.matching_shot(Cells.of(colorizer(), frame), 90) is None
    memory.add_weak(5, Cells.of(colorizer(), lightness), ab)
    automatic = torch.zeros_like(true)
    without, found = (memory.recall(frame, automatic, [0], shots) for shots in ((), (5,)))
    errors = [float((each - true).norm(dim=1).mean()) for each in (without, found)]
    assert errors[1] < 0.4 * errors[0]
    noise = torch.rand(frame.shape, generator=torch.Generator().manual_seed(5)) * 100
    shots = [memory.matching_shot(Cells.of(colorizer(), each), 90) for each in (frame, noise)]
    assert shots == [5, None]
    assert memory.matching_shot(Cells.of(colorizer(), frame), 5) is None
    for shot in range(10, 10 + WEAK_SHOTS):
        memory.add_weak(shot, Cells.of(colorizer(), noise), ab)
    assert memory.matching_shot(Cells.of(colorizer(), frame), 90) is None  # only the last shots are stored


def test_similar_shots_share_key_frames() -> None:
    """The second shot resembles the first shot, whose key frame it therefore depends on."""
    lightness, ab = scene(1, 24)
    levels = lab_to_rgb(torch.cat([lightness, ab], dim=1))[0].clamp(0, 1).permute(1, 2, 0).numpy()
    colorer = FrameColorer(colorizer(), {3: RasterImage(levels)})
    noise = torch.rand(lightness.shape, generator=torch.Generator().manual_seed(5)) * 100
    assert colorer.keys_of(ShotSpan(range(10)), lightness) == [3]
    assert colorer.keys_of(ShotSpan(range(10, 20)), scene(1, 120)[0]) == [3]
    assert colorer.keys_of(ShotSpan(range(20, 30)), noise) == []


def test_transparent_pixels_of_a_key_frame_keep_automatic_colors() -> None:
    lightness, _ = scene(1, 24)
    rgb = np.full((128, 224, 3), (200, 40, 40), np.uint8)
    alpha = np.zeros((128, 224), np.uint8)
    alpha[:, :112] = 255
    frame = VideoFrame(0)
    automatic = FrameColorer(colorizer()).color(frame, lightness)
    partial = FrameColorer(colorizer(), {0: RasterImage(rgb, alpha)}).color(frame, lightness)
    red = rgb_to_lab(torch.from_numpy(rgb[:1, :1]).permute(2, 0, 1)[None] / 255)[:, 1:]
    assert torch.allclose(partial[..., :96], red.expand(1, 2, 128, 96), atol=2)
    assert float((partial - automatic)[..., 128:].norm(dim=1).mean()) < 12


def test_match_features_are_unit_vectors_of_any_size() -> None:
    for size in ((64, 96), (70, 101)):
        features = colorizer().match_features(torch.rand(2, 1, *size) * 100)
        assert features.shape[-2:] == (round(size[0] / 8), round(size[1] / 8))
        assert torch.allclose(features.norm(dim=1), torch.ones(()), atol=1e-3)


def colored_frames(colorer: FrameColorer, frames: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return ab of the frames of a shot, as ``colorzoo video`` does."""
    colorer.start_shot(None, None, ShotSpan(range(len(frames))))
    steady, found = SteadyColors(0.97, every=colorer.every), []
    for number, lightness in enumerate(frames):
        color, correct = (
            partial(method, VideoFrame(number), lightness) for method in (colorer.color, colorer.correct)
        )
        found += steady.add(
            lightness,
            color,
            correct=correct if colorer.corrects() else None,
            corrected=colorer.is_corrected(VideoFrame(number)),
        )
    return found + steady.flush()


def corrected_square(lightness: torch.Tensor) -> RasterImage:
    """Return a frame whose square at column 24 is red; only the square is opaque."""
    alpha = np.zeros((128, 224), np.uint8)
    alpha[40:88, 24:72] = 255
    red = torch.tensor([30.0, 20.0]).view(1, 2, 1, 1).expand(1, 2, 128, 224)
    rgb = lab_to_rgb(torch.cat([lightness, red], dim=1))[0].clamp(0, 1)
    return RasterImage(rgb.permute(1, 2, 0).numpy(), alpha)


def test_correction_follows_an_object_that_leaves_and_returns() -> None:
    # the square moves, is absent in frames 20 to 29, and returns at another place
    lefts = [24 + 3 * number for number in range(20)] + [500] * 10 + [120] * 20
    scenes = [scene(1, left) for left in lefts]
    frames = [lightness for lightness, _ in scenes]
    automatic = colored_frames(FrameColorer(colorizer()), frames)
    found = colored_frames(FrameColorer(colorizer(), corrections={0: corrected_square(frames[0])}), frames)
    red = torch.tensor([30.0, 20.0])
    for number, (ab, before, (_, true)) in enumerate(zip(found, automatic, scenes, strict=True)):
        is_square = true[0, 0] > 0
        assert float((ab - before).norm(dim=1)[0][~is_square].mean()) < 1.5, number
        if number in (0, 8, 16, 40, 49):
            error, error_before = (
                float((each[0] - red[:, None, None]).norm(dim=0)[is_square].mean()) for each in (ab, before)
            )
            assert error < 0.5 * error_before, number


def test_corrections_do_not_change_automatic_colors_elsewhere() -> None:
    rgb = np.full((128, 224, 3), (200, 40, 40), np.uint8)
    nothing = {0: RasterImage(rgb, np.zeros((128, 224), np.uint8))}
    frames = [scene(1, 24 + number)[0] for number in range(30)]
    results = [colored_frames(FrameColorer(colorizer(), corrections=each), frames) for each in ({}, nothing)]
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_corrections_match_other_shots_with_the_object() -> None:
    same, _ = scene(1, 120)
    noise = torch.rand(same.shape, generator=torch.Generator().manual_seed(5)) * 100
    for apply_matches in (False, True):
        corrections = {0: corrected_square(scene(1, 24)[0])}
        colorer = FrameColorer(colorizer(), corrections=corrections, apply_matches=apply_matches)
        assert colorer.keys_of(ShotSpan(range(10)), same) == [0]
        assert colorer.keys_of(ShotSpan(range(10, 20)), same) == ([0] if apply_matches else [])
        assert colorer.keys_of(ShotSpan(range(20, 30)), noise) == []
        assert colorer.matches == {0: [10]}
    # the thumbnail of the match has the color of the correction only at the square
    ab = colorer.correct_with(0, same, is_same_shot=False)[0, 1:]
    assert float((ab[:, 56:72, 136:152] - torch.tensor([30.0, 20.0])[:, None, None]).norm(dim=0).mean()) < 8
    assert float(ab[:, :, :60].norm(dim=0).mean()) < 1
    images = [SimpleNamespace(number=number, lightness=lambda: same) for number in (0, 15)]
    film: Any = SimpleNamespace(frames=lambda: iter(images))
    sheet = draw_matches(
        film, colorer, [ShotSpan(range(10)), ShotSpan(range(10, 20)), ShotSpan(range(20, 30))]
    )
    assert sheet.size == (8 + 2 * (224 + 8), 8 + 128 + 20 + 8)  # two thumbnails with names


def test_shots_without_a_matching_key_keep_their_automatic_colors() -> None:
    lightness, ab = scene(1, 24)
    levels = lab_to_rgb(torch.cat([lightness, ab], dim=1))[0].clamp(0, 1).permute(1, 2, 0).numpy()
    noise = torch.rand(lightness.shape, generator=torch.Generator().manual_seed(5)) * 100
    plain, keyed = FrameColorer(colorizer()), FrameColorer(colorizer(), {3: RasterImage(levels)})
    for span, image, is_keyed in ((range(10), lightness, True), (range(10, 20), noise, False)):
        keys = keyed.keys_of(ShotSpan(span), image)
        keyed.start_shot(None, keys, ShotSpan(span))
        assert keyed.has_images(keys) is is_keyed
        assert (keyed.every == plain.every and keyed.max_steady == plain.max_steady) is not is_keyed
        assert torch.equal(keyed.predict(image, span[5]), plain.predict(image, span[5])) is not is_keyed


def test_doubtful_shot_recalls_the_last_colors_of_the_previous_shot() -> None:
    lightness, ab = scene(1, 24)
    noise = torch.rand(lightness.shape, generator=torch.Generator().manual_seed(5)) * 100
    colorer = FrameColorer(colorizer())
    automatic, other = colorer.predict(lightness, 0), colorer.predict(noise, 0)
    colorer.carry(lightness, ab)
    recalled = colorer.predict(lightness, 0)
    assert (recalled - ab).abs().mean() < 0.5 * (automatic - ab).abs().mean()
    assert (colorer.predict(noise, 0) - other).abs().mean() < 0.1 * (recalled - automatic).abs().mean()
    colorer.start_shot()
    assert torch.equal(colorer.predict(lightness, 0), automatic)
