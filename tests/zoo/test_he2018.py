"""He et al. 2018: dense matches, network inputs, conversion of the authors' files, and the training step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.apps.cli.main import main
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import WeightsError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.he2018.model import (
    ColorNet,
    ExemplarColorization,
    GrayVGG,
    convert_color_net,
    convert_published,
    convert_vgg,
    dense_matches,
    distances,
    pixel_grid,
    round_trip,
    warp,
)
from knobs.knob import Knobs
from parity.cases import Golden, case, read
from parity.pipelines.he2018 import (
    Combo,
    Published,
    color_combo,
    error_maps,
    lightness_levels,
    make_combo,
    matches_of,
    warped_image,
)
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

GOLDEN = Path(__file__).parent.parent / "golden" / "he2018_full.npz"
SOURCES = Path(__file__).parents[2] / "docs/images/sources"
NARROW = {"width": 0.125, "color_width": 0.125}


def load_image(side: int) -> Tensor:
    rgb = Image.open(SOURCES / "detroit_1915.jpg").convert("RGB").resize((side, side))
    return torch.from_numpy(np.asarray(rgb).copy()).permute(2, 0, 1)[None] / 255


def test_dense_matches_recover_a_translation() -> None:
    model = contract_test_model(model_card("he2018")).model
    lightness = rgb_to_lab(load_image(144))[:, :1]
    ours, theirs = lightness[:, :, :128, :128], lightness[:, :, 16:, 8:]
    with torch.inference_mode():
        features = model.features(ours), model.features(theirs)
        found = dense_matches(*features, (128, 128), (128, 136))
    flow = (found - pixel_grid((128, 128), found.device))[:, :, 24:, 16:].float()
    assert flow[:, 0].median() == -8
    assert flow[:, 1].median() == -16


def test_dense_matches_of_a_flat_background_are_in_the_background() -> None:
    model = contract_test_model(model_card("he2018")).model
    lightness = torch.full((1, 1, 96, 512), 95.0)
    lightness[..., 216:296] = 60 * torch.rand(1, 1, 96, 80, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = model.features(lightness)
        found = dense_matches(features, features, (96, 512), (96, 512))
    # columns whose features are equal, because the textured object is outside of their receptive fields
    flat = torch.cat([found[0, 0, :, 96:112], found[0, 0, :, 400:416]])
    assert bool(((flat < 216) | (flat >= 296)).all())


def test_he2018_network_receives_warped_colors_and_match_errors() -> None:
    model = contract_test_model(model_card("he2018"))
    lightness = rgb_to_lab(sample_image((40, 48)))[:, :1]
    with torch.inference_mode():
        alone = model(lightness, Guidance())
        like = model(lightness, Guidance(exemplar=Exemplar(sample_image((40, 48)))))
        inputs = torch.cat(
            [lightness - 50, torch.zeros(1, 2, 40, 48), torch.full((1, 10, 40, 48), 64.0)], dim=1
        )
        wanted = model.model.network(inputs)
        other = model(
            lightness[..., :37, :45], Guidance(exemplar=Exemplar(rgb := sample_image((30, 52), seed=1)))
        )
        aligned = model.model.align(lightness[..., :37, :45], rgb)
        ab = rgb_to_lab(warp(rgb, aligned.there))[:, 1:]
        inputs = torch.cat([lightness[..., :37, :45] - 50, ab, aligned.errors / 2 - 63.5], dim=1)
        generated = model.model.network(F.pad(inputs, (0, 3, 0, 3), mode="replicate"))[..., :37, :45]
    assert torch.equal(alone.ab, wanted)
    assert like.extras["similarity"].mean() > 0.9  # with itself
    torch.testing.assert_close(other.ab, generated)
    torch.testing.assert_close(other.extras["warped_ab"], ab)
    torch.testing.assert_close(other.extras["similarity"], 1 - aligned.errors.mean(1, keepdim=True) / 255)


def test_assigned_match_function_selects_the_warped_colors() -> None:
    model = contract_test_model(model_card("he2018"))
    rgb = sample_image((40, 48), seed=1)

    def shift_by_8_columns(_ours: Any, _theirs: Any, size: tuple[int, int], other: tuple[int, int]) -> Tensor:
        shift = torch.tensor([other[1] - size[1], 0]).view(1, 2, 1, 1)
        return (pixel_grid(size, torch.device("cpu")) + shift).clamp(min=0)

    model.model.match = shift_by_8_columns
    lightness = rgb_to_lab(sample_image((40, 40)))[:, :1]
    with torch.inference_mode():
        found = model(lightness, Guidance(exemplar=Exemplar(rgb))).extras["warped_ab"]
    torch.testing.assert_close(found, rgb_to_lab(rgb)[:, 1:, :, 8:], rtol=0, atol=1e-3)


def narrow_files(folder: Path) -> dict[str, Tensor]:
    """Write the authors' two files for narrow networks, and return their tensors under our names."""
    from caffe_files import net

    model = ExemplarColorization(**NARROW)
    wanted = {
        key: torch.rand(value.shape) for key, value in model.state_dict().items() if "batches" not in key
    }
    layers = {}
    for block, count in enumerate((2, 2, 4, 4, 1)):
        for index in range(count):
            ours, theirs = f"features.blocks.{block}.{index}.", f"conv{block + 1}_{index + 1}"
            layers[theirs] = [wanted[f"{ours}0.weight"], wanted[f"{ours}0.bias"]]
            layers[f"{theirs}/bn"] = [4 * wanted[f"{ours}1.running_{k}"] for k in ("mean", "var")] + [
                torch.tensor([4.0])
            ]
    scale = {k: wanted[f"features.scale.{k}"] for k in ("running_mean", "running_var", "weight", "bias")}
    layers["data/bn"] = [4 * scale["running_mean"], 4 * scale["running_var"], torch.tensor([4.0])]
    layers["data/scale"] = [scale["weight"], scale["bias"]]
    layers["fc6"] = [torch.rand(3, 4), torch.rand(3)]
    blobs = net({name: [each.numpy() for each in parts] for name, parts in layers.items()})
    (folder / "vgg19_bn_gray_ft_iter_150000.caffemodel").write_bytes(blobs)
    names = {ours_of(key): key for key in read(GOLDEN).meta["shapes"]["colornet"] if "batches" not in key}
    state = {names[key]: value for key, value in wanted.items() if key in names}
    torch.save(state, folder / "example_net.pth")
    return wanted


