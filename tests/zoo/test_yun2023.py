"""iColoriT: hint cells, network input, output size, attention head, training loss, and hint sampling."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Points
from colorzoo.losses import smooth_l1_map
from colorzoo.metrics.psnr import psnr
from colorzoo.networks.renaming import rename_keys
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.training.optimization import parameter_groups
from colorzoo.zoo.yun2023.model import (
    CELL,
    NAMES,
    NeighborAttentionHead,
    hint_cells,
    hint_image,
    sinusoid,
    to_pixels,
)
from colorzoo.zoo.yun2023.task import CosineFromZero, Yun2023, simulate_cells
from knobs.knob import Knobs
from parity.cases import Golden, case, load_part, record_outputs
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


TINY = {"width": 48, "heads": 3, "depth": 2, "side": 32}


def narrow(**settings: Any) -> Yun2023:
    torch.manual_seed(0)
    return build_model(Yun2023, {**TINY, **settings}).eval()


def test_decay_to_a_learning_rate_above_the_first_rate_raises() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-6)
    with pytest.raises(ColorzooError, match="final"):
        CosineFromZero(optimizer, total_steps=10)


def one_point(
    size: tuple[int, int], row: int, column: int, ab: tuple[float, float] = (40.0, -20.0)
) -> Points:
    points = Points.none(torch.zeros(1, 1, *size))
    points.ab[0, :, row, column], points.mask[0, 0, row, column] = torch.tensor(ab), 1
    return points


def test_hint_cells_puts_a_point_into_the_cell_of_its_position() -> None:
    for size, place, cell in (
        ((224, 224), (47, 91), (23, 45)),
        ((300, 500), (299, 0), (111, 0)),
        ((300, 500), (150, 250), (56, 56)),
        ((37, 53), (36, 52), (110, 110)),  # the center of the last pixel
        ((1, 1), (0, 0), (56, 56)),
    ):
        ab, mask = hint_cells(one_point(size, *place), 112)
        assert mask.nonzero()[:, 2:].tolist() == [list(cell)], (size, place)
        assert ab[0, :, cell[0], cell[1]].tolist() == [40.0, -20.0]


def test_hint_cells_averages_the_points_of_a_cell() -> None:
    points = one_point((448, 224), 0, 0, (10.0, 0.0))
    points.ab[0, :, 3, 1], points.mask[0, 0, 3, 1] = torch.tensor([30.0, -8.0]), 1
    points.ab[0, :, 2, 0] = 99  # not a hint, because its mask is 0
    ab, mask = hint_cells(points, 112)
    assert mask.sum() == 1
    assert ab[0, :, 0, 0].tolist() == [20.0, -4.0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(hint_cells(points, 112)[0], ab)


def test_hint_image_shrinks_noise_as_pillow_does() -> None:
    lightness = 100 * torch.rand(1, 1, 90, 120, generator=torch.Generator().manual_seed(0))
    gray = Image.fromarray(lightness[0, 0].numpy()).resize((32, 32), Image.Resampling.BILINEAR)
    seen = hint_image(lightness, Points.none(lightness), 32, 0.5)[0, 0]
    assert np.allclose(seen, (np.asarray(gray) - 50) / 100, atol=1e-4)


def test_hint_image_resizes_lightness_and_hints_to_the_network_input() -> None:
    lightness = torch.linspace(0, 100, 60).view(1, 1, 1, 60).expand(1, 1, 45, 60)
    seen = hint_image(lightness, one_point((45, 60), 0, 59), 32, 0.5)
    assert seen.shape == (1, 4, 32, 32)
    assert seen[0, 0, 0, 0] == pytest.approx(-0.5, abs=0.02)
    assert seen[0, 0, 0, -1] == pytest.approx(0.5, abs=0.02)
    where = seen[0, 3] > 0
    assert where.nonzero().tolist() == [[0, 30], [0, 31], [1, 30], [1, 31]]
    assert seen[0, 1:3, 0, 31].tolist() == pytest.approx([40 / 110, -20 / 110])
    assert not seen[0, 1:3, ~where].any()
    assert set(seen[0, 3].unique().tolist()) == {-0.5, 0.5}


def test_yun2023_output_has_the_size_of_the_image() -> None:
    for size in [(32, 32), (45, 61), (300, 200), (7, 5)]:
        network = narrow().model.network
        ramp = torch.linspace(-0.5, 0.5, 32)
        generated = torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32)])[
            None
        ]  # a to the right, b down
        network.generate = lambda _, generated=generated: generated
        lightness = torch.zeros(1, 1, *size)
        ab = network(lightness, Points.none(lightness))
        assert ab.shape == (1, 2, *size)
        step = 110 / 31
        for channel, axis, length in ((0, 3, size[1]), (1, 2, size[0])):
            place = (torch.arange(length) + 0.5) * 32 / length - 0.5
            inside = (place >= 1) & (place <= 30)  # the border is repeated, so a ramp ends flat
            found = ab[:, channel : channel + 1].mean(dim=5 - axis).flatten()
            assert (found - (place * step - 55))[inside].abs().max() < 0.3  # cubic filters bend lines


@torch.inference_mode()
def test_neighbor_attention_head_uses_a_token_and_its_neighbors() -> None:
    head, tokens = NeighborAttentionHead(16, 3, 4), torch.randn(1, 16, 16)
    changed = tokens.clone()
    changed[:, 5] += 1  # row 1, column 1
    apart = (head(changed) != head(tokens)).any(dim=2).view(4, 4)
    assert apart[:3, :3].all()
    assert apart.sum() == 9


def huber(found: Tensor, truth: Tensor, delta: float) -> Tensor:
    """Return the loss on ab / 110: per pixel summed over a and b, then the mean over all pixels."""
    off = (found / 110 - truth / 110).abs()
    each = torch.where(off < delta, off.square() / (2 * delta), off - delta / 2)
    return each.sum(dim=1).mean()


def plain_hints(batch: Any, ab: Tensor, most: int) -> Points:
    """Draw the same hints cell by cell."""
    shown, mask = torch.zeros_like(ab), torch.zeros_like(ab[:, :1])
    columns = ab.shape[3] // 2
    cells = columns * (ab.shape[2] // 2)
    draws = draw_uniform(image_generators(batch["seed"], "points"), len(ab), 1 + cells, ab.device)
    for image, row in enumerate(draws):
        for cell in row[1:].argsort().tolist()[: int(float(row[0]) * (most + 1))]:
            top, left = 2 * (cell // columns), 2 * (cell % columns)
            place = (image, slice(None), slice(top, top + 2), slice(left, left + 2))
            shown[place], mask[place] = ab[place].mean(dim=(1, 2), keepdim=True), 1
    return Points(shown, mask)


@pytest.mark.parametrize("most", [0, 128])
def test_yun2023_training_step_equals_the_huber_loss(most: int) -> None:
    model = small("yun2023", delta=0.05, most_hints=most)
    batch, lightness, ab = training_batch()
    points = plain_hints(batch, ab, most)
    assert bool(points.mask.any()) == bool(most)
    found = model.training_step(batch, 0)
    wanted = huber(model.model.network(lightness, points), ab, 0.05)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    ours = gradients(found, model)
    same(ours, gradients(wanted, model), rtol=1e-3)
    hint_planes = ours["model.network.trunk.patch_embed.proj.weight"][:, 1:]
    assert bool(hint_planes.any()) == bool(most)


def test_simulate_cells_equals_sampling_cell_by_cell() -> None:
    batch, _, ab = training_batch(20, 30)
    ab = ab[:, :, :, :13]  # the odd column belongs to no cell
    ours = simulate_cells(ab, image_generators(batch["seed"], "points"), 40)
    plain = plain_hints(batch, ab, 40)
    assert torch.equal(ours.mask, plain.mask)
    torch.testing.assert_close(ours.ab, plain.ab)


# Golden files: iColoriT (Yun et al. 2023) against the authors' code, through the names of their checkpoint.


NORM = torch.tensor([100.0, 110.0, 110.0]).view(3, 1, 1)
CENTER = torch.tensor([50.0, 0.0, 0.0]).view(3, 1, 1)
HEADS = {"cnn": "convolution", "linear": "linear", "locattn": "attention"}


def build(config: Mapping[str, Any], **more: Any) -> Yun2023:
    settings = {
        "width": config["embed_dim"],
        "heads": config["num_heads"],
        "depth": config["depth"],
        "patch": config["patch_size"],
        "side": config["img_size"],
        "head": HEADS[config["head_mode"]],
        "mask_center": 0.5 if config["mask_cent"] else 0.0,
    }
    return build_model(Yun2023, {**settings, **more}).eval()


def published_model(golden: Golden, config: Mapping[str, Any], part: str = "") -> Yun2023:
    model, weights = build(config), golden.weights(part)
    if not config["use_rpb"]:  # a table of zeros has no effect
        for key, value in model.model.state_dict().items():
            if key.endswith("bias_table"):
                block = key.removeprefix("network.trunk.").partition(".rel_pos")[0]
                weights[f"{block}.rpb_table"] = 0 * value
    model.load_weights(weights, name="the authors' weights", published=True)
    return model


def normalized(golden: Golden, name: str = "in_rgb") -> Tensor:
    """Return (L - 50) / 100, a / 110, b / 110 of 8-bit images."""
    rgb = golden.tensor(name).permute(0, 3, 1, 2).float() / 255
    return (rgb_to_lab(rgb) - CENTER) / NORM


def hinted(golden: Golden, side: int, size: int) -> Tensor:
    """Return (B, 1, side, side): 1 at the pixels of hinted cells."""
    places = golden.arrays["in_hint_xy"]
    counts = golden.arrays["in_hint_counts"]
    mask = torch.zeros(len(counts), 1, side // size, side // size)
    for image, rows in enumerate(np.split(places, np.cumsum(counts)[:-1])):
        for row, column in rows.tolist():
            if row < side and column < side:
                mask[image, 0, row // size, column // size] = 1
    return F.interpolate(mask, scale_factor=size, mode="nearest")


def points_of(lab: Tensor, mask: Tensor) -> Points:
    return Points(110 * lab[:, 1:] * mask, mask)


def own_input(lab: Tensor, mask: Tensor, mask_center: float = 0.0) -> Tensor:
    """Return the network input for true colors at hinted pixels."""
    lightness = 100 * lab[:, :1] + 50
    return hint_image(lightness, points_of(lab, mask), lab.shape[-1], mask_center)


def published_input(lab: Tensor, mask: Tensor, size: int, *, average: bool = True) -> Tensor:
    """Return the network input for cell sizes that only these files use."""
    ab = lab[:, 1:]
    if average:
        cells = lab.shape[-1] // size
        small = F.interpolate(ab, size=(cells, cells), mode="bilinear", align_corners=False)
        ab = F.interpolate(small, scale_factor=size, mode="nearest")
    return torch.cat([lab[:, :1], ab * mask, mask], dim=1)


@case("icolorit_lab")
def icolorit_lab(golden: Golden) -> None:
    ours = (rgb_to_lab(golden.tensor("in_rgb")) - CENTER) / NORM
    golden.close("out_lab_norm", ours)
    golden.close("out_lab_50_100_110", ours)
    expected = golden.tensor("out_rgb")
    rgb = lab_to_rgb(golden.tensor("in_lab_norm") * NORM + CENTER, clip=False)
    torch.testing.assert_close(rgb, expected, rtol=1e-4, atol=2e-4)


@case("icolorit_hint")
def icolorit_hint(golden: Golden) -> None:
    lab = normalized(golden)
    side = lab.shape[-1]
    for size in golden.meta["hint_sizes"]:
        mask = hinted(golden, side, size)
        cells = golden.tensor(f"out_mask_h{size}")
        assert torch.equal(1 - mask[:, 0, ::size, ::size], cells.float())
        golden.close(f"out_input_h{size}_avg", published_input(lab, mask, size))
        golden.close(f"out_input_h{size}_raw", published_input(lab, mask, size, average=False))
    mask = hinted(golden, side, CELL)
    golden.close("out_input_h2_avg", own_input(lab, mask))
    golden.close("out_input_h2_avg_mask_cent", own_input(lab, mask, 0.5))


@case("icolorit_embed")
@torch.inference_mode()
def icolorit_embed(golden: Golden) -> None:
    for name in golden.arrays:
        if found := re.fullmatch(r"out_pos_(?:p(\d+)_)?d(\d+)", name):
            patch, width = int(found[1] or 16), int(found[2])
            golden.close_sampled(name, sinusoid((224 // patch) ** 2, width))
    seen, weights = golden.tensor("in_input4").float(), golden.weights()
    for patch in golden.meta["patches"]:
        settings = {"width": 192, "heads": 3, "depth": 1, "patch": patch, "side": seen.shape[-1]}
        network = build_model(Yun2023, settings).model.network
        projection = network.trunk.patch_embed.proj
        projection.load_state_dict({name: weights[f"p{patch}.proj.{name}"] for name in ("weight", "bias")})
        golden.close(f"out_tokens_p{patch}", network.embed(seen))
        golden.close(f"out_tokens_pos_p{patch}", network.embed(seen) + network.positions)


@case("icolorit_block")
@torch.inference_mode()
def icolorit_block(golden: Golden) -> None:
    config, x = golden.meta["config"], golden.tensor("in_x").float()
    settings = {"width": config["embed_dim"], "heads": config["num_heads"], "depth": 1}
    network = build_model(Yun2023, {**settings, "side": 16 * config["window"]}).model.network
    block = network.trunk.blocks[0]
    load_part(block, golden.weights(), NAMES, "trunk.blocks.0.", "blocks.0.")
    attended = block.attn(block.norm1(x))
    golden.close("out_attn", attended)
    golden.close("out_block", block(x))
    golden.close_sampled("out_attn_prob", weights_of_attention(block, x))
    for name in golden.arrays:
        if name.startswith("out_rel_index"):
            expected = golden.tensor(name).long()
            window = math.isqrt(len(expected))
            network = build_model(Yun2023, {**settings, "side": 16 * window}).model.network
            index = network.trunk.blocks[0].attn.rel_pos.relative_position_index
            assert torch.equal(index.view_as(expected), expected), name
    block.attn.rel_pos.relative_position_bias_table.zero_()
    golden.close_sampled("out_block_no_rpb", block(x))


def weights_of_attention(block: Any, x: Tensor) -> Tensor:
    """Return the softmax weights (B, heads, N, N), which the block does not return."""
    batch, count, width = x.shape
    heads = block.attn.num_heads
    qkv = block.attn.qkv(block.norm1(x)).view(batch, count, 3, heads, width // heads)
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)
    logits = query @ key.transpose(-2, -1) * (width // heads) ** -0.5
    return (logits + block.attn.rel_pos.get_bias()).softmax(dim=-1)


@case("icolorit_head")
@torch.inference_mode()
def icolorit_head(golden: Golden) -> None:
    config, x = golden.meta["config"], golden.tensor("in_x").float()
    for mode, kind in HEADS.items():
        settings = {"width": config["embed_dim"], "heads": 3, "depth": 1, "head": kind}
        head = build_model(Yun2023, {**settings, "side": 16 * config["window"]}).model.network.head
        load_part(head, golden.weights(mode), NAMES, "head.")
        tokens = head(x)
        golden.close(f"out_tokens_{mode}", tokens[:, :: golden.meta["token_step"]])
        if kind == "convolution":
            golden.close("out_ab_cnn", to_pixels(tokens.tanh(), config["patch_size"]))
        if kind == "attention":
            assert torch.equal(~head.near, golden.tensor("out_mask_locattn").bool())


@torch.inference_mode()
def whole_network(golden: Golden) -> None:
    meta, lab = golden.meta, normalized(golden)
    side = lab.shape[-1]
    model = published_model(golden, meta["config"])
    assert sum(p.numel() for p in model.parameters()) == meta["parameters"]
    lightness = 100 * lab[:, :1] + 50
    mask = hinted(golden, side, CELL)
    points = Guidance(points=points_of(lab, mask))
    stages = watch(golden, model)
    ab = model(lightness, points).ab
    for name, found in stages.items():
        golden.close_sampled(f"out_stage_{name}", found)
    golden.close_sampled("out_ab", ab / 110)
    golden.close("out_ab_mean_abs", ab.abs().mean(dim=(2, 3)) / 110)
    golden.close_sampled("out_ab_nohint", model(lightness, Guidance()).ab / 110)
    for name in golden.arrays:
        if found := re.fullmatch(r"out_ab_h(\d+)", name):  # cell sizes that only the files use
            seen = published_input(lab, hinted(golden, side, int(found[1])), int(found[1]))
            golden.close_sampled(name, model.model.network.generate(seen))
    check_image(golden, lightness, ab)
    golden.close("out_loss", model.huber(ab, 110 * lab[:, 1:]))


def check_image(golden: Golden, lightness: Tensor, ab: Tensor) -> None:
    """Compare the image in memory, which is not clipped at 1, and the saved image."""
    truth = golden.tensor("in_rgb").permute(0, 3, 1, 2).float() / 255
    rgb = lab_to_rgb(torch.cat([lightness, ab], dim=1), clip=False)
    golden.close("out_rgb_max", rgb.amax().view(1))
    levels = (rgb.clamp(0, 1) * 255 + 0.5).floor()
    golden.close_sampled("out_rgb_png", levels.permute(0, 2, 3, 1))
    golden.close("out_psnr_memory", psnr(rgb, truth).mean())
    golden.close("out_psnr_png", psnr(levels / 255, truth).mean())


def watch(golden: Golden, model: Yun2023) -> dict[str, Tensor]:
    """Return a dictionary that each call fills with the outputs of the network's stages."""
    network = model.model.network
    blocks = {f"block{index}": block for index, block in enumerate(network.trunk.blocks)}
    kept = {name: block for name, block in blocks.items() if f"out_stage_{name}" in golden.arrays}
    others = {"embed": network.trunk.patch_embed, "norm": network.trunk.norm, "head": network.head}
    return record_outputs({**kept, **others})


