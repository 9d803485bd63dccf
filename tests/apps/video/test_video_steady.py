"""Temporal stabilization of colors within a shot."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.apps.video.steady import SteadyColors


def texture(seed: int, height: int = 64, width: int = 96) -> Tensor:
    noise = torch.rand(1, 1, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, size=(height, width), mode="bicubic").clamp(0, 1) * 80 + 10


class StubModel:
    """Model stub that returns fixed colors and records the frame numbers."""

    def __init__(self, colors: list[Tensor]) -> None:
        self.colors, self.numbers = colors, []

    def predict(self, number: int) -> Tensor:
        self.numbers.append(number)
        return self.colors[number]


def stabilize(
    lightnesses: list[Tensor],
    model: StubModel,
    strength: float = 0.97,
    window: int = 72,
    fixed: tuple[int, ...] = (),
    every: int | None = None,
) -> list[Tensor]:
    colors, steady = SteadyColors(strength, window, every=every), []
    for number, lightness in enumerate(lightnesses):
        steady += colors.add(lightness, lambda number=number: model.predict(number), fixed=number in fixed)
    return steady + colors.flush()


def flat(*values: float) -> list[Tensor]:
    return [torch.full((1, 2, 64, 96), float(value)) for value in values]


def test_steady_colors_colorizes_only_the_middle_frame_of_short_shots() -> None:
    for count, wanted in ((12, [5]), (13, [0, 12])):
        model = StubModel(flat(*[5] * count))
        stabilize([texture(0)] * count, model)
        assert model.numbers == wanted


def test_steady_colors_colorizes_at_most_one_in_twenty_unreached_frames() -> None:
    for count, most in ((49, 2), (51, 3)):
        model = StubModel(flat(*[5] * count))
        third = count // 3
        stabilize([texture(0)] * third + [texture(1)] * third + [texture(2)] * (count - 2 * third), model)
        assert len(model.numbers) == most
        assert model.numbers[:2] == [0, count - 1]
        assert all(third <= number < 2 * third for number in model.numbers[2:])


def test_steady_colors_fills_uncovered_pixels_from_their_surroundings() -> None:
    model = StubModel(flat(*[20] * 40))
    changed = texture(0).clone()
    changed[..., 26:38, 42:54] = texture(1)[..., 26:38, 42:54]
    steady = stabilize([texture(0)] * 20 + [changed] + [texture(0)] * 19, model)
    assert len(model.numbers) == 2
    assert float((steady[20] - 20).abs().max()) < 0.5


def test_steady_colors_keeps_the_first_color_of_moving_objects() -> None:
    """The predicted color of the background changes."""
    height, width, side = 192, 320, 60
    halves = torch.cat([torch.zeros(1, 2, height, 160), torch.full((1, 2, height, 160), 60.0)], dim=3)
    dark, bright = 0.4 * texture(0, height, width), 50 + 0.5 * texture(1, side, side)
    lightnesses, lefts = [dark] * 24, range(90, 162, 4)
    for number, left in enumerate(lefts, start=3):
        lightnesses[number] = dark.clone()
        lightnesses[number][..., 70 : 70 + side, left : left + side] = bright
    model = StubModel([halves] * 24)
    steady = stabilize(lightnesses, model)
    assert model.numbers == [0, 23]
    moving = [ab[..., 82:98, left + 12 : left + 28] for ab, left in zip(steady[3:], lefts, strict=False)]
    assert max(float(ab.mean()) for ab in moving) < 10  # 41 without stabilization


def test_steady_colors_with_strength_0_returns_the_predictions() -> None:
    colors = SteadyColors(0.0)
    for ab in flat(1, 5, 3):
        (found,) = colors.add(texture(0), lambda ab=ab: ab)
        assert torch.equal(found, ab)
    assert colors.flush() == []


@pytest.mark.parametrize(("strength", "weight"), [(0.6, 0.6), (1.0, 0.98)])
def test_steady_colors_strength_weights_the_propagated_color(strength: float, weight: float) -> None:
    """The frames are equal; a strength of 1 is limited to 0.98."""
    wide = [0.0, 30.0, 60.0]
    found = stabilize([texture(0)] * 3, StubModel(flat(*wide)), strength, every=1)
    wanted, means = [30.0], [30.0, 45.0, 60.0]  # means over a frame and all later frames
    for mean in means[1:]:
        wanted.append(weight * wanted[-1] + (1 - weight) * mean)
    # full-confidence pixels take 1/20 of their color from the surroundings, which are equal here
    assert [float(ab[..., 8:-8, 8:-8].mean()) for ab in found] == pytest.approx(wanted, abs=0.3)


def test_steady_colors_of_a_complex_shot_match_recorded_values() -> None:
    """The shot has a moving object and background, grain and a key frame, in 3 windows."""
    generator, wide, moving = torch.Generator().manual_seed(3), texture(1, 72, 200), texture(2, 32, 36)
    lightnesses, colors = [], []
    for number in range(30):
        light, ab = wide[..., 3 * number : 3 * number + 96].clone(), torch.zeros(1, 2, 72, 96)
        ab[:, 0], ab[:, 1] = 20 + torch.arange(96) / 4 + number, 30 - torch.arange(72)[:, None] / 3
        place = np.s_[..., 10 + number : 42 + number, 70 - 2 * number : 106 - 2 * number]
        light[place], ab[place] = moving[..., : light[place].shape[3]], -25.0
        lightnesses.append(light + torch.randn(light.shape, generator=generator))
        colors.append(ab)
    model = StubModel(colors)
    steady = stabilize(lightnesses, model, 0.9, window=12, fixed=(20,))
    assert model.numbers == [5, 0, 20, 29]
    for number, wanted in {
        0: (23.3, 27.25, 33.2, 16.59, 43.26, 7.87),
        9: (29.99, 27.14, -16.43, -19.4, 42.6, 9.39),
        13: (32.76, 27.04, -23.79, -24.25, 51.51, 6.59),
        25: (46.45, 27.24, -22.51, -23.71, 66.75, 8.64),
        29: (49.49, 27.28, 58.09, 16.8, 71.29, 8.05),
    }.items():
        found = [steady[number][0, :, row, column] for row, column in ((8, 12), (40, 50), (66, 90))]
        assert torch.cat(found).tolist() == pytest.approx(wanted, abs=0.02)


def test_steady_colors_keeps_key_frames_and_propagates_their_colors() -> None:
    colors = flat(*[0.0] * 4, 30.0, *[0.0] * 4)
    steady = stabilize([texture(0)] * 9, StubModel(colors), 0.9, fixed=(4,), every=1)
    assert torch.equal(steady[4], colors[4])
    assert float(steady[3].mean()) > 15
    assert float(steady[5].mean()) > 15


@pytest.mark.parametrize("window", [72, 8])
@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_dark_frames_do_not_determine_the_colors_of_well_exposed_frames(
    window: int, size: tuple[int, int]
) -> None:
    """A fade-in, in one window and in several; the model predicts pale colors in dark frames."""
    levels = [0.3 + 0.7 * min(1, n / 12) for n in range(40)]
    lightnesses = [((texture(0, *size) + 16) * level - 16).clamp(0, 100) for level in levels]
    chroma = np.interp(levels, [0.4, 0.8], [3, 40])
    colors = [torch.full((1, 2, *size), float(each)) for each in chroma]
    steady = stabilize(lightnesses, StubModel(colors), window=window)
    assert min(float(ab.mean()) for ab in steady[20:]) > 0.85 * 40


def test_flashed_frames_do_not_determine_the_colors_of_other_frames() -> None:
    lightnesses = [texture(0).clone() for _ in range(30)]
    for number in (0, 1, 29):
        lightnesses[number] = (lightnesses[number] * 3).clamp(0, 100)
    colors = flat(*[2.0] * 2, *[40.0] * 27, 2.0)
    steady = stabilize(lightnesses, StubModel(colors))
    assert min(float(ab.mean()) for ab in steady[3:28]) > 36


def test_colors_of_well_exposed_frames_fade_with_dark_frames() -> None:
    lightnesses = [((texture(0) + 16) * min(1, (24 - n) / 12) - 16).clamp(0, 100) for n in range(24)]
    steady = stabilize(lightnesses, StubModel(flat(*[40.0] * 24)))
    assert float(steady[5].mean()) == pytest.approx(40, abs=0.5)
    assert float(steady[18].mean()) < 0.75 * 40
    assert float(steady[23].mean()) < 0.4 * 40
