"""UniColor: sampling of codes, recoloring, hints, training losses, and the authors' files."""

from __future__ import annotations

import copy
import math
import random
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.errors import DataError
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance, Points
from colorzoo.metrics import colorfulness
from colorzoo.networks.exemplar import convert_vgg19, convert_warp_net
from colorzoo.networks.exemplar_features import VGGTrunk
from colorzoo.networks.imagenet import vgg_layers
from colorzoo.networks.matching import WarpNet
from colorzoo.options import constructor_parameters
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.samples import sample_batch
from colorzoo.weights.load import Provenance
from colorzoo.zoo.huang2022.model import (
    Draw,
    Matcher,
    UniColor,
    exemplar_hints,
    most_probable,
    point_hints,
    resized,
    sample,
    shrink_similarity,
    to_levels,
)
from colorzoo.zoo.huang2022.network import CELL, ChromaVQGAN, Hints, HybridTransformer, Quantizer
from colorzoo.zoo.huang2022.task import (
    CANDIDATE,
    LPIPS,
    Huang2022VQGAN,
    candidate_cells,
    choose_candidates,
    discriminator_hinge,
    draw_mask,
    fed_codes,
    generator_terms,
    generator_total,
    masked_cross_entropy,
    patch_color,
    patch_discriminator,
    simulate,
    transformer_groups,
)
from knobs.knob import Knobs
from parity.cases import Golden, case, record_outputs
from parity.pipelines.huang2022 import (
    CellColor,
    add_rectangle,
    add_stroke,
    gray_levels,
    join,
    join_sources,
    limited_size,
    network_input,
    numbers_of,
    rectangle_cells,
    regenerate,
    relative,
    to_signed,
    validation_crop,
    whole_cells,
    windows,
)
from pseudo_weights import pseudo_tensor
from steps.step import gradients, same, small
from training_recipes.recipe import Recipe

CARD = model_card("huang2022")
KNOWN = {key: value for key, value in CARD.contract_test.hparams.items() if key not in ("fewest", "strokes")}


def model(**settings: Any) -> UniColor:
    torch.manual_seed(0)
    sizes = {**KNOWN, "channels": 32, "rows": 4, "columns": 4, **settings}
    made = build_model(UniColor, sizes).eval()
    with torch.no_grad():
        for name, weight in made.network.transformer.named_parameters():
            if weight.ndim > 1 or "emb" in name:
                weight.normal_(std=0.3)
    return made


@torch.inference_mode()
def test_huang2022_codes_depend_on_seed_and_top_k() -> None:
    lightness = torch.rand(1, 1, 40, 70) * 100
    made = model(top_k=8)
    found = made(lightness)
    one, vqgan = found.extras["codes"], made.network.vqgan
    small = F.interpolate(lightness, (64, 64), mode="bilinear", antialias=True)
    gray = vqgan.gray_encoder(2 * lightness_to_rgb(small)[:, :1] - 1)
    rgb = vqgan.decode(vqgan.quantize.vectors(one[:, 0]), gray).clamp(-1, 1) / 2 + 0.5
    wanted = F.interpolate(rgb_to_lab(rgb)[:, 1:], (40, 70), mode="bilinear", antialias=True)
    torch.testing.assert_close(found.ab, wanted)
    assert not torch.equal(one, model(top_k=8, seed=1)(lightness).extras["codes"])
    assert not torch.equal(one, model(top_k=1)(lightness).extras["codes"])
    guidance = Guidance(extra={"seed": torch.tensor([1, 0])})
    codes = made(lightness[:1].expand(2, -1, -1, -1), guidance).extras["codes"]
    assert torch.equal(codes[0], model(top_k=8, seed=1)(lightness[:1]).extras["codes"][0])
    assert torch.equal(codes[1], made(lightness[:1]).extras["codes"][0])


@torch.inference_mode()
def test_recolor_changes_only_cells_in_the_region() -> None:
    made, lightness, rgb = model(top_k=8, seed=3), torch.rand(1, 1, 64, 64) * 100, sample_image((64, 64))
    region = torch.zeros(1, 1, 64, 64)
    region[..., 20:30, 36:50] = 1  # row 1, columns 2 and 3
    before = made.network.vqgan.encode(2 * rgb - 1)
    after = made.recolor(lightness, rgb, region).extras["codes"][0]
    apart = (before != after)[0].nonzero().tolist()
    assert apart
    assert all(cell in ([1, 2], [1, 3]) for cell in apart)


def test_digest_covers_the_content_of_the_matcher_weights(tmp_path: Path) -> None:
    weights = tmp_path / "matcher.pth"
    weights.write_bytes(b"first")
    made = model(matcher_weights=str(weights))
    before = made.digest()
    weights.write_bytes(b"other weights")
    assert made.digest() != before


def test_point_hints_are_colors_of_the_covered_cells() -> None:
    lightness = torch.full((2, 1, 64, 96), 50.0)
    ab, mask = torch.zeros(2, 2, 64, 96), torch.zeros(2, 1, 64, 96)
    mask[0, :, 2:14, 18:30] = mask[0, :, 40, 90] = mask[1, :, 20:36, 5:9] = 1
    ab[0, 0, :, :48], ab[0, 1, :, 48:], ab[1] = 40, -40, 20
    hints = point_hints(lightness, Points(ab * mask, mask), (4, 6))
    assert hints.cells.tolist() == [[0, 0, 1], [0, 2, 5], [1, 1, 0], [1, 2, 0]]
    wanted = lab_to_rgb(torch.tensor([[50.0, 40, 0], [50, 0, -40], [50, 20, 20], [50, 20, 20]]).T[..., None])
    torch.testing.assert_close(hints.rgb, 2 * wanted[..., 0].T - 1, rtol=0, atol=1e-4)


