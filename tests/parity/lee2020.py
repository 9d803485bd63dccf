"""SCFT against a re-implementation: attention, generator, discriminator, losses, spline, one iteration."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.losses.exemplar import gram_matrix
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.splines import source_positions, spline, warp
from colorzoo.prediction import RgbPrediction
from colorzoo.zoo.lee2020.model import NAMES, SCFTNetwork, SpatiallyCorrespondingTransfer
from colorzoo.zoo.lee2020.task import Lee2020, SketchDiscriminator, feature_terms
from parity.cases import Golden, case, check_update, record_outputs


def weights_of(golden: Golden, part: str = "") -> dict[str, Tensor]:
    """Return published weights; the vectors of spectral norm have unit length."""
    found = golden.weights(part)
    units = {key: F.normalize(v, dim=0) for key, v in found.items() if key.endswith(("weight_u", "weight_v"))}
    return found | units


def fill(module: nn.Module, state: Mapping[str, Tensor], prefix: str) -> Any:
    """Load published weights of a network, or of its part below a prefix of this project's names."""
    ours = {key: value for key, value in rename_keys(state, NAMES).items() if key.startswith(prefix)}
    module.load_state_dict({key.removeprefix(prefix): value for key, value in ours.items()})
    return module.eval()


def image(golden: Golden, name: str, side: int | None = None) -> Tensor:
    """Return 8-bit images in [0, 1], repeated to a side."""
    small = golden.tensor(name).float() / 255
    times = side // small.shape[-1] if side else 1
    return small.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)


