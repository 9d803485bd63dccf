"""Li et al. 2018: strength, smoothing, labels, conversion of VGG-19, and the training step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.sparse import eye_array
from scipy.sparse.linalg import spsolve
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.errors import WeightsError
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.networks.style import usable_labels
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.li2018.model import (
    AFFINITY_EPSILON,
    BETA,
    FILTER_EDGE,
    FILTER_RADIUS,
    GUIDED_EPSILON,
    GUIDED_RADIUS,
    ClosedFormStylization,
    PhotoWCT,
    affine_models,
    affinities,
    apply_models,
    averaged_models,
    convert_published,
    last_filter,
    recolor,
    smooth_closed_form,
)
from knobs.knob import Knobs
from parity.cases import Golden, case
from parity.pipelines.li2018 import (
    Published,
    closed_form_value,
    guided_filter,
    merge_labels,
    merge_small,
    rebuild,
    squeezed_guide,
    stylize_as_published,
    to_levels,
    to_planes,
)
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

GOLDEN = Path(__file__).parent.parent / "golden"
CONTENT, STYLE = sample_image((40, 52)), sample_image((36, 44), seed=3)


@pytest.fixture(scope="module")
def model() -> Any:
    return contract_test_model(model_card("photowct")).model


def narrow(**settings: Any) -> ClosedFormStylization:
    """Return a model with the same weights and other postprocessing settings."""
    made = ClosedFormStylization(width=0.125, **settings)
    made.load_state_dict(contract_test_model(model_card("li2018")).model.state_dict())
    return made.eval()


def test_stylize_alpha_interpolates_between_content_and_result(model: Any) -> None:
    full, none, half = (model.stylize(CONTENT, STYLE, transform="wct", alpha=a) for a in (1.0, 0.0, 0.5))
    assert torch.equal(none, CONTENT)
    torch.testing.assert_close(half, (full + CONTENT) / 2)
    assert full.shape == CONTENT.shape
    assert 0 <= full.min() <= full.max() <= 1


def test_smoothing_and_last_filter_settings_change_the_result() -> None:
    settings = [
        ("closed_form", True),
        ("closed_form", False),
        ("guided", False),
        ("none", True),
        ("none", False),
    ]
    found = [
        narrow(smoothing=kind, last_filter=last).stylize(CONTENT, STYLE, transform="wct")
        for kind, last in settings
    ]
    raw = narrow().network(CONTENT, STYLE)[-1].clamp(0, 1)
    assert torch.equal(found[-1], raw)
    for index, one in enumerate(found):
        assert all((one - other).abs().max() > 1e-3 for other in found[:index])
    # smoothing of a bright style exceeds white; values are clipped only after the last filter
    smooth, filtered = (
        narrow(last_filter=last).stylize(CONTENT, (1 + STYLE) / 2, transform="wct")[0]
        for last in (False, True)
    )
    assert torch.equal(filtered, last_filter(smooth, CONTENT[0]).clamp(0, 1))


def test_labels_limit_the_color_transfer_to_equal_labels(model: Any) -> None:
    lightness = rgb_to_lab(CONTENT)[:, :1]
    ours, theirs = torch.zeros(1, 1, 40, 52, dtype=torch.int64), torch.zeros(1, 1, 36, 44, dtype=torch.int64)
    ours[..., 26:], theirs[..., 22:] = 1, 2  # the right half has no label in the reference
    classes = ClassMap(ours, theirs)
    apart = model(lightness, Guidance(exemplar=Exemplar(STYLE), classes=classes)).ab
    assert (apart - model(lightness, Guidance(exemplar=Exemplar(STYLE))).ab).abs().max() > 0.1
    features, style = torch.rand(1, 4, 5, 13), torch.rand(1, 4, 9, 11)
    moved = recolor(features, style, ([ours[0, 0]], [theirs[0, 0]]))
    right = slice(7, None)
    assert torch.equal(moved[..., right], features[..., right])
    assert (moved[..., :6] - features[..., :6]).abs().max() > 0.1


def test_smooth_closed_form_equals_a_direct_solver() -> None:
    stylized, guide = (
        sample_image((24, 31), seed=seed)[0].permute(1, 2, 0).double().numpy() for seed in (1, 2)
    )
    guide[:9, :9] = 0.5  # a flat part
    weights, beta = affinities(guide), 0.9999
    scale = 1 / np.sqrt(weights.sum(axis=0))
    normalized = weights.multiply(scale[:, None]).multiply(scale[None])
    system = (eye_array(24 * 31) - beta * normalized).tocsc()
    wanted = spsolve(system, (1 - beta) * stylized.reshape(-1, 3)).reshape(24, 31, 3)
    assert np.abs(smooth_closed_form(stylized, guide, beta=beta) - wanted).max() < 1e-5


def test_convert_published_maps_vgg19_to_the_encoders() -> None:
    state = {
        f"features.{n}.{k}": torch.tensor(float(n))
        for n in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21)
        for k in ("weight", "bias")
    }
    ours = convert_published(state)
    own = {key for key in ClosedFormStylization(width=0.125).state_dict() if "encoders" in key}
    assert ours.keys() == own
    assert ours["network.encoders.2.conv3_1.weight"] == 10
    assert ours["network.encoders.3.conv4_1.bias"] == 19
    white = torch.nn.functional.conv2d(
        torch.ones(1, 3, 1, 1), ours["network.encoders.0.conv0.weight"], ours["network.encoders.0.conv0.bias"]
    )
    torch.testing.assert_close(
        white.flatten(), (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    )


def conv(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), state[f"{name}.weight"], state[f"{name}.bias"])


def encoded(state: dict[str, Tensor], rgb: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return relu2_1 of the second encoder, the map before its pooling, and the pooling indices."""
    x = F.conv2d(rgb, state["encoders.1.conv0.weight"], state["encoders.1.conv0.bias"])
    x = F.relu(conv(state, "encoders.1.conv1_2", F.relu(conv(state, "encoders.1.conv1_1", x))))
    pooled, places = F.max_pool2d(x, 2, return_indices=True)
    return F.relu(conv(state, "encoders.1.conv2_1", pooled)), x, places


