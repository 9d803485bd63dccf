"""Codes, networks of both kinds of levels, loss, a step and the script of Xiao et al. 2020."""

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import prior_probabilities, rebalancing_weights
from colorzoo.factory import build_model
from colorzoo.networks.renaming import rename_keys
from colorzoo.zoo.xiao2020.model import (
    NAMES,
    QUARTER,
    LevelNetwork,
    color_codes,
    color_histogram,
    convert_published,
)
from colorzoo.zoo.xiao2020.task import Xiao2020
from parity.cases import Golden, case, check_update
from parity.pipelines.xiao2020 import colorize, enlarged, level_input, levels_of


def renamed(key: str) -> str:
    return next(iter(rename_keys({key: torch.zeros(0)}, NAMES)))


def published(golden: Golden, prefix: str) -> dict[str, Tensor]:
    return convert_published({f"{prefix}.{key}": value for key, value in golden.weights().items()})


@case("xiao2020_encoding")
def xiao2020_encoding(golden: Golden) -> None:
    ab = golden.tensor("in_ab").float()
    golden.close("out_pooled", F.avg_pool2d(ab, QUARTER))
    golden.close("out_histogram", color_histogram(ab))
    shown = golden.tensor("out_codes_sum_first")
    golden.close("out_codes_sum_first", color_codes(ab[:, :, :2, :2]).sum(1)[: len(shown)])
    true = ab[:, :, ::QUARTER, ::QUARTER]
    codes = color_codes(true)
    golden.close("out_target", codes[0, :, :4, :4])
    golden.close("out_target_argmax", codes.argmax(dim=1))
    golden.close("out_boost", build_model(Xiao2020, {"width": 0.0625}).weights_of(true, codes)[:, None])
    golden.close("out_prior_factor", rebalancing_weights(prior_probabilities().double()))


@case("xiao2020_loss")
def xiao2020_loss(golden: Golden) -> None:
    task = build_model(Xiao2020, {"width": 0.0625})
    ab, logits = golden.tensor("in_ab").float(), golden.tensor("in_logits").float().requires_grad_()
    loss = task.loss(logits, ab)
    golden.close("out_loss", loss)
    true = ab[:, :, ::QUARTER, ::QUARTER]
    golden.close("out_mask", (true.abs() > 5).flatten(1).any(dim=1).view(-1, 1, 1, 1))
    golden.close("out_weight", task.weights_of(true, color_codes(true))[:, None])
    (gradient,) = torch.autograd.grad(loss, logits)
    golden.close("out_grad", gradient[:, ::8])
    golden.close("out_grad_norm", gradient.norm())


@case("xiao2020_network")
@torch.inference_mode()
def xiao2020_network(golden: Golden) -> None:
    meta, lightness = golden.meta, golden.tensor("in_img_l").float()
    later = "in_small_ab" in golden.arrays
    network = LevelNetwork(coarse=later).eval()
    prefix = "network.later." if later else "network.first."
    weights = {k.removeprefix(prefix): v for k, v in published(golden, "sub" if later else "init").items()}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all("num_batches" in key for key in missing)
    seen: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    for name in (key.removeprefix("out_") for key in golden.arrays):
        module = modules.get(renamed(f"{name}.weight").removesuffix(".weight"))
        if module is not None:
            module.register_forward_hook(lambda *call, name=name: seen.update({name: call[-1]}))
    network.block5[2].register_forward_hook(lambda *call: seen.update(Rconv5_1=call[-1]))
    network.block6[2].register_forward_hook(lambda *call: seen.update(Rconv6_1=call[-1]))
    network.block7[2].register_forward_hook(lambda *call: seen.update(Rconv7_1=call[-1]))
    network.block5.register_forward_pre_hook(lambda _, given: seen.update(conv4_3norm_pseg=given[0]))
    network.block6.register_forward_pre_hook(lambda _, given: seen.update(small_shortcut=given[0]))
    reference = color_histogram(golden.tensor("in_ref_ab").float())
    seen["refer_glob_ab_313_drop"] = F.pad(reference, (0, 1), value=1.0)[:, :, None, None]
    coarse = golden.tensor("in_small_ab").float() if later else None
    logits = network(lightness, reference, coarse)
    every, quarter = meta["every"], logits.shape[-1]
    for name in (key for key in golden.arrays if key.startswith("out_")):
        short = name.removeprefix("out_")
        if short in ("logits", "probabilities", "ab"):
            continue
        found = seen[short]
        found = found.relu() if "conv" in short and "norm" not in short and "Rconv" not in short else found
        step = 1 if found.shape[-1] < quarter else 2 if found.shape[-1] == quarter else 4
        channels = 1 if short == "refer_glob_ab_313_drop" else every
        golden.close(name, found[:, ::channels, ::step, ::step])
    golden.close("out_logits", logits[:, ::every, ::2, ::2])
    golden.close("out_probabilities", (logits / 2).softmax(dim=1)[:, ::every, ::2, ::2])
    golden.close("out_ab", network.colors(logits))


