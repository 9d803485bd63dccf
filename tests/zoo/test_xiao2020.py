"""Xiao et al. 2020: pyramid levels, histogram guidance, the authors' files, and training stages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo import Exemplar, GlobalStatistics, Guidance
from colorzoo.abilities import ExemplarModel
from colorzoo.color import prior_probabilities, rgb_to_lab
from colorzoo.networks.renaming import rename_keys
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.load import read_weights
from colorzoo.zoo.xiao2020.model import NAMES, PyramidColorization, color_histogram, convert_published
from steps.step import small

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