def test_each_of_adjacent_clicks_gives_a_hint() -> None:
    """Clicks cover fewer than 12 pixels; one may cover more pixels of its cell than its neighbor."""
    lightness = torch.full((1, 1, 64, 96), 50.0)
    ab, mask = torch.zeros(1, 2, 64, 96), torch.zeros(1, 1, 64, 96)
    mask[..., 20:23, 10:13] = mask[..., 20:22, 18:21] = 1  # not connected, in adjacent cells of one row
    mask[..., 44:47, 77:80] = mask[..., 44:46, 80:82] = 1  # connected, with two colors
    ab[:, 0, :, 77:80], ab[:, 1, :, 80:82] = 40, -40
    mask[..., 30:33, 46:48] = mask[..., 30:33, 48] = 1  # one click on the border of four cells
    hints = point_hints(lightness, Points(ab * mask, mask), (4, 6))
    assert [cell[1:] for cell in hints.cells.tolist()] == [[1, 0], [1, 1], [1, 2], [2, 4], [2, 5]]


@torch.inference_mode()
def test_huang2022_appends_point_hints_to_exemplar_hints() -> None:
    made, lightness = model(matched_size=(144, 128)), torch.rand(1, 1, 64, 64) * 100
    rgb = sample_image((50, 90))
    points = Points(torch.full((1, 2, 64, 64), 30.0), torch.ones(1, 1, 64, 64))
    both = made.hints(lightness, Guidance(points=points, exemplar=Exemplar(rgb)))
    alone = made.hints(lightness, Guidance(points=points))
    assert len(both.cells) > len(alone.cells) == 16
    assert torch.equal(both.rgb[-16:], alone.rgb)
    squashed = [F.interpolate(each, (144, 128), mode="bilinear", antialias=True) for each in (lightness, rgb)]
    warped = made._loaded_matcher(torch.device("cpu"))(*squashed)
    levels = resized(to_levels(2 * warped.image()[0] - 1), (64, 64))
    wanted = exemplar_hints(levels, warped.similarity[0, 0].numpy())
    assert torch.equal(both.cells[:-16], wanted.cells)
    assert torch.equal(both.rgb[:-16], wanted.rgb)


def published_file(folder: Path, made: UniColor, prefixes: tuple[str, str]) -> Path:
    """Write a checkpoint in the authors' format, which contains the Chroma-VQGAN tensors twice."""
    parts = (made.network.vqgan.state_dict(), made.network.transformer.state_dict())
    state = {f"{prefixes[0]}.model.{key}": value for key, value in parts[0].items()}
    state |= {f"{prefixes[0]}.{key}": value.clone() for key, value in parts[0].items()}
    state |= {f"{prefixes[1]}.{key}": value for key, value in parts[1].items()}
    path = folder / "file.ckpt"
    torch.save(
        {"pytorch-lightning_version": "1.6.0", "state_dict": state, "hyper_parameters": {"lr": 1}}, path
    )
    return path


@pytest.mark.parametrize("prefixes", [("chroma_vqgan", "hybrid_tran"), ("hybrid_vqgan", "coltran")])
def test_huang2022_loads_published_tensor_names(prefixes: tuple[str, str], tmp_path: Path) -> None:
    made = model()
    path = published_file(tmp_path, made, prefixes)
    loaded = model(seed=5)
    loaded.load_weights(torch.load(path)["state_dict"], name="the authors' weights", published=True)
    for name, value in made.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


SIDE = 64
SIZES = {"channels": 32, "rows": 4, "columns": 4, "fewest": 8, "strokes": 4}


def test_huang2022_transformer_loss_equals_the_formula() -> None:
    model: Any = small("huang2022", **SIZES)
    model.log_dict = lambda *_, **__: None
    batch, network = sample_batch((SIDE, SIDE), batch=3), model.model.network
    found = model.training_step(batch, 0)
    rgb = 2 * batch["rgb"] - 1
    with torch.no_grad():
        codes = network.vqgan(rgb)[1].codes
        gray = network.vqgan.gray_encoder(
            (rgb * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, True)
        )
    masks, hints = simulate(
        batch["rgb"], batch["seed"].tolist(), (4, 4), everything=0.05, fewest=8, strokes=4, hinted=0.7
    )
    fed = torch.where(masks == 0, torch.tensor(network.transformer.mask_token), codes)
    logits = network.transformer(gray.flatten(2).transpose(1, 2), fed, hints)
    shares = logits.log_softmax(-1).gather(2, codes.flatten(1)[..., None])[..., 0]
    wanted = -shares[masks.flatten(1) != 1].mean()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, network.transformer), gradients(wanted, network.transformer))


def test_huang2022_requires_training_images_of_the_input_size() -> None:
    model: Any = small("huang2022", **SIZES)
    with pytest.raises(DataError, match=r"64 x 64 pixels, got 48 x 48"):
        model.training_step(sample_batch((48, 48), batch=2), 0)