for variant in ("tiny", "small", "base"):
    case(f"icolorit_{variant}")(whole_network)


@case("icolorit_variants")
@torch.inference_mode()
def icolorit_variants(golden: Golden) -> None:
    everything = normalized(golden)
    for name, config in golden.meta["configs"].items():
        side = config["img_size"]
        lab = everything[:, :, :side, :side]
        mask = hinted(golden, side, CELL)
        model = published_model(golden, config, name)
        if config["avg_hint"]:
            ab = model(100 * lab[:, :1] + 50, Guidance(points=points_of(lab, mask))).ab / 110
        else:
            ab = model.model.network.generate(published_input(lab, mask, CELL, average=False))
        golden.close(f"out_ab_{name}", ab)


@case("icolorit_losses")
def icolorit_losses(golden: Golden) -> None:
    target = golden.tensor("in_target")
    for delta in golden.meta["deltas"]:
        model = build_model(Yun2023, {"width": 48, "heads": 3, "depth": 1, "side": 32, "delta": delta})
        name = f"out_huber_delta_{str(delta).replace('.', 'p')}"
        golden.close(name, model.huber(110 * golden.tensor("in_pred"), 110 * target))
    pred = golden.tensor("in_pred").requires_grad_()
    for name, loss in (
        ("huber", smooth_l1_map(pred, target, delta=0.01).mean()),
        ("l1", smooth_l1_map(pred, target, delta=0.0).mean()),
    ):
        golden.close(f"out_{name}", loss)
        (gradient,) = torch.autograd.grad(loss, pred)
        golden.close(f"out_grad_{name}", gradient)


