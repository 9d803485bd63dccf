"""Zhang et al. 2017: extensions, and training steps compared with eq. 3 and 4 and the authors' loss."""

from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import create_model
from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.factory import build_model, create_coloring_model
from colorzoo.guidance import GlobalStatistics, Guidance, Points, statistics_of
from colorzoo.guidance.color_statistics import ab_histogram, mean_saturation
from colorzoo.model import ColoringModel
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import simulate_points
from colorzoo.testing import sample_image
from colorzoo.zoo.zhang2017.model import LocalHints
from colorzoo.zoo.zhang2017.network import (
    AttendedConv,
    HintAttention,
    SteeredNetwork,
    match_histogram,
    match_saturation,
    mean_colors,
    saturation_at,
    saturation_table,
)
from colorzoo.zoo.zhang2017.task import Zhang2017Local
from knobs.knob import Knobs
from parity.cases import Golden, case
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

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


# Global hints on the layers of a trunk model

TRUNK = "zhang2017_local_small"
STEERED = "zhang2017_global_small"


def random_values(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def shares_of(places: int = 200, batch: int = 2) -> Tensor:
    """Return distributions that are likelier near gray and differ between places."""
    near = -hull_centers().norm(dim=1) / 20
    return (near[None, :, None] + 2 * random_values(batch, 313, places)).softmax(dim=1)


def reweighed(shares: Tensor, weights: Tensor) -> Tensor:
    found = shares * weights[:, :, None]
    return found / found.sum(dim=1, keepdim=True)


def test_match_histogram_equals_two_steps_of_proportional_fitting() -> None:
    """A color outside the histogram keeps a weight of 1e-4."""
    shares = shares_of()
    histogram = (3 * random_values(2, 313)).softmax(dim=1)
    histogram[:, 40:] = 0
    histogram = histogram / histogram.sum(dim=1, keepdim=True)
    wanted = torch.ones(2, 313)
    for _ in range(2):
        wanted = wanted * (histogram + 1e-4) / (reweighed(shares, wanted).mean(dim=2) + 1e-4)
    weights = match_histogram(shares, histogram)
    torch.testing.assert_close(weights, wanted, rtol=1e-4, atol=0)
    after = (reweighed(shares, weights).mean(dim=2) - histogram).abs().sum(dim=1)
    assert (after < 0.25).all()


def test_match_saturation_reaches_the_saturation_up_to_its_limit() -> None:
    for wanted in [0.15, 0.4]:
        shares = shares_of()
        lightness = 20 + 60 * torch.rand(2, 200, generator=torch.Generator().manual_seed(1))
        saturations = saturation_at(lightness, saturation_table())
        weights = match_saturation(shares, saturations, torch.full((2, 1), wanted))
        found = (reweighed(shares, weights) * saturations).sum(dim=1).mean(dim=1)
        torch.testing.assert_close(found, torch.full((2,), wanted), rtol=0, atol=0.01)
        most = match_saturation(
            shares, saturations, torch.ones(2, 1)
        )  # above the maximum: the steepest weights
        steepest = 16 * hull_centers().norm(dim=1) / 40
        torch.testing.assert_close(most.log(), steepest.expand(2, -1), rtol=1e-3, atol=0)


def test_mean_colors_equal_the_means_of_reweighed_distributions() -> None:
    shares, weights = shares_of(), random_values(2, 313).exp()
    wanted = torch.einsum("bqn,qc->bcn", reweighed(shares, weights), hull_centers())
    torch.testing.assert_close(mean_colors(shares, weights), wanted, rtol=1e-4, atol=1e-3)


@pytest.fixture(scope="module")
def model() -> Any:
    return create_model(STEERED)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return sample_image((60, 76))


@torch.inference_mode()
def test_zhang2017_global_small_equals_its_trunk_without_statistics(model: Any, image: Tensor) -> None:
    lightness = rgb_to_lab(image)[:, :1]
    wanted = create_model(TRUNK)(lightness).ab
    torch.testing.assert_close(model(lightness).ab, wanted, rtol=0, atol=1e-3)
    told = statistics_of(image)
    some = GlobalStatistics(torch.zeros(3, 313), -torch.ones(3, 1))  # a histogram, nothing, a saturation
    some.histogram[0], some.saturation[2] = told.histogram[0], 0.8
    found = model(lightness.expand(3, -1, -1, -1), Guidance(statistics=some)).ab
    alone = [GlobalStatistics(told.histogram), None, GlobalStatistics(None, torch.tensor([[0.8]]))]
    for one, given in zip(found, alone, strict=True):
        torch.testing.assert_close(one, model(lightness, Guidance(statistics=given)).ab[0], rtol=0, atol=1e-3)
    assert min(float((one - other).abs().max()) for one, other in combinations(found, 2)) > 1


@torch.inference_mode()
def test_zhang2017_global_small_colors_follow_the_histogram(model: Any, image: Tensor) -> None:
    colors = torch.tensor([[40.0, 0], [-40, 0], [0, 40], [0, -40]])
    histogram = torch.zeros(4, 313)
    histogram[range(4), torch.cdist(colors, hull_centers()).argmin(dim=1)] = 1
    lightness = rgb_to_lab(image)[:, :1].expand(4, -1, -1, -1)
    found = model(lightness, Guidance(statistics=GlobalStatistics(histogram))).ab.mean(dim=(2, 3))
    torch.testing.assert_close(found, colors, rtol=0, atol=5)


def test_steered_network_begin_initializes_the_branch_near_zero() -> None:
    for hint_attention in [False, True]:
        trunk = build_model(LocalHints, {"width": 0.125, "hint_attention": hint_attention})
        network = SteeredNetwork(trunk)
        network.begin(0.02)
        assert network.branch.last_norm.weight.unique().tolist() == pytest.approx([0.1])
        assert float(network.branch.histogram.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
        if hint_attention:
            assert torch.equal(network.bring.weight, network.unet.inject.weight)
        else:
            assert not network.bring.weight.any()


# Golden files: Networks of Zhang et al. 2017 against the authors' code, through the names of their
# checkpoint.


def published_model(golden: Golden, name: str) -> ColoringModel:
    model = create_coloring_model(name, None)
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    return model.eval()


@case("zhang2017_local")
@torch.inference_mode()
def zhang2017_local(golden: Golden) -> None:
    lightness = golden.tensor("in_L")
    points = Points(golden.tensor("in_hint_ab"), golden.tensor("in_mask"))
    model = published_model(golden, "zhang2017_local")
    assert len(model.network.state_dict()) == golden.meta["n_keys"]
    hinted = model(lightness, Guidance(points=points))
    golden.close("out_ab", hinted.ab)
    golden.close("out_ab_nohint", model(lightness, Guidance()).ab)
    check_distribution(golden, hinted.extras["logits"])

    model.network.mask_center = 0.5  # as set by the constructor; building 34 M weights again is slow
    golden.close("out_ab_maskcent", model(lightness, Guidance(points=points)).ab)


def check_distribution(golden: Golden, logits: Tensor) -> None:
    golden.close_sampled("out_class_logits", logits)
    rows, columns = (golden.tensor("in_dist_yx").long() // 4).T
    golden.close("out_dist_at", torch.softmax(0.2 * logits[0, :, rows, columns].T, dim=1))


@case("zhang2017_global")
@torch.inference_mode()
def zhang2017_global(golden: Golden) -> None:
    model = published_model(golden, "zhang2017_global")
    assert len(model.network.state_dict()) == golden.meta["n_keys"]
    lightness, histogram = golden.tensor("in_L"), golden.tensor("in_hist")
    saturation = golden.tensor("in_sat")
    given = {
        "out_reg": GlobalStatistics(histogram, saturation),
        "out_reg_none": None,
        "out_reg_hist": GlobalStatistics(histogram=histogram),
        "out_reg_sat": GlobalStatistics(saturation=saturation),
    }
    for name, statistics in given.items():
        prediction = model(lightness, Guidance(statistics=statistics))
        golden.close(name, prediction.ab / model.network.ab_scale)
    vector = model.network.branch(given["out_reg"], len(lightness))
    golden.close("out_glob", vector[:, :, 0, 0])


# Training settings that the paper or the authors' code states

_COMMON = {
    "width": 1.0,
    "regression_weight": 0.090909,  # 10 on ab / 110
    "classification_weight": 1.0, "delta": 1.0, "stop_probability": 1 / 8, "hint_attention": False,
    "colorfulness": 0.0, "many": 0.0,
}  # fmt: skip


def local_recipe(name: str, stage: str, rate: float, epochs: int, hints: float) -> Recipe:
    return Recipe(
        config=f"zhang2017/{name}.yaml",
        source="scripts/train_siggraph.sh of the authors' colorization-pytorch; section 3",
        rates={0: rate, epochs * 100 - 1: rate},
        batch=25, epochs=epochs, stage=stage,
        settings={**_COMMON, "hints": hints},
    )  # fmt: skip


RECIPES = (
    local_recipe("local_bootstrap", "classification", 1e-4, 100, 0.0),
    local_recipe("local_classification", "classification", 1e-4, 15, 0.0),
    local_recipe("local", "regression", 1e-5, 10, 1.0),
    local_recipe("local_finish", "regression", 1e-6, 5, 1.0),
    Recipe(
        config="zhang2017/global.yaml",
        source="not published; follows the regression stage of Local Hints",
        rates={0: 1e-5, 999: 1e-5},
        batch=25, epochs=10,
        settings={"width": 1.0, "delta": 1.0, "trunk": None},
    ),
)  # fmt: skip


KNOBS = {
    "zhang2017_local": Knobs(
        base={"width": 0.125, "init_std": None, "reveal_all": 0.3, "stage": "joint"},
        values={
            "width": 0.25, "init_std": 0.1, "stop_probability": 0.9, "hints": 0.0, "many": 1.0,
            "reveal_all": 1.0, "stage": "regression",
        },
        batch=8,
    ),
    "zhang2017_global": Knobs(
        base={"width": 0.125, "init_std": None, "histogram_share": 1.0, "saturation_share": 1.0},
        values={
            "width": 0.25, "init_std": 0.1, "histogram_share": 0.0, "saturation_share": 0.0,
            "trunk": "zhang2017_local_small",
        },
    ),
}  # fmt: skip
