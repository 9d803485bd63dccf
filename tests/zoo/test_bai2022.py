"""Bai et al. 2022: settings, important places, and training references."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.self_references import warp_jitter_reference
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.losses import weighted_sum
from colorzoo.networks.levels import attention_weights, cosines, resize_and_concatenate
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.scaling import scaled_lab
from colorzoo.randomness import image_generators
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.samples import sample_batch
from colorzoo.zoo.bai2022.model import NAMES, Aligner, ContentEncoder, Decoder, Read, StyleDecoder
from colorzoo.zoo.bai2022.task import Bai2022
from knobs.knob import Knobs
from parity.cases import Golden, case, check_gradient_norms, load_part
from steps.step import small
from training_recipes.recipe import Recipe


def test_bai2022_rejects_invalid_settings() -> None:
    for setting, message in [
        ({"side": 100}, "multiple of 64"),
        ({"side": 64, "scattered": 300}, "at most 256"),
    ]:
        with pytest.raises(ColorzooError, match=message):
            create_coloring_model("bai2022", None, **setting)


def test_important_places_are_maxima_of_the_class_activation() -> None:
    model = contract_test_model(model_card("bai2022")).model
    maps = [torch.zeros(1, 1, 1, 1)] * 2 + [torch.zeros(1, 1, 32, 32)] + [torch.zeros(1, 1, 1, 1)]
    deep = torch.zeros(1, 64, 8, 8)
    deep[0, 5, 2, 6] = 1.0  # four by four places around row 8 and column 24
    with torch.no_grad():
        model.network.classifier.weight.zero_()
        model.network.classifier.weight[7, 5] = 3.0
    given = Read([*maps, deep], torch.zeros(1, 64), F.one_hot(torch.tensor([7]), 1000).float())
    model.network.important = 4
    found = model.network.important_places(given)[0]
    rows, columns = found // 32, found % 32
    assert set(rows.tolist()) == {9, 10}
    assert set(columns.tolist()) == {25, 26}


def test_bai2022_training_references_are_warped_copies_of_the_images() -> None:
    task: Any = small("bai2022")
    task.log_dict = lambda *_, **__: None
    batch = sample_batch((128, 128), batch=2)
    color, references = task.model.color, []
    task.model.color = lambda *given: references.append(given[1]) or color(*given)
    task.training_step(batch, 0)
    copies = warp_jitter_reference(
        batch["rgb"], image_generators(batch["seed"], "reference"), degrees=0.0, jitter=0.0
    )
    torch.testing.assert_close(references[0], scaled_lab(copies))


# Golden files: SSCN (Bai et al. 2022): both stages and the training step against the authors' repaired
# code.


WEIGHTS = ("rough_weight", "fine_weight", "class_weight", "variation_weight", "bin_weight")


def weights(golden: Golden, name: str, part: str = "") -> dict[str, Tensor]:
    """Return the weights of one of the authors' networks by our names; ``part`` is its name in the file."""
    return rename_keys({f"{name}.{key}": value for key, value in golden.weights(part).items()}, NAMES)


def all_weights(golden: Golden) -> dict[str, Tensor]:
    parts = (weights(golden, name, name) for name in golden.meta["shapes"])
    return {key: value for part in parts for key, value in part.items()}


@case("sscn_stage1")
@torch.no_grad()
def sscn_stage1(golden: Golden) -> None:
    state, seen = all_weights(golden), []
    content = load_part(ContentEncoder(), state, (), "content.")
    decoder = load_part(StyleDecoder(), state, (), "style_decoder.")
    for norm in decoder.norms:
        norm.register_forward_hook(lambda _, __, out: seen.append(out))
    found = content(golden.tensor("in_l").float())
    golden.close("out_content", found[:, ::16])
    golden.close("out_ab", decoder(found, golden.tensor("in_style").float()))
    for index, (each, step) in enumerate(zip(seen, (1, 1, 2, 4), strict=True), start=1):
        golden.close(f"out_norm{index}", each[:, ::32, ::step, ::step])


@case("sscn_align")
@torch.no_grad()
def sscn_align(golden: Golden) -> None:
    config, features = golden.meta["config"], golden.tensor("in_feats").float().mT
    aligner = load_part(Aligner(features.shape[1]), weights(golden, "A"), (), "aligner.")
    size = torch.Size([config["H"], config["W"]])
    for index, each in enumerate(aligner(features, golden.tensor("in_corr").float(), size)):
        golden.close(f"out_align{index}", each[:, ::16])


