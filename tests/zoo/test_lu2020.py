"""Lu et al. 2020: the gate between reference colors and reference histogram."""

import torch
from torch import Tensor

from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import total_variation
from colorzoo.losses.statistics import chi_square_distance, soft_histogram
from colorzoo.networks import imagenet
from colorzoo.networks.gated_transfer import Reference, Transferred
from colorzoo.networks.levels import cosines, resize_and_concatenate
from colorzoo.networks.renaming import rename_keys
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.lu2020.model import NAMES, Gray2ColorNet
from knobs.knob import Knobs
from parity.cases import Golden, case, check_gradient_norms, results_of
from parity.pipelines.lu2020 import common_share, fit_sides, resized, saved, scaled_labs, scaled_to_rgb
from training_recipes.recipe import Recipe


def test_lu2020_with_gate_0_depends_only_on_the_reference_histogram() -> None:
    model = contract_test_model(model_card("lu2020")).model
    lightness = torch.rand(1, 1, 40, 48) * 100
    look = sample_image((48, 40))
    looks = [Guidance(exemplar=Exemplar(each)) for each in (look, look.flip(3))]  # with equal histograms
    with torch.inference_mode():
        moved = [model(lightness, each).ab for each in looks]
        model.network.gate[2].weight.zero_()
        model.network.gate[2].bias.fill_(-200.0)
        still = [model(lightness, each).ab for each in looks]
    off = [float((one - other).abs().max()) for one, other in (moved, still)]
    assert off[1] < 0.05 * off[0]  # resizing changes the rounding of the mirrored image


# Golden files: Gray2ColorNet (Lu et al. 2020): network, losses and pipeline against the authors' code.


def histogram(ab: Tensor) -> Tensor:
    return soft_histogram(ab).flatten(1)


@case("gray2colornet_net")
def gray2colornet_net(golden: Golden) -> None:
    every, kind = golden.meta["every"], getattr(torch, golden.meta["dtype"])
    state = golden.weights()
    classes, side = len(state["classify_network.fc.bias"]), golden.arrays["in_ref_l"].shape[-1]
    network = Gray2ColorNet(reference_side=side, classes=classes)
    network.load_state_dict(rename_keys(state, NAMES))
    network.to(kind)
    golden.close("out_hist", histogram(golden.tensor("in_ref_ab").to(kind)))
    given = Reference(*(golden.tensor(name).to(kind) for name in ("in_ref_l", "in_ref_ab", "out_hist")))
    encoded, carried = results_of(network, "encode"), results_of(network, "transfer")
    found = network(golden.tensor("in_l").to(kind), given)
    for index, ab in enumerate(found.ab, start=1):
        golden.close(f"out_fake{index}", ab)
    golden.close("out_class", found.logits[:, ::4])
    golden.close("out_conf", found.gate)
    results = [*found.ab, found.gate]
    sums = [(x * golden.tensor(f"in_cot{index}").to(kind)).sum() for index, x in enumerate(results, start=1)]
    torch.stack(sums).sum().backward()
    gradients = check_gradient_norms(golden, network, NAMES)
    golden.close("out_grad_conf_fc2", gradients["conf_feature.fc2.0.weight"].flatten())
    golden.close("out_grad_global_in", gradients["global_network.model.0.bias"])
    with torch.no_grad():
        check_inside(golden, encoded, carried[0], every)


def check_inside(
    golden: Golden, encoded: list[list[Tensor]], carried: Transferred, every: dict[str, int]
) -> None:
    """Compare intermediate features of image and reference, and the fused features."""
    maps, other = encoded
    for index, each in enumerate(maps, start=1):
        step = 2 if index == 1 else 1
        golden.close(f"out_body_model{index}", each[:1, :: every["body"], ::step, ::step])
    features = [resize_and_concatenate(each, each[1].shape[-2:]).flatten(2) for each in (maps, other)]
    golden.close("out_corr_max", cosines(*features).amax(dim=1))
    for index in range(3):
        golden.close(f"out_align{3 - index}", carried.matched[index][:, :: every["align"]])
        golden.close(f"out_global{index + 1}", carried.general[index].flatten(1))


