"""AlacGAN against the authors' code: networks, losses, hints and one step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from colorzoo.factory import build_model
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.renaming import rename_keys
from colorzoo.zoo.ci2018.model import NAMES, Illustration2Vec, StrokeNetwork, with_mask
from colorzoo.zoo.ci2018.task import Ci2018, crop_sides, fade_lines, hint_thresholds, shrink
from parity.cases import Golden, case, check_update, record_outputs

FULL = 64  # full width of the authors' code, in channels


def fill(module: nn.Module, state: Mapping[str, Tensor], prefix: str) -> Any:
    """Load published weights into a network; the generator without its local features."""
    ours = {key.removeprefix(prefix): value for key, value in rename_keys(state, NAMES).items()}
    found = module.load_state_dict(ours, strict=False)
    assert not found.unexpected_keys
    assert all(key.startswith("features.") for key in found.missing_keys)
    return module.eval()


def read_image(golden: Golden, name: str, times: int = 1) -> Tensor:
    """Return 8-bit images in [0, 1], every pixel repeated."""
    return (golden.tensor(name).float() / 255).repeat_interleave(times, 2).repeat_interleave(times, 3)


def every(maps: Tensor, channels: int, places: int) -> Tensor:
    return maps[:, ::channels, ::places, ::places]


def task_of(golden: Golden, **settings: Any) -> Ci2018:
    """Return the task with the weights of the losses and the VGG-16 of a file, if it has these."""
    task = build_model(Ci2018, settings)
    shapes = golden.meta["shapes"]
    if "vgg16" in shapes or "features.0.weight" in shapes:
        task.vgg = VGGOutputs(16, (8,))  # type: ignore[assignment]
        task.vgg.load_state_dict(golden.weights("vgg16" if "vgg16" in shapes else ""))
        task.vgg.requires_grad_(False)
    return task.train()


@case("ci2018_generator")
@torch.inference_mode()
def generator(golden: Golden) -> None:
    network = fill(StrokeNetwork(golden.meta["width"] / FULL), golden.weights(), "")
    seen = record_outputs(dict(network.named_children()))
    lines = 2 * read_image(golden, "in_sketch") - 1
    generated = network.generate(lines, golden.tensor("in_hint"), golden.tensor("in_features").float())
    golden.close("out_image", generated)
    for name in [key for key in golden.arrays if key.startswith("out_t")]:
        maps = seen[name.removeprefix("out_")]
        wide = 4 * maps.shape[-1] > lines.shape[-1]
        golden.close(name, every(maps, golden.meta["every"], 4 if wide else 1))


@case("ci2018_features")
@torch.inference_mode()
def features(golden: Golden) -> None:
    state = {f"i2v.{key}": value for key, value in golden.weights().items()}
    found = fill(Illustration2Vec(), state, "features.")(2 * read_image(golden, "in_sketch") - 1)
    golden.close("out_features", every(found, golden.meta["every"], 2))
    golden.close("out_mean", found.mean(dim=(2, 3)))


@case("ci2018_content")
def content(golden: Golden) -> None:
    task = task_of(golden, width=0.125, discriminator_width=0.125)
    fake = (2 * read_image(golden, "in_fake") - 1).requires_grad_()
    rgb = (fake + 1) / 2
    golden.close("out_features", every(task.content_maps(rgb), golden.meta["every"], 2))
    loss = task.content_loss(rgb, read_image(golden, "in_real"))
    golden.close("out_loss", loss)
    loss.backward()
    golden.close("out_grad_fake", fake.grad)


@case("ci2018_critic")
def discriminator(golden: Golden) -> None:
    """Use float64, the precision of the file's tolerances, because kinks amplify float32 rounding errors."""
    meta = golden.meta
    weights = {
        "penalty_weight": meta["gpW"],
        "drift_weight": meta["drift"],
        "adversarial_weight": meta["advW"],
    }
    task = task_of(golden, width=0.125, content_weight=0.0, **weights).double()
    network = fill(task.discriminator, golden.weights(), "discriminator.")
    keys = [
        key.removeprefix("discriminator.") for key in rename_keys(dict.fromkeys(meta["grad_keys"]), NAMES)
    ]
    chosen = [dict(network.named_parameters())[key] for key in keys]
    real, fake = (read_image(golden, f"in_{name}", 4).double() for name in ("real", "fake"))
    given = golden.tensor("in_features").double().repeat_interleave(4, 2).repeat_interleave(4, 3)
    scores: list[Tensor] = []
    network.register_forward_hook(lambda *call: scores.append(call[-1].detach()))
    generated = (2 * fake - 1).requires_grad_()
    adversarial = -task.adversarial_weight * network(generated, given).mean()
    golden.close("out_adversarial", adversarial)
    (gradient,) = torch.autograd.grad(adversarial, generated)
    golden.close("out_grad_fake", 1e6 * every(gradient, 1, 8))
    terms = task.discriminator_terms(real, fake, given, golden.tensor("in_alpha").double())
    fake_score, real_score = scores[:2]
    golden.close("out_score_fake", fake_score)
    golden.close("out_score_real", real_score)
    golden.close("out_wasserstein", real_score.mean() - terms["fake"])
    golden.close("out_drift_loss", terms["true"])
    golden.close("out_gradient_penalty", terms["penalty"])
    parts = torch.autograd.grad(terms["penalty"], chosen, retain_graph=True, allow_unused=True)
    norms = [torch.zeros(()) if part is None else part.norm().float() for part in parts]
    golden.close("out_penalty_grad_norm", torch.stack(norms))
    torch.stack(list(terms.values())).sum().backward()
    golden.close("out_grad_feed0", network.feed[0].weight.grad[:8])
    golden.close("out_grad_out", network.out.weight.grad)
    check_step(golden, chosen)