def ours_of(key: str) -> str:
    value = torch.zeros(1)
    return "network." + next(name for name, each in convert_color_net({key: value}).items() if each is value)


def test_convert_weights_merges_both_he2018_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "weights"))
    wanted = narrow_files(tmp_path)
    out = tmp_path / "he2018.safetensors"
    settings = [f"--set={name}={value}" for name, value in NARROW.items()]
    assert main(["weights", "convert", "he2018", str(tmp_path), str(out), *settings]) == 0
    loaded = create_coloring_model("he2018", out)
    for name, value in wanted.items():
        torch.testing.assert_close(loaded.state_dict()[name], value)
    gray, alone = tmp_path / "vgg19_bn_gray_ft_iter_150000.caffemodel", tmp_path / "gray.safetensors"
    assert main(["weights", "convert", "he2018", str(gray), str(alone), *settings]) == 0
    with pytest.warns(UserWarning, match="untrained"):
        features = create_coloring_model("he2018", alone).features.state_dict()
    torch.testing.assert_close(features["scale.running_var"], wanted["features.scale.running_var"])


def task_of(**settings: Any) -> Any:
    """Return a task whose loss uses an untrained VGG-19."""
    model = small("he2018", **settings)
    model.allow_untrained = True
    model.setup("fit")
    return model


