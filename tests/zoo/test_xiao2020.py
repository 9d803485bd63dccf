"""Xiao et al. 2020: pyramid levels, histogram guidance, the authors' files, and training stages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import Exemplar, GlobalStatistics, Guidance
from colorzoo.abilities import ExemplarModel
from colorzoo.color import prior_probabilities, rebalancing_weights, rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.networks.renaming import rename_keys
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.load import read_weights
from colorzoo.zoo.xiao2020.model import (
    NAMES,
    QUARTER,
    LevelNetwork,
    PyramidColorization,
    color_codes,
    color_histogram,
    convert_published,
)
from colorzoo.zoo.xiao2020.task import Xiao2020
from knobs.knob import Knobs
from parity.cases import Golden, case, check_update
from parity.pipelines.xiao2020 import colorize, enlarged, level_input, levels_of
from steps.step import small
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def renamed(key: str) -> str:
    return next(iter(rename_keys({key: torch.zeros(0)}, NAMES)))


@pytest.fixture
def model() -> PyramidColorization:
    found = contract_test_model(model_card("xiao2020")).model
    assert isinstance(found, PyramidColorization)
    return found


def test_color_histogram_counts_means_of_sixteen_pixels() -> None:
    ab = torch.zeros(1, 2, 8, 8)
    ab[:, 0, :4] = 50.0
    ab[:, 0, 4:, ::2] = 40.0  # with the 0 beside it a mean of 20
    found = color_histogram(ab)
    flat = (torch.tensor([a, 0.0]).view(1, 2, 1, 1).expand(-1, -1, 4, 4) for a in (50.0, 20.0))
    torch.testing.assert_close(found, torch.stack([*map(color_histogram, flat)]).mean(0))
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))


@torch.inference_mode()
def test_xiao2020_level_receives_the_colors_of_the_lower_level(model: PyramidColorization) -> None:
    seen: list[Tensor] = []
    model.network.later.register_forward_pre_hook(lambda _, given: seen.extend(given))
    prediction = model(sample_input("gray", (50, 70)))
    assert prediction.ab.shape == (1, 2, 50, 70)
    lightness, histogram, below = seen
    assert lightness.shape[-2:] == (128, 128)
    assert below.shape[-2:] == (16, 16)
    torch.testing.assert_close(histogram, prior_probabilities().float()[None])
    half = (prediction.extras["logits"] / 2).softmax(1)
    wanted = torch.einsum("bqhw,qc->bchw", half, model.network.later.centers)
    torch.testing.assert_close(prediction.ab[..., 0, 0], wanted[..., 0, 0], rtol=1e-4, atol=1e-3)


@torch.inference_mode()
def test_xiao2020_exemplars_embeddings_and_statistics_are_histograms(model: PyramidColorization) -> None:
    assert isinstance(model, ExemplarModel)
    lightness, rgb = sample_input("gray", (40, 48)), sample_image((64, 64))

    def colors(**given: Any) -> Tensor:
        return model(lightness, Guidance(**given)).ab

    embedding = model.encode_reference(rgb)
    assert embedding.shape == (1, 2, 313)
    torch.testing.assert_close(embedding[:, 0], color_histogram(rgb_to_lab(rgb)[:, 1:]))
    torch.testing.assert_close(
        colors(exemplar=Exemplar.of_embedding(embedding)), colors(exemplar=Exemplar(rgb))
    )
    torch.testing.assert_close(colors(exemplar=Exemplar(rgb, alpha=0.0)), colors())
    assert not torch.allclose(colors(exemplar=Exemplar(rgb)), colors(), rtol=0, atol=1e-5)
    shares = Exemplar.of_embedding(embedding[:, :1].expand(-1, 2, -1))
    given = GlobalStatistics(histogram=embedding[:, 0])
    torch.testing.assert_close(colors(statistics=given), colors(exemplar=shares))


@torch.inference_mode()
def test_xiao2020_notes_statistics_without_effect(model: PyramidColorization) -> None:
    lightness, exemplar = sample_input("gray", (40, 48)), Exemplar(sample_image((64, 64)))
    both = GlobalStatistics(histogram=prior_probabilities().float()[None], saturation=torch.ones(1, 1))
    unused_saturation = "xiao2020 does not use the saturation; it was ignored"
    unused_histogram = "xiao2020 does not use a color histogram with a reference; it was ignored"
    assert model(lightness, Guidance(exemplar=exemplar)).notes == ()
    assert model(lightness, Guidance(statistics=both)).notes == (unused_saturation,)
    both_kinds = Guidance(exemplar=exemplar, statistics=both)
    assert model(lightness, both_kinds).notes == (unused_saturation, unused_histogram)


def test_convert_weights_merges_the_xiao2020_caffe_files(
    model: PyramidColorization, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics are divided by their stored factor; the factor of the logits is folded into the head."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "weights"))
    from caffe_files import net

    names = {"init": model.network.first, "sub": model.network.later}
    files = {"init": "DEPN_init.caffemodel", "sub": "DEPN_sub.caffemodel"}
    layers = [f"{p}conv{n}" for p in ("refer_", "small_") for n in (1, 2, 3, 4)]
    layers += [f"RDB{b}_conv{n}" for b in (4, 5, 6) for n in (1, 2, 3, 4)]
    layers += ["bw_conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv8_313"]
    layers += [f"conv{b}_{n}" for b in (3, 4, 5, 6, 7, 8) for n in (1, 2, 3)]
    norms = ["conv1_2", "conv2_2", *(f"conv{b}_3" for b in (3, 4, 5, 6, 7)), *layers[:8]]
    for prefix, network in names.items():
        own = network.state_dict()
        blobs: dict[str, list[np.ndarray]] = {"conv8_313_rh": [np.full(1, 0.25, np.float32)]}
        for layer in layers:
            if renamed(f"{layer}.weight") in own:
                blobs[layer] = [own[renamed(f"{layer}.{part}")].numpy() for part in ("weight", "bias")]
        for layer in (f"{each}norm" for each in norms):
            if renamed(f"{layer}.running_mean") in own:
                statistics = [own[renamed(f"{layer}.running_{part}")] for part in ("mean", "var")]
                blobs[layer] = [3 * each.numpy() for each in statistics] + [np.full(1, 3.0, np.float32)]
        (tmp_path / files[prefix]).write_bytes(net(blobs))
    out = tmp_path / "depn.safetensors"
    convert_weights(tmp_path, model_card("xiao2020"), out, hparams={"width": 0.0625})
    found = read_weights(out).state_dict
    for key, value in model.state_dict().items():
        if "num_batches" not in key:
            factor = 0.5 if "class_head" in key else 1.0
            torch.testing.assert_close(found[key], factor * value, msg=lambda m, k=key: f"{k}: {m}")
    assert set(convert_published({"other.weight": torch.zeros(1)})) == {"other.weight"}


def test_xiao2020_later_stage_copies_the_first_level_and_decays_all_weights() -> None:
    task = small("xiao2020", stage="later")
    before = task.model.network.later.coarse.convolutions[0].weight.clone()
    task.continue_from("first")
    network = task.model.network
    torch.testing.assert_close(network.later.block5[0].weight, network.first.block5[0].weight)
    torch.testing.assert_close(network.later.coarse.convolutions[0].weight, before)
    (group,) = task.optimized_parameters()
    assert any(each.ndim == 1 for each in group["params"])
    assert "weight_decay" not in group


def test_xiao2020_later_stage_keeps_the_running_statistics_of_the_first_level() -> None:
    task = small("xiao2020", stage="later").train()
    before = {key: value.clone() for key, value in task.model.network.first.state_dict().items()}
    rgb = sample_image((32, 32), batch=2)
    task.training_step({"rgb": rgb, "seed": torch.arange(2)}, 0)
    torch.testing.assert_close(task.model.network.first.state_dict(), before, rtol=0, atol=0)


# Golden files: Codes, networks of both kinds of levels, loss, a step and the script of Xiao et al. 2020.


def published(golden: Golden, prefix: str) -> dict[str, Tensor]:
    return convert_published({f"{prefix}.{key}": value for key, value in golden.weights().items()})


@case("xiao2020_encoding")
def xiao2020_encoding(golden: Golden) -> None:
    ab = golden.tensor("in_ab").float()
    golden.close("out_pooled", F.avg_pool2d(ab, QUARTER))
    golden.close("out_histogram", color_histogram(ab))
    shown = golden.tensor("out_codes_sum_first")
    golden.close("out_codes_sum_first", color_codes(ab[:, :, :2, :2]).sum(1)[: len(shown)])
    true = ab[:, :, ::QUARTER, ::QUARTER]
    codes = color_codes(true)
    golden.close("out_target", codes[0, :, :4, :4])
    golden.close("out_target_argmax", codes.argmax(dim=1))
    golden.close("out_boost", build_model(Xiao2020, {"width": 0.0625}).weights_of(true, codes)[:, None])
    golden.close("out_prior_factor", rebalancing_weights(prior_probabilities().double()))


@case("xiao2020_loss")
def xiao2020_loss(golden: Golden) -> None:
    task = build_model(Xiao2020, {"width": 0.0625})
    ab, logits = golden.tensor("in_ab").float(), golden.tensor("in_logits").float().requires_grad_()
    loss = task.loss(logits, ab)
    golden.close("out_loss", loss)
    true = ab[:, :, ::QUARTER, ::QUARTER]
    golden.close("out_mask", (true.abs() > 5).flatten(1).any(dim=1).view(-1, 1, 1, 1))
    golden.close("out_weight", task.weights_of(true, color_codes(true))[:, None])
    (gradient,) = torch.autograd.grad(loss, logits)
    golden.close("out_grad", gradient[:, ::8])
    golden.close("out_grad_norm", gradient.norm())


@case("xiao2020_network")
@torch.inference_mode()
def xiao2020_network(golden: Golden) -> None:
    meta, lightness = golden.meta, golden.tensor("in_img_l").float()
    later = "in_small_ab" in golden.arrays
    network = LevelNetwork(coarse=later).eval()
    prefix = "network.later." if later else "network.first."
    weights = {k.removeprefix(prefix): v for k, v in published(golden, "sub" if later else "init").items()}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all("num_batches" in key for key in missing)
    seen: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    for name in (key.removeprefix("out_") for key in golden.arrays):
        module = modules.get(renamed(f"{name}.weight").removesuffix(".weight"))
        if module is not None:
            module.register_forward_hook(lambda *call, name=name: seen.update({name: call[-1]}))
    network.block5[2].register_forward_hook(lambda *call: seen.update(Rconv5_1=call[-1]))
    network.block6[2].register_forward_hook(lambda *call: seen.update(Rconv6_1=call[-1]))
    network.block7[2].register_forward_hook(lambda *call: seen.update(Rconv7_1=call[-1]))
    network.block5.register_forward_pre_hook(lambda _, given: seen.update(conv4_3norm_pseg=given[0]))
    network.block6.register_forward_pre_hook(lambda _, given: seen.update(small_shortcut=given[0]))
    reference = color_histogram(golden.tensor("in_ref_ab").float())
    seen["refer_glob_ab_313_drop"] = F.pad(reference, (0, 1), value=1.0)[:, :, None, None]
    coarse = golden.tensor("in_small_ab").float() if later else None
    logits = network(lightness, reference, coarse)
    every, quarter = meta["every"], logits.shape[-1]
    for name in (key for key in golden.arrays if key.startswith("out_")):
        short = name.removeprefix("out_")
        if short in ("logits", "probabilities", "ab"):
            continue
        found = seen[short]
        found = found.relu() if "conv" in short and "norm" not in short and "Rconv" not in short else found
        step = 1 if found.shape[-1] < quarter else 2 if found.shape[-1] == quarter else 4
        channels = 1 if short == "refer_glob_ab_313_drop" else every
        golden.close(name, found[:, ::channels, ::step, ::step])
    golden.close("out_logits", logits[:, ::every, ::2, ::2])
    golden.close("out_probabilities", (logits / 2).softmax(dim=1)[:, ::every, ::2, ::2])
    golden.close("out_ab", network.colors(logits))


@case("xiao2020_step")
def xiao2020_step(golden: Golden) -> None:
    meta = golden.meta
    later = "in_small_ab" in golden.arrays
    stage, prefix = ("later", "sub") if later else ("first", "init")
    task = build_model(Xiao2020, {"width": 1 / meta["divide"], "stage": stage}).train()
    _, unexpected = task.model.load_state_dict(published(golden, prefix), strict=False)
    assert not unexpected
    # float64, because a ReLU whose input changes its sign changes gradients by 1 %
    network = getattr(task.model.network, stage).double()
    lightness, ab = golden.tensor("in_img_l").double(), golden.tensor("in_ab").float()
    coarse = (golden.tensor("in_small_ab").float(),) if later else ()
    logits = network(lightness, color_histogram(ab).double(), *coarse)
    golden.close("out_logits", logits[:, ::16, ::2, ::2])
    loss = task.loss(logits, ab)
    golden.close("out_loss", loss)
    loss.backward()
    own = dict(network.named_parameters())
    keys = [renamed(key) for key in meta["grad_keys"]]
    golden.close("out_grad_313_bias", network.class_head.bias.grad)
    golden.close("out_grad_first", network.block1[0].weight.grad)
    for name, norm in (("refer", network.reference.norms[3]), ("conv5", network.block5[7])):
        golden.close(f"out_{name}_mean", norm.running_mean)
        golden.close(f"out_{name}_var", norm.running_var)
    options = {key: meta[key] for key in ("lr", "betas", "weight_decay")}
    epsilon = meta["eps"] / (1 - meta["betas"][1]) ** 0.5  # Caffe adds it before it corrects the moments
    optimizer = torch.optim.Adam(task.optimized_parameters(), eps=epsilon, **options)
    check_update(golden, [own[key] for key in keys], optimizer)


@case("xiao2020_pipeline")
def xiao2020_pipeline(golden: Golden) -> None:
    for index, levels in enumerate(golden.meta["levels"]):
        gray, reference = golden.tensor(f"in_gray_{index}"), golden.tensor(f"in_reference_{index}")
        height, width = gray.shape[:2]
        assert levels_of(height, width) == levels
        answers = {side: golden.tensor(f"in_answer_{index}_{side}").float()[None] for side in levels}
        step = 3 if height * width >= 8000 else 1
        for side in levels:
            for name, image, channels in (("l", gray, slice(0, 1)), ("ref_ab", reference, slice(1, 3))):
                found = level_input(image.permute(2, 0, 1)[None].float() / 255, side)[0, channels]
                every = side // 32
                golden.close(f"out_level_{name}_{index}_{side}", found[:, ::every, ::every].squeeze(0))
        ab = enlarged(answers[levels[-1]], height, width)[0].permute(1, 2, 0)
        golden.close(f"out_ab_{index}", ab[::step, ::step])
        image = colorize(lambda side, *_, a=answers: a[side], gray, reference)
        golden.close(f"out_picture_{index}", image[::step, ::step])


# Training settings that the paper or the authors' code states

RECIPES = tuple(
    Recipe(
        config=f"xiao2020/{stage}.yaml",
        source="fact sheet, section 4: Caffe's Adam, 3.16e-5 constant, decay of all 0.001, 200,000 of 5",
        rates={0: 3.16e-5, 199_999: 3.16e-5},
        betas=(0.9, 0.99), weight_decay=1e-3, batch=5, steps=200_000, stage=stage,
        settings={"width": 1.0, "uniform": 0.5},
        trains=(f"model.network.{stage}.",),
    )
    for stage in ("first", "later")
)  # fmt: skip


KNOBS = {
    "xiao2020": Knobs(values={"width": 0.125, "stage": "later"}, exempt=("level",)),
}  # fmt: skip