@pytest.mark.usefixtures("_any_algorithm")
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_li2018_training_step_equals_the_reconstruction_loss(weight: float) -> None:
    model: Any = small("li2018", feature_weight=weight)
    batch, _, _ = training_batch()
    rgb, state = batch["rgb"], dict(model.model.network.named_parameters())
    features, before, places = encoded(state, rgb)
    x = F.relu(conv(state, "decoders.1.conv2_1", features))
    x = F.max_unpool2d(x, places, 2, output_size=before.shape[-2:])
    x = F.relu(conv(state, "decoders.1.conv1_2", x))
    made = conv(state, "decoders.1.conv1_1", x)
    wanted = (made - rgb).square().mean() + weight * (encoded(state, made)[0] - features).square().mean()
    logged: dict[str, Tensor] = {}
    model.log_dict = lambda values, **_: logged.update(values)
    loss = model.training_step(batch, 0)
    torch.testing.assert_close(logged["train/level2"], wanted.detach(), rtol=1e-5, atol=0)
    levels = [logged[f"train/level{level}"] for level in (1, 2, 3, 4)]
    torch.testing.assert_close(loss.detach(), torch.stack(levels).sum())
    ours = {name: value for name, value in gradients(loss, model).items() if ".decoders.1." in name}
    assert len(ours) == 6
    plain = {name: value for name, value in gradients(wanted, model).items() if name in ours}
    same(ours, plain, rtol=1e-3)


def test_li2018_fit_with_random_encoders_raises() -> None:
    with pytest.raises(WeightsError, match=r"VGG-19.*convert li2018"):
        small("li2018", width=1.0).prepare_fit()