def smooth_l1(found: Tensor, truth: Tensor) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off < 1, 0.5 * off.square(), off - 0.5).mean()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_he2018_training_step_equals_the_loss_of_each_branch(share: float) -> None:
    model = task_of(perceptual_share=share, perceptual_weight=0.3)
    batch, lightness, ab = training_batch()
    batch["reference"] = batch["rgb"].roll(1, 0).flip(2)
    found = model.training_step(batch, 0)
    aligned = model.model.align(lightness, batch["reference"])
    if share:
        given = warp(batch["reference"], aligned.there)
    else:
        given = warp(batch["rgb"], round_trip(aligned.there, aligned.back))
    inputs = torch.cat([lightness - 50, rgb_to_lab(given)[:, 1:], (aligned.errors - 127) / 2], dim=1)
    generated = model.model.network(inputs)
    if share:
        made, truth = (
            model.vgg(each)[0] for each in (lab_to_rgb(torch.cat([lightness, generated], 1)), batch["rgb"])
        )
        wanted = 0.3 * (made - truth).square().mean()
    else:
        wanted = smooth_l1(generated, ab)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_he2018_fit_with_random_features_raises() -> None:
    small("he2018").prepare_fit()  # narrow networks have no published weights
    model = small("he2018", width=1.0)
    with pytest.raises(WeightsError, match=r"gray VGG-19.*convert he2018"):
        model.prepare_fit()
    model.trained = True
    model.prepare_fit()


def test_he2018_features_stay_in_eval_mode_in_training() -> None:
    model = contract_test_model(model_card("he2018")).train()
    assert model.model.network.training
    assert not any(layer.training for layer in model.model.features.modules())


# Golden files: Both sub-nets of He et al. 2018, and the steps between them, compared with the authors'
# code.


LEVELS = ("5_1", "4_1", "3_1", "2_1", "1_1")


def color_net(golden: Golden) -> ColorNet:
    state = convert_color_net(golden.weights())
    network = ColorNet(len(state["block1.0.weight"]) / 32)
    network.load_state_dict(state)
    return network.eval()


def in_rgb(golden: Golden, name: str) -> np.ndarray:
    return golden.arrays[name][..., ::-1]


def of_flow(golden: Golden, name: str) -> Tensor:
    return matches_of(golden.tensor(name).permute(2, 0, 1)[None])


@case("he2018_colornet")
@torch.no_grad()
def he2018_colornet(golden: Golden) -> None:
    network, x = color_net(golden), golden.tensor("in_x")
    layers = modules_of(network, golden_layers(golden))
    seen: dict[str, Tensor] = {}
    for key, module in layers.items():
        module.register_forward_hook(lambda _, __, out, key=key: seen.update({key: out.clone()}))
    golden.close("out_ab", network(x))
    assert seen.keys() == layers.keys() != set()
    for key, value in seen.items():
        part = value[:, :: 1 if key == "conv10_ab" else golden.meta["every_channel"]]
        golden.close_sampled(f"out_{key}", part)
    golden.close("out_ab_train", network.train()(x))
    after = {f"out_{k.replace('.', '_')}": network.state_dict()[ours(k)] for k in golden.meta["shapes"]}
    updated = [name for name in golden.arrays if "running" in name]
    assert updated
    for name in updated:
        golden.close(name, after[name])


def golden_layers(golden: Golden) -> list[str]:
    """Return the layers whose outputs the file contains."""
    names = [name.removeprefix("out_") for name in golden.arrays if name.startswith("out_conv")]
    return [name for name in names if "running" not in name]


def ours(key: str) -> str:
    value = torch.zeros(1)
    (name,) = [name for name, each in convert_color_net({key: value}).items() if each is value]
    return name


def modules_of(network: ColorNet, layers: list[str]) -> dict[str, torch.nn.Module]:
    """Return the modules by the authors' names of layers."""
    found = {}
    for layer in layers:
        inner = ".2" if layer == "conv1_1" else ""
        parameter = "running_var" if layer.endswith("norm") else "weight"
        found[layer] = network.get_submodule(ours(f"{layer}{inner}.{parameter}").rpartition(".")[0])
    return found


