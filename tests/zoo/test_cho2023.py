"""Cho et al. 2023: losses, smoothness, region proposals, guidance, recolored hints, and the points model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Points, Regions
from colorzoo.guidance.color_statistics import region_means
from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss, weighted_sum
from colorzoo.metrics.psnr import psnr
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.unet import UNet
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import simulate_points
from colorzoo.testing import sample_batch, sample_input
from colorzoo.training.schedules import HoldThenLinear
from colorzoo.zoo.cho2023.model import (
    NAMES,
    SEGMENTS,
    GuidingPainterNetwork,
    cut_segments,
    draw_counts,
    draw_segments,
    fill_hints,
    first_given,
    look_up_hints,
    mean_colors,
    one_hot,
)
from colorzoo.zoo.cho2023.task import Cho2023, Cho2023Painter, recolor_hinted, smoothness, total_variance
from knobs.knob import Knobs
from parity.cases import Golden, case, load_part
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

NARROW = {"width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125}
SIZE = (40, 48)


@pytest.fixture(scope="module")
def model() -> Cho2023:
    torch.manual_seed(0)
    found = build_model(Cho2023, NARROW)
    found.model.network.segmenter.head.weight.data.mul_(50)  # so that there are several regions
    return found.eval()


@pytest.fixture
def sketch() -> Tensor:
    return sample_input("sketch", SIZE, batch=2)


def test_propose_is_deterministic(model: Cho2023, sketch: Tensor) -> None:
    with torch.no_grad():
        first, again = model.model.propose(sketch), model.model.propose(sketch)
        low = torch.autocast("cpu", torch.bfloat16)
        with low:
            mixed = model.model.propose(sketch)
    assert len(first.index.unique()) > 2
    assert not first.given.any()
    assert torch.equal(first.index, again.index)
    assert torch.equal(first.index, mixed.index)  # rounding moves no pixel between regions


def test_cho2023_ignores_colors_of_regions_that_are_not_given(model: Cho2023, sketch: Tensor) -> None:
    with torch.no_grad():
        proposal = model.model.propose(sketch)
        other = Regions(proposal.index, torch.rand_like(proposal.rgb), proposal.given)
        assert torch.equal(model(sketch, Guidance(regions=other)).rgb, model(sketch).rgb)


def test_cut_segments_splits_at_lines_and_orders_by_size_and_needs() -> None:
    sketch = torch.ones(1, 1, 40, 60)
    sketch[..., 20] = 0  # a line divides the background
    sketch[..., 10:30, 30] = sketch[..., 10:30, 50] = sketch[..., 10, 30:51] = sketch[..., 29, 30:51] = 0
    segments = torch.zeros(1, 1, 40, 60, dtype=torch.long)
    segments[..., 10:30, 30:51] = 1  # the segment of the box
    segments[..., 0, 0] = 2  # a speck that is too small for an index
    index = cut_segments(segments, sketch, 30)
    right, left, box, ink = index[0, 0, 5, 59], index[0, 0, 5, 5], index[0, 0, 20, 40], index[0, 0, 5, 20]
    assert [int(right), int(left), int(box), int(ink)] == [0, 1, 2, 3]
    assert index.unique().tolist() == [0, 1, 2, 3]
    assert index[0, 0, 0, 0] == left
    needs = [0.1, 1.0, *[0.1] * 28, 0.0]  # the box, a fifth of the background, has the largest need
    assert int(cut_segments(segments, sketch, 30, needs)[0, 0, 20, 40]) == 0
    assert cut_segments(segments, sketch, 2).unique().tolist() == [0, 1]
    for most in (2, 3, 30):  # ink has the last index, even with the largest need
        asked = cut_segments(segments, sketch, most, (*needs[:-1], 1e6))
        assert int(asked[0, 0, 5, 20]) == int(asked.max()), most
    blank = cut_segments(torch.zeros_like(segments), torch.ones_like(sketch), 30)
    assert blank.unique().tolist() == [0]
    black = cut_segments(torch.zeros_like(segments), torch.zeros_like(sketch), 30)
    assert black.unique().tolist() == [0]


def test_segmenter_side_downsamples_sketches_with_max_pooling_of_ink(model: Cho2023) -> None:
    network, sketch = model.model.network, sample_input("sketch", (32, 44), batch=2)
    limited = build_model(Cho2023, {**NARROW, "segmenter_side": 16}).eval().model.network
    limited.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network.divide(sketch), network.segmenter(2 * sketch - 1))
        small = 1 - F.max_pool2d(1 - sketch, 2)
        wanted = F.interpolate(network.segmenter(2 * small - 1), (32, 44), mode="bilinear")
        torch.testing.assert_close(limited.divide(sketch), wanted)
        inside = sketch[..., :16, :20]  # no larger than the limit
        torch.testing.assert_close(limited.divide(inside), network.divide(inside))


def test_cho2023_validation_gives_true_colors_of_the_first_regions(model: Cho2023, sketch: Tensor) -> None:
    batch: Batch = {**sample_batch(SIZE, batch=2), "sketch": sketch}
    with torch.no_grad():
        found = dict(model.validation_guidances(batch, sketch))
    assert tuple(found) == model.validation_settings() == ("0", "1", "3", "10", "30")
    for count, guidance in found.items():
        regions = guidance.regions
        colors, _ = region_means(regions.index, batch["rgb"], 30)
        assert torch.equal(regions.rgb, colors)
        assert torch.equal(regions.given, (torch.arange(30) < int(count)).float().expand(2, -1))


def test_cho2023_points_draws_color_points_and_trains_with_l1_loss() -> None:
    for residual in [False, True]:
        torch.manual_seed(0)
        task: Any = create_model("cho2023_points_small", weights=None, hint_residual=residual).eval()
        task.log_dict = lambda *_, **__: None
        batch = {**sample_batch(SIZE, batch=2), "sketch": sample_input("sketch", SIZE, batch=2)}
        rgb, sketch = batch["rgb"], batch["sketch"]
        points = simulate_points(rgb_to_lab(rgb), image_generators(batch["seed"], "points"))
        with torch.no_grad():
            for given in (
                points,
                Points.none(sketch),
                replace(points, lightness=torch.full_like(sketch, 30.0)),
            ):
                light = torch.full_like(sketch, 60.0) if given.lightness is None else given.lightness
                color = (2 * lab_to_rgb(torch.cat([light, given.ab], dim=1)) - 1) * given.mask
                x = torch.cat([2 * sketch - 1, color, given.mask], dim=1)
                generated = UNet.forward(task.model.network, x)
                generated = generated + torch.atanh(0.95 * color) if residual else generated
                wanted = (generated.tanh() + 1) / 2
                torch.testing.assert_close(task(sketch, Guidance(points=given)).rgb, wanted)
            assert torch.equal(task(sketch).rgb, task(sketch, Guidance(points=Points.none(sketch))).rgb)
            loss = task.training_step(batch, 0)
            distance = (task(sketch, Guidance(points=points)).rgb - rgb).abs().mean()
        torch.testing.assert_close(loss, 60 * distance)


SEEDS = torch.arange(4)


def flat_and_shaded() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images near mid-gray, their regions (columns of 4 pixels), and the hinted regions 0 and 2."""
    rgb = 0.5 + 0.01 * torch.rand(4, 3, 8, 16, generator=torch.Generator().manual_seed(0))
    index = (torch.arange(16) // 4).expand(4, 1, 8, 16).contiguous()
    given = torch.zeros(4, 30)
    given[:, [0, 2]] = 1
    return rgb, index, given


def test_recolor_hinted_shifts_only_hinted_regions_and_keeps_shading() -> None:
    rgb, index, given = flat_and_shaded()
    moved = recolor_hinted(rgb, index, given, SEEDS, 1.0)
    answered = torch.isin(index, torch.tensor([0, 2])).expand_as(rgb)
    assert torch.equal(moved[~answered], rgb[~answered])
    before, _ = region_means(index, rgb, 30)
    after, _ = region_means(index, moved, 30)
    assert (after - before)[:, [0, 2]].abs().mean() > 0.1
    assert len({tuple(color.tolist()) for color in after[:, [0, 2]].reshape(-1, 3)}) == 8
    inside = (moved > 0) & (moved < 1) & answered  # nothing was clamped
    shifts = torch.gather((after - before).transpose(1, 2), 2, index.flatten(2).expand(-1, 3, -1))
    assert torch.allclose((moved - rgb)[inside], shifts.view_as(rgb)[inside], atol=0.02)
    assert torch.equal(moved, recolor_hinted(rgb, index, given, SEEDS, 1.0))


def test_recolor_hinted_changes_a_fraction_of_the_images() -> None:
    rgb, index, given = flat_and_shaded()
    assert torch.equal(recolor_hinted(rgb, index, given, SEEDS, 0.0), rgb)
    half = recolor_hinted(rgb, index, given, SEEDS, 0.5)
    changed = (half != rgb).flatten(1).any(1)
    assert 0 < int(changed.sum()) < 4
    assert torch.equal(half[changed], recolor_hinted(rgb, index, given, SEEDS, 1.0)[changed])


def test_cho2023_generator_loss_compares_with_the_recolored_image() -> None:
    torch.manual_seed(0)
    settings = {**NARROW, "adversarial_weight": 0.0, "stop_probability": 0.01}
    model = build_model(Cho2023Painter, {**settings, "recolored": 1.0})
    model.log_dict = lambda *_, **__: None
    batch = {**sample_batch((32, 32)), "sketch": sample_input("sketch", (32, 32), batch=2)}
    generated = model.generate(batch)
    truth = generated.extras["truth"]
    assert (truth - batch["rgb"]).abs().mean() > 0.05
    expected = 30 * 2 * (generated.rgb - truth).abs().mean()
    loss = model.generator_loss(batch, generated)
    assert torch.allclose(loss, expected, rtol=1e-4)
    model.setup("fit")
    trained = {name for name, parameter in model.model.network.named_parameters() if parameter.requires_grad}
    assert {name.partition(".")[0] for name in trained} == {"colorizer"}


def plain_terms(
    model: Any, sketch: Tensor, rgb: Tensor, noise: Tensor, counts: Tensor, tau: float
) -> dict[str, Tensor]:
    truth, ink = 2 * rgb - 1, 2 * sketch - 1
    logits = model.model.network.divide(sketch)
    noisy = logits + noise
    soft = (noisy / tau).softmax(dim=1)
    hard = torch.nn.functional.one_hot(noisy.argmax(dim=1), 30).permute(0, 3, 1, 2)
    segments = hard - soft.detach() + soft  # straight-through
    given = (torch.arange(30)[None] < counts[:, None]).float()
    area = segments.sum(dim=(2, 3))
    means = torch.einsum("bnhw,bchw->bnc", segments, truth) / (1e-20 + area)[..., None]
    color = torch.einsum("bn,bnc,bnhw->bchw", given, means, segments)
    mask = torch.einsum("bn,bnhw->bhw", given, segments)[:, None]
    generated = torch.tanh(model.model.network.colorizer(torch.cat([ink, color, mask, segments], dim=1)))
    filled = torch.einsum("bnc,bnhw->bchw", means, segments)
    steps = (
        logits[..., :-1, :] - logits[..., 1:, :],
        logits[..., :-1] - logits[..., 1:],
        logits[..., :-1, :-1] - logits[..., 1:, 1:],
        logits[..., 1:, :-1] - logits[..., :-1, 1:],
    )
    scores = model.discriminator(torch.cat([ink, generated], dim=1))
    return {
        "reconstruction": (generated - truth).abs().mean(),
        "variance": (filled - truth).square().mean(),
        "smoothness": sum(step.abs().mean() for step in steps) / 4,
        "adversarial": (scores - 1).square().mean(),
        "generated": generated,
    }


@pytest.mark.parametrize("stop", [1 / 8, 0.999])
def test_cho2023_generator_and_discriminator_losses_equal_the_formulas(stop: float) -> None:
    model: Any = small("cho2023", stop_probability=stop)
    model.model.network.segmenter.head.weight.data.mul_(50)
    batch, _, _ = training_batch(32, 2)
    sketch = sketches_of(batch)
    rgb = batch["rgb"] = (batch["rgb"] > 0.5).float()  # no generated color is at the kink of L1
    noise, counts = model.draws_of(batch, "first")
    generated = model.generate_drawn(sketch, rgb, noise, counts, 0.5)
    batch["sketch"] = sketch
    found = model.generator_loss(batch, generated)
    terms = plain_terms(model, sketch, rgb, noise, counts, 0.5)
    image = terms.pop("generated")
    torch.testing.assert_close(2 * generated.rgb - 1, image, rtol=0, atol=1e-4)
    weights = {"reconstruction": 30.0, "variance": 5.0, "smoothness": 1.0, "adversarial": 0.2}
    wanted = sum(weights[name] * term for name, term in terms.items())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    # with AVX-512 a bias before a normalization differs by 1.1e-3
    same(
        gradients(found, model.model.network),
        gradients(wanted, model.model.network),
        rtol=2e-3,
        rounding=3e-3,
    )

    discriminator = model.discriminator_loss(batch, generated.detach())
    judge, ink = model.discriminator, 2 * sketch - 1
    fake = judge(torch.cat([ink, image.detach()], dim=1))
    real = judge(torch.cat([ink, 2 * rgb - 1], dim=1))
    plain = 0.2 * 0.5 * (fake.square().mean() + (real - 1).square().mean())
    torch.testing.assert_close(discriminator, plain, rtol=1e-4, atol=0)
    same(gradients(discriminator, judge), gradients(plain, judge), rtol=1e-3)


# Golden files: GuidingPainter against the authors' code: networks, discriminator, hints, losses, a training
# step.


def filled(golden: Golden, part: str) -> GuidingPainterNetwork:
    """Return the networks with one of them filled by the published names, strictly."""
    network = GuidingPainterNetwork(
        **{
            name: 0.125 for name, of in NARROW_WIDTHS.items() if of != part
        }  # the other network is not compared
    )
    load_part(getattr(network, part), golden.weights(), NAMES, f"{part}.")
    return network.eval()


NARROW_WIDTHS = {"width": "colorizer", "segmenter_width": "segmenter"}


@case("guidingpainter_f")
@torch.inference_mode()
def segmenter(golden: Golden) -> None:
    logits = filled(golden, "segmenter").divide((golden.tensor("in_sketch") + 1) / 2)
    golden.close("out_logits", logits)
    best = logits.topk(2, dim=1).values
    sure = best[:, 0] - best[:, 1] > 1e-3
    assert torch.equal(logits.argmax(1)[sure], golden.tensor("out_seg_index").long()[sure])
    assert sure.float().mean() > 0.5


@case("guidingpainter_g")
@torch.inference_mode()
def colorizer(golden: Golden) -> None:
    segments = one_hot(golden.tensor("in_seg_index").long()[:, None], SEGMENTS)
    color, mask = golden.tensor("in_color"), golden.tensor("in_mask")
    sketch = (golden.tensor("in_sketch") + 1) / 2
    generated = filled(golden, "colorizer").generate(sketch, color, mask, segments)
    golden.close("out_color", generated)


@case("guidingpainter_d")
@torch.no_grad()
def discriminator(golden: Golden) -> None:
    network = load_part(PatchDiscriminator(4), golden.weights(), NAMES, "discriminator.")
    scores = network(golden.tensor("in_sketch_color"))
    golden.close("out_eval", scores)
    golden.close("out_lsgan_real", least_squares_loss(scores))
    golden.close("out_lsgan_fake", scores.square().mean())
    golden.close("out_train", network.train()(golden.tensor("in_sketch_color")))
    norm = network.layers[3]
    for name in ("running_mean", "running_var"):
        golden.close(f"out_{name}_model3", getattr(norm, name))


@case("guidingpainter_hints")
def hints(golden: Golden) -> None:
    index, real = golden.tensor("in_seg_index").long()[:, None], golden.tensor("in_real")
    segments = one_hot(index, SEGMENTS)
    colors = mean_colors(segments, real)
    golden.close("out_mean_color", colors)
    assert torch.equal(segments.sum(dim=(2, 3)).int(), golden.tensor("out_area"))
    counts = [torch.full((len(real),), int(count)) for count in golden.tensor("in_n")]
    for position, count in enumerate([*counts, golden.tensor("in_n_per_sample")]):
        names = [f"out_hint_{part}_per_sample" for part in ("color", "mask")]
        expected = [golden.tensor(name) for name in names]
        if position < len(counts):
            expected = [golden.tensor(f"out_hint_{part}")[position] for part in ("color", "mask")]
        given = first_given(count, SEGMENTS)
        full, *made_in_training = fill_hints(segments, real, given)
        golden.close("out_full_color", full)
        for color, mask in (made_in_training, look_up_hints(index, colors, given)):
            torch.testing.assert_close(color, expected[0], atol=1e-5, rtol=0)
            assert torch.equal(mask, expected[1].float())
    draws = torch.rand(100_000, SEGMENTS, generator=torch.Generator().manual_seed(0))
    counts = draw_counts(draws, golden.meta["stop_prob"]).bincount(minlength=SEGMENTS + 1)
    golden.close("out_nh_pmf", counts / len(draws), within=(0.0, 5e-3))
    logits = golden.tensor("in_st_logits").requires_grad_()
    drawn = draw_segments(logits, golden.tensor("in_st_noise"), float(golden.tensor("in_st_tau")))
    drawn.backward(golden.tensor("in_st_upstream"))
    golden.close("out_st_seg", drawn)
    assert logits.grad is not None
    golden.close("out_st_grad", logits.grad)


@case("guidingpainter_losses")
def losses(golden: Golden) -> None:
    rtol = float(golden.meta["tolerance"]["relative"])
    real, generated = golden.tensor("in_real"), golden.tensor("in_pred")
    segments = one_hot(golden.tensor("in_seg_index").long()[:, None], SEGMENTS)
    everything = torch.ones(len(real), SEGMENTS)
    variance = total_variance(fill_hints(segments, real, everything)[0], real)
    logits = golden.tensor("in_logits")
    distance = (generated - real).abs().mean()
    adversarial = least_squares_loss(golden.tensor("in_d_fake_for_g"))
    discriminator = least_squares_discriminator_loss(golden.tensor("in_d_fake"), golden.tensor("in_d_real"))
    weights = golden.meta["weights"]
    total = (
        weights["rec"] * distance
        + weights["tvr"] * variance
        + weights["smt"] * smoothness(logits)
        + weights["adv"] * adversarial
    )
    found = {
        "out_total_variance": variance,
        "out_smooth_four_l1": smoothness(logits, "four_l1"),
        "out_smooth_eight_l1": smoothness(logits, "eight_l1"),
        "out_smooth_eight_l2": smoothness(logits, "eight_l2"),
        "out_l1": distance,
        "out_gan_g": adversarial,
        "out_gan_d_unweighted": discriminator,
        "out_loss_d": weights["adv"] * discriminator,
        "out_total_g": total,
    }
    for name, value in found.items():
        golden.close(name, value, within=(rtol, 0.0))
    # The authors' code truncates after a round trip through [-1, 1], which lowers some values by a level.
    levels = [((image + 1) / 2).clamp(0, 1).mul(255).floor() for image in (generated, real)]
    golden.close("out_psnr", psnr(*levels, peak=255.0))
    schedules(golden)


def schedules(golden: Golden) -> None:
    epochs = golden.meta["epochs"]
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = HoldThenLinear(optimizer, total_steps=epochs)
    factors = [schedule.factor(int(epoch), epochs) for epoch in golden.tensor("in_epoch")]
    rates = torch.tensor(factors, dtype=torch.float64)
    golden.close("out_lr_factor", rates, within=(0.0, 1e-12))
    model = build_model(Cho2023, dict.fromkeys(("width", "segmenter_width", "discriminator_width"), 0.125))
    taus = [model.temperature_at(int(epoch) / epochs) for epoch in golden.tensor("in_epoch")]
    golden.close("out_tau", torch.tensor(taus, dtype=torch.float64), within=(0.0, 1e-12))


@case("guidingpainter_step")
def step(golden: Golden) -> None:
    model = Cho2023()
    model.load_weights(model.model.convert_published(golden.weights()), name="the golden file")
    model.train()
    sketch, rgb = ((golden.tensor(name) + 1) / 2 for name in ("in_sketch", "in_real"))
    generated = model.generate_drawn(
        sketch, rgb, golden.tensor("in_noise"), golden.tensor("in_n"), float(golden.tensor("in_tau"))
    )
    golden.close("out_pred", 2 * generated.rgb - 1)
    batch: Any = {"sketch": sketch, "rgb": rgb}
    terms = model.generator_terms(batch, generated)
    names = {"rec": "reconstruction", "tvr": "variance", "smt": "smoothness", "adv_g": "adversarial"}
    for theirs, ours in names.items():
        weight = model.hparams[f"{ours}_weight"]
        golden.close(f"out_{theirs}", weight * terms[ours], within=(1e-4, 0.0))
    total = weighted_sum(terms, model.hparams)
    golden.close("out_loss_g", total, within=(1e-4, 0.0))
    total.backward()
    norms(golden, model, "g")
    check_gradients(golden, model)
    model.discriminator.zero_grad()
    discriminator = model.discriminator_loss(batch, RgbPrediction(rgb=generated.rgb.detach()))
    golden.close("out_loss_d", discriminator, within=(1e-4, 0.0))
    discriminator.backward()
    norms(golden, model, "d")


def norms(golden: Golden, model: Cho2023, part: str) -> None:
    """Compare the norms of the gradients that the file names."""
    parameters = dict(model.model.named_parameters()) | dict(model.named_parameters())
    keys = golden.meta[f"grad_norm_{part}_keys"]
    ours = list(model.model.convert_published({key: torch.zeros(()) for key in keys}))
    found = [parameters[key].grad.norm() for key in ours]  # type: ignore[union-attr]
    golden.close(f"out_grad_norm_{part}", torch.stack(found), within=(5e-3, 0.0))


def check_gradients(golden: Golden, model: Cho2023) -> None:
    f, g = model.model.network.segmenter, model.model.network.colorizer
    found = {
        "out_grad_f_outc": f.head.weight.grad,
        "out_grad_g_outc": g.head.weight.grad,
        "out_grad_g_inc": g.start[0].weight.grad[:8],
    }
    for name, gradient in found.items():
        assert gradient is not None
        expected = golden.tensor(name)
        gradient = gradient.view(expected.shape)
        assert (gradient - expected).abs().max() < 1e-2 * expected.abs().max(), name


# Training settings that the paper or the authors' code states

_RATES = {0: 2e-4, 10_000: 2e-4, 15_000: 2e-4 * 5001 / 10_001}  # the authors' rate falls once per epoch


def regions(name: str) -> Recipe:
    return Recipe(
        config=f"cho2023/{name}.yaml",
        source="fact sheet, sections 2 to 4: main.py and ask_model.py of the authors, sections 3.2 to 3.4",
        rates=_RATES,
        discriminator_rates=_RATES,
        batch=12, epochs=200,
        settings={
            "reconstruction_weight": 30.0, "variance_weight": 5.0, "smoothness_weight": 1.0,
            "adversarial_weight": 0.2, "smoothness_form": "eight_l1", "initial_temperature": 1.0,
            "final_temperature": 0.1, "stop_probability": 1 / 8, "width": 1.0, "segmenter_width": 1.0,
            "discriminator_width": 1.0, "pieces": False, "hint_residual": False,
        },
    )  # fmt: skip


RECIPES = (
    regions("paper"),
    regions("faces"),
    regions("webtoon"),
    Recipe(
        config="cho2023/points.yaml",
        source="ours: the control, trained as the paper trains regions",
        rates=_RATES,
        batch=12, epochs=200,
        settings={"reconstruction_weight": 30.0, "stop_probability": 1 / 8},
    ),
)  # fmt: skip


KNOBS = {
    "cho2023": Knobs(
        base={
            "width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125,
            "initial_temperature": 2.0,
        },
        values={
            "width": 0.25, "segmenter_width": 0.25, "discriminator_width": 0.25,
            "smoothness_form": "four_l1", "segmenter_side": 16, "stop_probability": 0.9,
        },
        exempt=("pieces", "recolored", "needs"),
        steps=4,
    ),
    "cho2023_points": Knobs(
        base={"width": 0.125},
        values={"width": 0.25, "stop_probability": 0.9},
        batch=4,
    ),
}  # fmt: skip
