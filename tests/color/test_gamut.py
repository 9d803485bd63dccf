"""Chroma reduction and snapping: what stays, what gives way."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorzoo.color import (
    in_gamut,
    lab_to_rgb,
    lab_to_rgb_in_gamut,
    reduce_chroma,
    rgb_to_lab,
    snap_to_luma,
)
from colorzoo.testing import sample_image

GENERATOR = torch.Generator().manual_seed(0)
ANY = torch.cat(
    [
        100 * torch.rand(1, 1, 40, 25, generator=GENERATOR),
        220 * torch.rand(1, 2, 40, 25, generator=GENERATOR) - 110,
    ],
    dim=1,
)


def chroma(lab: torch.Tensor) -> torch.Tensor:
    return lab[:, 1:].norm(dim=1)


def test_reduction_keeps_lightness_and_hue_and_lowers_chroma() -> None:
    reduced = reduce_chroma(ANY)
    assert torch.equal(reduced[:, :1], ANY[:, :1])
    cross = reduced[:, 1] * ANY[:, 2] - reduced[:, 2] * ANY[:, 1]
    assert cross.abs().max() < 1e-2 * 110
    assert ((reduced[:, 1:] * ANY[:, 1:]) >= 0).all()
    assert (chroma(reduced) <= chroma(ANY)).all()


def test_what_is_reduced_fits_and_survives_conversion() -> None:
    reduced = reduce_chroma(ANY)
    assert in_gamut(reduced).all()
    back = rgb_to_lab(lab_to_rgb_in_gamut(ANY))
    torch.testing.assert_close(back, reduced, atol=0.3, rtol=0)  # a third of a level of 255 in the dark


def test_reduction_is_idempotent_and_leaves_the_inside_alone() -> None:
    reduced = reduce_chroma(ANY)
    assert torch.equal(reduce_chroma(reduced), reduced)
    inside = in_gamut(ANY).expand_as(ANY)
    assert inside.any()
    assert not inside.all()
    assert torch.equal(reduced[inside], ANY[inside])


def test_reduction_does_not_take_more_than_it_must() -> None:
    outside = ~in_gamut(ANY)
    reduced = reduce_chroma(ANY)
    a_little_more = torch.cat([reduced[:, :1], reduced[:, 1:] + 0.002 * ANY[:, 1:]], dim=1)
    assert (in_gamut(a_little_more) & outside).float().sum() < 0.02 * outside.sum()


def test_impossible_lightness_becomes_gray() -> None:
    lab = torch.tensor([120.0, 30, -30]).view(3, 1, 1)
    assert reduce_chroma(lab).flatten().tolist() == [120.0, 0.0, 0.0]


def test_reduction_lets_gradients_through() -> None:
    lab = ANY.clone().requires_grad_()
    reduce_chroma(lab).square().sum().backward()
    assert lab.grad.isfinite().all()
    assert lab.grad[:, 1:].any()


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(5, 95))
def test_a_snapped_color_has_nearly_the_lightness_and_can_be_shown(rgb: tuple[int, ...], level: int) -> None:
    chosen = torch.tensor(rgb, dtype=torch.float32).view(3, 1, 1) / 255
    snapped = snap_to_luma(chosen, torch.full((1, 1, 1), float(level)))
    assert (snapped[0] - level).abs().max() < 2.0
    assert (rgb_to_lab(lab_to_rgb(snapped)) - snapped).abs().max() < 0.01


def test_a_color_of_that_lightness_is_not_moved() -> None:
    rgb = sample_image((4, 4))
    lab = rgb_to_lab(rgb)
    torch.testing.assert_close(snap_to_luma(rgb, lab[:, :1]), lab, atol=1e-2, rtol=0)
