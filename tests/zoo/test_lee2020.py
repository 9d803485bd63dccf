"""Lee et al. 2020: training references, correspondences, losses, and the order of updates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.losses.exemplar import gram_matrix, triplet_loss
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.splines import source_positions, spline, warp
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import image_generators
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.zoo.lee2020.model import NAMES, SCFTNetwork, SpatiallyCorrespondingTransfer
from colorzoo.zoo.lee2020.task import Lee2020, SketchDiscriminator, feature_terms, make_reference
from knobs.knob import Knobs
from parity.cases import Golden, case, check_update, record_outputs
from steps.step import small, training_batch
from training_recipes.recipe import Recipe

CELLS = 8


def coordinates(side: int) -> Tensor:
    """Return an image whose red is x and green y, blue 1 inside."""
    line = torch.linspace(0, 1, side)
    return torch.stack([line.expand(side, -1), line[:, None].expand(-1, side), torch.ones(side, side)])[None]


def test_make_reference_correspondences_follow_the_warp() -> None:
    seeds = torch.arange(6)
    made = make_reference(coordinates(16 * CELLS).expand(6, -1, -1, -1), seeds, 0.0)
    small = made.reference.unflatten(2, (CELLS, 16)).unflatten(4, (CELLS, 16))[..., 8, :, 8].flatten(2)
    found, inside = small.gather(2, made.positive[:, None].expand(-1, 3, -1)).split([2, 1], dim=1)
    rows, columns = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    wanted = (torch.stack([columns, rows]).flatten(1) + 0.5) / CELLS
    off = (found - wanted).abs().amax(dim=1) * CELLS
    seen = (made.present > 0) & (inside[:, 0] > 0.99)  # the center of a place may lie outside
    assert off[seen].max() < 1.1  # places
    assert off[seen].mean() < 0.5
    assert seen.float().mean() > 0.9
    apart = (made.positive != torch.arange(CELLS**2)).float().mean()
    assert apart > 0.2  # the warp moves places
    assert 0.9 < made.present.mean() < 1


def test_make_reference_depends_only_on_the_image_and_its_seed() -> None:
    batch = sample_batch((48, 64), batch=3)
    made, alone = (
        make_reference(batch["rgb"][part], batch["seed"][part], 0.2) for part in (slice(None), slice(1, 2))
    )
    for together, single in zip(made, alone, strict=True):
        torch.testing.assert_close(together[1:2], single, rtol=0, atol=1e-6)
    draws = torch.stack([torch.rand(47, generator=g) for g in image_generators(batch["seed"], "reference")])
    others = (11 * draws[:, 35:]).long()
    assert torch.equal(made.negative, (made.positive + 1 + others) % 12)  # any other of the 12 places
    shift = (made.target - batch["rgb"])[:, :, (batch["rgb"] - 0.5).abs().amax(dim=(0, 1)) < 0.25]
    assert shift.std(dim=2).max() < 1e-6
    torch.testing.assert_close(shift.mean(dim=2), 0.2 * (2 * draws[:, :3] - 1), rtol=0, atol=1e-5)
    bare = make_reference(batch["rgb"], batch["seed"], 0.0)
    assert torch.equal(bare.target, batch["rgb"])


def test_triplet_loss_ignores_places_without_correspondence() -> None:
    query = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    changed = query.clone()
    changed[:, 2:] = 100.0
    losses = [triplet_loss(each, query, -query, present, margin=1.0) for each in (query, changed)]
    assert losses[0] == losses[1]
    products = (query * query).sum(dim=2) / 2
    one = torch.tensor([[0.0, 0, 1, 0, 0], [1, 1, 0, 1, 0]])  # a mean over places, then over both
    costs = 2 * products + 0.5
    wanted = (costs[0, 2] + (costs[1, 0] + costs[1, 1] + costs[1, 3]) / 3) / 2
    torch.testing.assert_close(triplet_loss(query, -query, query, one, margin=0.5), wanted)
    assert triplet_loss(query, -query, query, torch.ones(2, 5), margin=1.0) > 1


SIDE, MARGIN = 96, 0.3
WEIGHTS = {"reconstruction": 3.0, "perceptual": 0.7, "style": 5.0, "adversarial": 0.5, "triplet": 2.0}


def task() -> Any:
    settings = {f"{name}_weight": weight for name, weight in WEIGHTS.items()}
    found: Any = small("lee2020", margin=MARGIN, **settings)
    found.allow_untrained = True
    found.setup("fit")
    return found


def test_lee2020_vgg_inputs_are_in_minus_one_to_one() -> None:
    model, (batch, *_) = task(), training_batch(32, 2)
    seen: list[Tensor] = []
    model.vgg.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    generated = model.generate(batch)
    model.generator_loss(batch, generated)
    for found, image in zip(seen, (generated.extras["target"], generated.rgb), strict=True):
        torch.testing.assert_close(found, 2 * image - 1)


def test_lee2020_updates_the_discriminator_before_the_generator(tmp_path: Path) -> None:
    model = task()
    calls: list[str] = []
    for name in ("generator_loss", "discriminator_loss"):
        original = getattr(model, name)

        def spy(*given: Any, name: str = name, original: Any = original) -> Tensor:
            calls.append(name)
            changed = (model.discriminator.layers[-1].weight != before).any()
            assert bool(changed) == (name == "generator_loss")
            return original(*given)

        setattr(model, name, spy)
    before = model.discriminator.layers[-1].weight.detach().clone()
    with silent_lightning():
        quiet_trainer(tmp_path, max_epochs=1).fit(model, batch_loader([training_batch(32, 2)[0]]))
    assert calls == ["discriminator_loss", "generator_loss"]
    norm = model.model.network.decoder.layers[0][1]
    assert norm.num_batches_tracked == 2  # both updates generate images


# Golden files: SCFT against a re-implementation: attention, generator, discriminator, losses, spline, one
# iteration.


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


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="lee2020/paper.yaml",
        source="fact sheet, sections 3 and 4: config.yml of kunkun0w0/SGA; others have the triplet loss",
        rates={0: 1e-4, 3_999: 1e-4},
        discriminator_rates={0: 2e-4, 3_999: 2e-4},
        betas=(0.5, 0.999), batch=16, epochs=40,
        settings={
            "adversarial_weight": 1.0, "reconstruction_weight": 30.0, "perceptual_weight": 0.01,
            "style_weight": 50.0, "triplet_weight": 1.0, "margin": 12.0, "width": 1.0,
            "discriminator_width": 1.0,
        },
    ),
)  # fmt: skip


KNOBS = {
    "lee2020": Knobs(
        values={"width": 0.25, "discriminator_width": 0.25},
        exempt=("perceptual_weight", "style_weight"),
        steps=4,
    ),
}  # fmt: skip