def test_simulate_draws_hints_on_candidate_cells_with_image_colors() -> None:
    users: Any = {"everything": 0.05, "fewest": 8, "strokes": 4, "hinted": 1.0}
    shape = (4, 4)
    flat = torch.ones(6, 3, SIDE, SIDE) * torch.tensor([1.0, 0.5, 0.0]).view(3, 1, 1)
    masks, hints = simulate(flat, list(range(6)), shape, **users)
    assert len(hints.cells) >= 6
    assert all(masks[tuple(cell)] == CANDIDATE for cell in hints.cells)
    assert hints.rgb.sub(torch.tensor([1.0, 0.0, -1.0])).abs().max() < 0.01
    again = simulate(flat[2:4], [2, 3], shape, **users)[0]
    assert torch.equal(again, masks[2:4])  # the draws depend only on the image seed
    equal_low_bits = simulate(flat[:3], [7, 2**32 + 7, 2**62 + 7], shape, **users)[0]
    assert len(set(map(str, equal_low_bits.tolist()))) == 3


def codes_task(**settings: Any) -> Any:
    torch.manual_seed(0)
    contract_test = model_card("huang2022").contract_test.hparams
    known = constructor_parameters(Huang2022VQGAN)
    own = {key: value for key, value in contract_test.items() if key in known}
    how = {"channels": 32, "discriminator_width": 0.125, **settings}
    return build_model(Huang2022VQGAN, {**own, **how}).train()


def test_huang2022_vqgan_losses_equal_the_formulas() -> None:
    model = codes_task(perceptual_weight=0.5, codebook_weight=0.7, adversarial_weight=0.3, disc_start=4)
    model.log_dict = lambda *_, **__: None
    torch.manual_seed(1)
    model.lpips = LPIPS().eval().requires_grad_(False)
    trained = {parameter for parameter in model.model.parameters() if parameter.requires_grad}
    assert trained == set(model.model.network.vqgan.parameters())
    plain, batch = copy.deepcopy(model), sample_batch((SIDE, SIDE), batch=2)
    for step, factor in ((3, 0.0), (4, 1.0)):
        model.trainer = SimpleNamespace(global_step=step)
        generated = model.generate(batch)
        found = model.generator_loss(batch, generated)
        target, network = 2 * batch["rgb"] - 1, plain.model.network.vqgan
        h = network.quant_conv(network.encoder(target))
        gray = network.gray_encoder((target * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, True))
        table = network.quantize.embedding.weight
        rows = h.permute(0, 2, 3, 1)
        nearest = table[torch.cdist(rows.reshape(-1, 16), table).argmin(1)].view_as(rows)
        codebook = (nearest.detach() - rows).square().mean() + 0.25 * (
            nearest - rows.detach()
        ).square().mean()
        vectors = (rows + (nearest - rows).detach()).permute(0, 3, 1, 2)
        rgb = network.decoder(network.post_quant_conv(torch.cat([vectors, gray], 1)))
        wanted = (rgb - target).abs().mean() + 0.7 * codebook
        wanted = wanted + 0.5 * plain.lpips(rgb, target).sum(1).mean()
        wanted = wanted + 0.3 * factor * F.relu(1 - plain.discriminator(rgb)).mean()
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
        same(gradients(found, model.model.network.vqgan), gradients(wanted, network), rtol=5e-3)
        discriminator = model.discriminator_loss(batch, generated.detach())
        real, fake = plain.discriminator(target), plain.discriminator(rgb.detach())
        expected = factor * 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
        torch.testing.assert_close(discriminator, expected, rtol=1e-4, atol=1e-6)


def test_huang2022_lpips_uses_the_linear_layers_of_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {
        f"features.{key}": torch.rand_like(value) for key, value in vgg_layers(16, 30).state_dict().items()
    }
    monkeypatch.setattr("colorzoo.zoo.huang2022.task.published_weights", lambda _: held)
    task = codes_task()
    task.provenance = Provenance(model="Earlier", steps=1)
    task.setup("fit")
    task.prepare_fit()
    assert task.provenance.start["model"] == "Earlier"
    assert torch.equal(task.lpips.network.features[28].weight, held["features.28.weight"])
    shipped = Path(torchmetrics.__file__).parent / "functional/image/lpips_models/vgg.pth"
    theirs = torch.load(shipped, map_location="cpu")
    for index, layer in enumerate(task.lpips.network.linear):
        assert torch.equal(layer.weight, theirs[f"lin{index}.model.1.weight"])


# Golden files: UniColor (Huang et al. 2022) against the authors' code, through the names of their
# checkpoint.


HINTED = 0.7  # fraction of the training images that have hints


def weights(golden: Golden, part: str = "") -> dict[str, Tensor]:
    """Return the weights of a file, or of one of its networks."""
    found = golden.weights(part)
    return {key: value.abs() for key, value in found.items()} if part == "lpips" else found


