"""Xu et al. 2020: labels, embeddings, grid hints, training losses and stages, and weight files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import create_model
from colorzoo.abilities import ExemplarModel
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.bins import grid_centers, grid_index
from colorzoo.errors import ColorzooError, GuidanceError, WeightsError
from colorzoo.factory import build_model
from colorzoo.guidance import Points
from colorzoo.inference.references import normalize_weights
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.style import usable_labels
from colorzoo.randomness import image_generators
from colorzoo.registry import load_task_class, model_card
from colorzoo.simulation.points import simulate_points
from colorzoo.testing import sample_image
from colorzoo.training.initial_weights import load_initial_weights
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.load import save_weights
from colorzoo.zoo.xu2020.model import (
    PLACE_SETS,
    SMALLEST,
    STRIDE,
    StylizationColorization,
    adain,
    grid_hints,
    inside_labels,
    keep,
    match_embedding,
    match_moments,
    moments,
    weigh_transfer,
)
from colorzoo.zoo.xu2020.model import adain as match
from colorzoo.zoo.xu2020.model import wct as recolor
from colorzoo.zoo.xu2020.task import Xu2020, masked_huber
from knobs.knob import Knobs
from parity.cases import Golden, case
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


TINY = {"width": 0.125}


@pytest.fixture(scope="module")
def narrow() -> Any:
    torch.manual_seed(0)
    return build_model(Xu2020, TINY).eval()


@pytest.fixture(scope="module")
def xu2020_small() -> Xu2020:
    return create_model("xu2020_small")


def test_inside_labels_transfers_colors_only_between_equal_labels() -> None:
    content, style = torch.rand(1, 4, 8, 8), 5 + torch.rand(1, 4, 8, 8)
    left = torch.zeros(32, 32, dtype=torch.long)
    left[:, 16:] = 1
    only_zero = torch.zeros(32, 32, dtype=torch.long)
    moved = inside_labels(adain, (left, only_zero))(content, style, 1.0)
    assert torch.equal(moved[..., 4:], content[..., 4:])
    assert (moved[..., :4] > 4).all()


@pytest.mark.parametrize("transform", ["adain", "wct"])
def test_stylize_with_strength_0_returns_the_content(transform: str, narrow: Xu2020) -> None:
    content, style = torch.rand(2, 1, 3, 37, 45, generator=torch.Generator().manual_seed(0))
    full, nearly, none = (
        narrow.model.stylize(content, style, transform=transform, alpha=alpha) for alpha in (1.0, 0.999, 0.0)
    )
    torch.testing.assert_close(none, content, atol=1e-6, rtol=0)
    torch.testing.assert_close(nearly, full, atol=0.02, rtol=0)
    assert (full - content).abs().mean() > 0.05


def test_stylize_pads_labels_like_the_images(narrow: Xu2020) -> None:
    """The labels of an image of 33 x 50 pixels are padded to 40 x 56, not stretched."""
    content, style = sample_image((33, 50)), sample_image((33, 50), seed=1)
    labels = torch.zeros(33, 50, dtype=torch.long)
    labels[:, 40:] = 1
    padded_labels = torch.cat([labels, labels[:, -1:].expand(-1, 6)], dim=1)
    padded_labels = torch.cat([padded_labels, padded_labels[-1:].expand(7, -1)])
    padded = [pad_to_multiple(each, STRIDE, SMALLEST) for each in (content, style)]

    found = narrow.model.stylize(content, style, labels=(labels, labels))
    expected = narrow.model.stylize(*padded, labels=(padded_labels, padded_labels))
    torch.testing.assert_close(found, expected[:, :, :33, :50])


def test_mix_references_averages_embeddings_by_weight() -> None:
    class Encoder(ExemplarModel):
        def encode_reference(self, rgb: Tensor) -> Tensor:
            return rgb

    model, embeddings = Encoder(), [torch.zeros(1, 2, 3), torch.ones(1, 2, 3)]
    for weights, mean in (([1, 3], 0.75), ([0, 2], 1.0)):
        mixed = model.mix_references(embeddings, normalize_weights(weights))
        assert torch.equal(mixed, torch.full((1, 2, 3), mean))
    for wrong in ([0, 0], [-1, 2], [float("nan"), 1]):
        with pytest.raises(GuidanceError, match="weights must be"):
            normalize_weights(wrong)


def test_grid_hints_are_the_means_of_centered_patches() -> None:
    for size in [(256, 256), (300, 200), (9, 64), (1, 1)]:
        rows = torch.arange(size[0]).view(1, 1, -1, 1).expand(1, 1, *size)
        columns = torch.arange(size[1]).view(1, 1, 1, -1).expand(1, 1, *size)
        ab = torch.cat([rows, columns], dim=1).float()
        points = grid_hints(ab)
        assert points.mask.unique().tolist() in ([0.0, 1.0], [1.0])
        if size == (256, 256):
            assert points.mask.sum() == 64 * 25
            # one patch for each cell, within half a pixel of the cell center
            cell = points.ab[:, :, :32, :32] * points.mask[:, :, :32, :32]
            assert (cell.amax(dim=(2, 3)) - 15.5).abs().max() <= 1
        where = points.mask.bool().expand_as(ab)
        side = max(1, round(5 * min(size) / 256))
        assert (points.ab - ab)[where].abs().max() <= side // 2 + 0.01 + size[0] // 8 * (min(size) < 16)


def test_xu2020_decoder_stage_requires_a_trained_encoder(tmp_path: Path) -> None:
    model = build_model(Xu2020, {**TINY, "stage": "decoder"})
    with pytest.raises(WeightsError, match="stage decoder"):
        model.prepare_fit()
    vgg19 = {}
    shapes = {key: value.shape for key, value in model.model.network.transfer.encoder.state_dict().items()}
    for index, layer in zip((0, 2, 5, 7, 10, 12, 14, 16, 19), list(shapes)[2::2], strict=True):
        vgg19[f"features.{index}.weight"] = torch.randn(shapes[layer])
        vgg19[f"features.{index}.bias"] = torch.randn(shapes[layer][0])
    torch.save(
        {**vgg19, "features.21.weight": torch.zeros(1), "classifier.0.bias": torch.zeros(1)},
        tmp_path / "v.pth",
    )
    convert_weights(tmp_path / "v.pth", model_card("xu2020"), tmp_path / "vgg.safetensors", hparams=TINY)
    full = build_model(Xu2020, {**TINY, "stage": "decoder"})
    load_initial_weights(full, str(tmp_path / "vgg.safetensors"))
    full.prepare_fit()
    encoder = full.model.network.transfer.encoder
    assert torch.equal(encoder.conv3_4.conv.weight, vgg19["features.16.weight"])
    assert encoder.conv0.weight[0, 0].item() == pytest.approx(1 / 0.229)


def local_hints(folder: Path, **settings: Any) -> str:
    card = model_card("zhang2017_local")
    local = build_model(load_task_class(card), {"width": 0.125, **settings})
    metadata = {"model": card.name, "hparams": json.dumps({"width": 0.125, **settings})}
    save_weights(folder / "local.safetensors", local.state_dict(), metadata)
    return str(folder / "local.safetensors")


def test_xu2020_init_from_requires_local_hints_with_equal_settings(tmp_path: Path) -> None:
    path = local_hints(tmp_path)
    model = build_model(Xu2020, TINY)
    load_initial_weights(model, path)
    source = create_model("zhang2017_local", path).model.network.unet.state_dict()
    assert all(
        torch.equal(model.model.network.color.unet.state_dict()[key], value) for key, value in source.items()
    )
    with pytest.raises(ColorzooError, match="decoder"):
        load_initial_weights(build_model(Xu2020, {**TINY, "stage": "decoder"}), path)
    with pytest.raises(ColorzooError, match=r"mask_center"):
        load_initial_weights(build_model(Xu2020, TINY), local_hints(tmp_path, mask_center=0.5))


def test_xu2020_init_from_does_not_replace_the_network_of_its_backbone(
    xu2020_small: Xu2020, tmp_path: Path
) -> None:
    with pytest.raises(ColorzooError, match="backbone"):
        load_initial_weights(xu2020_small, local_hints(tmp_path))


def test_xu2020_small_weight_file_omits_backbone_weights(xu2020_small: Xu2020, tmp_path: Path) -> None:
    whole = xu2020_small.state_dict()
    kept = {key: value for key, value in whole.items() if "unet.block5" not in key}
    save_weights(tmp_path / "small.safetensors", kept, {"model": "xu2020_small"})
    again = create_model("xu2020_small", tmp_path / "small.safetensors").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_weigh_transfer_equals_the_formula() -> None:
    automatic, logits = 5 * torch.randn(2, 2, 16, 12), torch.randn(2, 529, 4, 3)
    logits[:, 264] = 7.0  # the gray bin, rather sure
    moved = torch.tensor([5.0, 80.0]).view(2, 1, 1, 1) * torch.randn(2, 2, 16, 12)
    shares = logits.softmax(dim=1)[..., None]
    centers = grid_centers().view(1, 529, 1, 1, 2)
    spread = (
        (shares * (centers - (shares * centers).sum(dim=1, keepdim=True)).square()).sum(dim=1).mean(dim=-1)
    )
    spread = torch.nn.functional.interpolate(spread[:, None], size=(16, 12), mode="bilinear")
    excess = (moved.square().mean(dim=1, keepdim=True) - spread).mean(dim=(1, 2, 3)).clamp(min=100.0)
    assert excess[0] == 100 < excess[1]
    found = weigh_transfer(automatic + moved, automatic, logits, grid_centers(), 10.0)
    wanted = automatic + spread / (spread + excess.view(2, 1, 1, 1)) * moved
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_weigh_transfer_of_a_cropped_image_equals_the_crop() -> None:
    """The logits of both images have the same cells, and both transfer variances have the minimum value."""
    automatic, transferred = torch.zeros(1, 2, 16, 12), torch.ones(1, 2, 16, 12)
    logits = 5 * torch.randn(1, 529, 4, 3)
    whole = weigh_transfer(transferred, automatic, logits, grid_centers(), 50.0)
    crop = (..., slice(13), slice(9))
    cropped = weigh_transfer(transferred[crop], automatic[crop], logits, grid_centers(), 50.0)
    torch.testing.assert_close(cropped, whole[crop])


def test_transfer_error_must_be_positive() -> None:
    with pytest.raises(ColorzooError, match="transfer_error must be above 0"):
        create_model("xu2020_small", weights=None, transfer_error=0.0)


def huber(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off <= delta, 0.5 * off.square(), delta * (off - 0.5 * delta)).mean()


def paper_points(batch: Any, ab: Tensor) -> Points:
    """Draw geometric numbers of patches; no image reveals all colors, as in the authors' code."""
    generators = image_generators(batch["seed"], "points")
    return simulate_points(ab, generators, stop_probability=0.25, reveal_all=0.0)


