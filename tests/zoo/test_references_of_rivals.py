"""Blanch 2021 and Bai 2022: resizing of image and reference, and the gray image as default reference."""

import torch
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model


@torch.inference_mode()
def test_image_and_reference_are_resized_to_the_square_network_input() -> None:
    for name, side in [("blanch2021", 32), ("bai2022", 128)]:
        model = contract_test_model(model_card(name)).model
        lightness = rgb_to_lab(sample_image((40, 56)))[:, :1]
        found = []
        for reference in (lightness_to_rgb(lightness), sample_image((30, 20), seed=1)):
            target, rgb = (
                F.interpolate(each, (side, side), mode="bilinear", antialias=True)
                for each in (lightness, reference)
            )
            target, lab = target / 50 - 1, rgb_to_lab(rgb)
            given = target, torch.cat([lab[:, :1] / 50 - 1, lab[:, 1:] / 110], dim=1)
            ab = model.network(*given)[0] if name == "blanch2021" else model.color(*given, model.scattered).ab
            found.append(model(lightness, Guidance(exemplar=Exemplar(reference))).ab)
            torch.testing.assert_close(found[-1], F.interpolate(110 * ab, (40, 56), mode="bicubic"))
        assert torch.equal(model(lightness).ab, found[0])
        assert not torch.allclose(*found)
