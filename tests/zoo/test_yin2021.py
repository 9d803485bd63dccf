"""Yin et al. 2021: color histogram and histogram attention."""

import torch
from torch import Tensor, nn

from colorzoo.losses.statistics import soft_histogram
from colorzoo.networks.gated_transfer import Reference, Transferred
from colorzoo.networks.levels import attention_weights, cosines, resize_and_concatenate
from colorzoo.networks.renaming import rename_keys
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.yin2021.model import (
    NAMES,
    REDUCED,
    STRIDE,
    AttentionNet,
    color_histogram,
    kept_bins,
)
from knobs.knob import Knobs
from parity.cases import Golden, case, check_gradient_norms, results_of
from parity.pipelines.lu2020 import common_share, fit_sides, resized, saved, scaled_labs, scaled_to_rgb
from training_recipes.recipe import Recipe


def test_yin2021_color_histogram_counts_only_kept_bins() -> None:
    colors = torch.tensor([[0.0, 0.0], [0.04, -0.04], [0.3, 0.4], [-0.9, 0.9]])  # the last color has no bin
    histogram = color_histogram(colors.T.view(1, 2, 2, 2))
    found = {int(kept_bins()[place]): float(histogram[0, place]) for place in histogram[0].nonzero()}
    assert found == {21 * 10 + 10: float(torch.tensor(2 / 3)), 21 * 13 + 14: float(torch.tensor(1 / 3))}


