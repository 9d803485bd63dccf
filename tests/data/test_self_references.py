"""References derived from the image itself."""

import pytest
import torch

from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.randomness import image_generators

RGB = torch.rand(8, 3, 27, 33, generator=torch.Generator().manual_seed(0))


def generators(first: int = 0) -> list[torch.Generator]:
    return image_generators(torch.arange(first, 8), "test")


@pytest.mark.parametrize("derive", [crop_flip_reference, warp_jitter_reference])
def test_references_differ_and_do_not_depend_on_the_batch(derive) -> None:
    made = derive(RGB, generators())
    assert made.shape == RGB.shape
    assert 0 <= made.min() <= made.max() <= 1
    assert ((made - RGB).abs().mean(dim=(1, 2, 3)) > 0.01).all()
    torch.testing.assert_close(derive(RGB[3:], generators(3)), made[3:])


def test_a_crop_of_the_whole_image_is_the_image_or_its_mirror_image() -> None:
    made = crop_flip_reference(RGB, generators(), scale=(1.0, 1.0), ratio=(1.0, 1.0))
    same = (made - RGB).abs().amax(dim=(1, 2, 3)) < 1e-4
    mirrored = (made - RGB.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert (same ^ mirrored).all()
    assert 0 < same.sum() < 8


def test_a_warp_without_bend_turn_and_jitter_mirrors_only() -> None:
    made = warp_jitter_reference(RGB, generators(), bend=0.0, degrees=0.0, jitter=0.0)
    for image, original in zip(made, RGB, strict=True):
        candidates = (original, original.flip(-1), original.flip(-2), original.flip(-1, -2))
        assert min(float((image - each).abs().max()) for each in candidates) < 1e-3
