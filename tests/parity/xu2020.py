"""Both sub-nets of Xu et al. 2020 and their feature transforms, against the authors' code."""

import torch
from torch import Tensor

from colorzoo.color import grid_index, lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Points
from colorzoo.networks.style import usable_labels
from colorzoo.zoo.xu2020.model import (
    PLACE_SETS,
    StylizationColorization,
    inside_labels,
    keep,
    match_embedding,
    match_moments,
    moments,
)
from colorzoo.zoo.xu2020.model import adain as match
from colorzoo.zoo.xu2020.model import wct as recolor
from colorzoo.zoo.xu2020.task import masked_huber
from parity.cases import Golden, case


@case("adain")
def adain(golden: Golden) -> None:
    content, style = golden.tensor("in_content"), golden.tensor("in_style")
    for side, maps in (("content", content), ("style", style)):
        found = moments(maps)
        golden.close(f"out_{side}_mean", found.mean.flatten())
        golden.close(f"out_{side}_std", found.std.flatten())
    golden.close("out_adain", match(content, style))
    golden.close("out_adain_alpha05", match_moments(content, moments(style), 0.5))
    golden.close("out_wct", recolor(content, style))
    golden.close("out_wct_alpha05", recolor(content, style, 0.5))
    labels = golden.tensor("in_content_seg"), golden.tensor("in_style_seg")
    golden.close("out_adain_seg", inside_labels(match, labels)(content, style, 1.0))
    valid = [label in usable_labels(*labels) for label in range(len(golden.arrays["out_label_valid"]))]
    assert valid == golden.tensor("out_label_valid").bool().tolist()


@case("xu2020_encoder")
@torch.inference_mode()
def xu2020_encoder(golden: Golden) -> None:
    model = StylizationColorization().eval()
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    transfer = model.network.transfer
    maps = transfer.style_maps(golden.tensor("in_rgb"))
    found = {f"relu{level}_1": maps[f"encoder{level}"] for level in (1, 2, 3, 4)}
    encoded = transfer.encoder(golden.tensor("in_rgb"), keep)
    found |= {f"pool{level}": encoded.pools[level - 1] for level in (1, 2, 3)}
    found |= dict(zip(("conv1_2", "conv2_2", "conv3_4"), encoded.maps, strict=True))
    for name, value in found.items():
        golden.close(f"out_{name}", value[:, : golden.meta["channels"].get(name)])


@case("xu2020_transfer")
@torch.inference_mode()
def xu2020_transfer(golden: Golden) -> None:
    model = StylizationColorization().eval()
    for part in ("encoder", "decoder"):
        model.load_weights(golden.weights(part), name="the authors' weights", published=True)
    network = model.network
    content, style = golden.tensor("in_content"), golden.tensor("in_style")
    look = network.transfer.encode_reference(style)
    targets = network.transfer.split_embedding(look)

    def run(sets: tuple[str, ...] = PLACE_SETS, alpha: float = 1.0) -> Tensor:
        return network.transfer(content, match_embedding(targets, sets, alpha))

    golden.close("out_recon", network.transfer(content))
    golden.close("out_rgb", run())
    golden.close("out_rgb_alpha05", run(alpha=0.5))
    for name in PLACE_SETS:
        golden.close(f"out_rgb_only_{name}", run((name,)))
    golden.close("out_rgb_encoder_decoder", run(("encoder", "decoder")))
    golden.close("out_rgb_wct", network.transfer(content, network.adapt_maps(style, recolor)))
    for level in (3, 2, 1):
        golden.close(f"out_style_dec{level}_mean", targets[f"decoder{level}"].mean[:, :, 0, 0])
        golden.close(f"out_style_dec{level}_std", targets[f"decoder{level}"].std[:, :, 0, 0])
    golden.close("out_tab_norm", rgb_to_lab(run().clamp(0, 1))[:, 1:] / 110)


@case("xu2020_color")
@torch.inference_mode()
def xu2020_color(golden: Golden) -> None:
    model = StylizationColorization().eval()
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    lightness = 100 * golden.tensor("in_L") + 50
    mask, truth = golden.tensor("in_mask"), 110 * golden.tensor("in_ab_true")
    ab, logits = model.network.color(lightness, Points(110 * golden.tensor("in_hint_ab"), mask))
    golden.close("out_ab", ab / 110)
    golden.close("out_class64", logits[:, : golden.arrays["out_class64"].shape[1]])
    golden.close("out_rgb", lab_to_rgb(torch.cat([lightness, ab], dim=1), clip=False))
    golden.close("out_loss_mean", masked_huber(ab, truth, mask)[None].double())
    expected = golden.tensor("out_true_bin")
    bins = grid_index(truth).view(len(truth), 1, *truth.shape[-2:])
    assert torch.equal(golden.sampled("out_true_bin", bins).long(), expected.long())
