"""Larsson et al. 2016: decoding of histograms, and the training step."""

import colorsys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.errors import DataError
from colorzoo.factory import build_model
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.larsson2016.model import (
    QUARTER,
    SCALES,
    Histograms,
    HypercolumnColorization,
    at_quarter,
    bins_of,
    columns,
    enlarge,
    hue_and_chroma,
    keep_gray,
    to_rgb,
)
from colorzoo.zoo.larsson2016.task import Larsson2016, divergence, target_of
from colorzoo.zoo.larsson2016.task import network_input as training_input
from knobs.knob import Knobs
from parity.cases import Golden, case, check_update
from parity.pipelines.larsson2016 import Placement, center, colorize, gray_of, network_input, rescale
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


@pytest.fixture
def model() -> HypercolumnColorization:
    found = contract_test_model(model_card("larsson2016")).model
    assert isinstance(found, HypercolumnColorization)
    return found


def test_to_rgb_inverts_hue_and_chroma_histograms() -> None:
    rgb = sample_image((16, 24))
    hue, chroma = hue_and_chroma(rgb)
    gray = rgb.mean(1, keepdim=True)
    shares = [F.one_hot(bins_of(each), 32).permute(0, 3, 1, 2).float() for each in (hue, chroma)]
    found = keep_gray(to_rgb(gray, *shares, hue="mode"), gray)
    assert (found - rgb).abs().mean() < 1 / 32
    torch.testing.assert_close(found.mean(1, keepdim=True), gray, rtol=0, atol=0.02)  # except for clipping
    black = to_rgb(torch.zeros(1, 1, 1, 1), torch.full((1, 32, 1, 1), 1 / 32), torch.zeros(1, 32, 1, 1))
    assert bool(black.isfinite().all())


def test_larsson2016_network_input_is_mean_free_gray_with_zero_padding(
    model: HypercolumnColorization,
) -> None:
    seen: list[Tensor] = []
    model.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.network.mean = 0.25
    lightness = 100 * sample_input(model_card("larsson2016"), (52, 53))
    model(lightness)
    assert seen[0].shape == (1, 1, 64, 96)  # six pixels on each side, then to a multiple of 32
    around = (21, 22, 6, 6)
    torch.testing.assert_close(seen[0], F.pad(lightness_to_rgb(lightness)[:, :1] - 0.25, around))


def counted(rgb: Tensor, row: int, column: int, window: int) -> tuple[Tensor, Tensor]:
    """Return histograms of 32 hues and 32 chromas in a window of ``(3, H, W)``."""
    hues, chromas, reach = torch.zeros(32), torch.zeros(32), window // 2
    for y in range(max(0, row - reach), min(rgb.shape[1], row + reach + 1)):
        for x in range(max(0, column - reach), min(rgb.shape[2], column + reach + 1)):
            red, green, blue = rgb[:, y, x].tolist()
            hues[min(31, int(32 * colorsys.rgb_to_hsv(red, green, blue)[0]))] += 1
            chromas[min(31, int(32 * (max(red, green, blue) - min(red, green, blue))))] += 1
    return hues / hues.sum(), chromas / chromas.sum()


def column_at(maps: list[Tensor], image: int, row: int, column: int) -> Tensor:
    """Return the values of all layers at a pixel, from maps enlarged by half-pixel bilinear interpolation."""
    found = []
    for each, scale in zip(maps, SCALES, strict=True):
        large = each[image : image + 1]
        if scale > 1:
            large = F.interpolate(large, scale_factor=scale, mode="bilinear", align_corners=False)
        found.append(large[0, :, row, column])
    return torch.cat(found)