# Golden files: Li et al. 2018 step by step against the authors' code; networks in the precision that a file
# names.


def network_of(golden: Golden) -> PhotoWCT:
    """Return the network with the pseudo weights; a file may contain some levels only."""
    state = golden.weights()
    ours = convert_published(state)
    (channels,) = {len(value) for key, value in state.items() if key.endswith(".conv1_2.weight")} or {64}
    network = PhotoWCT(channels / 64).eval()
    network.load_state_dict({key.removeprefix("network."): value for key, value in ours.items()})
    return network.to(getattr(torch, golden.meta["dtype"]))


def read_image(golden: Golden, name: str) -> Tensor:
    kind = getattr(torch, golden.meta["dtype"])
    return golden.tensor(name).permute(2, 0, 1)[None].to(kind) / 255


def labels_of(golden: Golden) -> tuple[Tensor, Tensor]:
    return golden.tensor("in_content_seg"), golden.tensor("in_style_seg")


@case("li2018_autoencoder")
@torch.inference_mode()
def li2018_autoencoder(golden: Golden) -> None:
    network, image = network_of(golden), read_image(golden, "in_image")
    encoded = network.encoders[-1](image)
    for level, hook in enumerate(encoded.hooks, start=1):
        golden.close_sampled(f"out_relu{level}_1", hook[:, :: golden.meta["every_channel"]])
    for number, pooled in enumerate(encoded.pools, start=1):
        name = f"out_pool{number}_index"
        channels, rows, columns = golden.arrays[name].shape  # the first rows and columns of some channels
        every = pooled.positions.shape[1] // channels
        golden.close(name, pooled.positions[0, ::every, :rows, :columns])
    for level in range(1, 5):
        golden.close(f"out_decoded{level}", rebuild(network, image, level)[0])


@case("li2018_wct")
@torch.inference_mode()
def li2018_wct(golden: Golden) -> None:
    content, style = golden.tensor("in_content")[None], golden.tensor("in_style")[None]
    golden.close("out_wct", recolor(content, style)[0])
    flat = golden.tensor("in_content_flat")[None], golden.tensor("in_style_flat")[None]
    golden.close("out_wct_flat", recolor(*flat)[0])
    ours, theirs = labels_of(golden)
    valid = [
        int(label in usable_labels(ours, theirs)) for label in range(len(golden.arrays["out_label_valid"]))
    ]
    assert valid == golden.arrays["out_label_valid"].tolist()
    golden.close("out_wct_seg", recolor(content, style, ([ours], [theirs]))[0])


@case("li2018_transform")
@torch.inference_mode()
def li2018_transform(golden: Golden) -> None:
    network = network_of(golden)
    images = read_image(golden, "in_content"), read_image(golden, "in_style")
    ours, theirs = labels_of(golden)
    for suffix, labels in (("", None), ("_seg", ([ours], [theirs]))):
        for level, found in zip((4, 3, 2, 1), network(*images, labels), strict=True):
            golden.close(f"out_image{level}{suffix}", found[0])


@case("li2018_smooth")
def li2018_smooth(golden: Golden) -> None:
    stylized, content, meta = golden.arrays["in_stylized"], golden.arrays["in_content"], golden.meta
    guide = squeezed_guide(content)
    golden.close("out_guide", torch.from_numpy(guide))
    assert (meta["beta"], meta["eps"]) == (BETA, AFFINITY_EPSILON)
    weights = affinities(guide / 255)
    height, width = guide.shape[:2]
    golden.close("out_degree", torch.from_numpy(weights.sum(axis=0)).view(height, width))
    rows = []
    # the file contains row 10, columns from 6
    for column in range(6, 6 + len(golden.arrays["out_weights"])):
        row = weights[[10 * width + column]].toarray().reshape(height, width)
        rows.append(row[8:13, column - 2 : column + 3])
    golden.close("out_weights", torch.from_numpy(np.stack(rows)))
    value = closed_form_value(stylized, content, beta=meta["beta"], epsilon=meta["eps"])
    golden.close("out_value", torch.from_numpy(value))
    golden.close("out_u8", torch.from_numpy(to_levels(torch.from_numpy(value).permute(2, 0, 1))))


