"""References derived from the target image."""

import pytest
import torch

from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.randomness import image_generators

RGB = torch.rand(8, 3, 27, 33, generator=torch.Generator().manual_seed(0))


def generators(first: int = 0) -> list[torch.Generator]:
    return image_generators(torch.arange(first, 8), "test")


@pytest.mark.parametrize("derive", [crop_flip_reference, warp_jitter_reference])
def test_derived_references_differ_and_are_independent_of_the_batch(derive) -> None:
    references = derive(RGB, generators())
    assert references.shape == RGB.shape
    assert 0 <= references.min() <= references.max() <= 1
    assert ((references - RGB).abs().mean(dim=(1, 2, 3)) > 0.01).all()
    torch.testing.assert_close(derive(RGB[3:], generators(3)), references[3:])


def test_crop_flip_reference_at_full_scale_returns_image_or_mirror_image() -> None:
    references = crop_flip_reference(RGB, generators(), scale=(1.0, 1.0), ratio=(1.0, 1.0))
    same = (references - RGB).abs().amax(dim=(1, 2, 3)) < 1e-4
    mirrored = (references - RGB.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert (same ^ mirrored).all()
    assert 0 < same.sum() < 8


def test_warp_jitter_reference_without_distortion_only_flips() -> None:
    references = warp_jitter_reference(RGB, generators(), bend=0.0, degrees=0.0, jitter=0.0)
    for image, original in zip(references, RGB, strict=True):
        candidates = (original, original.flip(-1), original.flip(-2), original.flip(-1, -2))
        assert min(float((image - each).abs().max()) for each in candidates) < 1e-3