def every_sixteenth(maps: Tensor) -> Tensor:
    steps = [max(1, length // 16) for length in (maps.shape[1], maps.shape[3])]
    return maps[:, :: steps[0], :: steps[1], :: steps[1]]


@case("lee2020_attention")
def attention(golden: Golden) -> None:
    state = {f"scft.{key}": value for key, value in weights_of(golden).items()}
    module = fill(SpatiallyCorrespondingTransfer(golden.meta["channels"]), state, "transfer.")
    sketch, reference = (golden.tensor(f"in_{name}").requires_grad_() for name in ("sketch", "reference"))
    found = module(sketch, reference)
    golden.close("out_features", found.features)
    golden.close("out_attention", found.weights)
    found.features.backward(golden.tensor("in_gradient"))
    gradients = {"sketch": sketch.grad, "reference": reference.grad, "w_v": module.w_v.weight.grad}
    for name, gradient in gradients.items():
        assert gradient is not None
        golden.close(f"out_grad_{name}", gradient)


@case("lee2020_generator")
@torch.inference_mode()
def generator(golden: Golden) -> None:
    network = fill(SCFTNetwork(), weights_of(golden), "")
    modules = {
        **{f"encoder_sketch_layer{n}": network.encoder_sketch.layers[n - 1] for n in range(1, 11)},
        **{f"encoder_reference_layer{n}": network.encoder_reference.layers[n - 1] for n in range(1, 11)},
        **{f"decoder_layer{n}": network.decoder.layers[10 - n] for n in range(1, 11)},
    }
    seen = record_outputs(modules)
    network.transfer.register_forward_hook(
        lambda _, given, out: seen.update(features=torch.stack(given), scft=out.features)
    )
    network.refine.register_forward_hook(
        lambda _, given, out: seen.update(res_model=out + given[0])  # with the outer sum
    )
    generated = network(image(golden, "in_sketch", 256), image(golden, "in_reference", 256)).image
    whole = dict(zip(("out_features_sketch", "out_features_reference"), seen.pop("features"), strict=True))
    found = {f"out_{name}": every_sixteenth(maps) for name, maps in seen.items()}
    found |= {name: maps[:, :: maps.shape[1] // 32, ::2, ::2] for name, maps in whole.items()}
    found |= {"out_image": generated[..., ::2, ::2], "out_image_mean": generated.mean(dim=(2, 3))}
    for name in [key for key in golden.arrays if key.startswith("out_")]:
        golden.close(name, found[name])


@case("lee2020_discriminator")
@torch.no_grad()
def discriminator(golden: Golden) -> None:
    x = 2 * image(golden, "in_x") - 1
    network = fill(SketchDiscriminator(), weights_of(golden), "discriminator.")
    golden.close("out_eval", network(x))
    golden.close("out_u_after_eval", network.layers[1][0].weight_u)
    network = fill(SketchDiscriminator(), weights_of(golden), "discriminator.").train()
    golden.close("out_train", network(x))
    golden.close("out_running_mean", network.layers[2][1].running_mean)
    golden.close("out_running_var", network.layers[2][1].running_var)


def joined(vgg: nn.Module, images: Tensor) -> list[Tensor]:
    """Join the images of a batch, because the authors' code computes one Gram matrix of the batch."""
    return [maps.flatten(0, 1)[None] for maps in vgg(images)]


def vgg_of(state: Mapping[str, Tensor]) -> VGGOutputs:
    vgg = VGGOutputs(19, (3, 8))
    vgg.load_state_dict(state)
    return vgg.requires_grad_(False)


@case("lee2020_losses")
def losses(golden: Golden) -> None:
    vgg = vgg_of(weights_of(golden))
    real, fake = (2 * image(golden, f"in_{name}") - 1 for name in ("real", "fake"))
    fake.requires_grad_()
    terms = feature_terms(joined(vgg, fake), joined(vgg, real))
    terms["reconstruction"] = (fake - real).abs().mean()
    for name, term in terms.items():
        golden.close(f"out_{name}", term)
    total = sum(golden.meta["weights"][name] * term for name, term in terms.items())
    golden.close("out_total", total)
    total.backward()
    golden.close("out_grad_fake", fake.grad)
    alone = gram_matrix(vgg(real)[0])
    torch.testing.assert_close(alone[:1], gram_matrix(joined(vgg, real[:1])[0]))


@case("lee2020_tps")
def tps(golden: Golden) -> None:
    for index, draws in enumerate(golden.tensor("in_draws")):
        moves = draws[None]
        levels = golden.tensor(f"in_picture_{index}").permute(2, 0, 1)[None].float()
        theta = spline(moves)
        golden.close(f"out_theta_{index}", theta[0, 1:])  # the authors' code omits the first weight
        golden.close_sampled(
            f"out_grid_{index}", source_positions(theta, moves, tuple(levels.shape[-2:]))[0].float()
        )
        warped = warp(levels, theta, moves).clamp(0, 255).round()
        golden.close(f"out_warped_{index}", warped[0].permute(1, 2, 0))


@case("lee2020_step")
def step(golden: Golden) -> None:
    """Compare the steps of discriminator and generator; the authors' code omits the triplet loss."""
    meta = golden.meta
    weights = {f"{name}_weight": value for name, value in meta["weights"].items()}
    task = Lee2020(**weights, triplet_weight=0.0)
    networks = {"generator": task.model, "discriminator": task.discriminator}
    fill(task.model.network, weights_of(golden, "generator"), "")
    fill(task.discriminator, weights_of(golden, "discriminator"), "discriminator.")
    vgg = vgg_of(weights_of(golden, "vgg19"))
    task.vgg = lambda images: joined(vgg, images)  # type: ignore[assignment]
    task.train()
    side = 2 * golden.arrays["in_sketch"].shape[-1]
    sketch, reference, target = (
        image(golden, f"in_{name}", side) for name in ("sketch", "reference", "target")
    )
    batch: Any = {"rgb": target, "sketch": sketch}

    def generate() -> RgbPrediction:
        generated = task.model.network(sketch, reference).image
        return RgbPrediction(rgb=(generated + 1) / 2, extras={"target": target})

    adam = {
        name: torch.optim.Adam(networks[name].parameters(), lr=lr, betas=tuple(meta["betas"]))
        for name, lr in zip(networks, meta["lr"], strict=True)
    }
    with torch.no_grad():
        first = generate()
    real, fake = task.discriminator_terms(batch, first)
    golden.close("out_d_real", real)
    golden.close("out_d_fake", fake)
    (real + fake).backward()
    golden.close("out_d_grad_last", task.discriminator.layers[-1].weight.grad)
    check_step(golden, "d", task.discriminator, adam["discriminator"])
    # nothing follows the generator's step: only the compared parameters need to take it
    needed = {id(parameter) for parameter in compared(golden, "g", task.model.network)}
    for parameter in task.model.parameters():
        parameter.requires_grad_(id(parameter) in needed)
    task.discriminator.requires_grad_(False)
    terms = task.generator_terms(batch, generate())
    weighted = {name: task.hparams[f"{name}_weight"] * term for name, term in terms.items()}
    theirs = {"adversarial": "fake"}
    for name, term in weighted.items():
        golden.close(f"out_g_{theirs.get(name, name)}", term)
    torch.stack(list(weighted.values())).sum().backward()
    golden.close("out_grad_last_conv", task.model.network.decoder.last.weight.grad)
    check_step(golden, "g", task.model.network, adam["generator"])
    golden.close("out_running_mean", task.model.network.decoder.layers[0][1].running_mean)


def compared(golden: Golden, part: str, module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters whose updates the file contains."""
    prefix = "discriminator." if part == "d" else ""
    named = {prefix + name: parameter for name, parameter in module.named_parameters()}
    keys = rename_keys({key: torch.zeros(()) for key in golden.meta[f"{part}_keys"]}, NAMES)
    return [named[key] for key in keys]


def check_step(golden: Golden, part: str, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Compare the norms of gradients and of the first updates, and take that step."""
    check_update(golden, compared(golden, part, module), optimizer, f"{part}_")
    optimizer.zero_grad()
