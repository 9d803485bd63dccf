"""Parts of SPColor (Chen et al. 2023) against the authors' code, through the names of their checkpoint."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.factory import create_coloring_model
from colorzoo.losses import (
    contextual_loss,
    edge_aware_smoothness,
    neighbor_mean,
    relativistic_loss,
    self_reference_l1,
    unmatched_perceptual,
)
from colorzoo.networks.blocks import instance_norm, layer_outputs
from colorzoo.networks.clusters import Classified, classify, merge_clusters
from colorzoo.networks.discriminators import AttentionDiscriminator
from colorzoo.networks.exemplar import (
    ColorNet,
    ReferenceImage,
    convert_color_net,
    convert_vgg19,
    convert_warp_net,
)
from colorzoo.networks.exemplar_features import CaffeVGG19, caffe_input
from colorzoo.networks.matching import WarpNet
from colorzoo.zoo.chen2023.model import DinoBackbone, StegoHead, convert_stego
from parity.cases import Golden, case
from pseudo_weights import pseudo_state_dict


def weights(golden: Golden, prefix: str = "") -> dict[str, Tensor]:
    """Return the pseudo weights whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in golden.weights().items() if k.startswith(prefix)}


def wide(golden: Golden, name: str) -> Tensor:
    return golden.tensor(name).float()


def labels_on(golden: Golden, name: str, size: torch.Size) -> Tensor:
    """Return labels or confidences on another grid, as the published code does."""
    value = golden.tensor(name)[:, None]
    return torch.nn.functional.interpolate(value.double(), size=size, mode="nearest").to(
        torch.int64 if "labels" in name else torch.float32
    )


@case("spcolor_vgg19")
@torch.inference_mode()
def vgg19(golden: Golden) -> None:
    network = CaffeVGG19()
    network.load_state_dict(convert_vgg19(weights(golden)))
    hooks = network(golden.tensor("in_rgb"))
    for name, hook in zip(("r12", "r22", "r32", "r42", "r52"), hooks, strict=True):
        count = golden.tensor(f"out_{name}").shape[1]
        golden.close(f"out_{name}", hook[:, :count])


@case("spcolor_warpnet")
@torch.inference_mode()
def warpnet(golden: Golden) -> None:
    network = WarpNet()
    network.load_state_dict(convert_warp_net(weights(golden)))
    target, reference = (
        network([wide(golden, f"in_{side}_relu{block}_2") for block in (2, 3, 4, 5)])
        for side in ("target", "ref")
    )
    golden.close(
        "out_target_features", target[:, : golden.arrays["out_target_features"].shape[1]], like="out_features"
    )
    golden.close(
        "out_ref_features", reference[:, : golden.arrays["out_ref_features"].shape[1]], like="out_features"
    )
    ab = torch.nn.functional.avg_pool2d(wide(golden, "in_ref_lab")[:, 1:], 4)
    tau = golden.meta["temperature"]
    grid = target.shape[-2:]
    ours, theirs = (labels_on(golden, f"in_labels_{side}", grid) for side in ("target", "ref"))
    mine, their = (labels_on(golden, f"in_conf_{side}", grid) for side in ("target", "ref"))
    for name, labels in (("warp", (ours, theirs)), ("global", None)):
        found = network.warp(target, reference, torch.cat([ab, their], 1), labels, tau=tau)
        golden.close(f"out_{name}_ab", found.values[:, :2])
        golden.close(f"out_{name}_sim", found.similarity * found.values[:, 2:] * mine)


@case("spcolor_spc")
@torch.inference_mode()
def spc(golden: Golden) -> None:
    network = WarpNet()
    loaded = weights(golden)
    network.theta.load_state_dict({key: loaded[f"theta_class.{key}"] for key in ("weight", "bias")})
    network.phi.load_state_dict({key: loaded[f"phi_class.{key}"] for key in ("weight", "bias")})
    values = torch.cat([golden.tensor("in_ref_ab"), golden.tensor("in_conf_ref")[:, None]], dim=1)
    labels = (golden.tensor("in_labels_target")[:, None], golden.tensor("in_labels_ref")[:, None])
    found = network.warp(
        wide(golden, "in_target_features"),
        wide(golden, "in_ref_features"),
        values,
        labels,
        tau=golden.meta["temperature"],
    )
    confident = found.similarity * found.values[:, 2:] * golden.tensor("in_conf_target")[:, None]
    golden.close("out_ab", found.values[:, :2])
    golden.close("out_sim", confident)
    golden.close("out_raw_sim", found.similarity)
    # a tenth of the file's tolerance, because only the order of sums differs
    assert (confident - golden.tensor("out_sim")).abs().max() < 1e-5
    assert (found.values[:, :2] - golden.tensor("out_ab")).abs().max() < 1e-5 * 128