def check_step(golden: Golden, chosen: list[nn.Parameter]) -> None:
    """Compare the norms of gradients, and of the first updates by Adam."""
    check_update(
        golden, chosen, torch.optim.Adam(chosen, lr=golden.meta["lr"], betas=tuple(golden.meta["betas"]))
    )


@case("ci2018_generator_step")
def generator_step(golden: Golden) -> None:
    """Use float64, so that rounding does not change the active side of a ReLU."""
    meta = golden.meta
    task = task_of(golden, width=meta["width"] / FULL, discriminator_width=0.125).double()
    network = fill(task.model.network, golden.weights("generator"), "").train()
    given = (golden.tensor(f"in_{name}").double() for name in ("hint", "features"))
    generated = task.generate_drawn(2 * read_image(golden, "in_sketch").double() - 1, *given)
    image = 2 * generated.rgb - 1
    golden.close("out_image", every(image, 1, 2))
    loss = task.content_loss(generated.rgb, read_image(golden, "in_real").double())
    golden.close("out_content", loss)
    (loss + (image * golden.tensor("in_adversarial_gradient")).sum()).backward()
    named = dict(network.named_parameters())
    golden.close("out_grad_exit", network.exit.weight.grad)
    golden.close("out_grad_to0", network.to0[0].weight.grad)
    golden.close("out_grad_toH", network.toH[0].weight.grad[:8])
    check_step(golden, [named[key] for key in rename_keys(dict.fromkeys(meta["grad_keys"]), NAMES)])


@case("ci2018_data")
def data(golden: Golden) -> None:
    drawn = golden.tensor("in_uniform") >= golden.tensor("in_thresholds").view(-1, 1, 1, 1)
    mask = torch.cat([drawn, torch.zeros_like(drawn)]).float()
    golden.close("out_mask", mask.to(torch.uint8))
    golden.close("out_hint", with_mask(2 * read_image(golden, "in_vim") - 1, mask))
    whole = golden.tensor("in_picture").permute(2, 0, 1).float() / 255
    size = tuple(golden.arrays["out_crops"].shape[1:3])
    crops = []
    for area, aspect, turned, left, top in golden.tensor("in_draws").tolist():
        sides = crop_sides(area * whole[0].numel(), aspect, turned == 1)
        crops.append((255 * shrink(whole, (int(left), int(top), *sides), size)).round().permute(1, 2, 0))
    golden.close("out_crops", torch.stack(crops))
    sketch, factors = read_image(golden, "in_sketch"), golden.tensor("in_jitter").float()
    golden.close(
        "out_jittered", 2 * fade_lines(sketch.expand(len(factors), -1, -1, -1), factors[:, None]) - 1
    )
    normal = torch.distributions.Normal(0.0, 1.0)
    shares = torch.tensor(golden.meta["quantiles"], dtype=torch.float64)
    golden.close("out_threshold_quantiles", hint_thresholds(normal.icdf(1 - shares / 2)))
    shares = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    expected = (1 - hint_thresholds(normal.icdf(shares))).mean() * golden.arrays["in_uniform"][0].size
    golden.close("out_expected_cells", expected)