@case("xiao2020_step")
def xiao2020_step(golden: Golden) -> None:
    meta = golden.meta
    later = "in_small_ab" in golden.arrays
    stage, prefix = ("later", "sub") if later else ("first", "init")
    task = build_model(Xiao2020, {"width": 1 / meta["divide"], "stage": stage}).train()
    _, unexpected = task.model.load_state_dict(published(golden, prefix), strict=False)
    assert not unexpected
    # float64, because a ReLU whose input changes its sign changes gradients by 1 %
    network = getattr(task.model.network, stage).double()
    lightness, ab = golden.tensor("in_img_l").double(), golden.tensor("in_ab").float()
    coarse = (golden.tensor("in_small_ab").float(),) if later else ()
    logits = network(lightness, color_histogram(ab).double(), *coarse)
    golden.close("out_logits", logits[:, ::16, ::2, ::2])
    loss = task.loss(logits, ab)
    golden.close("out_loss", loss)
    loss.backward()
    own = dict(network.named_parameters())
    keys = [renamed(key) for key in meta["grad_keys"]]
    golden.close("out_grad_313_bias", network.class_head.bias.grad)
    golden.close("out_grad_first", network.block1[0].weight.grad)
    for name, norm in (("refer", network.reference.norms[3]), ("conv5", network.block5[7])):
        golden.close(f"out_{name}_mean", norm.running_mean)
        golden.close(f"out_{name}_var", norm.running_var)
    options = {key: meta[key] for key in ("lr", "betas", "weight_decay")}
    epsilon = meta["eps"] / (1 - meta["betas"][1]) ** 0.5  # Caffe adds it before it corrects the moments
    optimizer = torch.optim.Adam(task.optimized_parameters(), eps=epsilon, **options)
    check_update(golden, [own[key] for key in keys], optimizer)


@case("xiao2020_pipeline")
def xiao2020_pipeline(golden: Golden) -> None:
    for index, levels in enumerate(golden.meta["levels"]):
        gray, reference = golden.tensor(f"in_gray_{index}"), golden.tensor(f"in_reference_{index}")
        height, width = gray.shape[:2]
        assert levels_of(height, width) == levels
        answers = {side: golden.tensor(f"in_answer_{index}_{side}").float()[None] for side in levels}
        step = 3 if height * width >= 8000 else 1
        for side in levels:
            for name, image, channels in (("l", gray, slice(0, 1)), ("ref_ab", reference, slice(1, 3))):
                found = level_input(image.permute(2, 0, 1)[None].float() / 255, side)[0, channels]
                every = side // 32
                golden.close(f"out_level_{name}_{index}_{side}", found[:, ::every, ::every].squeeze(0))
        ab = enlarged(answers[levels[-1]], height, width)[0].permute(1, 2, 0)
        golden.close(f"out_ab_{index}", ab[::step, ::step])
        image = colorize(lambda side, *_, a=answers: a[side], gray, reference)
        golden.close(f"out_picture_{index}", image[::step, ::step])
