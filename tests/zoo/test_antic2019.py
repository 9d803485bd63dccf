"""What is particular to DeOldify: files of its author and torchvision, render_factor, sizes, lightness."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import colorzoo
from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.factory import build_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.pictures.read import read_picture
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch, sample_image
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.training.perceptual import VGG16Features
from colorzoo.weights import save_weights
from colorzoo.zoo.antic2019.model import ab_of, keep_lightness, normalize
from colorzoo.zoo.antic2019.network import ResNetEncoder, block_shapes
from colorzoo.zoo.antic2019.published import generator_key
from colorzoo.zoo.antic2019.task import VGG_LAYERS, Antic2019, pretraining_loss
from parity.pipelines.antic2019 import colorize_square
from pseudo_spectral import with_power_iterations
from pseudo_weights import pseudo_state_dict

NARROW = {"encoder": "resnet18", "width": 0.125}
VARIANTS = {"antic2019": NARROW, "antic2019_stable": {**NARROW, "nf_factor": 0.25}}
_OURS_TO_THEIRS = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


def their_key(key: str) -> str:
    """Return the author's name of a tensor of ours: written apart from the converter, the other way round."""
    key = key.removeprefix("network.").replace("parametrizations.weight.original0", "weight_g")
    key = key.replace("parametrizations.weight.original1", "weight_v")
    first, _, rest = key.partition(".")
    match first:
        case "encoder":
            name, _, rest = rest.partition(".")
            return f"layers.0.{_OURS_TO_THEIRS[name]}.{rest}"
        case "norm":
            return f"layers.1.{rest}"
        case "middle":
            return f"layers.3.{rest}"
        case "blocks":
            index, _, rest = rest.partition(".")
            return f"layers.{4 + int(index)}.{rest}"
        case "up":
            return f"layers.8.{rest}"
        case "refine":
            name, _, rest = rest.partition(".")
            return f"layers.10.layers.{('first', 'second').index(name)}.0.{rest}"
    assert first == "head"
    return f"layers.11.0.{rest}"


def narrow(name: str, **settings: Any) -> Antic2019:
    torch.manual_seed(0)
    card = model_card(name)
    model: Any = build_model(load_task_class(card), {**card.hparams, **VARIANTS[name], **settings})
    return model.eval()


@cache
def authors_file(name: str) -> dict[str, Tensor]:
    """Return pseudo-weights under the author's names, as narrow as `VARIANTS`."""
    shapes = {their_key(key): tuple(value.shape) for key, value in narrow(name).model.state_dict().items()}
    scales = {key: 0.3 for key in shapes if key.startswith("layers.0.") and ".bn2.weight" in key}
    arrays = with_power_iterations(pseudo_state_dict(shapes, 5, scales))
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def test_the_converter_undoes_the_renaming() -> None:
    for name in VARIANTS:
        keys = [key.removeprefix("network.") for key in narrow(name).model.state_dict()]
        assert [generator_key(their_key(key)) for key in keys] == keys


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("wrapper", ["bare", "fastai"])
def test_the_authors_files_load(name: str, wrapper: str, tmp_path: Path) -> None:
    state = authors_file(name)
    path = tmp_path / "generator.pth"
    torch.save(state if wrapper == "bare" else {"model": state, "opt": {"lr": 1e-3}}, path)
    loaded: Any = colorzoo.create_model(name, path, **VARIANTS[name])
    assert loaded.trained
    wanted = narrow(name)
    wanted.load_published_state_dict(dict(state))
    lightness = 100 * torch.rand(1, 1, 40, 56)
    with torch.no_grad():
        assert torch.equal(loaded(lightness).ab, wanted(lightness).ab)
        assert not torch.equal(loaded(lightness).ab, narrow(name)(lightness).ab)


def test_the_other_model_is_named_in_one_line() -> None:
    for name, other in (("antic2019", "antic2019_stable"), ("antic2019_stable", "antic2019")):
        with pytest.raises(
            WeightsError, match=rf"^these are weights of {other} \(.*, not of {name} \("
        ) as error:
            narrow(name).load_published_state_dict(dict(authors_file(other)))
        assert "\n" not in str(error.value)


