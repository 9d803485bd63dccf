"""Color tables and conversions against the authors' code."""

import torch
from torch import Tensor

from colorzoo import color
from colorzoo.color.bins import grid_centers, grid_index
from colorzoo.color.lab import in_gamut
from parity.cases import Golden, case


def as_map(rows: Tensor) -> Tensor:
    """Turn `(N, C)` rows into a `(C, N, 1)` image."""
    return rows.T.unsqueeze(-1)


def as_rows(image: Tensor) -> Tensor:
    return image.squeeze(-1).T


@case("lab_rgb")
def lab_rgb(golden: Golden) -> None:
    lab = as_map(golden.tensor("in_lab"))
    golden.close("out_lab", as_rows(color.rgb_to_lab(as_map(golden.tensor("in_rgb")))))
    golden.close("out_lab8", as_rows(color.rgb_to_lab(as_map(golden.tensor("in_rgb8")) / 255)))
    golden.close("out_rgb", as_rows(color.lab_to_rgb(lab)))
    golden.close("out_rgb_unclipped", as_rows(color.lab_to_rgb(lab, clip=False)))

    check_gamut_mask(golden)


def check_gamut_mask(golden: Golden) -> None:
    lightness, mask = golden.tensor("in_gamut_L"), golden.tensor("out_gamut_mask").bool()
    ab = grid_centers().T.view(1, 2, *mask.shape[1:]).expand(len(lightness), -1, -1, -1)
    lab = torch.cat([lightness.view(-1, 1, 1, 1).expand_as(ab[:, :1]), ab], dim=1)
    assert (in_gamut(lab)[:, 0] == mask).float().mean() >= 0.98  # the code tests a round trip


@case("encode_ab")
def encode_ab(golden: Golden) -> None:
    ab = golden.tensor("in_ab")
    soft10 = color.soft_encode(ab, neighbors=10)
    golden.close("out_soft10", soft10)
    golden.close("out_soft5", color.soft_encode(ab, neighbors=5))
    golden.close("out_soft10_decoded", soft10 @ color.hull_centers())
    golden.close("out_nearest", color.nearest_bin(ab))
    weights = color.rebalancing_weights(color.prior_probabilities())
    golden.close("out_class_weight", weights)
    golden.close("out_pixel_weight", weights[soft10.argmax(dim=1)])
    golden.close("out_index_529", grid_index(golden.tensor("in_ab_529").T[None, ..., None])[0, :, 0])
    check_decoding(golden)


def check_decoding(golden: Golden) -> None:
    def decode(logits: Tensor, centers: Tensor, temperature: float) -> Tensor:
        return color.annealed_mean(logits[..., None, None], centers, temperature)[..., 0, 0]

    logits, centers = golden.tensor("in_logits"), color.hull_centers()
    golden.close("out_annealed_T038", decode(logits, centers, 0.38))
    # the file states no tolerance for this one; the default is below float32 at 110 CIE units
    golden.close("out_annealed_code", decode(logits, centers, 1 / 2.606), like="out_annealed_T038")
    golden.close("out_mean", decode(logits, centers, 1.0))
    golden.close("out_mode", decode(logits, centers, 1e-6))  # towards 0 the mean becomes the mode
    golden.close("out_mean_529", decode(golden.tensor("in_logits_529"), grid_centers(), 1.0))


@case("xdog")
def xdog(golden: Golden) -> None:
    gray = golden.tensor("out_gray")[None, None] / 255
    rgb = golden.tensor("in_rgb").permute(2, 0, 1)[None] / 255
    assert (color.rgb_to_gray(rgb) - gray).abs().max() * 255 <= golden.meta["tolerance"]["out_gray"]
    widths = {0.3: "s03", 0.4: "s04", 0.5: "s05"}
    sketches = color.xdog(gray.expand(3, -1, -1, -1), tuple(widths))
    for sketch, name in zip(sketches[:, 0], widths.values(), strict=True):
        expected = golden.tensor(f"out_sketch_{name}")
        assert 0 < (expected == 0).float().mean() < 1  # both paper and ink are there
        assert ((sketch * 255).round() != expected).float().mean() <= 0.002