@case("sscn_decoder")
@torch.no_grad()
def sscn_decoder(golden: Golden) -> None:
    seen: list[Tensor] = []
    decoder = load_part(Decoder(), weights(golden, "D"), (), "decoder.")
    for level in decoder.levels:
        level.blocks.register_forward_hook(lambda _, __, out: seen.append(out))
    maps = [golden.tensor(f"in_stage{index}").float() for index in range(4)]
    found = decoder(maps, [golden.tensor(f"in_align{index}").float() for index in range(3)])
    golden.close("out_ab", found[0])
    golden.close("out_classes", found[1][:, ::16])
    for index, each in enumerate(seen):
        golden.close(f"out_resblock{index}_3", each[:, ::16])


def task_of(golden: Golden) -> Bai2022:
    """Return the task with the weights of a file."""
    side = golden.arrays["in_src_l"].shape[-1]
    classes = golden.meta["shapes"]["CLS"]["fc.bias"][0]
    config = golden.meta["config"]
    names = ("lambda_S1", "lambda_S2", "lambda_cls", "lambda_tv", "lambda_his")
    loss_weights = dict(zip(WEIGHTS, (config.get(name, 0.0) for name in names), strict=True))
    task = Bai2022(side=side, classes=classes, **loss_weights)
    task.model.network.load_state_dict(all_weights(golden))
    return task


@case("sscn_full")
@torch.no_grad()
def sscn_full(golden: Golden) -> None:
    network = task_of(golden).model.network.eval()
    lightness, places = golden.tensor("in_src_l").float(), golden.tensor("in_places").long()
    lab = torch.cat([golden.tensor("in_ref_l"), golden.tensor("in_ref_ab")], dim=1).float()
    read = network.read(lab)
    golden.close("out_style", read.style)
    golden.close("out_ref_class", read.classes)
    golden.close("out_cam16", network.activation(read))
    found = network(lightness, read, places)
    golden.close("out_stage1", found.rough[..., ::4, ::4])
    golden.close("out_stage2", found.ab[..., ::4, ::4])
    golden.close("out_classes", found.logits[:, ::64, ::4, ::4])
    maps, style = network.encoder(torch.cat([lightness, found.rough], dim=1))
    golden.close("out_style_stage1", style)
    for index, step in enumerate((8, 4, 2, 1)):
        for name, each in (("ref", read.maps), ("stage1", maps)):
            golden.close(f"out_{name}_map{index}", each[index][:, ::32, ::step, ::step])
    golden.close("out_ref_map4", read.maps[4][:, ::16])
    size = maps[2].shape[-2:]
    ours, theirs = (resize_and_concatenate(each[:4], size).flatten(2) for each in (maps, read.maps))
    chosen = theirs.gather(2, places[:, None].expand(-1, theirs.shape[1], -1))
    golden.close("out_corr_max", attention_weights(cosines(ours, chosen)).amax(dim=1))


@case("sscn_step")
def sscn_step(golden: Golden) -> None:
    kind = getattr(torch, golden.meta["dtype"])
    task = task_of(golden).train().to(kind)
    network, (lightness, ab) = (
        task.model.network,
        (golden.tensor(f"in_src_{x}").to(kind) for x in ("l", "ab")),
    )
    lab = torch.cat([golden.tensor("in_ref_l"), golden.tensor("in_ref_ab")], dim=1).to(kind)
    found = network(lightness, network.read(lab), golden.tensor("in_places").long())
    terms = task.losses(found, ab, golden.tensor("in_label"))
    for theirs, ours in {"S1": "rough", "S2": "fine", "cls": "class", "his": "bin"}.items():
        golden.close(f"out_loss_{theirs}", terms[ours])
    total = weighted_sum(terms, task.hparams)
    golden.close("out_total", total)
    golden.close("out_stage2", found.ab[..., ::8, ::8])
    norm = network.encoder.blocks[1].norm1
    golden.close("out_running_E", torch.stack([norm.running_mean, norm.running_var]))
    golden.close("out_batches_E", norm.num_batches_tracked)
    total.backward()
    gradients = check_gradient_norms(golden, network, NAMES)
    golden.close("out_grad_E_linear_bias", gradients["E.linear.bias"])
    golden.close("out_grad_A_wv_bias", gradients["A.w_v.bias"])


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="bai2022/paper.yaml",
        source="fact sheet sscn, sections 4 to 6: the authors' options and SSCNet.backward",
        rates={0: 1e-4, 499: 1e-4, 10_499: 1e-4 * 2 / 10_001},
        batch=8, epochs=105,
        settings={
            "width": 1.0, "side": 256, "classes": 1000, "important": 256, "scattered": 256,
            "rough_weight": 100.0, "fine_weight": 100.0, "class_weight": 0.1, "variation_weight": 10.0,
            "bin_weight": 1.0,
        },
    ),
)  # fmt: skip


KNOBS = {
    "bai2022": Knobs(values={"width": 0.25, "side": 192}, exempt=("class_weight",)),
}  # fmt: skip
