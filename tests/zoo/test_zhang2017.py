"""Zhang et al. 2017: extensions, and training steps compared with eq. 3 and 4 and the authors' loss."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.factory import build_model
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.guidance.color_statistics import ab_histogram, mean_saturation
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import simulate_points
from colorzoo.zoo.zhang2017.model import LocalHints
from colorzoo.zoo.zhang2017.network import AttendedConv, HintAttention
from colorzoo.zoo.zhang2017.task import Zhang2017Local
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def local(**settings: Any) -> Zhang2017Local:
    return build_model(Zhang2017Local, settings)


def noise(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def centers(rows: int, columns: int) -> torch.Tensor:
    """Return the centers ``(rows * columns, 2)`` of cells, in mean sides of the image."""
    cells = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    return 2 * (cells + 0.5) / (rows + columns)


def test_hint_attention_equals_a_kernel_regression_of_the_hints() -> None:
    """The logit of a hint is 3 minus both squared distances; the logit of no hint is 0."""
    attention = HintAttention(8)
    features, hints = noise(2, 8, 6, 8), torch.zeros(2, 3, 24, 32)
    hints[0, :, 1:3, 4:7] = torch.tensor([0.5, -0.25, 1.0]).view(3, 1, 1)
    hints[0, :, 20:, 30] = torch.tensor([-0.5, 0.75, 1.0]).view(3, 1)
    hints[1, :, 9, 9] = torch.tensor([0.1, 0.2, 1.0])
    keys = attention.key(features)
    coarse = torch.nn.functional.avg_pool2d(keys, 2).flatten(2).mT
    apart = torch.cdist(keys.flatten(2).mT, coarse).square()
    logits = 3 - apart - torch.cdist(centers(6, 8), centers(3, 4)).square() / 0.2**2
    shown = hints.unfold(2, 8, 8).unfold(3, 8, 8).flatten(4).sum(dim=4).flatten(2).mT  # for each cell
    weights = logits.exp() * (shown[:, None, :, 2] > 0)
    colors = shown / shown[..., 2:].clamp(min=1)
    wanted = weights @ colors / (1 + weights.sum(dim=2, keepdim=True))
    for learns in (True, False):  # without gradients only hinted cells are matched
        with torch.set_grad_enabled(learns):
            found = attention(features, hints).flatten(2).mT
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_scene_blocks_have_no_effect_at_initialization() -> None:
    torch.manual_seed(0)
    plain = local(width=0.125).eval()
    lightness = 100 * torch.rand(1, 1, 24, 24)
    extended = local(width=0.125, scene_blocks=1).eval()
    extended.load_state_dict({**extended.state_dict(), **plain.state_dict()})
    with torch.inference_mode():
        torch.testing.assert_close(extended(lightness).ab, plain(lightness).ab, atol=1e-5, rtol=1e-5)


def test_hypercolumn_head_has_no_gradient_to_the_trunk() -> None:
    torch.manual_seed(0)
    model = local(width=0.125, hypercolumn=True).eval()
    lightness = 100 * torch.rand(1, 1, 37, 53)
    logits = model(lightness).extras["logits"]
    assert logits.shape == (1, 313, 10, 14)
    logits.square().sum().backward()
    assert all(p.grad is None for p in model.model.network.unet.parameters())


@pytest.mark.parametrize("scene_blocks", [0, 1])
def test_for_inference_folds_rank_layers_into_an_equal_network(scene_blocks: int) -> None:
    torch.manual_seed(0)
    settings = {"width": 0.125, "init_std": None, "scene_blocks": scene_blocks}
    deep = local(**settings, rank_layers=3).eval()
    unet = deep.model.network.unet
    for weight in unet.rank_layers.weights:
        torch.nn.init.orthogonal_(weight)
    if scene_blocks:  # initialized to 0
        torch.nn.init.normal_(unet.scene.leave.weight, std=0.2)
    plain = local(**settings).eval()
    plain.model.load_state_dict(LocalHints.for_inference(deep.model.state_dict()))
    lightness = 100 * torch.rand(1, 1, 24, 24)
    with torch.inference_mode():
        torch.testing.assert_close(plain(lightness).ab, deep(lightness).ab, atol=1e-4, rtol=1e-4)


def test_attended_conv_scales_each_channel_of_a_skip() -> None:
    attended = AttendedConv(torch.nn.Conv2d(2, 8, 3, padding=1))
    x = noise(1, 2, 6, 6)
    gate = attended(x) / attended.conv(x)
    torch.testing.assert_close(gate, torch.full_like(gate, 4.0).sigmoid())  # almost open at the start
    torch.nn.init.normal_(attended.excite.weight)
    mean = attended.conv(x).mean(dim=(2, 3))
    gate = attended.excite(attended.squeeze(mean).relu()).sigmoid()
    torch.testing.assert_close(attended(x), attended.conv(x) * gate[:, :, None, None])


def smooth_l1(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    """Return eq. 4 per pixel, summed over a and b."""
    off = (found - truth).abs()
    each = torch.where(off < delta, 0.5 * off.square() / delta, off - 0.5 * delta)
    return each.sum(dim=1)


def hard_cross_entropy(logits: Tensor, ab: Tensor) -> Tensor:
    """Return the cross-entropy with the bin of every fourth pixel on the 23 x 23 grid of step 10."""
    cell = ((ab[:, :, ::4, ::4] + 110) / 10).round().clamp(0, 22).long()
    index = 23 * cell[:, 0] + cell[:, 1]
    return -logits.log_softmax(dim=1).gather(1, index[:, None]).mean()


def drawn(batch: Any, ab: Tensor, **simulation: Any) -> Points:
    return simulate_points(ab, image_generators(batch["seed"], "points"), **simulation)


@pytest.mark.parametrize("hints", [0.0, 1.0])
@pytest.mark.parametrize("stage", ["classification", "regression", "joint"])
def test_zhang2017_local_training_step_equals_the_formula(stage: str, hints: float) -> None:
    model = small("zhang2017_local", stage=stage, hints=hints, init_std=None, delta=3.0)
    batch, lightness, ab = training_batch()
    points = drawn(batch, ab, stop_probability=1 / 8, reveal_all=0.01, none=1 - hints)
    assert bool(points.mask.any()) == bool(hints)
    found = model.training_step(batch, 0)
    out = model.model.network(lightness, points)
    colors, classes = smooth_l1(out.ab, ab, 3.0).mean(), hard_cross_entropy(out.logits, ab)
    torch.testing.assert_close(found, 10 / 110 * colors + classes, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    by_color, by_class = gradients(10 / 110 * colors, model), gradients(classes, model)
    own = {"model.network.unet.class_head.weight", "model.network.unet.class_head.bias"}
    behind = (
        "model.network.unet.up9",
        "model.network.unet.skip",
        "model.network.unet.block9",
        "model.network.unet.up10",
    )
    decoder = (*behind, "model.network.unet.block10", "model.network.unet.ab_head")
    for name, gradient in ours.items():
        deep = name == "model.network.unet.skip3.weight" or name == "model.network.unet.skip3.bias"
        in_decoder = name.startswith(decoder) and not deep
        if stage == "joint":
            wanted = by_color[name] + by_class[name]
        elif name in own:
            wanted = by_class[name]  # a head is trained by its own loss only
        elif in_decoder:
            wanted = by_color[name]
        else:
            wanted = (by_class if stage == "classification" else by_color)[name]  # the trunk
        same({name: gradient}, {name: wanted}, rtol=1e-3)


@pytest.mark.parametrize("given", [0.0, 1.0])
def test_zhang2017_global_training_step_equals_the_formula(given: float) -> None:
    shares = {"histogram_share": given, "saturation_share": given}
    model = small("zhang2017_global", init_std=None, delta=2.0, **shares)
    batch, lightness, ab = training_batch()
    histogram, saturation = given * ab_histogram(ab), mean_saturation(batch["rgb"])
    statistics = GlobalStatistics(histogram, saturation if given else torch.full_like(saturation, -1.0))
    found = model.training_step(batch, 0)
    wanted = smooth_l1(model.model.network(lightness, statistics), ab, 2.0).mean()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_zhang2017_local_colorfulness_weights_colorful_pixels() -> None:
    batch, lightness, ab = training_batch()
    model = small("zhang2017_local", stage="joint", init_std=None, hints=0.0, colorfulness=0.5)
    out = model.model.network(lightness, Points.none(lightness))
    weight = 1 + 0.5 * ab.square().sum(dim=1).sqrt() / 20
    colors = ((smooth_l1(out.ab, ab, 1.0) * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))).mean()
    wanted = 10 / 110 * colors + hard_cross_entropy(out.logits, ab)
    torch.testing.assert_close(model.training_step(batch, 0), wanted, rtol=1e-5, atol=0)