@pytest.mark.parametrize("normalization", [False, True])
def test_larsson2016_training_step_equals_the_histogram_divergence(normalization: bool) -> None:
    settings = {"normalization": normalization, "dropout": 0.0, "mean": 0.25, "places": 5, "window": 5}
    task = small("larsson2016", **settings, hue_weight=3.0)
    assert isinstance(task, Larsson2016)
    torch.nn.init.normal_(task.model.network.hidden.weight, std=0.1)
    batch, *_ = training_batch(64, 3)
    rgb, places = batch["rgb"], task.places_of(batch).long()
    found = task.training_step(batch, 0)
    network = task.model.network
    maps = network.features(0.33333 * (rgb - 0.25).sum(1, keepdim=True))
    total = torch.zeros(())
    for image in range(3):
        for row, column in places[image].tolist():
            hidden = F.linear(
                column_at(maps, image, row, column), network.hidden.weight[:, :, 0, 0], network.hidden.bias
            ).relu()[:, None, None]
            pixel = rgb[image, :, row, column]
            gray = float(0.33333 * pixel.sum())
            weights = 3 * float(pixel.max() - pixel.min()), 3 * min(gray, 1 / 3, 1 - gray)
            heads = (network.hue, network.chroma)
            for share, weight, head in zip(counted(rgb[image], row, column, 5), weights, heads, strict=True):
                some = share > 0
                log = head(hidden[None])[0, :, 0, 0].log_softmax(0)
                total = total + weight * (share[some] * (share[some].log() - log[some])).sum()
    wanted = total / places[..., 0].numel()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, task), gradients(wanted, task), rtol=1e-3, rounding=0.1)  # biases before norms


def test_larsson2016_rejects_crops_without_sampling_places() -> None:
    for side, margin, least in ((64, 96, 193), (32, 4, 64), (72, 4, 64)):
        batch, *_ = training_batch(side, 2)
        with pytest.raises(DataError, match=f"data.crop .*at least {least} "):
            small("larsson2016", margin=margin).training_step(batch, 0)


def test_larsson2016_biases_have_twice_the_rate_and_no_decay() -> None:
    task = small("larsson2016", optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1, weight_decay=0.01))
    assert isinstance(task, Larsson2016)
    weights, biases = task.make_optimizer(task.optimized_parameters()).param_groups
    assert (weights["lr"], weights["weight_decay"]) == (0.1, 0.01)
    assert (biases["lr"], biases["weight_decay"]) == (0.2, 0.0)
    assert all(each.ndim == 1 for each in biases["params"])


# Golden files: Network, columns, targets, losses, colors, one step and the script of Larsson et al. 2016.


MEAN = 0.4488  # that training subtracts


def images(golden: Golden, name: str) -> Tensor:
    """Return images ``(B, 3, H, W)`` in [0, 1] of 8-bit ones."""
    return golden.tensor(name).permute(0, 3, 1, 2).float() / 255


