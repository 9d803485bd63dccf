"""Color2Embed: the authors' file, vectors as looks, references made of the pictures, VGG-19 in training."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo import Exemplar, Guidance, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import GuidanceError, WeightsError
from colorzoo.factory import build_model
from colorzoo.inference.references import Look, ReadReference, make_exemplar, make_look
from colorzoo.networks.splines import diagonal_moves, spline, warp
from colorzoo.pictures.picture import Picture
from colorzoo.registry import model_card
from colorzoo.testing.models import smoke_model
from colorzoo.testing.samples import sample_batch, sample_image, sample_input
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.training.command import start_from
from colorzoo.weights.convert import convert_weights
from colorzoo.zoo.zhao2021.task import Zhao2021, made_reference, mirror_and_rotate
from vgg_file import write_vgg19

TINY = {"width": 0.125, "reference_side": 32}
# of ours to the authors' names, written apart from the converter
THEIRS = (
    (r"^network\.encoder\.features\.layers", "colorEncoder.vgg.vgg_model.features"),
    (r"^network\.encoder\.to_vector", "colorEncoder.feature2vector"),
    (r"^network\.unet\.inc", "colorUNet.inc.double_conv"),
    (r"^network\.unet", "colorUNet"),
    (r"\.halve\.0", ".main.0"),
    (r"\.widen", ".main.2.bottle_conv"),
    (r"(down\d)\.refine", r"\1.main.2.double_conv"),
    (r"\.join", ".conv_cat"),
    (r"\.shortcut", ".conv_s"),
    (r"\.modulated", ".SDFT"),
)


def tiny(**settings: Any) -> Any:
    torch.manual_seed(0)
    return build_model(Zhao2021, {**TINY, **settings}).eval()


@pytest.fixture(scope="module")
def model() -> Any:
    """Return a tiny model whose weights are large enough for a reference to matter."""
    return smoke_model(model_card("zhao2021"))


def authors_file(model: Zhao2021) -> dict[str, Tensor]:
    """Return what the authors would have saved of a model: VGG-19 twice, and layers that nothing uses."""
    found = {}
    for name, value in model.model.state_dict().items():
        for ours, theirs in THEIRS:
            name = re.sub(ours, theirs, name)
        if name.endswith("SDFT.weight"):
            value = value[None]
        found[name] = value[..., None, None] if name.endswith("modulation.weight") else value
    for index in (32, 34):
        found[f"colorEncoder.vgg.vgg_model.features.{index}.weight"] = torch.full((1,), torch.nan)
    for name in [name for name in found if ".vgg_model.features." in name]:
        found[name.replace("vgg_model.features", "vgg_feature")] = found[name].clone()
    return found | {f"colorEncoder.vgg.vgg_model.classifier.{i}.bias": torch.zeros(3) for i in (0, 3, 6)}


def test_the_authors_file_gives_their_colors(model: Any, tmp_path: Path) -> None:
    torch.save(authors_file(model), tmp_path / "045000.pt")
    made = convert_weights(
        tmp_path / "045000.pt", model_card("zhao2021"), tmp_path / "c.safetensors", hparams=TINY
    )
    again = create_model("color2embed", made.path)
    assert again.trained
    lightness, guidance = sample_input("gray", (37, 53)), Guidance(exemplar=Exemplar(sample_image((40, 24))))
    with torch.inference_mode():
        torch.testing.assert_close(again(lightness, guidance).ab, model(lightness, guidance).ab)


def load(model: Any, **changed: Tensor | None) -> None:
    state = {**authors_file(model), **{key.replace("__", "."): value for key, value in changed.items()}}
    tiny().load_published_state_dict({key: value for key, value in state.items() if value is not None})


def test_only_their_file_is_taken(model: Any) -> None:
    load(model)
    first = "colorEncoder__vgg__vgg_feature__0__bias"
    with pytest.raises(WeightsError, match=r"vgg_feature\.0\.bias is not a copy"):
        load(model, **{first: torch.zeros(8)})
    with pytest.raises(WeightsError, match=r"1 missing .*network\.unet\.outc\.2\.bias"):
        load(model, colorUNet__outc__2__bias=None)
    with pytest.raises(WeightsError, match=r"1 unexpected .*network\.unet\.outc\.9\.bias"):
        load(model, colorUNet__outc__9__bias=torch.zeros(2))
    with pytest.raises(
        WeightsError, match=r"of another shape .*inc\.0\.bias: expected \(8,\), found \(64,\)"
    ):
        load(model, colorUNet__inc__double_conv__0__bias=torch.zeros(64))


@pytest.mark.parametrize(
    ("key", "message"),
    [("features.0.weight", "VGG-19 alone"), ("inc.double_conv.0.weight", "ColorUNet alone")],
)
def test_another_file_of_the_paper_is_named(key: str, message: str, model: Any, tmp_path: Path) -> None:
    torch.save({key: torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=message):
        convert_weights(
            tmp_path / "other.pth", model_card("zhao2021"), tmp_path / "c.safetensors", hparams=TINY
        )


def test_the_full_weights_do_not_fit_the_small_model(model: Any) -> None:
    small = build_model(Zhao2021, {**TINY, "features": "zhang2016_small"})
    with pytest.raises(WeightsError, match="full network, which zhao2021 loads"):
        small.load_published_state_dict(authors_file(model))


@torch.inference_mode()
def test_a_whole_reference_needs_no_vector_of_the_picture(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = model.model.look(sample_image((56, 32), seed=3))
    monkeypatch.setattr(model.model.network, "vector", lambda _: pytest.fail("the encoder ran again"))
    model(sample_input("gray", (24, 40)), Guidance(exemplar=Exemplar.of_look(look)))


@torch.inference_mode()
def test_a_vector_is_all_that_a_reference_gives(model: Any) -> None:
    lightness, rgb = sample_input("gray", (24, 40), batch=2), sample_image((56, 32), seed=3)
    look = model.model.look(rgb)
    assert look.shape == (1, 1, 64)
    whole = model(lightness, Guidance(exemplar=Exemplar(rgb.expand(2, -1, -1, -1)))).ab
    torch.testing.assert_close(
        model(lightness, Guidance(exemplar=Exemplar.of_look(look))).ab, whole, atol=1e-3, rtol=0
    )
    plain = model(lightness).ab
    for alpha, wanted in ((0.0, plain), (1.0, whole)):
        found = model(lightness, Guidance(exemplar=Exemplar.of_look(look, alpha))).ab
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)
    half = model(lightness, Guidance(exemplar=Exemplar.of_look(look, 0.5))).ab
    assert min(float((half - other).abs().max()) for other in (plain, whole)) > 0.1


@torch.inference_mode()
def test_without_a_reference_the_gray_picture_is_one(model: Any) -> None:
    lightness = sample_input("gray", (24, 40), batch=2)
    gray = lab_to_rgb(torch.cat([lightness, 0 * lightness, 0 * lightness], dim=1))
    assert float((gray.amax(dim=1) - gray.amin(dim=1)).max()) < 1e-4
    torch.testing.assert_close(model(lightness).ab, model(lightness, Guidance(exemplar=Exemplar(gray))).ab)


@torch.inference_mode()
def test_references_are_squashed_to_one_size(model: Any) -> None:
    rgb = sample_image((64, 96))
    thin = torch.nn.functional.interpolate(rgb, size=(32, 32), mode="bilinear")
    torch.testing.assert_close(model.model.look(rgb), model.model.look(thin))
    seen: list[tuple[int, ...]] = []
    hook = model.model.network.encoder.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].shape)
    )
    model.model.look(rgb)
    hook.remove()
    assert seen == [(1, 3, 32, 32)]


def picture(seed: int) -> Picture:
    return Picture(sample_image((48, 40), seed=seed)[0].permute(1, 2, 0).numpy())


def test_looks_of_several_references_mix_and_are_refused_by_other_weights(model: Any, tmp_path: Path) -> None:
    references = [ReadReference(picture(1), 3.0), ReadReference(picture(2), 1.0)]
    first, second = (make_exemplar(model.model, [each], 48).look for each in references)
    assert first is not None
    assert second is not None
    look = make_look(model.model, "zhao2021", references, 48)
    torch.testing.assert_close(look.statistics, 0.75 * first + 0.25 * second)
    look.save(tmp_path / "both.look")
    read = Look.load(tmp_path / "both.look")
    assert torch.equal(read.statistics, look.statistics)
    assert (tmp_path / "both.look").stat().st_size < 2000
    read.check_for(model.model)
    other = tiny(reference_side=48)
    other.load_state_dict(model.state_dict())
    torch.manual_seed(1)
    for wrong in (other, build_model(Zhao2021, TINY), create_model("xu2020_small")):
        with pytest.raises(GuidanceError, match="other weights"):
            read.check_for(wrong.model)


def test_a_made_reference_belongs_to_its_picture() -> None:
    rgb, seeds = sample_image((48, 40), batch=4), torch.tensor([5, 6, 7, 8])
    made = made_reference(rgb, seeds)
    assert made.shape == rgb.shape
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    torch.testing.assert_close(255 * made, (255 * made).round())  # of whole levels
    parts = torch.cat([made_reference(rgb[i : i + 1], seeds[i : i + 1]) for i in (2, 3)])
    assert torch.equal(parts, made[2:])
    same = made_reference(rgb[:1].expand(2, -1, -1, -1), seeds[:2])
    assert not torch.allclose(same[0], same[1], atol=0.1)


def test_a_made_reference_shows_the_colors_of_its_picture() -> None:
    """In other places: the mean color of what is not black stays, the picture does not."""
    rgb = sample_image((64, 64), batch=24, seed=2).clamp(0.2, 1)
    made = made_reference(rgb, torch.arange(24))
    shown = made.amax(dim=1, keepdim=True) > 0.1
    assert 0.5 < shown.float().mean() < 0.98  # corners are black
    mean = (made * shown).sum(dim=(2, 3)) / shown.sum(dim=(2, 3))
    assert float((mean - rgb.mean(dim=(2, 3))).abs().mean()) < 0.05
    assert float((made - rgb).abs().mean()) > 0.1


def test_the_draws_of_a_reference_follow_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    name = "colorzoo.zoo.zhao2021.task.mirror_and_rotate"
    monkeypatch.setattr(name, lambda levels, *draws: seen.append(draws) or levels)
    made = made_reference(torch.full((600, 3, 4, 4), 0.5), torch.arange(600))
    ((mirrored, degrees),) = seen
    assert mirrored.float().mean(dim=0).tolist() == pytest.approx([0.5, 0.5], abs=0.07)
    assert not torch.equal(mirrored[:, 0], mirrored[:, 1])
    assert degrees.min() >= 0
    assert 300 < degrees.max() < 360
    levels = (255 * made[:, :, 0, 0]).flatten()  # the first pixel stands still: gray with noise
    assert 117 < float(levels.min()) < 125
    assert 130 < float(levels.max()) <= 133
    assert float((levels - 127).std()) == pytest.approx(10 / 12**0.5, rel=0.1)


def test_points_that_end_at_one_place_are_drawn_again() -> None:
    draws = torch.tensor([[[0.5, 0.5, 0.5, 0.5], [0.0, 1.0, 0.9, 0.1], [0.2, 0.3, 0.4, 0.5]]])
    assert diagonal_moves(draws)[0].tolist() == pytest.approx([0.38, 0.42, -0.05, 0.0])
    swapped = draws[:, [2, 0, 1]]
    assert torch.equal(diagonal_moves(swapped), diagonal_moves(draws))


def test_a_point_moves_where_the_spline_says() -> None:
    """What lay at 0.4 of the diagonal lies at 0.6, the corner stays."""
    moves = torch.tensor([[0.4, 0.7, 0.2, 0.1]], dtype=torch.float64)
    marked = torch.zeros(1, 3, 101, 101)
    marked[..., 38:43, 38:43] = 200.0  # 0.4 of 101 pixels is 40.4
    found = warp(marked, spline(moves), moves)[0, 0]
    rows, columns = (found > 100).nonzero().float().mean(dim=0)
    assert abs(float(rows) - 60) < 1
    assert abs(float(columns) - 60) < 1


def test_turning_a_quarter_is_exact() -> None:
    image = torch.arange(50.0).view(1, 2, 5, 5)
    for mirrored, wanted in (
        ([False, False], image.rot90(1, (2, 3))),
        ([True, False], image.flip(3).rot90(1, (2, 3))),
        ([False, True], image.flip(2).rot90(1, (2, 3))),
    ):
        assert torch.equal(mirror_and_rotate(image, torch.tensor([mirrored]), torch.tensor([90.0])), wanted)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (33, 50)])
def test_pictures_of_any_shape_are_rotated_as_by_pillow(size: tuple[int, int]) -> None:
    image = torch.randint(0, 256, (1, 3, *size), generator=torch.Generator().manual_seed(0))
    picture, upright = Image.fromarray(image[0].permute(1, 2, 0).byte().numpy()), torch.zeros(1, 2).bool()
    for degrees in (0.0, 12.5, 45.0, 90.0, 180.0, 200.3, 270.0, 359.9):
        wanted = torch.tensor(np.array(picture.rotate(degrees))).permute(2, 0, 1)[None]
        found = mirror_and_rotate(image, upright, torch.tensor([degrees]).double())
        assert torch.equal(found, wanted.to(found)), degrees


@pytest.mark.parametrize("size", [(32, 32), (32, 48)])
def test_training_encodes_references_at_their_own_size(size: tuple[int, int]) -> None:
    model = tiny(reference_side=64, perceptual_weight=0.0).train()
    seen: list[Tensor] = []
    model.model.network.encoder.register_forward_hook(lambda _module, inputs, _vector: seen.append(inputs[0]))
    model.log_dict = lambda *_, **__: None
    reference = sample_image(size, batch=2, seed=3)
    model.training_step({**sample_batch((32, 32), batch=2), "reference": reference}, 0).backward()
    assert torch.equal(seen[0], reference)


def test_training_needs_a_vgg19(tmp_path: Path) -> None:
    batch = batch_loader([sample_batch((32, 32), batch=3)])
    model = tiny(perceptual_weight=0.1)
    with silent_lightning(), pytest.raises(WeightsError, match="vgg_weights FILE"):
        quiet_trainer(tmp_path, max_epochs=1).fit(model, batch)
    torch.save({"features.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "part.pth")
    model = tiny(vgg_weights=str(tmp_path / "part.pth"))
    with pytest.raises(WeightsError, match="27 missing"):
        model.setup("fit")


def test_both_networks_begin_with_the_vgg19_and_one_of_them_is_trained(tmp_path: Path) -> None:
    vgg = write_vgg19(tmp_path / "vgg19.pth")
    optimizer = partial(torch.optim.Adam, lr=1e-3)
    model = tiny(perceptual_weight=0.1, vgg_weights=str(tmp_path / "vgg19.pth"), optimizer=optimizer)
    with silent_lightning():
        trainer = quiet_trainer(tmp_path, max_epochs=1)
        trainer.fit(model, batch_loader([sample_batch((32, 32), batch=3)]))
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    for index in (0, 16, 30):
        key, value = f"layers.{index}.weight", vgg[f"features.{index}.weight"]
        assert torch.equal(model.perceptual.model.get_parameter(key), value)
        moved = model.model.network.encoder.features.get_parameter(key)
        assert not torch.equal(moved, value)
        torch.testing.assert_close(moved, value, atol=0.05, rtol=0)
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert not any(name.startswith("perceptual.") for name in stored)
    again = Zhao2021.load_from_checkpoint(tmp_path / "last.ckpt")
    assert again.perceptual is None


def test_weights_that_were_loaded_keep_their_encoder(model: Any, tmp_path: Path) -> None:
    write_vgg19(tmp_path / "vgg19.pth")
    torch.save(authors_file(model), tmp_path / "c.pt")
    made = convert_weights(
        tmp_path / "c.pt", model_card("zhao2021"), tmp_path / "c.safetensors", hparams=TINY
    )
    again = tiny(vgg_weights=str(tmp_path / "vgg19.pth"))
    start_from(again, str(made.path))
    again.setup("fit")
    name = "features.layers.0.weight"
    encoder = again.model.network.encoder
    assert torch.equal(encoder.get_parameter(name), model.model.network.encoder.get_parameter(name))
    assert not torch.equal(again.perceptual.model.layers[0].weight, encoder.get_parameter(name))


def test_borrowed_layers_are_not_stored_and_need_no_vgg19() -> None:
    small = build_model(Zhao2021, {**TINY, "features": "zhang2016_small", "vgg_weights": "nowhere.pth"})
    small.setup("fit")  # asks for no file
    assert not any("trunk" in name for name in small.state_dict())
    assert not any("trunk" in name for name, p in small.named_parameters() if p.requires_grad)
    lender = create_model("zhang2016_small").model.network.state_dict()
    held = small.model.network.encoder.features.trunk.network
    assert all(torch.equal(held.get_parameter(k), v) for k, v in lender.items() if k.endswith("weight"))


def test_borrowed_maps_tell_strong_colors_from_weak_ones() -> None:
    features: Any = build_model(
        Zhao2021, {**TINY, "features": "zhang2016_small"}
    ).model.network.encoder.features
    gray = sample_image((32, 32)).mean(dim=1, keepdim=True).clamp(0.3, 0.7)
    weak, strong = (gray + amount * torch.tensor([0.1, 0.0, -0.1]).view(1, 3, 1, 1) for amount in (0.5, 1.0))
    maps = [features(each)[-1] for each in (weak, strong)]
    assert maps[0].shape[1] == features.channels
    for channels, part in ((slice(-32, -16), 1), (slice(-16, None), 2)):  # a and b of sixteen places each
        b, a = (rgb_to_lab(each)[:, part].mean() / 10 for each in (weak, strong))
        means = [each[:, channels].mean() for each in maps]
        torch.testing.assert_close(torch.stack(means), torch.stack([b, a]), atol=1e-4, rtol=0)
        assert means[1] > 1.5 * means[0]


@pytest.mark.parametrize("seed", range(3))
def test_vectors_of_borrowed_maps_differ_before_any_training(seed: int) -> None:
    torch.manual_seed(seed)
    model = build_model(Zhao2021, {**TINY, "features": "zhang2016_small"}).model
    with torch.no_grad():
        one, other = (model.look(sample_image((64, 64), seed=number)) for number in (1, 2))
    assert (one - other).norm() > 0.03 * one.norm()  # 0.003 with the weights that torch draws


def test_validation_makes_the_references_of_training(model: Any) -> None:
    batch = sample_batch((32, 32), batch=3)
    lab = rgb_to_lab(batch["rgb"])
    assert model.validation_guidance("automatic", lab, batch["seed"]).exemplar is None
    found = model.validation_guidance("self", lab, batch["seed"]).exemplar.rgb
    wanted = made_reference(batch["rgb"], batch["seed"])
    assert float((found - wanted).abs().gt(1.5 / 255).float().mean()) < 0.01