@case("icolorit_metrics")
def icolorit_metrics(golden: Golden) -> None:
    """Compare PSNR only; the library has no boundary PSNR, patch error variance or hint range."""
    found = psnr(golden.tensor("in_pred_rgb"), golden.tensor("in_true_rgb"))
    golden.close("out_psnr_each", found)
    golden.close("out_psnr", found.mean())


@case("icolorit_schedule")
def icolorit_schedule(golden: Golden) -> None:
    for name, how in golden.meta["schedules"].items():
        per_epoch, step = how["iters_per_epoch"], how["every"]
        optimizer = torch.optim.AdamW([torch.zeros(1)], lr=how["base"], weight_decay=0.05)
        schedule = CosineFromZero(
            optimizer, warmup_steps=how["warmup_epochs"] * per_epoch, final=how["final"]
        )
        schedule.total_steps = how["epochs"] * per_epoch
        rates = []
        for _ in range(how["epochs"] * per_epoch):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        golden.close(f"out_lr_{name}", torch.tensor(rates[::step], dtype=torch.float64))
        assert set(golden.arrays[f"out_wd_{name}"]) == {optimizer.param_groups[0]["weight_decay"]}


@case("icolorit_hint_stats")
def icolorit_hint_stats(golden: Golden) -> None:
    """Compare distributions of hint counts and positions with the authors' simulation."""
    meta = golden.meta
    draws, (least, most) = 400, meta["num_hint_range"]
    side = meta["img_size"] // meta["hint_size"]  # in cells, whatever their size
    blank = torch.zeros(1, 2, side * CELL, side * CELL)
    expected = golden.tensor("out_train_per_quarter_cell").float()
    part = F.one_hot(torch.arange(side) * len(expected) // side).float()  # of each row and column
    quarters, counts = torch.zeros_like(expected), []
    for generator in image_generators(torch.arange(draws * (most + 1) // (most + 1 - least)), "points"):
        cells = simulate_cells(blank, [generator], most).mask[0, 0, ::CELL, ::CELL]
        if cells.sum() < least:  # this project's counts begin at 0; the rest is uniform in the file's range
            continue
        counts.append(float(cells.sum()))
        quarters += part.T @ cells @ part
    theirs_mean, theirs_var, smallest, largest = golden.arrays["out_train_count_mean_var"]
    found = torch.tensor(counts)
    both = 1 / len(counts) + 1 / meta["draws"]  # each side's mean has an error
    assert abs(float(found.mean()) - theirs_mean) <= 5 * (theirs_var * both) ** 0.5
    assert abs(float(found.var()) - theirs_var) <= 0.25 * theirs_var
    rare = math.ceil(14 * (most - least + 1) / len(counts))  # an edge this wide is missed once in a million
    assert least <= found.min() <= least + rare
    assert most - rare <= found.max() <= most
    assert least <= smallest < largest <= most
    expected = expected / (total := expected.sum())
    away = (expected * (1 / total + 1 / found.sum())).sqrt()  # the deviation of a share
    assert bool(((quarters / quarters.sum() - expected).abs() < 5 * away).all())
    first = golden.arrays["out_train_first_positions"]
    split = np.split(first, np.cumsum(golden.arrays["out_train_first_counts"])[:-1])
    assert all(len(set(each.tolist())) == len(each) for each in split)  # no cell twice, as in our draws


@case("icolorit_step")
def icolorit_step(golden: Golden) -> None:
    meta, lab = golden.meta, normalized(golden)
    model = published_model(golden, meta["config"]).train()
    side = meta["config"]["img_size"]
    named = {theirs: parameter_of(model, theirs) for theirs in meta["grad_keys"]}
    start = {key: value.detach().clone() for key, value in named.items()}
    points = points_of(lab, hinted(golden, side, CELL))
    loss = model.huber(model.model.network(100 * lab[:, :1] + 50, points), 110 * lab[:, 1:])
    golden.close("out_loss", loss.double())
    groups = parameter_groups(model)
    optimizer = torch.optim.AdamW(groups, lr=meta["lr"], betas=(0.9, 0.95), weight_decay=0.05)
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    assert {key for key, value in named.items() if id(value) in decayed} == set(meta["decayed"])
    loss.backward()
    relative(golden, "out_grad_norms", torch.stack([value.grad.norm() for value in named.values()]))
    relative(golden, "out_grad_head_bias", named["head.head.bias"].grad)
    relative(golden, "out_grad_rpb_block0", named["blocks.0.attn.rpb_table"].grad)
    relative(golden, "out_grad_q_bias_block0", named["blocks.0.attn.q_bias"].grad)
    relative(golden, "out_grad_patch_bias", named["patch_embed.proj.bias"].grad)
    optimizer.step()
    golden.close("out_head_bias_change", named["head.head.bias"] - start["head.head.bias"])
    golden.close_sampled("out_head_weight_after", named["head.head.weight"])


def parameter_of(model: Yun2023, theirs: str) -> torch.nn.Parameter:
    return model.model.network.get_parameter(*rename_keys({theirs: torch.empty(0)}, NAMES))


def relative(golden: Golden, name: str, ours: Tensor) -> None:
    """Compare gradients within a fraction of the largest entry."""
    expected = golden.tensor(name)
    share = golden.meta["tolerance"]["gradients"]["rtol"]
    torch.testing.assert_close(ours, expected, rtol=0, atol=share * float(expected.abs().max()))


@case("icolorit_demo")
def icolorit_demo(golden: Golden) -> None:
    """Compare with the published demo, whose hint channel is 1/255 and whose hints lie beside the clicks."""
    width, height = golden.arrays["out_display_size_wh"].tolist()
    rgb = golden.tensor("in_rgb").permute(2, 0, 1)[None].float()
    golden.close("out_L", (eight_bit_lightness(rgb, 224, 224)[0, 0, ::4, ::4] - 50) / 100)

    ab, mask = torch.zeros(1, 2, 224, 224), torch.zeros(1, 1, 224, 224)
    colors = rgb_to_lab(golden.tensor("in_click_rgb").T[None, :, :, None].float() / 255)[0, 1:, :, 0].T
    clicks = golden.tensor("in_click_xy") - golden.tensor("out_margin_wh")
    for (x, y), color in zip(clicks, colors, strict=True):
        row, column = int(y * 224 / height), int(x * 224 / width)
        place = (0, slice(None), slice(row - 2, row), slice(column - 2, column))
        ab[place], mask[place] = color.view(2, 1, 1), 1
    golden.close("out_hint_ab", ab[0] / 110)
    golden.close("out_mask_channel", mask[0, 0] / 255)
    ours = hint_image(torch.zeros(1, 1, 224, 224), Points(ab, mask), 224, 0.0)
    where = mask[0, 0] > 0
    torch.testing.assert_close(ours[0, 1:3, where], golden.tensor("out_hint_ab")[:, where])
    assert (ours[0, 3, where] == 1).all()

    answer = to_pixels(golden.tensor("in_tokens"), 16)
    shown = F.interpolate(110 * answer, size=(height, width), mode="bicubic", align_corners=False)
    image = lab_to_rgb(torch.cat([eight_bit_lightness(rgb, height, width), shown], dim=1))
    golden.close("out_result_rgb", (255 * image).floor()[0, :, ::4, ::4].permute(1, 2, 0))


def eight_bit_lightness(rgb: Tensor, height: int, width: int) -> Tensor:
    """Return the lightness of an image (levels of 255) resized as OpenCV does, to whole levels."""
    resized = F.interpolate(rgb, size=(height, width), mode="bicubic", align_corners=False)
    return rgb_to_lab(resized.round().clamp(0, 255) / 255)[:, :1]


# Training settings that the paper or the authors' code states

_RISE = 15012  # three epochs of ImageNet in batches of 256


def icolorit(name: str, width: int, heads: int, epochs: int) -> Recipe:
    last = max(epochs * 100, _RISE + 1)  # an epoch has 100 steps here, so short runs end before the warm-up
    return Recipe(
        config=f"yun2023/{name}.yaml",
        source="fact sheet icolorit, sections 3 and 6 (the authors' train.py, engine.py, scripts/train.sh)",
        rates={0: 0.0, 1: 5e-4 / (_RISE - 1), _RISE - 1: 5e-4, _RISE: 5e-4, last: 1e-5},
        optimizer="AdamW", betas=(0.9, 0.95), weight_decay=0.05, batch=256, epochs=epochs,
        settings={
            "width": width, "heads": heads, "depth": 12, "patch": 16, "side": 224, "head": "convolution",
            "mask_center": 0.0, "delta": 0.01, "most_hints": 128,
        },
    )  # fmt: skip


RECIPES = (icolorit("base", 768, 12, 1000), icolorit("s", 384, 6, 100), icolorit("tiny", 192, 3, 25))


KNOBS = {
    "yun2023": Knobs(
        values={
            "width": 96, "heads": 4, "patch": 8, "side": 64, "head": "linear", "most_hints": 3,
        },
    ),
}  # fmt: skip