def test_xu2020_color_stage_step_equals_the_formula() -> None:
    """L_c: prediction and truth are both multiplied by 1 + 10 M."""
    model = small("xu2020", stage="color", stop_probability=0.25, delta=0.4)
    batch, lightness, ab = training_batch()
    points = paper_points(batch, ab)
    assert points.mask.any()
    found = model.training_step(batch, 0)
    predicted, _ = model.model.network.color(lightness, points)
    weight = 1 + 10 * points.mask
    wanted = huber(weight * predicted / 110, weight * ab / 110, 0.4)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    assert not any("class_head" in name for name in ours)
    same(ours, gradients(wanted, model), rtol=1e-3)


@pytest.mark.parametrize("weights", [(0.8, 0.2), (0.5, 0.9)])
def test_xu2020_decoder_stage_step_equals_the_formula(weights: tuple[float, float]) -> None:
    """Squared errors of the image and of relu4_1, without moment matching."""
    model = small("xu2020", stage="decoder", image_weight=weights[0], perceptual_weight=weights[1])
    batch, _, _ = training_batch()
    rgb = batch["rgb"]
    found = model.training_step(batch, 0)
    encoder, decoder = model.model.network.transfer.encoder, model.model.network.transfer.decoder
    made = decoder(encoder(rgb, keep), keep)
    bottoms = encoder(made, keep).bottom, encoder(rgb, keep).bottom.detach()
    image, features = ((a - b).square().mean() for a, b in ((made, rgb), bottoms))
    wanted = weights[0] * image + weights[1] * features
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    assert {name.split(".")[3] for name in ours} == {"decoder"}
    same(ours, gradients(wanted, model), rtol=1e-3)