@case("li2018_guided")
def li2018_guided(golden: Golden) -> None:
    images = golden.arrays["in_stylized"], golden.arrays["in_content"]
    published = golden.meta["published"]
    assert (published["radius"], published["eps"]) == (GUIDED_RADIUS, GUIDED_EPSILON)
    for name in ("published", "small"):
        options = golden.meta[name]
        found = guided_filter(*images, radius=options["radius"], epsilon=options["eps"])
        golden.close(f"out_u8_{name}", torch.from_numpy(found))


@case("li2018_postfilter")
def li2018_postfilter(golden: Golden) -> None:
    stylized, content = to_planes(golden.arrays["in_stylized"]), to_planes(golden.arrays["in_content"])
    models, every = affine_models(stylized, content), golden.meta["every"]
    published = golden.meta["published"]
    assert (published["f_radius"], published["f_edge"]) == (FILTER_RADIUS, FILTER_EDGE)
    golden.close("out_affine", models.permute(2, 3, 0, 1)[::every, ::every])
    for name in ("published", "small"):
        options = golden.meta[name]
        mean = averaged_models(models, content, radius=options["f_radius"], edge=options["f_edge"])
        golden.close(f"out_affine_{name}", mean.permute(2, 3, 0, 1)[::every, ::every])
        value = apply_models(mean, content)
        golden.close(f"out_value_{name}", value.permute(1, 2, 0))
        golden.close(f"out_u8_{name}", torch.from_numpy(to_levels(value)))


@case("li2018_remap")
def li2018_remap(golden: Golden) -> None:
    content, style, ranking = (
        golden.arrays[f"in_{name}"] for name in ("content_seg", "style_seg", "ranking")
    )
    least = golden.meta["min_ratio"]
    for name, labels in (("content", content), ("style", style)):
        golden.close(f"out_{name}_self", torch.from_numpy(merge_small(labels, ranking, least)))
    for name, labels in zip(("content", "style"), merge_labels(content, style, ranking, least), strict=True):
        golden.close(f"out_{name}_final", torch.from_numpy(labels))


@case("li2018_pipeline")
def li2018_pipeline(golden: Golden) -> None:
    network = network_of(golden)
    images = golden.arrays["in_content"], golden.arrays["in_style"]
    nearest = Image.Resampling.NEAREST
    plain = stylize_as_published(network, *images, resample=nearest)
    check_program(golden, plain, "_slow")
    check_program(
        golden, stylize_as_published(network, *images, labels_of(golden), resample=nearest), "_slow_seg"
    )
    bicubic = stylize_as_published(network, *images)
    golden.close("out_final_slow_bicubic", torch.from_numpy(bicubic.final))
    check_program(golden, stylize_as_published(network, *images, fast=True), "_fast")


def check_program(golden: Golden, found: Published, suffix: str) -> None:
    names = {"wct": found.transformed, "smoothed": found.smoothed, "final": found.final}
    present = {name: value for name, value in names.items() if f"out_{name}{suffix}" in golden.arrays}
    assert {"smoothed", "final"} <= present.keys()
    for name, value in present.items():
        golden.close(f"out_{name}{suffix}", torch.from_numpy(value))


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="li2018/decoders.yaml",
        source="fact sheet, section 9: both squared errors with weight 1, encoders fixed; the rest is ours",
        rates={0: 1e-4, 499: 1e-4},
        batch=8, epochs=5,
        settings={"width": 1.0, "feature_weight": 1.0},
        trains=("model.network.decoders.",),
    ),
)  # fmt: skip


KNOBS = {
    "li2018": Knobs(values={"width": 0.25}, exempt=("smoothing", "last_filter")),
}  # fmt: skip
