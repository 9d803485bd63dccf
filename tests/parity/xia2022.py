"""Superpixels, features, transformers, colors, anchors, the whole network, losses and a step of Xia 2022."""

from typing import Any

import torch
from torch import Tensor

from colorzoo.color import annealed_mean, hull_centers, prior_probabilities, rebalancing_weights, soft_encode
from colorzoo.factory import build_model
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.attention import position_encoding
from colorzoo.networks.clusters import kmeans
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.zoo.xia2022.model import (
    NAMES,
    AnchorColorization,
    FeatureNetwork,
    SuperpixelNetwork,
    Transformer,
    anchor_bins,
    anchors_of,
    bins_of,
    pool,
    sizes,
    spread,
    weights,
)
from colorzoo.zoo.xia2022.task import TAPS, Xia2022
from parity.cases import Golden, case, check_update, record_outputs


def every(maps: Tensor, channels: int = 1, places: int = 1) -> Tensor:
    return maps[:, ::channels, ::places, ::places]


@case("xia2022_segment")
@torch.inference_mode()
def xia2022_segment(golden: Golden) -> None:
    network = SuperpixelNetwork().eval()
    ours = rename_keys(golden.weights(), NAMES)
    network.load_state_dict({k.removeprefix("superpixels."): v for k, v in ours.items()})
    shares = every(network(golden.tensor("in_gray")), places=2)
    golden.close("out_probabilities", shares)
    golden.close("out_best", shares.argmax(dim=1))


@case("xia2022_pooling")
def xia2022_pooling(golden: Golden) -> None:
    cell, shares, cells = golden.meta["cell"], golden.tensor("in_prob"), golden.tensor("in_cells")
    x = golden.tensor("in_x").requires_grad_()
    pooled = pool(x, shares, cell)
    golden.close("out_pooled", pooled)
    golden.close("out_weight", weights(shares, cell))
    golden.close("out_enlarged", spread(cells, shares, cell))
    golden.close("out_sizes", sizes(shares, cell))
    golden.close("out_grad_x", torch.autograd.grad((pooled * cells).sum(), x)[0])


