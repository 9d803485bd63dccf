"""Label maps of two images for style transfer."""

import torch

from colorzoo.networks.style import usable_labels


def test_usable_labels_require_over_10_pixels_and_area_ratio_below_100() -> None:
    def labeled(*counts: int) -> torch.Tensor:
        return torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])

    assert usable_labels(labeled(10, 11, 50, 1100, 1099), labeled(50, 11, 10, 11, 11)) == [1, 4]
    assert usable_labels(labeled(0, 11, 11), labeled(50, 1100, 1099)) == [2]
