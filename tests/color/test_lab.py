"""Lab and sRGB: values, round trips, gradients, errors, autocast."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color as skcolor

from colorzoo.color import lab_to_rgb, lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.color.lab import in_gamut
from colorzoo.testing import sample_image

RGB = sample_image((7, 9), batch=2)
WILD = torch.tensor([[50.0, 120, -90], [5, 40, 60], [95, -60, 80], [0, 100, 100], [100, 20, 0]]).T[..., None]


def hwc(tensor: torch.Tensor) -> np.ndarray:
    return np.moveaxis(tensor.double().numpy(), -3, -1)


def test_rgb_to_lab_agrees_with_skimage() -> None:
    np.testing.assert_allclose(hwc(rgb_to_lab(RGB)), skcolor.rgb2lab(hwc(RGB)), atol=2e-3)


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_lab_to_rgb_clips_like_skimage() -> None:
    np.testing.assert_allclose(hwc(lab_to_rgb(WILD)), skcolor.lab2rgb(hwc(WILD)), atol=1e-5)


def test_lab_to_rgb_without_clip_returns_values_above_one() -> None:
    loose = lab_to_rgb(WILD, clip=False)
    assert loose.max() > 1
    assert loose.min() >= 0
    torch.testing.assert_close(loose.clamp(0, 1), lab_to_rgb(WILD))


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_8_bit_colors_survive_lab_round_trip(levels: tuple[int, int, int]) -> None:
    rgb = torch.tensor(levels, dtype=torch.float32).view(3, 1, 1) / 255
    lab = rgb_to_lab(rgb)
    assert (lab_to_rgb(lab) - rgb).abs().max() < 1e-4
    assert in_gamut(lab).all()


@pytest.mark.parametrize("convert", [rgb_to_lab, lambda rgb: lab_to_rgb(rgb_to_lab(rgb))])
def test_lab_conversion_gradients_match_finite_differences(convert: object) -> None:
    rgb = (0.2 + 0.6 * RGB[:1, :, :2, :2]).requires_grad_()
    direction = torch.randn(rgb.shape, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(convert(rgb).sum(), rgb)
    step = 1e-3 * direction
    difference = (convert(rgb + step) - convert(rgb - step)).sum() / 2e-3
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=2e-2, atol=1e-2)


def test_lab_to_rgb_gradients_near_black_are_finite_and_nonzero() -> None:
    lab = torch.tensor([0.0, 0.5]).expand(3, 2, 2).contiguous().requires_grad_()
    lab_to_rgb(lab).sum().backward()
    assert lab.grad.isfinite().all()
    assert lab.grad[0].abs().max() > 0


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb])
def test_lab_conversion_raises_for_invalid_shape_or_dtype(convert: object) -> None:
    with pytest.raises(ValueError, match=r"\(2, 4, 5\)"):
        convert(torch.rand(2, 4, 5))
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        convert(torch.rand(3, 4))
    with pytest.raises(TypeError, match=r"torch\.uint8"):
        convert(torch.zeros(3, 4, 5, dtype=torch.uint8))


def test_lab_conversion_ignores_autocast() -> None:
    def results() -> list[torch.Tensor]:
        return [rgb_to_lab(RGB), lab_to_rgb(WILD), lab_to_rgb_in_gamut(WILD), in_gamut(WILD)]

    with torch.autocast("cpu", torch.bfloat16):
        mixed = results()
    for ours, exact in zip(mixed, results(), strict=True):
        assert torch.equal(ours, exact)
        assert ours.dtype == exact.dtype