def test_xu2020_encoder_stage_step_equals_the_formula() -> None:
    """Our addition: the transfer restores the truth from automatic or wrong colors."""
    model = small("xu2020", stage="encoder")
    batch, lightness, ab = training_batch(count=6)
    batch["reference"] = batch["rgb"].flip(3)  # type: ignore[typeddict-unknown-key]
    found = model.training_step(batch, 0)
    network = model.model.network
    draws = uniform(batch, "content", 4)[..., None, None]
    is_wrong = draws[:, 3:] < 0.3
    assert 0 < is_wrong.sum() < 6
    with torch.no_grad():
        automatic, _ = network.color(lightness, Points.none(lightness))
        wrong = 1.5 * draws[:, :1] * ab + 30 * (2 * draws[:, 1:3] - 1)  # paler or stronger, and shifted
        content = lab_to_rgb(torch.cat([lightness, torch.where(is_wrong, wrong, automatic)], dim=1))
    made = network.transfer(content, network.adapt(network.transfer.encode_reference(batch["reference"])))
    wanted = (made - batch["rgb"]).square().mean()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def uniform(batch: Any, name: str, columns: int) -> Tensor:
    """Return ``(B, columns)`` random numbers of the image generators."""
    return torch.stack([torch.rand(columns, generator=g) for g in image_generators(batch["seed"], name)])