def test_histogram_attention_returns_the_color_of_the_selected_bin() -> None:
    attention = contract_test_model(model_card("yin2021")).model.network.histogram
    with torch.inference_mode():
        attention.logits[-1].weight.zero_()
        attention.logits[-1].bias.fill_(-1.0)
        attention.logits[-1].bias[100] = 1.0  # with a sharpness of 100 only this bin is selected
        ab = attention(torch.rand(1, 64, 3, 5), torch.rand(1, 198))
    number = int(kept_bins()[100])
    wanted = torch.tensor([number // 21 - 10, number % 21 - 10]) / 10
    torch.testing.assert_close(ab, wanted.view(1, 2, 1, 1).expand(1, 2, 6, 10))


# Golden files: Yin et al. 2021: network and pipeline against the authors' code.


@case("yin2021_net")
def yin2021_net(golden: Golden) -> None:
    kind = getattr(torch, golden.meta["dtype"])
    state = golden.weights()
    classes, side = len(state["classify_network.fc.bias"]), golden.arrays["in_ref_l"].shape[-1]
    network = AttentionNet(reference_side=side, classes=classes)
    network.load_state_dict(rename_keys(state, NAMES))
    network.to(kind).eval()
    torch.testing.assert_close(network.histogram.colors.T, golden.tensor("in_ab_table").to(kind))
    network.histogram.colors = golden.tensor("in_ab_table").T.to(kind)
    given = Reference(*(golden.tensor(name).to(kind) for name in ("in_ref_l", "in_ref_ab", "in_hist")))
    encoded, carried = results_of(network, "encode"), results_of(network, "transfer")
    seen: dict[nn.Module, Tensor] = {}  # first output of each part: features of the image
    inner = (network.histogram, network.histogram.vector, network.histogram.body, network.histogram.logits)
    for part in (network.first, network.matched_trust, network.histogram_trust, *inner):
        part.register_forward_hook(lambda module, _, result: seen.update({module: seen.get(module, result)}))
    found = network(golden.tensor("in_l").to(kind), given)
    for index, ab in enumerate(found.ab, start=1):
        golden.close(f"out_fake{index}", ab)
    golden.close("out_class", found.logits[:, ::4])
    sums = [(ab * golden.tensor(f"in_cot{index}").to(kind)).sum() for index, ab in enumerate(found.ab, 1)]
    torch.stack(sums).sum().backward()
    gradients = check_gradient_norms(golden, network, NAMES)
    golden.close("out_grad_fc2", gradients["conf_feature_align.fc2.0.weight"].flatten())
    golden.close("out_grad_global_in", gradients["global_network.model.0.bias"])
    with torch.no_grad():
        check_inside(golden, network, encoded, carried[0], seen)


def check_inside(
    golden: Golden,
    network: AttentionNet,
    encoded: list[list[Tensor]],
    taken: Transferred,
    seen: dict[nn.Module, Tensor],
) -> None:
    """Compare intermediate features of image and reference, and the fused features."""
    every = golden.meta["every"]
    golden.close("out_body_model_head", seen[network.first][:, ::8, ::4, ::4])
    maps, other = encoded
    for index, each in enumerate(maps, start=1):
        step = 2 if index == 1 else 1
        golden.close(f"out_body_model{index}", each[:, :: every["body"], ::step, ::step])
    features = [resize_and_concatenate(each, each[1].shape[-2:]).flatten(2) for each in (maps, other)]
    golden.close("out_corr_max", attention_weights(cosines(*features)).amax(dim=1))
    histogram, trusts = network.histogram, (network.matched_trust, network.histogram_trust)
    for index in range(3):
        golden.close(f"out_align{3 - index}", taken.matched[index][:, :: every["align"]])
        golden.close(f"out_hist_branch{3 - index}", taken.general[index][:, :: every["align"]])
    for name, part in zip(("align", "hist"), trusts, strict=True):
        golden.close(f"out_conf_{name}", seen[part].view(1, *maps[1].shape[-2:]))
    golden.close("out_global", seen[histogram.vector].flatten(1))
    golden.close("out_body_model7", seen[histogram.body][:, :: every["body"]])
    golden.close("out_color_reg", seen[histogram.logits][:, ::6])
    golden.close("out_attn_ab", seen[histogram])


@case("yin2021_pipeline")
def yin2021_pipeline(golden: Golden) -> None:
    side = golden.meta["config"]["crop_size"]
    image = fit_sides(golden.arrays["in_target"])
    rows, columns = (int(side * each / min(image.shape[:2])) for each in image.shape[:2])
    image = resized(image, (rows, columns))[: rows - rows % STRIDE, : columns - columns % STRIDE]
    golden.close("out_size", torch.tensor(image.shape[:2]))
    labs = scaled_labs(image)
    for index, lab in enumerate(labs, start=1):
        golden.close_sampled(f"out_l{index}", lab[:, :1])
        golden.close_sampled(f"out_ab{index}", lab[:, 1:])
    small, _, whole = scaled_labs(resized(golden.arrays["in_reference"], (side, side)))
    golden.close_sampled("out_ref_l", whole[:, :1])
    golden.close("out_ref_ab", small[:, 1:])
    assert whole.shape[-1] == REDUCED * small.shape[-1]
    assert kept_bins().tolist() == golden.arrays["in_weight_index"].tolist()
    golden.close("out_hist", color_histogram(whole[:, 1:]))
    fakes = [golden.tensor(f"in_fake{index}").float() for index in (1, 2, 3)]
    wanted, made = (soft_histogram(each).flatten(1) for each in (labs[2][:, 1:], fakes[2]))
    golden.close("out_target_hist", wanted)
    golden.close("out_score", common_share(wanted, made)[0])
    for index, (lab, fake) in enumerate(zip(labs, fakes, strict=True), start=1):
        levels = saved(scaled_to_rgb(torch.cat([lab[:, :1], fake], dim=1)), image.shape[:2])
        golden.close(f"out_saved{index}", torch.from_numpy(levels)[::2, ::2])


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="yin2021/paper.yaml",
        source="fact sheets yin2021, section 6, and gray2colornet, section 6, marked 3P",
        rates={0: 2e-4, 999: 2e-4},
        discriminator_rates={0: 2e-4, 999: 2e-4},
        batch=8, epochs=10,
        settings={
            "width": 1.0, "reference_side": 256, "classes": 1000, "tau": 0.01, "dropout": 0.1,
            "pixel_weight": 1000.0, "histogram_weight": 1.0, "variation_weight": 10.0, "class_weight": 1.0,
            "adversarial_weight": 0.1, "discriminator_width": 1.0,
        },
    ),
)  # fmt: skip


KNOBS = {
    "yin2021": Knobs(
        values={"width": 0.25, "reference_side": 32, "dropout": 0.5, "discriminator_width": 0.25},
        exempt=("class_weight",),
    ),
}  # fmt: skip
