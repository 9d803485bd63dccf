"""UniColor: sampling of codes, recoloring, hints, training losses, and the authors' files."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchmetrics
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.errors import DataError
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance, Points
from colorzoo.networks.imagenet import vgg_layers
from colorzoo.registry import model_card
from colorzoo.settings import constructor_parameters
from colorzoo.testing import sample_image
from colorzoo.testing.samples import sample_batch
from colorzoo.weights.load import Provenance
from colorzoo.zoo.huang2022.model import UniColor, exemplar_hints, point_hints, resized, to_levels
from colorzoo.zoo.huang2022.task import (
    CANDIDATE,
    LPIPS,
    MASKED,
    SEEN,
    Huang2022VQGAN,
    masked_cross_entropy,
    simulate,
)
from steps.step import gradients, same, small

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
    rgb = vqgan.decode_codes(one[:, 0], gray).clamp(-1, 1) / 2 + 0.5
    wanted = F.interpolate(rgb_to_lab(rgb)[:, 1:], (40, 70), mode="bilinear", antialias=True)
    torch.testing.assert_close(found.ab, wanted)
    assert not torch.equal(one, model(top_k=8, seed=1)(lightness).extras["codes"])
    assert not torch.equal(one, model(top_k=1)(lightness).extras["codes"])


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
    loaded.load_published_state_dict(torch.load(path)["state_dict"])
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


def test_masked_cross_entropy_uses_only_masked_and_candidate_cells() -> None:
    mask = torch.tensor([[[SEEN, MASKED, CANDIDATE]]])
    logits = torch.tensor([[[9.0, 0.0], [1.0, 0.0], [0.0, 3.0]]])
    wanted = F.cross_entropy(logits[0, 1:], torch.tensor([1, 1]))
    found = masked_cross_entropy(logits, torch.ones(1, 1, 3, dtype=torch.int64), mask)
    torch.testing.assert_close(found, wanted)


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