@case("spcolor_colorvid")
@torch.inference_mode()
def colorvid(golden: Golden) -> None:
    network = ColorNet()
    network.load_state_dict(convert_color_net(weights(golden)))
    golden.close("out_ab", network(golden.tensor("in_x")))


@case("spcolor_cra")
def cra(golden: Golden) -> None:
    counts = [int(name.rpartition("_")[2]) for name in golden.arrays if name.startswith("out_centres_")]
    assert counts
    for count in counts:
        clusters = golden.tensor("in_clusters")
        merged = merge_clusters(clusters, count)
        golden.close(f"out_centres_{count}", merged, like="out_centres")
        labels = torch.cdist(clusters.double(), merged.double()).argmin(dim=1)
        assert torch.equal(labels, golden.tensor(f"out_labels_{count}").long())


@case("spcolor_dino")
@torch.inference_mode()
def dino(golden: Golden) -> None:
    backbone = DinoBackbone()
    backbone.load_state_dict({f"vit.{key}": value for key, value in weights(golden).items()})
    image = golden.tensor("in_image")
    grid = (image.shape[-2] // 8, image.shape[-1] // 8)
    golden.close("out_pos", backbone.positions(grid)[..., : golden.tensor("out_pos").shape[2]])
    golden.close("out_tokens", backbone(image)[:, : golden.tensor("out_tokens").shape[1]])


@case("spcolor_stego_head")
@torch.inference_mode()
def stego_head(golden: Golden) -> None:
    head = StegoHead()
    state_dict = convert_stego(weights(golden))
    head.load_state_dict({key.removeprefix("head."): value for key, value in state_dict.items()})
    code = head(wide(golden, "in_tokens"))
    golden.close("out_code", code)
    check_classes(golden, code, head.clusters, "")
    merged_centers = merge_clusters(head.clusters, golden.meta.get("m", 22))
    check_classes(golden, code, merged_centers, "_m")
    linear = torch.log_softmax(head.linear(code), dim=1)
    rows, columns = golden.tensor("out_linear").shape[-2:]
    golden.close("out_linear", linear[..., :rows, :columns], like="out_conf")
    cosine = torch.einsum("bdhw,md->bmhw", F.normalize(code, dim=1), F.normalize(head.clusters, dim=1))
    golden.close("out_cluster_loss", -cosine.amax(dim=1).mean(), like="out_conf")


def check_classes(golden: Golden, code: Tensor, centers: Tensor, suffix: str) -> None:
    found = classify(code, centers)
    golden.close(f"out_conf{suffix}", found.confidence[:, 0], like="out_conf")
    cosine = torch.einsum(
        "bdhw,md->bmhw",
        torch.nn.functional.normalize(code, dim=1),
        torch.nn.functional.normalize(centers, dim=1),
    )
    two = torch.softmax(10 * cosine, dim=1).topk(2, dim=1).values
    clear = (two[:, 0] - two[:, 1]) > 1e-4
    assert clear.float().mean() > 0.9
    assert torch.equal(found.labels[:, 0][clear], golden.tensor(f"out_labels{suffix}").long()[clear])


def convert_discriminator(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the discriminator: layers are counted from 0, and ``weight_bar`` is ``weight_orig``."""
    ours = {}
    for key, value in state_dict.items():
        name = re.sub(r"^layer(\d)(_new)?\.0\.", lambda m: f"layers.{int(m[1]) - 1}.", key)
        name = re.sub(r"^last(_new)?\.(0\.)?", "last.", name)
        name = re.sub(r"^attention\.(query|key|value)_conv\.", r"attention.\1.", name)
        name = name.replace("module.", "")
        name = name.replace("weight_bar", "weight_orig")
        is_singular_vector = name.endswith(("weight_u", "weight_v"))
        ours[name] = F.normalize(value, dim=0) if is_singular_vector else value
    return ours


@case("spcolor_disc")
@torch.inference_mode()
def discriminator(golden: Golden) -> None:
    network = AttentionDiscriminator()
    network.load_state_dict(convert_discriminator(weights(golden)))
    lab = wide(golden, "in_lab")
    judged: list[Tensor] = []
    (fourth,) = layer_outputs(network, ["layers.3"], lambda: judged.append(network(lab)))
    golden.close("out_layer2_u", network.layers[1].weight_u)
    golden.close("out_score", judged[0])
    features = F.leaky_relu(instance_norm(fourth), 0.2)
    golden.close("out_feature4", features[:, : golden.tensor("out_feature4").shape[1]])
    golden.close("out_score_second", network(lab))


@case("spcolor_losses")
def losses(golden: Golden) -> None:
    lab, pred = golden.tensor("in_lab"), golden.tensor("in_pred_ab").requires_grad_()
    true, chosen = lab[:, 1:], golden.tensor("in_self")
    lightness = torch.tensor([50.0, 0, 0]).view(3, 1, 1)
    golden.close("out_l1", self_reference_l1(pred, true, chosen))
    golden.close("out_l1_without_self", self_reference_l1(pred, true, torch.zeros_like(chosen)))
    features = [wide(golden, f"in_{name}_relu5_2") for name in ("pred", "true")]
    similarity = golden.tensor("in_sim")
    golden.close("out_smp", unmatched_perceptual(*features, similarity))
    golden.close("out_perceptual", unmatched_perceptual(*features, torch.zeros_like(similarity)))
    check_smoothness(golden, pred, lab + lightness)
    maps = [wide(golden, f"in_cx_{name}") for name in "xy"]
    golden.close("out_contextual_forward", contextual_loss(*maps))
    golden.close("out_contextual_backward", contextual_loss(*maps, every="reference"))
    real, fake = golden.tensor("in_score_real"), golden.tensor("in_score_fake")
    golden.close("out_gan_d", relativistic_loss(real, fake))
    golden.close("out_gan_g", relativistic_loss(fake, real))
    check_images(golden, torch.cat([lab[:, :1] + 50, pred], dim=1))


def check_smoothness(golden: Golden, pred: Tensor, lab: Tensor) -> None:
    smooth = edge_aware_smoothness(pred, lab)
    golden.close("out_smooth", smooth)
    golden.close("out_smooth_alpha10", edge_aware_smoothness(pred, lab, alpha=10))
    golden.close("out_smooth_average_ab", neighbor_mean(pred, lab))
    golden.close("out_smooth_grad", torch.autograd.grad(smooth, pred)[0])


def check_images(golden: Golden, lab: Tensor) -> None:
    rgb = lab_to_rgb(lab)
    golden.close("out_rgb", rgb)
    rows, columns = golden.tensor("out_vgg_input").shape[-2:]
    golden.close("out_vgg_input", caffe_input(rgb, CaffeVGG19(0.125).mean)[..., :rows, :columns])


@case("spcolor_full")
@torch.inference_mode()
def full(golden: Golden) -> None:
    meta = golden.meta
    model = create_coloring_model("chen2023", None, segmenter=None)
    arrays = pseudo_state_dict(meta["shapes"], meta["seed"], meta["scales"])
    model.load_weights(
        {key: torch.from_numpy(value) for key, value in arrays.items()},
        name="the authors' weights",
        published=True,
    )
    lightness = golden.tensor("in_target_l") + 50
    grid = (lightness.shape[-2] // 4, lightness.shape[-1] // 4)
    ours, theirs = (
        Classified(labels_on(golden, f"in_labels_{side}", grid), labels_on(golden, f"in_conf_{side}", grid))
        for side in ("target", "ref")
    )
    reference = ReferenceImage(golden.tensor("in_ref_rgb"), golden.tensor("in_ref_lab")[:, 1:])
    features = (model.eval().features.of_lightness(lightness), model.features.of_rgb(reference.rgb))
    warped = model.carry_over(features, reference, (ours, theirs))
    golden.close("out_warp_ab", warped.ab)
    golden.close("out_warp_sim", warped.similarity)
    golden.close("out_ab", model.colorize_warped(lightness, warped))
