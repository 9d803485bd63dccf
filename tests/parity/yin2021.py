"""Yin et al. 2021: network and pipeline against the authors' code."""

import torch
from torch import Tensor, nn

from colorzoo.losses import soft_histogram
from colorzoo.networks.gated_transfer import Reference, Transferred
from colorzoo.networks.levels import attention_weights, cosines, resize_and_concatenate
from colorzoo.networks.renaming import rename_keys
from colorzoo.zoo.yin2021.model import (
    NAMES,
    REDUCED,
    STRIDE,
    AttentionNet,
    color_histogram,
    kept_bins,
)
from parity.cases import Golden, case, check_gradient_norms, results_of
from parity.pipelines.lu2020 import common_share, fit_sides, resized, saved, scaled_labs, scaled_to_rgb


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
