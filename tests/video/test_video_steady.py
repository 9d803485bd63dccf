"""Stabilization of colors."""

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.video.steady import ColorStabilizer, estimate_motion


def texture(seed: int, height: int = 64, width: int = 96) -> Tensor:
    noise = torch.rand(1, 1, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, size=(height, width), mode="bicubic").clamp(0, 1) * 80 + 10


def flicker(frames: list[Tensor]) -> float:
    return float(torch.stack([(a - b).abs().mean() for a, b in zip(frames[1:], frames, strict=False)]).mean())


def hold(lightnesses: list[Tensor], colors: list[Tensor], strength: float, **kwargs: int) -> list[Tensor]:
    stabilizer = ColorStabilizer(strength, **kwargs)
    steady: list[Tensor] = []
    for lightness, ab in zip(lightnesses, colors, strict=True):
        steady += stabilizer.add(lightness, ab)
    return steady + stabilizer.flush()


def flickering(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.full((1, 2, 64, 96), 20.0) + 10 * torch.randn(1, generator=generator) for _ in range(count)]


def test_flicker_of_a_still_picture_is_removed() -> None:
    colors = flickering(30)
    steady = hold([texture(0)] * 30, colors, 0.9)
    assert len(steady) == 30
    assert flicker(steady) < 0.2 * flicker(colors)
    assert abs(float(torch.stack(steady).mean() - torch.stack(colors).mean())) < 1.5


def test_without_strength_colors_stay_to_the_bit() -> None:
    colors = flickering(5)
    steady = hold([texture(0)] * 5, colors, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(steady, colors, strict=True))


def test_the_block_size_hardly_changes_the_result() -> None:
    colors, lightnesses = flickering(20), [texture(0)] * 20
    whole = hold(lightnesses, colors, 0.5, ahead=12, block=24)
    pieces = hold(lightnesses, colors, 0.5, ahead=10, block=3)
    assert max(float((a - b).abs().max()) for a, b in zip(whole, pieces, strict=True)) < 0.05


def test_colors_follow_a_moving_picture() -> None:
    wide, colors = texture(1, 64, 160), torch.zeros(1, 2, 64, 160)
    colors[:, 0, :, :80] = 40  # the left half of the thing is red
    lightnesses = [wide[..., n * 3 : n * 3 + 96] for n in range(12)]
    true = [colors[..., n * 3 : n * 3 + 96] for n in range(12)]
    steady = hold(lightnesses, true, 0.9)
    assert max(float((a - b).abs().mean()) for a, b in zip(steady, true, strict=True)) < 1.0


def test_occluded_places_are_not_trusted() -> None:
    there, back = estimate_motion(texture(1), texture(2))
    assert float(there.trust.mean()) < 0.25
    assert float(back.trust.mean()) < 0.25
    same, _ = estimate_motion(texture(1), texture(1))
    assert float(same.trust.mean()) > 0.95


def test_small_errors_of_flow_and_lightness_hardly_loosen_the_hold() -> None:
    generator = torch.Generator().manual_seed(5)
    noisy = [texture(0) + 2 * torch.randn(1, 1, 64, 96, generator=generator) for _ in range(2)]
    there, _ = estimate_motion(noisy[0], noisy[1])
    assert float(there.trust[..., 4:-4, 4:-4].mean()) > 0.97


def test_key_frames_stay_and_influence_the_others() -> None:
    stabilizer, steady = ColorStabilizer(0.9), []
    for number in range(9):
        ab = torch.full((1, 2, 64, 96), 30.0 if number == 4 else 0.0)
        steady += stabilizer.add(texture(0), ab, fixed=number == 4)
    steady += stabilizer.flush()
    assert torch.equal(steady[4], torch.full((1, 2, 64, 96), 30.0))
    assert float(steady[3].mean()) > 10
    assert float(steady[5].mean()) > 10