# Golden files: Both sub-nets of Xu et al. 2020 and their feature transforms, against the authors' code.


@case("adain")
def adain_case(golden: Golden) -> None:
    content, style = golden.tensor("in_content"), golden.tensor("in_style")
    for side, maps in (("content", content), ("style", style)):
        found = moments(maps)
        golden.close(f"out_{side}_mean", found.mean.flatten())
        golden.close(f"out_{side}_std", found.std.flatten())
    golden.close("out_adain", match(content, style))
    golden.close("out_adain_alpha05", match_moments(content, moments(style), 0.5))
    golden.close("out_wct", recolor(content, style))
    golden.close("out_wct_alpha05", recolor(content, style, 0.5))
    labels = golden.tensor("in_content_seg"), golden.tensor("in_style_seg")
    golden.close("out_adain_seg", inside_labels(match, labels)(content, style, 1.0))
    valid = [label in usable_labels(*labels) for label in range(len(golden.arrays["out_label_valid"]))]
    assert valid == golden.tensor("out_label_valid").bool().tolist()


@case("xu2020_encoder")
@torch.inference_mode()
def xu2020_encoder(golden: Golden) -> None:
    model = StylizationColorization().eval()
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    transfer = model.network.transfer
    maps = transfer.style_maps(golden.tensor("in_rgb"))
    found = {f"relu{level}_1": maps[f"encoder{level}"] for level in (1, 2, 3, 4)}
    encoded = transfer.encoder(golden.tensor("in_rgb"), keep)
    found |= {f"pool{level}": encoded.pools[level - 1] for level in (1, 2, 3)}
    found |= dict(zip(("conv1_2", "conv2_2", "conv3_4"), encoded.maps, strict=True))
    for name, value in found.items():
        golden.close(f"out_{name}", value[:, : golden.meta["channels"].get(name)])