@case("xia2022_features")
@torch.inference_mode()
def xia2022_features(golden: Golden) -> None:
    network = FeatureNetwork().eval()
    network.load_state_dict(golden.weights())
    encoded = record_outputs(dict(network.named_children()))
    golden.close("out_features", every(network(golden.tensor("in_gray")), 4, 2))
    for name in (key for key in golden.arrays if key.startswith("out_conv")):
        found = encoded[name.removeprefix("out_")]
        channels, rows, columns = (
            max(1, side // n) for side, n in zip(found.shape[1:], (16, 8, 8), strict=True)
        )
        golden.close(name, found[:, ::channels, ::rows, ::columns])


@case("xia2022_transformer")
@torch.inference_mode()
def xia2022_transformer(golden: Golden) -> None:
    cells = golden.tensor("in_tokens")
    network = Transformer(cells.shape[1], 0.0).eval()
    ours = rename_keys({f"wildpath.{key}": value for key, value in golden.weights().items()}, NAMES)
    network.load_state_dict({key.removeprefix("palette_branch."): value for key, value in ours.items()})
    place = position_encoding(cells.shape[2], cells.shape[3], cells.shape[1], cells.device)
    golden.close("out_position", place.mT.view_as(golden.tensor("out_position")))
    last: Any = network.layers[-1]
    encoded: list[tuple[Tensor, ...]] = []
    last.attention.register_forward_pre_hook(lambda _, given: encoded.append(given))
    golden.close("out_tokens", network(cells).flatten(2).permute(2, 0, 1))
    golden.close("out_attention", last.attention.attention(*encoded[0][1:])[1])


@case("xia2022_labels")
def xia2022_labels(golden: Golden) -> None:
    ab, logits = golden.tensor("in_ab"), golden.tensor("in_logits").float()
    colors = hull_centers()
    golden.close("out_table", colors)
    cell = ab[:1, :, :2, :2] * AB_SCALE
    codes = soft_encode(cell.permute(0, 2, 3, 1).flatten(0, 2), neighbors=5)
    golden.close("out_codes", codes.view(1, 2, 2, -1).permute(0, 3, 1, 2))
    bins = bins_of(AB_SCALE * ab)
    golden.close("out_label", bins[:, None])
    prior = prior_probabilities().double()
    golden.close("out_weight", rebalancing_weights(prior, 0.5)[bins][:, None])
    for name, uniform in (("02", 0.2), ("08", 0.8)):
        golden.close(f"out_weights_{name}", rebalancing_weights(prior, uniform))
    likely = logits.topk(2, dim=1).indices
    golden.close("out_decode_0", colors[likely[:, 0]].movedim(-1, 1) / AB_SCALE)
    golden.close("out_decode_1", colors[likely[:, 1]].movedim(-1, 1) / AB_SCALE)
    golden.close("out_decode_038", annealed_mean(logits.softmax(dim=1), colors, 0.38) / AB_SCALE)
    found = [colors[each].mT.unflatten(2, ab.shape[2:]) / AB_SCALE for each in anchor_bins(logits.flatten(2))]
    golden.close("out_sampled_0", found[0])
    for index in (1, 2):
        golden.close(f"out_sampled_{index}", found[index] * golden.tensor(f"in_unique_{index}"))


@case("xia2022_anchors")
def xia2022_anchors(golden: Golden) -> None:
    features, starts = golden.tensor("in_features"), golden.tensor("in_first")
    clusters = kmeans(features.flatten(2).mT, starts)
    golden.close("out_cluster", clusters.unflatten(1, features.shape[2:]))
    anchors = anchors_of(clusters, golden.tensor("in_sizes").flatten(1), starts.shape[1])
    golden.close("out_hint", anchors.view_as(golden.tensor("out_hint")))


@case("xia2022_network")
@torch.inference_mode()
def xia2022_network(golden: Golden) -> None:
    meta, gray, starts = golden.meta, golden.tensor("in_gray"), golden.tensor("in_first")
    answers = []
    model = build_model(AnchorColorization, {"anchors": meta["clusters"]}).eval()
    model.load_weights(golden.weights(), name="the authors' weights", published=True)
    network = model.network
    encoded = network.encode(gray)
    golden.close("out_palette_logits", every(encoded.palette, 8))
    clusters = kmeans(encoded.tokens.flatten(2).mT, starts)
    anchors = anchors_of(clusters, sizes(encoded.shares).flatten(1), meta["clusters"])
    mask = anchors.float().view_as(encoded.palette[:, :1])
    for bins in anchor_bins(encoded.palette.flatten(2))[: 3 if meta["diverse"] else 1]:
        bins = bins.unflatten(1, mask.shape[2:])
        answers.append(
            (*network.decode(gray, encoded, mask, bins), hull_centers()[bins].movedim(-1, 1), mask)
        )
    logits, ab, colors, hints = (torch.cat(each) for each in zip(*answers, strict=True))
    golden.close("out_reference_logits", every(logits, 8))
    golden.close("out_ab", every(ab, places=2))
    golden.close("out_hint", hints)
    known = golden.tensor("out_anchor_ab")
    untied = known.any(dim=1, keepdim=True) if meta["diverse"] else torch.ones_like(known[:, :1])
    golden.close("out_anchor_ab", colors / AB_SCALE * untied)


def trained(golden: Golden, vgg: str = "") -> Xia2022:
    task = build_model(Xia2022, {"dropout": 0.0}).train()
    network = VGGOutputs(19, TAPS, rgb=True)
    names = network.state_dict().keys()
    network.load_state_dict({key: value for key, value in golden.weights(vgg).items() if key in names})
    task.vgg = FrozenNetwork(network)
    return task


@case("xia2022_losses")
def xia2022_losses(golden: Golden) -> None:
    """Use float64, so that all processors give equal results."""
    task = trained(golden).double()
    lightness, truth = (
        (50 * golden.tensor("in_gray") + 50).double(),
        AB_SCALE * golden.tensor("in_ab").double(),
    )
    bins = bins_of(AB_SCALE * golden.tensor("in_cells"))
    palette, reference, predicted = (
        golden.tensor(f"in_{name}").double().requires_grad_()
        for name in ("palette", "reference", "predicted")
    )
    losses = {
        "palette": task.color_loss(palette, bins),
        "reference": task.color_loss(reference, bins),
        "reconstruction": 5 * task.perceptual_loss(lightness, AB_SCALE * predicted, truth),
    }
    for name, value in losses.items():
        golden.close(f"out_{name}", value)
    total = torch.stack(list(losses.values())).sum()
    golden.close("out_total", total)
    grads = torch.autograd.grad(total, (palette, reference, predicted))
    golden.close("out_grad_palette", every(grads[0], 8))
    golden.close("out_grad_reference_norm", grads[1].norm())
    expected, (_, atol) = golden.tensor("out_grad_predicted"), golden.tolerance("out_grad_predicted")
    away = (grads[2] - expected).abs() > atol
    # within the reach of one ReLU, whose active side differs in the file's float32
    assert away.double().mean() < 0.015


@case("xia2022_step")
def xia2022_step(golden: Golden) -> None:
    meta = golden.meta
    task = trained(golden, "vgg19")
    task.load_weights(golden.weights("network"), name="the authors' weights", published=True)
    network = task.model.network
    lab = torch.cat([50 * golden.tensor("in_gray") + 50, AB_SCALE * golden.tensor("in_ab")], dim=1)
    encoded: dict[str, Tensor] = {}
    network.join.register_forward_pre_hook(lambda _, given: encoded.update(joined=given[0].movedim(-1, 1)))
    network.superpixels.register_forward_hook(lambda *call: encoded.update(shares=call[-1]))
    losses, ab = task.losses(lab, golden.tensor("in_first"))
    for name, ours in (("palette",) * 2, ("reference",) * 2, ("reconstruction", "perceptual")):
        golden.close(f"out_{name}", losses[ours])
    golden.close("out_ab", every(ab, places=2))
    cells = pool(golden.tensor("in_ab"), encoded["shares"])
    golden.close("out_cells_ab", cells)
    golden.close("out_label", bins_of(AB_SCALE * cells)[:, None])
    golden.close("out_hint", encoded["joined"][:, -1:])
    losses["loss"].backward()
    own = dict(task.model.named_parameters())
    keys = [f"network.{key}" for key in rename_keys(dict.fromkeys(meta["grad_keys"], ab), NAMES)]
    golden.close("out_grad_out", network.refinement.leave.weight.grad)
    golden.close("out_grad_palette", network.palette.weight.grad[::8])
    golden.close("out_running_mean", network.features.conv4_3[6].running_mean)
    golden.close("out_u", network.features.conv1_2[0].weight_u)
    optimizer = torch.optim.Adam(task.optimized_parameters(), lr=meta["lr"])
    check_update(golden, [own[key] for key in keys], optimizer)