@case("larsson2016_net")
@torch.inference_mode()
def larsson2016_net(golden: Golden) -> None:
    meta = golden.meta
    width = meta["shapes"]["data/conv1_1/0"][0] / 64
    model = build_model(HypercolumnColorization, {"width": width}).eval()
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    network = model.network
    maps = network.features(golden.tensor("in_gray"))
    names = ("data", *network.trunk)
    found = dict(zip(names, maps, strict=True))
    found["pool5"] = F.max_pool2d(found["conv5_3"], 2)
    hidden = found["h_fc1"] = network.hidden_map(maps)
    for name, every in meta["every"].items():
        golden.close(f"out_{name}", found[name][:, ::every])
    dense = [enlarge(at_quarter(m, s), max(1, s // QUARTER)) for m, s in zip(maps, SCALES, strict=True)]
    golden.close("out_hypercolumn", torch.cat(dense, dim=1)[:, meta["hyper_channels"]])
    golden.close("out_prediction_h", network.hue(hidden))
    golden.close("out_prediction_c", network.chroma(hidden))
    hue, chroma = (enlarge(each, QUARTER) for each in network(golden.tensor("in_gray")))
    golden.close("out_h_full", hue[:, :: meta["every_full"]])
    golden.close("out_c_full", chroma[:, :: meta["every_full"]])


@case("larsson2016_sparse")
def larsson2016_sparse(golden: Golden) -> None:
    scales = golden.meta["scales_of_maps"]
    places = golden.tensor("in_centroids")
    for name, offsets in (("zero", [0.0] * len(scales)), ("aligned", golden.meta["offsets"])):
        maps = [golden.tensor(f"in_map{index}").float().requires_grad_() for index in range(len(scales))]
        found = columns(maps, places, scales, offsets)
        golden.close(f"out_columns_{name}", found)
        found.backward(golden.tensor("in_upstream"))
        for index, each in enumerate(maps):
            assert each.grad is not None
            golden.close(f"out_grad{index}_{name}", each.grad)


@case("larsson2016_targets")
def larsson2016_targets(golden: Golden) -> None:
    rgb, places = images(golden, "in_rgb"), golden.tensor("in_centroids")
    hue, chroma = hue_and_chroma(rgb)
    golden.close("out_hue", hue)
    golden.close("out_chroma", chroma)
    golden.close("out_hue_bin", bins_of(hue))
    golden.close("out_chroma_bin", bins_of(chroma))
    joint = golden.meta["joint_bins"]
    golden.close(
        "out_joint_bin",
        (joint * hue).long().clamp(max=joint - 1) * joint + (joint * chroma).long().clamp(max=joint - 1),
    )
    for window in golden.meta["windows"]:
        target = target_of(rgb, places, window)
        golden.close(f"out_hist_h_{window}", target.shares.hue)
        golden.close(f"out_hist_c_{window}", target.shares.chroma)
        golden.close("out_weight_h", target.hue_weight)
        golden.close("out_weight_c", target.chroma_weight)
    golden.close("out_data", training_input(rgb, MEAN))


@case("larsson2016_losses")
def larsson2016_losses(golden: Golden) -> None:
    given = {name: golden.tensor(f"in_logits_{name}").requires_grad_() for name in "hc"}
    loss = {
        name: divergence(logits, golden.tensor(f"in_hist_{name}"), golden.tensor(f"in_weight_{name}"))
        for name, logits in given.items()
    }
    total = 5 * loss["h"] + loss["c"]
    golden.close("out_loss", total)
    for name, gradient in zip("hc", torch.autograd.grad(total, list(given.values())), strict=True):
        golden.close(f"out_loss_{name}", loss[name])
        golden.close(f"out_grad_{name}", gradient)
    target, weight = golden.tensor("in_hist_h"), golden.tensor("in_weight_h")
    alone = divergence(given["h"], target, torch.ones_like(weight))
    golden.close("out_kl_h_unweighted", alone)
    own = (weight * torch.xlogy(target, target)).sum() / len(target)
    golden.close("out_ce_h", loss["h"] - own)


@case("larsson2016_decode")
def larsson2016_decode(golden: Golden) -> None:
    gray = golden.tensor("in_gray").double()[None, None]
    hue, chroma = (golden.tensor(f"in_hist_{name}").double().permute(2, 0, 1)[None] for name in "hc")

    def close(name: str, **rules: Any) -> Tensor:
        rgb = to_rgb(gray, hue, chroma, **rules)
        golden.close(name, rgb[0].permute(1, 2, 0))
        return rgb

    for rule in ("mode", "expectation", "expectation-cf", "median"):
        close(f"out_rgb_h_{rule.replace('-', '_')}", hue=rule)
    for rule in ("mode", "expectation", "median", "q75"):
        close(f"out_rgb_c_{rule}", chroma=rule)
    close("out_rgb_boost", boost=1.5)
    final = keep_gray(close("out_rgb_default"), gray)[0].permute(1, 2, 0)
    golden.close("out_final", final)
    golden.close("out_uint8", (255 * final).floor())


@case("larsson2016_pipeline")
def larsson2016_pipeline(golden: Golden) -> None:
    meta = golden.meta
    answer = Histograms(*(golden.tensor(f"in_prob_{name}")[None] for name in "hc"))
    for index in range(meta["n_images"]):
        image = golden.tensor(f"in_image{index}")
        placement = Placement(meta["size"], **meta["kwargs"][index])
        gray = gray_of(image)
        size = (gray.shape[-2], gray.shape[-1])
        small = rescale(gray, placement.factor(*size))
        data = network_input(gray, placement)
        sizes = [*placement.sides(), *small.shape[-2:], *data.shape[-2:]]
        golden.close(f"out_sizes{index}", torch.tensor(sizes))
        golden.close(f"out_data{index}", data[0, 0])
        rgb = colorize(lambda _: answer, image, placement)[0].permute(1, 2, 0)
        golden.close(f"out_rgb{index}", rgb)
        golden.close(f"out_uint8_{index}", (255 * rgb).floor())
    assert center(gray, (3, 2)).shape[-2:] == (3, 2)


@case("larsson2016_step")
def larsson2016_step(golden: Golden) -> None:
    meta = golden.meta
    settings = {"width": 1 / meta["divide"], "mean": MEAN, "normalization": True, "dropout": 0.0}
    task = build_model(Larsson2016, settings).train()
    ours = task.model.convert_published(golden.weights())
    missing, unexpected = task.model.load_state_dict(ours, strict=False)
    assert not unexpected
    assert all(".norm." in key for key in missing)
    network, rgb, places = task.model.network, images(golden, "in_rgb"), golden.tensor("in_centroids")
    seen: dict[str, Tensor] = {}
    network.hidden.register_forward_hook(lambda *call: seen.update(hidden=call[-1]))
    found = columns(network.features(training_input(rgb, MEAN)), places, SCALES, meta["offsets"])
    golden.close("out_columns", found[:, meta["hyper_channels"]])
    logits = network.logits_of(found)
    golden.close("out_logits_h", logits.hue)
    golden.close("out_logits_c", logits.chroma)
    norm = network.trunk["conv3_3"].norm
    golden.close("out_bn_mean", norm.running_mean)  # after one batch, which counts 1
    golden.close("out_bn_var", norm.running_var)
    golden.close("out_bn_count", norm.num_batches_tracked[None].float())
    losses = task.losses(rgb, places)
    for name, ours_name in (("_h", "hue"), ("_c", "chroma"), ("", "loss")):
        golden.close(f"out_loss{name}", losses[ours_name])
    losses["loss"].backward()
    own = dict(task.model.named_parameters())
    index = {key: torch.tensor([number]) for number, key in enumerate(meta["grad_keys"])}
    renamed = {
        meta["grad_keys"][int(number)]: own[key]
        for key, number in task.model.convert_published(index).items()
    }
    task.make_optimizer.make = _sgd
    check_update(golden, [renamed[key] for key in meta["grad_keys"]], _sgd(task.optimized_parameters()))
    golden.close("out_new_prediction_h4", network.hue.weight.flatten(1))
    golden.close("out_new_bias_h4", network.hue.bias)
    golden.close("out_grad_conv1_1", network.trunk["conv1_1"].conv.weight.grad)


def _sgd(parameters: Any) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=5e-4)


# Training settings that the paper or the authors' code states

_FALLS = {0: 1.0, 999_999: 1.0, 1_000_000: 0.1, 1_500_000: 0.01, 1_750_000: 0.001, 1_999_999: 0.001}

RECIPES = (
    Recipe(
        config="larsson2016/paper.yaml",
        source="fact sheet, section 5: solver_vgg16.prototxt, train_vgg16.prototxt and the data layer",
        rates={step: 1e-3 * share for step, share in _FALLS.items()},
        matching_rates={step: 2e-3 * share for step, share in _FALLS.items()},
        optimizer="SGD", weight_decay=5e-4, batch=8, steps=2_000_000,
        settings={
            "width": 1.0, "mean": 0.4488, "normalization": True, "dropout": 0.5, "places": 128,
            "margin": 96, "window": 7, "hue_weight": 5.0,
        },
    ),
)  # fmt: skip


KNOBS = {
    "larsson2016": Knobs(values={"width": 0.125}, exempt=("chroma", "hue", "boost"), size=64),
}  # fmt: skip