def test_a_critic_a_part_and_another_width_are_refused() -> None:
    model, state = narrow("antic2019"), authors_file("antic2019")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match="weights of a critic"):
        model.load_published_state_dict({"12.0.weight_orig": torch.zeros(1, 8, 4, 4)})
    lacking = {key: value for key, value in state.items() if key != "layers.11.0.bias"}
    with pytest.raises(WeightsError, match=r"1 missing \(network.head.bias\)"):
        model.load_published_state_dict(lacking)
    with pytest.raises(WeightsError, match=r"1 unexpected \(network.layers.9.weight\)"):
        model.load_published_state_dict({**state, "layers.9.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match="of another shape"):
        narrow("antic2019", width=0.25).load_published_state_dict(dict(state))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def trained(**settings: Any) -> Antic2019:
    model = narrow("antic2019", **settings)
    model.load_published_state_dict(dict(authors_file("antic2019")))
    model.trained = True
    return model


def test_render_factor_is_the_size_that_the_network_sees(tmp_path: Path) -> None:
    assert model_card("deoldify").name == "antic2019"
    gray = np.random.default_rng(0).integers(0, 255, (200, 300), dtype=np.uint8)
    assert Colorizer(trained(), device="cpu").size == 560
    path = tmp_path / "narrow.safetensors"
    save_weights(
        path,
        trained().model.state_dict(),
        {"model": "antic2019", "hparams": '{"encoder": "resnet18", "width": 0.125}'},
    )
    seen = []
    for factor in (4, 6):
        colorizer = Colorizer(
            "deoldify", weights=path, render_factor=factor, device="cpu", precision="float32"
        )
        colored = colorizer.colorize(read_picture(gray))
        seen.append(colored.ab)
        assert colored.rgb.shape == (200, 300, 3)
    assert [tuple(ab.shape) for ab in seen] == [(2, 64, 96), (2, 96, 144)]
    assert narrow("antic2019", render_factor=64).model.working_size == 1024
    for wrong in (0, 65):
        with pytest.raises(ColorzooError, match=f"must be at least 1 and at most 64, not {wrong}"):
            narrow("antic2019", render_factor=wrong)


@pytest.mark.parametrize("size", [(1, 1), (9, 200), (48, 80), (80, 48), (33, 47)])
def test_any_size_and_a_batch_is_its_pictures(size: tuple[int, int]) -> None:
    model, lightness = trained(), rgb_to_lab(sample_image(size, batch=2))[:, :1]
    with torch.no_grad():
        ab = model(lightness).ab
        alone = torch.cat([model(lightness[:1]).ab, model(lightness[1:]).ab])
        gray, (height, width) = lightness_to_rgb(lightness)[:, :1], size
        padded = F.pad(gray, (0, -width % 16, 0, -height % 16), mode="replicate")
        painted = model.model.network(normalize(padded.expand(-1, 3, -1, -1)))[..., :height, :width]
    torch.testing.assert_close(ab, ab_of(painted, gray))
    torch.testing.assert_close(ab, alone, rtol=0, atol=1e-2)


def test_the_lightness_is_kept_as_published() -> None:
    rgb, gray = 0.3 + 0.3 * torch.rand(1, 3, 8, 8), 0.45 + 0.1 * torch.rand(1, 1, 8, 8)
    joined = keep_lightness(rgb, gray)
    torch.testing.assert_close(rgb_to_gray(joined), gray)
    for channel in (0, 2):  # U and V
        own, other = (each[:, channel] - rgb_to_gray(each)[:, 0] for each in (joined, rgb))
        torch.testing.assert_close(own, other)
    beyond = 2 * torch.rand(1, 3, 8, 8) - 0.5
    cut = keep_lightness(beyond.clamp(0, 1), gray)
    assert cut.aminmax() == (0, 1)
    torch.testing.assert_close(ab_of(normalize(beyond), gray), rgb_to_lab(cut)[:, 1:], atol=1e-3, rtol=0)


def test_a_square_picture_is_colored_as_published_but_for_rounding() -> None:
    """8 bits and whole levels on the author's way, floats on ours; L of the gray picture on both."""
    model = trained(render_factor=4)
    smooth = sample_image((64, 64), seed=3)[0].mean(0)
    level = (smooth * 255).round().byte().numpy()
    theirs = colorize_square(model.model.network, np.repeat(level[..., None], 3, axis=2), 4)
    colored = Colorizer(model, device="cpu", precision="float32").colorize(read_picture(level))
    ours = np.rint(colored.rgb * 255).astype(int)
    chroma = np.abs(theirs.astype(int) - theirs.mean(axis=2, keepdims=True)).mean()
    assert chroma > 5
    lab = [
        rgb_to_lab(torch.tensor(each / 255.0, dtype=torch.float32).permute(2, 0, 1))
        for each in (ours, theirs)
    ]
    assert float((lab[0][1:] - lab[1][1:]).abs().mean()) < 1.5  # CIE units


def test_published_numbers_of_channels() -> None:
    deep = block_shapes("deep", 1.5, (64, 64, 128, 256, 512))
    assert [tuple(each) for each in deep] == [
        (512, 256, 256, 768),
        (768, 128, 384, 768),
        (768, 64, 384, 672),
        (672, 64, 336, 300),
    ]
    wide = block_shapes("wide", 2.0, (64, 256, 512, 1024, 2048))
    assert [tuple(each) for each in wide] == [
        (2048, 1024, 512, 512),
        (512, 512, 512, 512),
        (512, 256, 512, 512),
        (512, 64, 256, 256),
    ]


@pytest.mark.parametrize("kind", ["resnet18", "resnet34", "resnet101"])
def test_the_encoder_is_torchvisions(kind: Any) -> None:
    from torchvision import models

    with torch.device("meta"):
        ours, theirs = ResNetEncoder(kind), getattr(models, kind)()
    named = {key: value.shape for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    assert {key: value.shape for key, value in ours.state_dict().items()} == named


def torchvision_file(module: torch.nn.Module, path: Path) -> str:
    """Write a file as torchvision's old ones: no counters of batches, and a head that nobody needs."""
    kept = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save({**kept, "fc.weight": torch.zeros(3, 3)}, path)
    return str(path)


def fit(model: Any, folder: Path) -> None:
    with silent_lightning():
        trainer = quiet_trainer(folder, max_epochs=1)
        trainer.fit(model, batch_loader([sample_batch((64, 64), batch=2)]))


def test_training_begins_with_torchvisions_weights(tmp_path: Path) -> None:
    torch.manual_seed(3)
    encoder, vgg = ResNetEncoder("resnet18", 0.125), VGG16Features(VGG_LAYERS)
    files = {
        "encoder_weights": torchvision_file(encoder, tmp_path / "resnet.pth"),
        "vgg_weights": torchvision_file(vgg, tmp_path / "vgg.pth"),
    }
    model = narrow("antic2019", stage="frozen", **files)
    fit(model, tmp_path)
    assert torch.equal(model.model.network.encoder.layer2[0].conv1.weight, encoder.layer2[0].conv1.weight)
    assert not torch.equal(model.model.network.encoder.bn1.running_mean, encoder.bn1.running_mean)
    assert not torch.equal(model.model.network.encoder.bn1.weight, encoder.bn1.weight)
    held: Any = model.vgg
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(held(image)[2], vgg.eval()(image)[2])
    assert not any("vgg" in key for key in model.state_dict())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stage": None}, "set the stage to train: frozen, unfrozen, critic, gan"),
        ({"stage": "frozen", "encoder_weights": None}, "stage frozen does not train the encoder"),
        ({"stage": "critic"}, "stage critic starts from trained weights"),
        ({"stage": "gan"}, "stage gan starts from trained weights"),
        (
            {"stage": "unfrozen", "encoder_weights": None, "vgg_weights": None},
            "the content loss needs VGG-16",
        ),
        ({"stage": "unfrozen", "encoder_weights": "no.pth"}, r"no\.pth is missing"),
    ],
)
def test_no_stage_trains_over_random_weights(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    narrow("antic2019", critic_width=0.03125, **settings).setup("test")
    with pytest.raises(ColorzooError, match=message):
        fit(narrow("antic2019", critic_width=0.03125, **settings), tmp_path)


def test_the_groups_of_the_optimizer_are_encoder_deep_encoder_decoder() -> None:
    model = narrow("antic2019", stage="unfrozen")
    names = {id(p): name for name, p in model.model.network.named_parameters()}
    groups = [[names[id(p)] for p in group["params"]] for group in model.generator_groups()]
    assert {name.split(".")[1] for name in groups[0]} == {"conv1", "bn1", "layer1", "layer2"}
    assert {name.split(".")[1] for name in groups[1]} == {"layer3", "layer4"}
    assert sum(map(len, groups)) == len(names)
    assert not any(name.startswith("encoder.") for name in groups[2])


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [0, 1, 1]])
def test_the_critics_pretraining_takes_any_mixture_of_labels(labels: list[int]) -> None:
    scores = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    signs = 1 - 2 * torch.tensor(labels)[:, None]
    loss = pretraining_loss(scores, torch.tensor(labels))
    torch.testing.assert_close(loss, F.softplus(signs * scores).mean())