def vqgan_of(golden: Golden, config: Mapping[str, Any], part: str = "") -> ChromaVQGAN:
    dd = config["ddconfig"]
    levels = range(len(dd["ch_mult"]))
    sizes = {
        "channels": dd["ch"],
        "multipliers": tuple(dd["ch_mult"]),
        "attention": tuple(n for n in levels if dd["resolution"] // 2**n in dd["attn_resolutions"]),
        "blocks": dd["num_res_blocks"],
        "latent": dd["z_channels"],
        "code_width": config["embed_dim"],
        "codes": config["n_embed"],
    }
    with torch.device("meta"):
        network = ChromaVQGAN(**sizes)
    network.load_state_dict(weights(golden, part), assign=True)
    return network.eval()


def transformer_of(golden: Golden, config: Mapping[str, Any], part: str = "") -> HybridTransformer:
    rows, columns = config["input_shape"]
    sizes = config["embed_dim"], config["num_heads"], config["num_layers"], rows * columns
    with torch.device("meta"):
        network = HybridTransformer(config["dim_gray"], config["vocab_color"], *sizes)
    network.load_state_dict(weights(golden, part), assign=True)
    return network.eval()


def signed(golden: Golden, name: str = "in_rgb") -> Tensor:
    """Return images ``(B, 3, H, W)`` in [-1, 1]."""
    return golden.tensor(name).permute(0, 3, 1, 2).float() / 255 * 2 - 1


def equal(golden: Golden, name: str, ours: Any) -> None:
    """Compare integers within the tolerance of the file, by default 0."""
    expected = golden.arrays[name].astype(np.int64)
    found = np.asarray(ours).astype(np.int64)
    assert found.shape == expected.shape, (name, found.shape, expected.shape)
    stated = golden.meta["tolerance"].get(name, 0)
    atol = stated["atol"] if isinstance(stated, dict) else stated
    assert np.abs(found - expected).max(initial=0) <= atol, name
    if isinstance(stated, dict):  # one level of the networks' image grows in the 8-bit Lab join
        assert np.mean(found != expected) <= 0.005, name


@case("huang2022_picture")
def image(golden: Golden) -> None:
    rgb, small = golden.arrays["in_rgb"], golden.arrays["in_color"]
    gray = gray_levels(rgb)
    equal(golden, "out_l8", gray)
    golden.close("out_input", network_input(gray, tuple(golden.meta["img_size"]))[0, 0])
    golden.close_sampled("out_input_rgb", network_input(rgb)[0])
    equal(golden, "out_pil", to_levels(golden.tensor("in_output")))
    equal(golden, "out_joined", join(gray, small))
    found = [colorfulness(to_signed(each) / 2 + 0.5, form="absolute") for each in (rgb, small)]
    golden.close("out_colorfulness", torch.cat(found))
    for number, size in enumerate(golden.meta["limits"]):
        equal(golden, f"out_limit_{number}", limited_size(*size))
    golden.close_sampled("out_gray", rgb_to_gray(to_signed(rgb))[0, 0])


@case("huang2022_strokes")
def strokes(golden: Golden) -> None:
    arrays, window = golden.arrays, tuple(golden.meta["window"])
    found: list[CellColor] = []
    ends = np.cumsum(arrays["in_lengths"])
    for number, part in enumerate(np.split(arrays["in_points"], ends[:-1])):
        found = add_stroke(found, [tuple(p) for p in part.tolist()], arrays["in_colors"][number], window)
        equal(golden, f"out_cells_{number}", [np.multiply(each.cell, CELL) for each in found])
        equal(golden, f"out_colors_{number}", [each.rgb for each in found])
    kept: list[Any] = []
    for drawn in arrays["in_rects"].tolist():
        kept = add_rectangle(kept, tuple(drawn), window)
    equal(golden, "out_rects", kept)
    equal(golden, "out_region_cells", rectangle_cells(kept))
    joined = join_sources(
        CellColor((row // CELL, column // CELL), tuple(rgb))
        for (row, column), rgb in zip(
            arrays["in_joined_index"].tolist(), arrays["in_joined_color"].tolist(), strict=True
        )
    )
    equal(golden, "out_joined_index", [np.multiply(each.cell, CELL) for each in joined])
    equal(golden, "out_joined_color", [each.rgb for each in joined])


@case("huang2022_exemplar_points")
def exemplar_points(golden: Golden) -> None:
    for number, (warped, similarity) in enumerate(
        zip(golden.arrays["in_warped"], golden.arrays["in_similarity"], strict=True)
    ):
        small = shrink_similarity(similarity, (warped.shape[0] // CELL, warped.shape[1] // CELL))
        golden.close(f"out_similarity_{number}", torch.from_numpy(small))
        found = exemplar_hints(warped, similarity)
        equal(golden, f"out_cells_{number}", CELL * found.cells[:, 1:])
        golden.close(f"out_colors_{number}", (found.rgb.double() + 1) / 2 * 255)


@case("huang2022_quantizer")
def quantizer(golden: Golden) -> None:
    config, features = golden.meta["config"], golden.tensor("in_z").requires_grad_()
    network = Quantizer(config["n_embed"], config["embed_dim"])
    network.load_state_dict(weights(golden))
    found = network(features)
    golden.close("out_quantized", found.vectors)
    equal(golden, "out_indices", found.codes)
    golden.close("out_loss", found.loss)
    golden.close("out_perplexity", found.perplexity)
    through = golden.meta["through"] * (golden.tensor("in_weight") * found.vectors).sum()
    (through + found.loss).backward()
    assert features.grad is not None
    assert network.embedding.weight.grad is not None
    golden.close("out_grad_z", features.grad)
    golden.close("out_grad_codebook", network.embedding.weight.grad)


@case("huang2022_vqgan")
@torch.inference_mode()
def vqgan(golden: Golden) -> None:
    network, every = vqgan_of(golden, golden.meta["config"]), golden.meta["every"]
    rgb, decoder = signed(golden), network.decoder
    layers = {"dec_mid_attn": decoder.mid.attn_1, "dec_mid": decoder.mid}
    layers |= {f"dec_up{level}": module for level, module in enumerate(decoder.up)}
    for short, encoder in (("enc", network.encoder), ("gray", network.gray_encoder)):
        layers |= {f"{short}_conv_in": encoder.conv_in, f"{short}_mid": encoder.mid}
        layers |= {f"{short}_down{level}": module for level, module in enumerate(encoder.down)}
    seen = record_outputs(layers)
    gray = rgb_to_gray(rgb)
    golden.close("out_gray", gray[:, :, :: every["space"], :: every["space"]])
    golden.close("out_h", network.color_features(rgb))
    features = network.gray_encoder(gray)
    golden.close("out_f_gray", features)
    reconstruction, quantized = network(rgb)
    equal(golden, "out_indices", quantized.codes)
    golden.close("out_codebook_loss", quantized.loss)
    golden.close("out_perplexity", quantized.perplexity)
    golden.close("out_rec", reconstruction[:, :, :: every["out"], :: every["out"]])
    for name, value in seen.items():
        space = every["space"]
        golden.close(f"out_{name}", value[:, :: every["channel"], ::space, ::space])
    given = network.decode(network.quantize.vectors(golden.tensor("in_tokens").long()), features)
    golden.close("out_rec_given", given[:, :, :: every["out"], :: every["out"]])


@case("huang2022_transformer")
@torch.inference_mode()
def transformer(golden: Golden) -> None:
    meta, every = golden.meta, golden.meta["every"]
    network = transformer_of(golden, meta["config"])
    codes = golden.tensor("in_tokens").long()
    if "in_gray" in golden.arrays:
        gray = golden.tensor("in_gray")
    else:
        gray = torch.from_numpy(pseudo_tensor(**meta["pseudo_inputs"]["gray"]))
    hints = Hints(golden.tensor("in_hint_cells").long(), golden.tensor("in_hints"))
    position, vocabulary, channel = (every[key] for key in ("position", "vocabulary", "channel"))
    x = network.embed(gray, codes, hints)
    golden.close("out_embedded", x[:, ::position, ::channel])
    attention = network.blocks[0].attn
    normed = network.blocks[0].ln1(x)
    query, key = (
        torch.unflatten(layer(normed), 2, (attention.heads, -1)).transpose(1, 2)
        for layer in (attention.query, attention.key)
    )
    shares = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(dim=-1)
    golden.close("out_attention0", shares[:, :: every["head"], ::position, ::position])
    for number, block in enumerate(network.blocks):
        x = block(x)
        if number in every["blocks"]:
            golden.close(f"out_block{number}", x[:, ::position, ::channel])
    logits = network(gray, codes, hints)
    golden.close("out_logits", logits[:, ::position, ::vocabulary])
    equal(golden, "out_argmax", logits.argmax(dim=-1))
    if "out_logits_no_hints" in golden.arrays:
        plain = network(gray, codes, Hints.none())
        golden.close("out_logits_no_hints", plain[:, ::position, ::vocabulary])
    if "short" in meta:
        rows, columns = meta["short"]
        short = network(gray[:, : rows * columns], codes[:, :rows, :columns], Hints.none())
        golden.close("out_logits_short", short[:, ::position, ::vocabulary])


def published_draw(uniform: np.ndarray, top_k: int, seen: list[Tensor]) -> Draw:
    """Return the sampler of the files: the first code whose cumulative probability exceeds a number."""

    def draw(logits: Tensor, step: int) -> int:
        seen.append(logits)
        shares = most_probable(logits, top_k).softmax(dim=0).double().cumsum(dim=0)
        return int((shares > float(uniform[step])).int().argmax())

    return draw


@case("huang2022_sample")
@torch.inference_mode()
def sampling(golden: Golden) -> None:
    meta, arrays = golden.meta, golden.arrays
    network = vqgan_of(golden, meta["config"]["vqgan_config"], "vqgan")
    drawer = transformer_of(golden, meta["config"]["hybridtran_config"], "transformer")
    size = tuple(meta["img_size"])
    gray = network.gray_encoder(network_input(arrays["in_image"], size))
    decoder = deepcopy(network).double()  # so that levels are rounded as in the file
    rows, columns = gray.shape[-2:]
    for number, run in enumerate(meta["runs"]):
        part = slice(*run["strokes"])
        cells = torch.from_numpy(np.insert(arrays["in_stroke_index"][part] // CELL, 0, 0, axis=1))
        hints = Hints(cells.long(), torch.from_numpy(arrays["in_stroke_color"][part]).float() / 255 * 2 - 1)
        codes = torch.full((rows, columns), drawer.mask_token)
        if run["prior"]:
            codes = network.encode(network_input(arrays["in_prior"], size))[0]
        if run["mask"]:
            codes[tuple(golden.tensor("in_mask_cells").long().T)] = drawer.mask_token
        cells = list(range(rows * columns))
        if run["only"]:
            cells = [row * columns + column for row, column in arrays["in_sample_cells"].tolist()]
        seen: list[Tensor] = []
        draw = published_draw(arrays["in_uniform"][number], run["topk"], seen)
        found = sample(drawer, gray.flatten(2).mT, codes, cells, hints, draw)
        equal(golden, f"out_tokens_{number}", found)
        golden.close(f"out_logits_{number}", torch.stack(seen))
        rgb = decoder.decode(decoder.quantize.vectors(found[None]), gray.double())[0]
        golden.close_sampled(f"out_rec_{number}", rgb)
        levels = to_levels(rgb)
        equal(golden, f"out_gen_{number}", levels[::2, ::2])
        equal(golden, f"out_picture_{number}", join(arrays["in_image"], levels)[::2, ::2])


@case("huang2022_windows")
@torch.inference_mode()
def second_pass(golden: Golden) -> None:
    meta, arrays = golden.meta, golden.arrays
    table = []
    for rows, columns, shape, patch, mask in meta["grids"]:
        found = windows((rows, columns), tuple(shape), tuple(patch), tuple(mask))
        for center, seen, masked, drawn in found:
            numbers = numbers_of(drawn, seen)
            places = [numbers[0], numbers[-1], len(numbers)]
            table.append([*center, *seen, *relative(masked, seen), *drawn, *places])
    equal(golden, "out_windows", table)
    network = vqgan_of(golden, meta["config"]["vqgan_config"], "vqgan")
    drawer = transformer_of(golden, meta["config"]["hybridtran_config"], "transformer")
    size = whole_cells(*arrays["in_gray"].shape)
    gray = network.gray_encoder(to_signed(resized(arrays["in_gray"], size)))
    codes = network.encode(to_signed(resized(arrays["in_color"], size)))[0]
    equal(golden, "out_tokens_before", codes)
    how = meta["upsample"]
    found = regenerate(
        drawer,
        gray,
        codes,
        lambda logits, _: int(most_probable(logits, how["topk"]).argmax()),
        shape=tuple(meta["config"]["hybridtran_config"]["input_shape"]),
        patch=tuple(how["patch_size"]),
        mask=tuple(how["mask_size"]),
    )
    equal(golden, "out_tokens_after", found)
    levels = to_levels(network.decode(network.quantize.vectors(found[None]), gray)[0])
    equal(golden, "out_gen", levels[::4, ::4])
    equal(golden, "out_picture", join(resized(arrays["in_gray"], size), levels)[::4, ::4])


@case("huang2022_warp")
@torch.inference_mode()
def warp(golden: Golden) -> None:
    size = tuple(golden.meta["image_size"])
    matcher = Matcher(trunk := VGGTrunk(), WarpNet())
    trunk.vgg.load_state_dict(convert_vgg19(weights(golden, "vgg19")))
    matcher.correspondence.load_state_dict(convert_warp_net(weights(golden, "warpnet")))
    target, other = (
        (network_input(golden.arrays[name], size) + 1) / 2 for name in ("in_image", "in_exemplar")
    )
    gray = (network_input(np.dstack([gray_levels(golden.arrays["in_image"])] * 3), size) + 1) / 2
    assert target.shape == gray.shape
    found = matcher(rgb_to_lab(gray)[:, :1], other)
    golden.close_sampled("out_target_l", torch.nn.functional.avg_pool2d(found.lightness, 2)[0, 0] - 50)
    center = torch.tensor([50.0, 0, 0]).view(3, 1, 1)
    golden.close_sampled("out_exemplar_lab", torch.nn.functional.avg_pool2d(rgb_to_lab(other), 2)[0] - center)
    golden.close("out_warped_lab", found.lab[0] - center)
    golden.close("out_similarity", found.similarity[0, 0])
    equal(golden, "out_picture", to_levels(2 * found.image()[0] - 1)[::2, ::2])


@case("huang2022_discriminator")
def discriminator(golden: Golden) -> None:
    network, rgb = discriminator_of(golden), signed(golden)
    with torch.inference_mode():
        golden.close("out_eval", network.eval()(rgb))
        golden.close("out_train", network.train()(rgb))
    norm = network.layers[3]
    golden.close("out_running_mean", norm.running_mean)
    golden.close("out_running_var", norm.running_var)


def discriminator_of(golden: Golden, part: str = "") -> Any:
    network = patch_discriminator()
    found = weights(golden, part)
    network.load_state_dict({key.replace("main.", "layers."): value for key, value in found.items()})
    return network


def lpips_of(golden: Golden) -> LPIPS:
    network = LPIPS()
    vgg = {re.sub(r"slice\d", "features", key): value for key, value in weights(golden, "vgg16").items()}
    network.load(vgg, weights(golden, "lpips"))
    return network.eval().requires_grad_(False)


def total_of(golden: Golden, terms: Mapping[str, Tensor], factor: float) -> Tensor:
    """Return the weighted sum of the terms; the factor of the adversarial loss is 0 before ``disc_start``."""
    config = golden.meta["loss_config"]
    return generator_total(
        terms,
        perceptual_weight=config["perceptual_weight"],
        codebook_weight=config["codebook_weight"],
        adversarial_weight=config["disc_weight"] * factor,
    )


def listed_terms(terms: Mapping[str, Tensor], total: Tensor, factor: float) -> Tensor:
    """Return the terms of an autoencoder's loss in the order of the files."""
    pixel, perceptual = terms["pixel"], terms["perceptual"]
    listed = [total, terms["codebook"], pixel + perceptual, pixel, perceptual, factor, terms["adversarial"]]
    return torch.stack([torch.as_tensor(each).detach().float() for each in listed])


@case("huang2022_losses")
def losses(golden: Golden) -> None:
    network = lpips_of(golden)
    discriminator = discriminator_of(golden, "discriminator").train()
    target, rgb = signed(golden), signed(golden, "in_rec").requires_grad_()
    golden.close("out_scaled", network.normalized(target)[:, :, ::8, ::8])
    for number, hook in enumerate(network.hooks(target)):
        cut = slice(None, None, 8 if number < 3 else 1)
        golden.close(f"out_vgg{number}", hook[:, ::16, cut, cut])
    terms = network(rgb, target)
    golden.close("out_lpips_terms", terms)
    golden.close("out_lpips", terms.sum(dim=1))
    (gradient,) = torch.autograd.grad(terms.sum(dim=1).mean(), rgb)
    golden.close("out_lpips_grad", gradient[:, :, ::4, ::4])
    codebook = golden.tensor("in_codebook_loss").float()
    for name, factor in (("before", 0.0), ("after", 1.0)):  # before and after disc_start
        found = generator_terms(rgb, target, codebook, network, discriminator)
        total = total_of(golden, found, factor)
        golden.close(f"out_ae_{name}", listed_terms(found, total, factor))
        (gradient,) = torch.autograd.grad(total, rgb)
        golden.close(f"out_ae_grad_{name}", gradient[:, :, ::4, ::4])
        real, fake = discriminator(target), discriminator(rgb.detach())
        hinge = factor * discriminator_hinge(real, fake)
        golden.close(f"out_d_{name}", torch.stack([hinge, hinge, real.mean(), fake.mean()]))


@dataclass
class GivenDraws:
    """Random numbers of a file that replace a generator."""

    uniform: float
    count: int
    order: list[int]
    limits: list[tuple[int, int]]

    def random(self) -> float:
        return self.uniform

    def randint(self, low: int, high: int) -> int:
        self.limits.append((low, high))
        return min(self.count, high - 1)

    def permutation(self, length: int) -> list[int]:
        return [each for each in self.order if each < length]


@case("huang2022_masks")
def masks(golden: Golden) -> None:
    meta, arrays = golden.meta, golden.arrays
    states: Any = {"everything": meta["mode_prob"]["full"], "fewest": 16, "strokes": meta["strokes"]}
    modes, numbers = random.Random(meta["python_seed"]), np.random.RandomState(meta["numpy_seed"])
    shape = tuple(meta["input_shape"])
    drawn = [draw_mask(modes, numbers, shape, **states) for _ in range(meta["count"])]
    equal(golden, "out_masks", drawn)
    side = meta["resolution"][0]
    crop = validation_crop(arrays["in_rgb"], side)
    equal(golden, "out_x", crop.transpose(2, 0, 1)[:, ::4, ::4])
    large = arrays["in_superpixel"]
    start = round((len(large) - side) / 2)
    superpixels = large[start : start + side, start : start + side]
    found = [patch_color(superpixels, cell) for cell in candidate_cells(arrays["in_mask"])]
    golden.close("out_hint_colors", torch.from_numpy(np.stack(found)))
    chosen, cells, limits = [], [], []
    given = iter(zip(arrays["in_count"].tolist(), arrays["in_permutation"].tolist(), strict=True))
    for image, mask in enumerate(arrays["in_masks_select"]):
        uniform = float(arrays["in_rand"][image])
        count, order = next(given) if uniform <= HINTED else (0, [])
        places = candidate_cells(mask)
        draws: Any = GivenDraws(uniform, count, order, limits)
        for index in choose_candidates(mask, draws, strokes=meta["strokes"], hinted=HINTED):
            cells.append((image, *places[index]))
            chosen.append(golden.tensor("in_cond_select")[image, index])
    golden.close("out_selected_colors", torch.stack(chosen))
    equal(golden, "out_selected_cells", cells)
    equal(golden, "out_limits", limits)


def close_changes(golden: Golden, name: str, ours: Tensor) -> None:
    """Compare Adam updates; a few depend on the sign of a gradient near 0."""
    stated, expected = golden.meta["tolerance"][name], golden.tensor(name)
    apart = (ours.detach() - expected).abs()
    assert apart.max() <= 2.01 * golden.meta["lr"] + stated["atol"], name
    assert (apart > stated["atol"]).float().mean() <= 0.005, name


@case("huang2022_vqgan_step")
def vqgan_step(golden: Golden) -> None:
    meta = golden.meta
    network = vqgan_of(golden, meta["config"], "vqgan").train()
    named = dict(network.named_parameters())
    lpips, factor = lpips_of(golden), float(meta["global_step"] >= meta["loss_config"]["disc_start"])
    discriminator = discriminator_of(golden, "discriminator").train()
    optimizer = torch.optim.Adam(network.parameters(), lr=meta["lr"], betas=(0.5, 0.9))
    target = signed(golden)
    rgb, quantized = network(target)
    terms = generator_terms(rgb, target, quantized.loss, lpips, discriminator)
    total = total_of(golden, terms, factor)
    golden.close("out_ae", listed_terms(terms, total, factor))
    golden.close_sampled("out_rec", rgb)
    total.backward()
    norms = torch.stack([named[key].grad.norm() for key in meta["grad_keys"]])
    expected = golden.tensor("out_grad_norms")
    golden.close("out_grad_norms", torch.where(expected < 1e-5, expected, norms))
    before = {key: value.detach().clone() for key, value in named.items()}
    for name, key, every in meta["grad_arrays"]:
        golden.close(f"out_grad_{name}", named[key].grad[::every])
    optimizer.step()
    for name, key, every in meta["change_arrays"]:
        close_changes(golden, f"out_change_{name}", (named[key] - before[key])[::every])
    discriminator.zero_grad()
    real, fake = discriminator(target), discriminator(rgb.detach())
    hinge = factor * discriminator_hinge(real, fake)
    golden.close("out_d", torch.stack([hinge, real.mean(), fake.mean()]))
    hinge.backward()
    theirs = {name.replace("layers.", "main."): p for name, p in discriminator.named_parameters()}
    golden.close("out_d_grad_norms", torch.stack([theirs[key].grad.norm() for key in meta["d_grad_keys"]]))
    golden.close("out_d_running_mean", discriminator.layers[3].running_mean)


@case("huang2022_transformer_step")
def transformer_step(golden: Golden) -> None:
    meta, arrays = golden.meta, golden.arrays
    codes_of = vqgan_of(golden, meta["config"]["vqgan_config"], "vqgan")
    network = transformer_of(golden, meta["config"]["hybridtran_config"], "transformer").train()
    named, rgb = dict(network.named_parameters()), signed(golden)
    with torch.no_grad():
        target = codes_of.encode(rgb)
        gray = codes_of.gray_encoder(rgb_to_gray(rgb)).flatten(2).mT
    mask = golden.tensor("in_mask")
    cells = [
        [(image, *cell) for cell in candidate_cells(each)] for image, each in enumerate(arrays["in_mask"])
    ]
    equal(golden, "out_all_cells", cells)
    fed = fed_codes(target, mask, network.mask_token)
    equal(golden, "out_tokens", fed)
    equal(golden, "out_target", target)
    logits = network(gray, fed, Hints(golden.tensor("in_hint_cells").long(), golden.tensor("in_hints")))
    golden.close("out_logits", logits)
    loss = masked_cross_entropy(logits, target, mask)
    golden.close("out_loss", loss)
    loss.backward()
    norms = torch.stack([named[key].grad.norm() for key in meta["grad_keys"]])
    golden.close("out_grad_norms", norms)
    for name, key, every in meta["grad_arrays"]:
        golden.close(f"out_grad_{name}", named[key].grad[::every])
    groups = transformer_groups(network)
    decayed = {id(p) for p in groups[0]["params"]}
    assert {key for key, p in named.items() if id(p) in decayed} == set(meta["decayed"])
    optimizer = torch.optim.AdamW(groups, lr=meta["lr"], betas=(0.9, 0.95), eps=1e-8, weight_decay=0.01)
    before = {key: value.detach().clone() for key, value in named.items()}
    optimizer.step()
    for name, key, every in meta["change_arrays"]:
        close_changes(golden, f"out_change_{name}", (named[key] - before[key])[::every])


# Training settings that the paper or the authors' code states

_VQGAN = {
    "channels": 128, "multipliers": [1, 1, 2, 2, 4], "attention": [4], "blocks": 2, "latent": 512,
    "code_width": 512, "codes": 4096,
}  # fmt: skip
_TRANSFORMER = {"embedding": 512, "heads": 16, "layers": 24, "rows": 16, "columns": 16}
_USERS = {"everything": 0.05, "fewest": 16, "strokes": 16, "hinted": 0.7}
_LOSS = {"perceptual_weight": 1.0, "codebook_weight": 1.0, "adversarial_weight": 0.8}


def codes(data: str, rate: float, batch: int, start: int) -> Recipe:
    return Recipe(
        config=f"huang2022/vqgan_{data}.yaml",
        source="fact sheet, section 2: training; the length is ours",
        rates={0: rate, 300_000: rate},
        discriminator_rates={0: rate, 300_000: rate},
        betas=(0.5, 0.9), batch=batch, steps=320_000,
        settings={**_VQGAN, **_TRANSFORMER, **_LOSS, "disc_start": start, "discriminator_width": 1.0},
        trains=("model.network.vqgan.",),
    )  # fmt: skip


def transformer_recipe(data: str, rate: float, batch: int, fall: int, steps: int, **more: Any) -> Recipe:
    return Recipe(
        config=f"huang2022/{data}.yaml",
        source="fact sheet, section 3: optimizer",
        rates={0: rate, fall - 1: rate, fall: rate / 10, steps - 1: rate / 10},
        optimizer="AdamW", betas=(0.9, 0.95), weight_decay=0.01, batch=batch, steps=steps,
        settings={**_VQGAN, **_TRANSFORMER, **_USERS, **more},
        trains=("model.network.transformer.",),
    )  # fmt: skip


RECIPES = (
    codes("imagenet", 5.12e-5, 8 * 4, 6001),
    codes("coco", 7.5e-5, 6 * 4, 5001),
    transformer_recipe("imagenet", 1.6e-6 * 16 * 4 * 2, 16 * 4 * 2, 94_750, 142_125),
    transformer_recipe("coco", 3e-6 * 16 * 4, 16 * 4, 180_000, 260_000),
)


KNOBS = {
    "huang2022": Knobs(
        base={"rows": 4, "columns": 4, "channels": 32, "heads": 4, "everything": 0.5},
        values={
            "channels": 64, "multipliers": (1, 1, 1, 1, 2), "attention": (3,), "embedding": 64, "heads": 2,
            "fewest": 14, "strokes": 1, "hinted": 0.0, "everything": 0.0,
        },
        # rows and columns must match the crop
        exempt=("top_k", "seed", "matcher", "matcher_weights", "matched_size", "rows", "columns"),
        size=64, batch=4,
    ),
}  # fmt: skip
