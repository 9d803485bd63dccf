"""Stabilization of colors."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.video.steady import ColorStabilizer, Motion, estimate_motion


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


def test_without_strength_colors_stay_to_the_bit_and_come_at_once() -> None:
    stabilizer = ColorStabilizer(0.0)
    for ab in flickering(5):
        (found,) = stabilizer.add(texture(0), ab)
        assert torch.equal(found, ab)
    assert stabilizer.flush() == []


def test_24_frames_come_at_once_when_12_more_are_known() -> None:
    stabilizer = ColorStabilizer(0.5)
    frames = [torch.zeros(1, 2, 8, 8)] * 60
    assert [len(stabilizer.add(torch.zeros(1, 1, 8, 8), ab)) for ab in frames] == [
        24 * (number in (36, 60)) for number in range(1, 61)
    ]
    assert len(stabilizer.flush()) == 12


@pytest.mark.parametrize(("strength", "held"), [(0.6, 0.6), (1.0, 0.98)])
def test_colors_are_the_mean_of_a_hold_forward_and_one_backward(strength: float, held: float) -> None:
    """In a still picture; the light may change within a shot, so that nothing is held in full."""
    colors = flickering(6)
    passes = []
    for frames in (colors, colors[::-1]):
        means = [frames[0]]
        for ab in frames[1:]:
            means.append(held * means[-1] + (1 - held) * ab)
        passes.append(means)
    wanted = [(there + back) / 2 for there, back in zip(passes[0], passes[1][::-1], strict=True)]
    for found, each in zip(hold([texture(0)] * 6, colors, strength), wanted, strict=True):
        torch.testing.assert_close(found[..., 2:-2, 2:-2], each[..., 2:-2, 2:-2], rtol=0, atol=0.02)


def test_a_new_shot_owes_nothing_to_the_one_before() -> None:
    stabilizer = ColorStabilizer(0.9)
    first, second = torch.full((1, 2, 64, 96), 30.0), torch.full((1, 2, 64, 96), -30.0)
    for ab in (first, second):
        assert stabilizer.add(texture(0), ab) == []
        (found,) = stabilizer.flush()
        assert torch.equal(found, ab)


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


def bilinear(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return values at positions between pixels, 0 beyond the picture."""
    height, width = image.shape[-2:]
    total = torch.zeros(*image.shape[:2], height, width)
    for row, down in ((rows.floor(), 1 - rows % 1), (rows.floor() + 1, rows % 1)):
        for column, right in ((columns.floor(), 1 - columns % 1), (columns.floor() + 1, columns % 1)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            taken = image[..., row.clamp(0, height - 1).long(), column.clamp(0, width - 1).long()]
            total += taken * (down * right * inside)
    return total


def test_trust_needs_agreement_of_the_flows_and_of_the_lightness_inside_the_picture() -> None:
    """exp(-(error of the flow / 2)^2 / 2 - (error of the lightness / 16)^2 / 2), 0 beyond the picture."""
    wide, other = texture(1, 64, 120), texture(2, 64, 120)
    second = wide[..., 6:102].clone()
    second[..., 20:40, 30:60] = 0.5 * wide[..., 20:40, 36:66] + 0.5 * other[..., 20:40, 36:66]
    lightness = (wide[..., :96], second)
    motions = estimate_motion(*lightness)
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    for motion, reverse, (here, there) in zip(
        motions, motions[::-1], (lightness, lightness[::-1]), strict=True
    ):
        to_row, to_column = rows + motion.flow[0, 1], columns + motion.flow[0, 0]
        beyond = torch.stack([-to_row, to_row - 63, -to_column, to_column - 95]).amax(dim=0)
        outside, clear = beyond > 0.01, beyond < -0.1
        assert 200 < int(outside.sum()) < 2000  # six columns leave the picture
        assert not motion.trust[..., outside].any()
        turned = motion.flow + bilinear(reverse.flow, to_row, to_column)
        changed = bilinear(there, to_row, to_column) - here
        exponent = -turned.square().sum(1, keepdim=True) / 8 - changed.square() / 512
        torch.testing.assert_close(motion.trust[..., clear], exponent.exp()[..., clear], rtol=0, atol=1e-3)
        assert motion.trust[..., clear].min() < 0.3 < 0.9 < motion.trust[..., clear].median()


def test_a_blend_takes_the_neighbors_color_as_far_as_it_is_trusted() -> None:
    flow, trust = torch.zeros(1, 2, 1, 4), torch.tensor([1.0, 0.5, 0.0, 1.0]).view(1, 1, 1, 4)
    flow[:, 0, :, 3] = -2.0
    neighbor = torch.tensor([10.0, 20.0, 30.0, 40.0]).expand(1, 2, 1, 4)
    found = Motion(flow, trust).blend(torch.zeros(1, 2, 1, 4), neighbor, 0.8)
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([8.0, 8.0, 0.0, 16.0]))


def test_pictures_smaller_than_a_patch_have_no_motion() -> None:
    tiny = texture(0, 64, 96)[..., :15, :40]
    there, back = estimate_motion(tiny, tiny)
    for motion in (there, back):
        assert motion.flow.shape == (1, 2, 15, 40)
        assert not motion.flow.any()
    shifted = texture(1, 16, 120)
    there, _ = estimate_motion(shifted[..., :96], shifted[..., 4:100])
    assert float(there.flow[0, 0, :, 10:-10].median()) == pytest.approx(-4, abs=0.5)


def test_motion_is_seen_in_shadows_and_lights() -> None:
    for low in (0.0, 75.0):
        wide = low + 25 * (texture(1, 64, 120) - 10) / 80
        there, _ = estimate_motion(wide[..., :96], wide[..., 6:102])
        assert float(there.flow[0, 0, 10:-10, 20:-10].median()) == pytest.approx(-6, abs=0.5)


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
