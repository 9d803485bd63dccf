"""SSCN (Bai et al. 2022): both stages and the training step against the authors' repaired code."""

import torch
from torch import Tensor

from colorzoo.losses import weighted_sum
from colorzoo.networks.levels import attention_weights, cosines, resize_and_concatenate
from colorzoo.networks.renaming import rename_keys
from colorzoo.zoo.bai2022.model import NAMES, Aligner, ContentEncoder, Decoder, StyleDecoder
from colorzoo.zoo.bai2022.task import Bai2022
from parity.cases import Golden, case, check_gradient_norms, load_part

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