@case("he2018_gray_vgg")
@torch.inference_mode()
def he2018_gray_vgg(golden: Golden) -> None:
    state = convert_vgg(golden.weights())
    network = GrayVGG(len(state["blocks.0.0.0.weight"]) / 64)
    network.load_state_dict(state)
    levels = torch.from_numpy(lightness_levels(in_rgb(golden, "in_bgr")))
    golden.close("out_l8", levels)
    hooks = network.of_levels(levels[None, None].float())
    for level, hook in zip(LEVELS, hooks, strict=True):
        every = max(1, hook.shape[-2] // 16)
        golden.close(f"out_relu{level}", hook[0, :: golden.meta["every_channel"], ::every, ::every])


@case("he2018_matching")
@torch.inference_mode()
def he2018_matching(golden: Golden) -> None:
    there, back = of_flow(golden, "in_flow_ab"), of_flow(golden, "in_flow_ba")
    golden.close("out_warp_ba", torch.from_numpy(warped_image(golden.arrays["in_reference_bgr"], there)))
    trip = round_trip(there, back)
    golden.close("out_flow_aba", trip[0].permute(1, 2, 0))
    golden.close("out_warp_aba", torch.from_numpy(warped_image(golden.arrays["in_target_bgr"], trip)))
    hooks = ([golden.tensor(f"in_{side}{level}")[None] for level in LEVELS] for side in "ab")
    for name, found in zip(("ba", "ab"), distances(*hooks, there, back), strict=True):
        golden.close(f"out_dist_{name}", found[0])
        golden.close(f"out_err_{name}", torch.from_numpy(error_maps(found)))


@case("he2018_pipeline")
@torch.inference_mode()
def he2018_pipeline(golden: Golden) -> None:
    model = ExemplarColorization().eval()
    model.network.load_state_dict(convert_color_net(golden.weights()))
    arrays = golden.arrays
    combo = Combo(in_rgb(golden, "in_warp_ba_bgr"), arrays["in_err_ba"], arrays["in_err_ab"])
    resized = color_combo(model, arrays["in_target"], combo, golden.meta["short_size"])
    golden.close("out_l_full_resized", resized.lightness[0] - 50)
    check_program(golden, resized, "resized", 1)
    check_program(
        golden, color_combo(model, arrays["in_target"], combo, 0), "asis", golden.meta["every_position"]
    )


def check_program(golden: Golden, found: Published, suffix: str, every: int) -> None:
    part = (..., slice(None, None, every), slice(None, None, every))
    golden.close(f"out_input_{suffix}", found.inputs[part])
    golden.close(f"out_ab_{suffix}", found.cut_ab[part])
    golden.close(f"out_ab_full_{suffix}", found.ab[0][part])
    golden.close(f"out_rgb_{suffix}", torch.from_numpy(found.rgb))


@case("he2018_full")
@torch.inference_mode()
def he2018_full(golden: Golden) -> None:
    model = ExemplarColorization().eval()
    both = {
        f"{part}.{key}": value for part in ("vgg", "colornet") for key, value in golden.weights(part).items()
    }
    model.load_state_dict(convert_published(both))
    target, reference = in_rgb(golden, "in_target_bgr"), in_rgb(golden, "in_reference_bgr")
    for name, image in (("target", target), ("reference", reference)):
        golden.close(f"out_l8_{name}", torch.from_numpy(lightness_levels(image)))
    flows = golden.arrays["in_flow_ab"], golden.arrays["in_flow_ba"]
    combo = make_combo(model, target, reference, *flows)
    golden.close("out_warp_ba", torch.from_numpy(combo.warped[..., ::-1].copy()))
    golden.close("out_err_ba", torch.from_numpy(combo.forward))
    golden.close("out_err_ab", torch.from_numpy(combo.backward))
    found = color_combo(model, target, combo, 0)
    golden.close("out_ab", found.ab[0])
    golden.close("out_rgb", torch.from_numpy(found.rgb))


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="he2018/paper.yaml",
        source="fact sheet, section 7: Adam 1e-3, decayed; 10 epochs of 700,000 pairs in batches of 256",
        rates={0: 1e-3, 9_114: 1e-3, 9_115: 1e-4, 18_230: 1e-5},
        batch=256, epochs=10,
        settings={
            "width": 1.0, "color_width": 1.0, "perceptual_weight": 0.005, "perceptual_share": 0.5,
        },
        trains=("model.network.",),
    ),
)  # fmt: skip


KNOBS = {
    "he2018": Knobs(
        values={"width": 0.25, "color_width": 0.25, "perceptual_share": 0.0},
        exempt=("perceptual_weight",),
    ),
}  # fmt: skip