@case("gray2colornet_losses")
def gray2colornet_losses(golden: Golden) -> None:
    fake = golden.tensor("in_fake").float().requires_grad_()
    made, wanted = histogram(fake), histogram(golden.tensor("in_ref").float())
    golden.close("out_hist_fake", made)
    golden.close("out_hist_ref", wanted)
    distance = chi_square_distance(made, wanted, epsilon=golden.meta["config"]["epsilon"])
    golden.close("out_chi", distance[:, None])
    golden.close("out_tv", total_variation(fake))
    (distance.mean() + 10 * total_variation(fake)).backward()
    golden.close("out_grad", fake.grad)


@case("gray2colornet_pipeline")
def gray2colornet_pipeline(golden: Golden) -> None:
    side = golden.meta["config"]["crop_size"]
    target = fit_sides(golden.arrays["in_target"])
    labs = scaled_labs(target)
    for index, lab in enumerate(labs, start=1):
        golden.close(f"out_l{index}", lab[0, :1])
        golden.close(f"out_ab{index}", lab[0, 1:])
    reference = scaled_labs(resized(golden.arrays["in_reference"], (side, side)))[2]
    golden.close("out_ref_l", reference[0, :1, ::2, ::2])
    golden.close("out_ref_ab", reference[0, 1:, ::2, ::2])
    fakes = [golden.tensor(f"in_fake{index}").float() for index in (1, 2, 3)]
    histograms = histogram(reference[:, 1:]), histogram(fakes[2])
    golden.close("out_ref_hist", histograms[0])
    golden.close("out_fake_hist", histograms[1])
    golden.close("out_score", common_share(*histograms)[0])
    size = (target.shape[0], target.shape[1])
    for index, (lab, fake) in enumerate(zip(labs, fakes, strict=True), start=1):
        made = saved(scaled_to_rgb(torch.cat([lab[:, :1], fake], dim=1)), size)
        golden.close(f"out_saved{index}", torch.from_numpy(made))
    golden.close("out_saved_mask", torch.from_numpy(saved(golden.tensor("in_conf").float(), size)))
    golden.close("out_saved_gray", torch.from_numpy(saved((labs[2][:, :1] + 1) / 2, size)))
    rgb = scaled_to_rgb(torch.cat([labs[2][:, :1], fakes[2]], dim=1))
    golden.close("out_convert_rgb", rgb.permute(0, 2, 3, 1)[:, ::2, ::2])
    golden.close("out_convert_norm", imagenet.normalized(rgb)[..., ::4, ::4])


# Training settings that the paper or the authors' code states

_SOURCE = "fact sheet gray2colornet, section 6: numbers of a re-implementation by others, marked 3P"
_NETWORK = {
    "width": 1.0, "reference_side": 128, "classes": 1000, "tau": 0.01, "pixel_weight": 1000.0,
    "variation_weight": 10.0, "class_weight": 1.0, "adversarial_weight": 0.1, "discriminator_width": 1.0,
}  # fmt: skip

RECIPES = (
    Recipe(
        config="lu2020/body.yaml",
        source=_SOURCE,
        rates={0: 2e-4, 999: 2e-4},
        discriminator_rates={0: 2e-4, 999: 2e-4},
        batch=48, epochs=10, stage="body",
        settings={**_NETWORK, "histogram_weight": 0.0},
        fixed=("model.network.histogram.", "model.network.colors.", "model.network.gate."),
    ),
    Recipe(
        config="lu2020/paper.yaml",
        source=_SOURCE,
        rates={0: 2e-4, 999: 2e-4},
        discriminator_rates={0: 2e-4, 999: 2e-4},
        batch=12, epochs=10,
        settings={**_NETWORK, "histogram_weight": 1.0},
    ),
)  # fmt: skip


KNOBS = {
    "lu2020": Knobs(
        values={"width": 0.25, "reference_side": 64, "discriminator_width": 0.25, "stage": "body"},
        exempt=("class_weight",),
    ),
}  # fmt: skip