@case("xu2020_transfer")
@torch.inference_mode()
def xu2020_transfer(golden: Golden) -> None:
    model = StylizationColorization().eval()
    for part in ("encoder", "decoder"):
        model.load_weights(golden.weights(part), name="the authors' weights", published=True)
    network = model.network
    content, style = golden.tensor("in_content"), golden.tensor("in_style")
    look = network.transfer.encode_reference(style)
    targets = network.transfer.split_embedding(look)

    def run(sets: tuple[str, ...] = PLACE_SETS, alpha: float = 1.0) -> Tensor:
        return network.transfer(content, match_embedding(targets, sets, alpha))

    golden.close("out_recon", network.transfer(content))
    golden.close("out_rgb", run())
    golden.close("out_rgb_alpha05", run(alpha=0.5))
    for name in PLACE_SETS:
        golden.close(f"out_rgb_only_{name}", run((name,)))
    golden.close("out_rgb_encoder_decoder", run(("encoder", "decoder")))
    golden.close("out_rgb_wct", network.transfer(content, network.adapt_maps(style, recolor)))
    for level in (3, 2, 1):
        golden.close(f"out_style_dec{level}_mean", targets[f"decoder{level}"].mean[:, :, 0, 0])
        golden.close(f"out_style_dec{level}_std", targets[f"decoder{level}"].std[:, :, 0, 0])
    golden.close("out_tab_norm", rgb_to_lab(run().clamp(0, 1))[:, 1:] / 110)


@case("xu2020_color")
@torch.inference_mode()
def xu2020_color(golden: Golden) -> None:
    model = StylizationColorization().eval()
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    lightness = 100 * golden.tensor("in_L") + 50
    mask, truth = golden.tensor("in_mask"), 110 * golden.tensor("in_ab_true")
    ab, logits = model.network.color(lightness, Points(110 * golden.tensor("in_hint_ab"), mask))
    golden.close("out_ab", ab / 110)
    golden.close("out_class64", logits[:, : golden.arrays["out_class64"].shape[1]])
    golden.close("out_rgb", lab_to_rgb(torch.cat([lightness, ab], dim=1), clip=False))
    golden.close("out_loss_mean", masked_huber(ab, truth, mask)[None].double())
    expected = golden.tensor("out_true_bin")
    bins = grid_index(truth).view(len(truth), 1, *truth.shape[-2:])
    assert torch.equal(golden.sampled("out_true_bin", bins).long(), expected.long())


# Training settings that the paper or the authors' code states

_PAPER = {
    "width": 1.0, "backbone": None, "transfer_error": None, "places": ["encoder", "skip", "decoder"],
}  # fmt: skip
_COLOR = {**_PAPER, "stop_probability": 1 / 8}  # code: points are geometric, 12.5 % of the images have none
_COLOR_NET = {"trains": ("model.network.color.",), "fixed": ("model.network.color.unet.class_head.",)}

RECIPES = (
    Recipe(
        config="xu2020/color.yaml",
        source="fact sheet, section 6: rate and its change of the paper; batch of the code",
        rates={0: 1e-5, 320_289: 1e-5, 320_290: 1e-6, 640_000: 1e-6},  # 10 epochs of ImageNet by 40
        batch=40, epochs=20, stage="color",
        settings={**_COLOR, "hint_weight": 10.0, "delta": 1.0},
        **_COLOR_NET,
    ),
    Recipe(
        config="xu2020/decoder.yaml",
        source="fact sheet, section 6: 0.8 and 0.2, 1e-4 halved every 5 epochs, 88 epochs by their files",
        rates={0: 1e-4, 73_929: 1e-4, 73_930: 5e-5, 147_860: 2.5e-5, 17 * 73_930: 1e-4 / 2**17},  # COCO by 8
        batch=8, epochs=88, stage="decoder",
        settings={**_PAPER, "image_weight": 0.8, "perceptual_weight": 0.2},
        trains=("model.network.transfer.decoder.",),
    ),
)  # fmt: skip


KNOBS = {
    "xu2020": Knobs(
        values={"width": 0.25, "stage": "encoder"},
        exempt=("places", "transfer_error", "image_weight", "perceptual_weight"),
        batch=6,
    ),
}  # fmt: skip
