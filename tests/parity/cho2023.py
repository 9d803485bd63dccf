"""GuidingPainter against the authors' code: networks, discriminator, hints, losses, a training step."""

from typing import Any

import torch

from colorzoo.factory import build_model
from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss, weighted_sum
from colorzoo.metrics.psnr import psnr
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.prediction import RgbPrediction
from colorzoo.training.schedules import HoldThenLinear
from colorzoo.zoo.cho2023.model import (
    NAMES,
    SEGMENTS,
    GuidingPainterNetwork,
    draw_counts,
    draw_segments,
    fill_hints,
    first_given,
    look_up_hints,
    mean_colors,
    one_hot,
)
from colorzoo.zoo.cho2023.task import Cho2023, smoothness, total_variance
from parity.cases import Golden, case, load_part


def filled(golden: Golden, part: str) -> GuidingPainterNetwork:
    """Return the networks with one of them filled by the published names, strictly."""
    network = GuidingPainterNetwork(
        **{name: 0.125 for name, of in NARROW.items() if of != part}  # the other network is not compared
    )
    load_part(getattr(network, part), golden.weights(), NAMES, f"{part}.")
    return network.eval()


NARROW = {"width": "colorizer", "segmenter_width": "segmenter"}


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
