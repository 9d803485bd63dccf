"""Xia et al. 2022: superpixels, anchors, points as anchors, training losses, and the authors' files."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import Guidance, Points
from colorzoo.color import (
    annealed_mean,
    hull_centers,
    lab_to_rgb,
    prior_probabilities,
    rebalancing_weights,
    soft_encode,
)
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.metrics.feature_networks import FrozenNetwork
from colorzoo.networks.attention import position_encoding
from colorzoo.networks.clusters import kmeans
from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN, VGGOutputs
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.registry import model_card
from colorzoo.testing import sample_input
from colorzoo.testing.models import contract_test_model
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
    starts_of,
    weights,
)
from colorzoo.zoo.xia2022.task import TAPS, Xia2022
from knobs.knob import Knobs
from parity.cases import Golden, case, check_update, record_outputs
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def model_of(**settings: Any) -> AnchorColorization:
    found = contract_test_model(model_card("xia2022")).model
    again = build_model(AnchorColorization, {**found.hparams, **settings}).eval()
    again.load_state_dict(found.state_dict())
    return again


def test_anchor_bins_maximize_distances_among_the_ten_likeliest_bins() -> None:
    logits = torch.randn(1, 313, 6)
    chosen = anchor_bins(logits)
    likely = logits.topk(10, dim=1).indices
    colors = hull_centers()
    for cell in range(6):
        first, second, third = (colors[each[0, cell]] for each in chosen)
        assert chosen[0][0, cell] == likely[0, 0, cell]
        ten = colors[likely[0, :, cell]]
        away = (ten - first).norm(dim=1)
        assert (second - first).norm() == away.max()
        both = away + (ten - second).norm(dim=1)
        torch.testing.assert_close((third - first).norm() + (third - second).norm(), both.max())


def test_anchors_are_the_largest_superpixels_also_in_bfloat16() -> None:
    shares = torch.zeros(1, 9, 32, 64, dtype=torch.bfloat16)
    shares[:, 4] = 1.0  # each pixel belongs to its cell
    shares[:, 4, 16:20, 16] = 0.0  # four pixels of cell (1, 1) belong to cell (1, 0)
    shares[:, 3, 16:20, 16] = 1.0
    anchors = anchors_of(torch.zeros(1, 8, dtype=torch.int64), sizes(shares).flatten(1), count=1)
    assert anchors.nonzero().tolist() == [[0, 4]]


@torch.inference_mode()
def test_xia2022_point_replaces_the_anchor_of_its_cluster() -> None:
    model, lightness = model_of(anchors=2), sample_input("gray", (60, 75))
    joined: list[Tensor] = []
    model.network.join.register_forward_pre_hook(lambda _, given: joined.append(given[0]))
    own = model(lightness).extras["anchors"]
    at = (own[0, 0] == 0).nonzero()[0]
    points = Points.none(lightness)
    row, column = (16 * at).tolist()
    for place, ab in ((0, [40.0, 30.0]), (2, [44.0, 34.0])):  # the point color is their mean
        points.ab[0, :, row, column + place] = torch.tensor(ab)
        points.mask[0, 0, row, column + place] = 1
    anchors = model(lightness, Guidance(points=points)).extras["anchors"]
    assert anchors[0, 0, at[0], at[1]] == 1
    assert int(anchors.sum()) == 2  # the point replaces one of two anchors
    token = joined[-1][0, at[0], at[1]]
    color = hull_centers()[token[-314:-1].argmax()]
    assert color.tolist() == [40.0, 30.0]


def test_xia2022_loads_a_file_of_the_superpixel_network_alone() -> None:
    model, other = model_of(), model_of()
    part = {f"net.{key}": value + 1 for key, value in model.network.superpixels.layers.state_dict().items()}
    before = {key: value.clone() for key, value in other.state_dict().items()}
    other.load_weights(part, name="the authors' weights", published=True)
    for key, value in other.state_dict().items():
        moved = key.startswith("network.superpixels.")
        torch.testing.assert_close(value, before[key] + int(moved))
    with pytest.raises(WeightsError, match="does not match"):
        other.load_weights(
            {**part, "repnet.more.weight": torch.zeros(1)}, name="the authors' weights", published=True
        )


def task_of(**settings: Any) -> Xia2022:
    task = small("xia2022", **settings)
    assert isinstance(task, Xia2022)
    task.allow_untrained = True
    return task


def test_xia2022_color_stage_loss_equals_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(anchors=2, perceptual_weight=3.0, colorfulness=0.4)
    task.setup("fit")
    seen: dict[str, Any] = {}
    decode = task.model.network.decode

    def spy(*given: Any) -> tuple[Tensor, Tensor]:
        seen["given"], seen["answer"] = given, decode(*given)
        answer: tuple[Tensor, Tensor] = seen["answer"]
        return answer

    monkeypatch.setattr(task.model.network, "decode", spy)
    batch, lightness, ab = training_batch(64, 2)
    found = task.training_step(batch, 0)
    _, looked, mask, bins = seen["given"]
    logits, answered = seen["answer"]
    cells = pool(ab, looked.shares).movedim(1, -1)
    nearest = torch.cdist(cells.flatten(0, 2), hull_centers()).argmin(1).view(2, 4, 4)
    assert torch.equal(bins, nearest)
    assert mask.sum(dim=(1, 2, 3)).tolist() == [2, 2]
    prior = prior_probabilities().double()
    weights = 1 / (0.4 * prior + 0.6 / 313)
    weights = (weights / (prior * weights).sum()).float()[nearest]
    value, slope = torch.zeros(()), torch.zeros(())
    for each in (looked.palette, logits):
        entropy = -each.log_softmax(1).gather(1, nearest[:, None])[:, 0]
        value, slope = value + entropy.mean(), slope + (weights * entropy).mean()
    vgg: Any = task.vgg.network
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    maps = [
        (lab_to_rgb(torch.cat([lightness, each], 1), clip=False) - mean) / deviation
        for each in (110 * answered, ab)
    ]
    similarity = torch.zeros(())
    for index, layer in enumerate(vgg.features):
        maps = [layer(each) for each in maps]
        if index in TAPS:
            by = (32, 16, 8, 4, 1)[TAPS.index(index)]
            similarity = similarity + (maps[0] - maps[1].detach()).abs().mean() / by
    torch.testing.assert_close(found, value + 3 * similarity, rtol=1e-5, atol=0)
    same(gradients(found, task), gradients(slope + 3 * similarity, task), rtol=1e-3)
    reached = {name for name, each in gradients(found, task).items() if each.any()}
    assert not any("superpixels" in name for name in reached)


def test_xia2022_superpixel_stage_loss_equals_the_formula() -> None:
    task = task_of(stage="superpixels")
    batch, lightness, ab = training_batch(32, 2)
    found = task.training_step(batch, 0)
    shares = task.model.network.superpixels((lightness - 50) / 50)
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    wanted = torch.zeros(())
    for maps, weight in ((ab / 110, 10.0), (torch.stack([rows, columns]).expand(2, -1, -1, -1), 0.003 / 16)):
        total, count = torch.zeros(2, 4, 4, maps.shape[1]), torch.zeros(2, 4, 4, 1)  # with a border of cells
        near = torch.zeros_like(maps)
        for index, (down, right) in enumerate(product(range(3), repeat=2)):
            for y, x in product(range(2), repeat=2):
                place = slice(16 * y, 16 * y + 16), slice(16 * x, 16 * x + 16)
                share = shares[:, index, None, place[0], place[1]]
                total[:, y + down, x + right] += (maps[:, :, place[0], place[1]] * share).sum((2, 3))
                count[:, y + down, x + right] += share.sum((2, 3))
        inside = torch.zeros(1, 4, 4, 1)
        inside[:, 1:3, 1:3] = 1
        means = inside * total / count.clamp(min=1e-9)
        for index, (down, right) in enumerate(product(range(3), repeat=2)):
            for y, x in product(range(2), repeat=2):
                place = slice(16 * y, 16 * y + 16), slice(16 * x, 16 * x + 16)
                mean = means[:, y + down, x + right, :, None, None]
                near[:, :, place[0], place[1]] += mean * shares[:, index, None, place[0], place[1]]
        wanted = wanted + weight * (maps - near).square().sum(1).sqrt().mean()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    reached = {name for name, each in gradients(found, task).items() if each.any()}
    assert all("superpixels" in name for name in reached)


def test_xia2022_anchors_depend_on_the_image_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Tensor] = []
    task = task_of(anchors=3)
    task.setup("fit")
    losses = Xia2022.losses

    def spy(self: Xia2022, lab: Tensor, starts: Tensor) -> Any:
        given.append(starts)
        return losses(self, lab, starts)

    monkeypatch.setattr(Xia2022, "losses", spy)
    batch, *_ = training_batch(64, 4)
    rows: Any = {key: value[2:] for key, value in batch.items()}
    task.training_step(batch, 0)
    task.training_step(rows, 0)
    assert torch.equal(given[0][2:], given[1])
    assert len({tuple(each) for each in given[0].tolist()}) > 1
    assert torch.equal(starts_of(torch.tensor([[0.5, 0.99, 0.0]]), 9), torch.tensor([[1, 5, 6]]))
    assert starts_of(torch.rand(1, 8), 3).max() < 3
    sizes = torch.tensor([[1.0, 2.0, 0.5, 9.0]])
    assert anchors_of(torch.tensor([[0, 0, 1, 1]]), sizes, 2).tolist() == [[False, True, False, True]]


# Golden files: Superpixels, features, transformers, colors, anchors, the whole network, losses and a step
# of Xia 2022.


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


# Training settings that the paper or the authors' code states

_SUPERPIXELS = ("model.network.superpixels.",)

RECIPES = (
    Recipe(
        config="xia2022/superpixels.yaml",
        source="fact sheet, section 5: Adam 2e-4, 128 x 2 GPUs, 20 epochs of ImageNet",
        rates={0: 2e-4, 1_999: 2e-4},
        batch=256, epochs=20, stage="superpixels",
        settings={"width": 1.0},
        trains=_SUPERPIXELS,
    ),
    Recipe(
        config="xia2022/paper.yaml",
        source="fact sheet, section 5: Adam 2e-4, in a line to 1 % over 60 epochs, 24 x 4 GPUs, 5 VGG",
        rates={0: 2e-4, 400_350: 0.505 * 2e-4, 800_700: 2e-6},
        batch=96, epochs=60, stage="colors",
        settings={
            "width": 1.0, "dropout": 0.1, "anchors": 8, "colorfulness": 0.5, "perceptual_weight": 5.0,
        },
        fixed=_SUPERPIXELS,
    ),
)  # fmt: skip


KNOBS = {
    "xia2022": Knobs(
        base={"anchors": 2, "dropout": 0.2},
        values={"width": 0.25, "stage": "superpixels"},
        exempt=("alternative", "seed", "perceptual_weight"),
        size=48,
    ),
}  # fmt: skip
