"""Test the add-on of Kim et al. 2021 on every backbone, and its training step with every configuration."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.nn import functional as F

from colorzoo import list_models
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Scribbles
from colorzoo.losses.edges import widened
from colorzoo.randomness import image_generators
from colorzoo.registry import load_model_class, model_card
from colorzoo.simulation.points import simulate_points
from colorzoo.simulation.scribbles import simulate_scribbles
from colorzoo.testing.models import contract_test_model, sample_call
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer
from colorzoo.training.configs import find_config, load_config
from colorzoo.zoo.kim2021.model import Propagation
from colorzoo.zoo.kim2021.task import Kim2021
from knobs.knob import Knobs
from steps.step import gradients, same, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

BACKBONE = "zhang2017_local_small"
SIZE = (45, 53)


def add_on(*, trained: bool = True, **hparams: Any) -> Kim2021:
    """Return a small add-on; `trained` makes its last layers nonzero."""
    model = build_model(Kim2021, {"backbone": BACKBONE, "hidden": (8,), **hparams}).eval()
    if trained:
        generator = torch.Generator().manual_seed(0)
        for branch in model.model.network.branches:
            with torch.no_grad():
                branch.leave.weight.copy_(torch.randn(branch.leave.weight.shape, generator=generator))
    return model


def call(size: tuple[int, int] = SIZE, *, batch: int = 2) -> tuple[Tensor, Guidance]:
    return sample_call(model_card("kim2021_small"), size, batch=batch)


@torch.inference_mode()
def test_encoder_and_decoder_of_each_backbone_equal_the_forward_pass() -> None:
    backbones = [name for name in list_models() if hasattr(load_model_class(model_card(name)), "decode")]
    assert {"zhang2016", "zhang2017_local", "su2020"} <= set(backbones)
    for name in backbones:
        card = model_card(name)
        model: Any = contract_test_model(card).model
        lightness, guidance = sample_call(card, (37, 53), batch=2)
        for given in (guidance, None):
            seen: list[Any] = []

            def visit(name: str, activation: Tensor, seen: list[Any] = seen) -> Tensor:
                seen.append((name, activation.shape))
                return activation

            encoded = model.encode(lightness, given)
            expected = model(lightness, given).colors
            assert torch.equal(model.decode(encoded, (37, 53)), expected)
            assert torch.equal(model.decode(encoded, (37, 53), visit), expected)  # the encoding is reusable
            for refined, (channels, stride) in model.refined_maps.items():
                shape = dict(seen)[refined]
                assert shape[:2] == (2, channels)
                assert shape[2] * stride > 37 - stride
                assert shape[3] * stride > 53 - stride


def test_backbone_without_refined_maps_raises() -> None:
    settings = {"backbone": "iizuka2016", "backbone_weights": None, "backbone_hparams": {"width": 0.125}}
    with pytest.raises(ColorzooError, match="refined_maps"):
        build_model(Kim2021, settings)


def test_kim2021_without_scribbles_equals_the_backbone() -> None:
    model = add_on()
    lightness, guidance = call()
    plain = model.model.backbone.model(lightness, Guidance(points=guidance.points)).ab
    empty = Scribbles(torch.zeros_like(lightness))
    assert torch.equal(model(lightness, Guidance(points=guidance.points)).ab, plain)
    assert torch.equal(model(lightness, Guidance(points=guidance.points, scribbles=empty)).ab, plain)
    one = torch.cat([guidance.scribbles.mask[:1], empty.mask[:1]])
    mixed = model(lightness, Guidance(points=guidance.points, scribbles=Scribbles(one))).ab
    assert torch.equal(mixed[1], plain[1])
    assert not torch.equal(mixed[0], plain[0])


@pytest.mark.parametrize("name", ["kim2021", "kim2021_small", "kim2021_zhang2016_small"])
def test_network_input_has_the_size_of_the_backbone_input(name: str) -> None:
    with torch.device("meta"):
        model = build_model(load_model_class(model_card(name)), model_card(name).hparams)
    assert model.working_size == model.backbone.model.working_size


def test_kim2021_changes_nothing_beyond_the_reach() -> None:
    model = add_on(reach=4)
    lightness, _ = call((96, 96), batch=1)
    mask = torch.zeros_like(lightness)
    mask[..., 48, 20:30] = 1
    plain = model(lightness, None).ab
    moved = (model(lightness, Guidance(scribbles=Scribbles(mask))).ab - plain).abs().amax(dim=1)
    far = widened(mask, 20)[:, 0] == 0
    assert moved.max() > 0.1
    assert moved[far].max() == 0


def bled_step() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return lightness and color of two halves, the bled color, and a stroke over the bled pixels."""
    lightness = torch.full((1, 1, 40, 48), 30.0)
    ab = torch.full((1, 2, 40, 48), 30.0)
    lightness[..., 24:], ab[..., 24:] = 70.0, -30.0
    bled = ab.clone()
    bled[..., 21:27] = 0.0
    mask = torch.zeros_like(lightness)
    mask[..., 21:27] = 1
    return lightness, ab, bled, mask


def test_propagation_restores_bled_colors_from_both_sides_of_the_stroke() -> None:
    lightness, ab, bled, mask = bled_step()
    propagation = Propagation(9)
    assert torch.equal(propagation(bled, lightness, mask), torch.zeros_like(bled))  # zero initially
    assert float(propagation.avoid.sigmoid()) == pytest.approx(0.9, abs=1e-3)  # for a pixel under a stroke
    assert float(propagation.log_alike.exp()) == pytest.approx(6)
    with torch.no_grad():
        propagation.belief[4].bias.fill_(1 / 20)
    mended = bled + propagation(bled, lightness, mask)
    assert (bled - ab).abs().max() == 30
    assert (mended - ab).abs().max() < 6
    assert (mended - ab)[..., :18].abs().max() < 1


def test_propagation_changes_only_pixels_near_the_stroke() -> None:
    model = add_on(trained=False, propagation=9)
    with torch.no_grad():
        for parameter in model.model.network.propagation.belief.parameters():
            parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(0))
    lightness, _ = call((96, 100), batch=1)
    mask = torch.zeros_like(lightness)
    mask[..., 40:43, 30:50] = 1
    plain, given = model(lightness, None).ab, Guidance(scribbles=Scribbles(mask))
    moved = (model(lightness, given).ab - plain).abs().amax(dim=1)
    assert moved.max() > 0.1
    assert moved[widened(mask, 9)[:, 0] == 0].max() == 0
    empty = Guidance(scribbles=Scribbles(torch.zeros_like(mask)))
    assert torch.equal(model(lightness, empty).ab, plain)


def test_kim2021_training_keeps_the_backbone_and_checkpoints_contain_it(tmp_path) -> None:
    model = add_on(trained=False, hints=1.0, empty=0.0)
    before = {key: value.clone() for key, value in model.model.backbone.model.state_dict().items()}
    own = {key: value.clone() for key, value in model.state_dict().items()}
    trainer: Trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(model, batch_loader([sample_batch((48, 48), batch=4)]))  # colors bleed in some images
    after = model.model.backbone.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert any(not torch.equal(model.state_dict()[key], value) for key, value in own.items())
    assert {key.split(".")[0] for key in own} == {"model"}
    trainer.save_checkpoint(tmp_path / "e.ckpt")
    kept = torch.load(tmp_path / "e.ckpt", weights_only=True)["state_dict"]
    assert {key.split(".")[0] for key in kept} == {"model"}
    loaded = Kim2021.load_from_checkpoint(tmp_path / "e.ckpt").eval()
    lightness, guidance = call()
    assert torch.equal(loaded(lightness, guidance).ab, model.eval()(lightness, guidance).ab)


SHIPPED = sorted(path.name for path in find_config("kim2021/paper.yaml").parent.glob("*.yaml"))
OFF = {"read_lightness": False, "reach": None, "propagation": 0, "edge_band": 0}
OFF |= {"relative": False, "color_weight": 0.0, "hold_weight": 0.0}


def sobel(ab: Tensor) -> Tensor:
    """Return the derivatives of a / 110 and b / 110 along x and y by 3 x 3 Sobel filters over 8."""
    padded = F.pad(ab / 110, (1, 1, 1, 1), mode="replicate")
    height, width = ab.shape[-2:]

    def at(row: int, column: int) -> Tensor:
        return padded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    x = sum(weight * (at(row, 1) - at(row, -1)) for row, weight in ((-1, 1), (0, 2), (1, 1))) / 8
    y = sum(weight * (at(1, column) - at(-1, column)) for column, weight in ((-1, 1), (0, 2), (1, 1))) / 8
    return torch.cat([x, y], dim=1)


def masked_mean(found: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared distance over the pixels of each image's mask."""
    squared = (found - wanted).square().sum(dim=1)
    each = [(s * m).sum() / m.sum().clamp(min=1) for s, m in zip(squared, mask[:, 0], strict=True)]
    return torch.stack(each)


def shifted(image: Tensor, row: int, column: int) -> Tensor:
    """Return the values ``row`` pixels below and ``column`` pixels to the right; 0 outside the image."""
    reach = max(abs(row), abs(column))
    padded = F.pad(image, (reach,) * 4)
    height, width = image.shape[-2:]
    return padded[..., reach + row : reach + row + height, reach + column : reach + column + width]


def square(image: Tensor, radius: int) -> list[Tensor]:
    steps = range(-radius, radius + 1)
    return [shifted(image, row, column) for row in steps for column in steps]


def fading(drawn: Tensor, reach: int) -> Tensor:
    """Return 1 up to half the reach from a stroke, then a mean over the other half, in the image."""
    wide = torch.stack(square(drawn, reach - reach // 2)).amax(dim=0)
    inside = torch.stack(square(torch.ones_like(drawn), reach // 2)).sum(dim=0)
    return torch.stack(square(wide, reach // 2)).sum(dim=0) / inside


def branch_change(branch: Any, activation: Tensor, beside: list[Tensor]) -> Tensor:
    read = torch.cat([activation / branch.scale, *beside], dim=1)
    return 0.1 * branch.leave(branch.blocks(branch.enter(read).relu()))


def propagated(ab: Tensor, lightness: Tensor, drawn: Tensor, propagation: Any, radius: int) -> Tensor:
    """Return ab, changed near strokes by the mean color of similar pixels, every third within the radius."""
    gray = (lightness - 50) / 100
    key = torch.cat(
        [lightness / propagation.log_alike.exp(), propagation.look(torch.cat([gray, drawn], 1))], 1
    )
    trust = 1 - torch.sigmoid(propagation.avoid) * drawn
    total, weight = torch.zeros_like(ab), torch.full_like(trust, 1e-6)
    steps = range(-(radius // 3) * 3, radius + 1, 3)
    for row, column in ((row, column) for row in steps for column in steps):
        if row**2 + column**2 <= radius**2:
            apart = (shifted(key, row, column) - key).square().sum(dim=1, keepdim=True)
            alike = torch.exp(-apart / 2) * shifted(trust, row, column)
            total, weight = total + alike * shifted(ab, row, column), weight + alike
    mean = total / weight
    belief = 20 * propagation.belief(torch.cat([gray, drawn, ab / 110, mean / 110], dim=1))
    return ab + fading(drawn, radius) * belief * (mean - ab)


def refined(
    model: Any, encoded: Any, lightness: Tensor, drawn: Tensor, ours: dict[str, Any]
) -> tuple[Tensor, list[Tensor]]:
    """Return the refined image, and the change of each feature map divided by its scale."""
    backbone, network, changes = model.model.backbone.model, model.model.network, []
    branches = dict(zip(backbone.refined_maps, network.branches, strict=True))
    drawn_at_all = drawn.amax(dim=(1, 2, 3), keepdim=True)

    def visit(name: str, activation: Tensor) -> Tensor:
        if name not in branches:
            return activation
        branch, (_, stride) = branches[name], backbone.refined_maps[name]
        beside = [F.max_pool2d(drawn, stride)]
        if ours["read_lightness"]:
            beside.append(F.avg_pool2d((lightness - 50) / 100, stride))
        reach = ours["reach"]
        near = drawn_at_all if reach is None else F.avg_pool2d(fading(drawn, reach), stride)
        changes.append(near * branch_change(branch, activation, beside))
        return activation + (20 if name == "ab" else 1) * changes[-1]

    image = backbone.decode(encoded, (lightness.shape[-2], lightness.shape[-1]), visit)
    if ours["propagation"]:
        image = propagated(image, lightness, drawn, network.propagation, ours["propagation"])
    return image, changes


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        *((config, {}) for config in SHIPPED),
        ("small.yaml", {"hints": 1.0, "hold_weight": 0.9}),
        ("small.yaml", {"hints": 0.0, "empty": 1.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else ", ".join(value) or "as shipped",
)
def test_kim2021_training_step_equals_the_sum_of_five_losses(config: str, changes: dict[str, float]) -> None:
    settings = load_config(find_config(f"kim2021/{config}"))["model"]["init_args"]
    backbone = "zhang2017_local_small" if config == "paper.yaml" else settings["backbone"]
    ours = {**OFF, "con_weight": 1.0, "reg_weight": 0.1, "empty": 0.1, "strokes": 5, **settings, **changes}
    torch.manual_seed(0)
    given = {key: value for key, value in settings.items() if key not in ("optimizer", "lr_scheduler")}
    model: Any = build_model(Kim2021, {**given, "backbone": backbone, **changes}).train()
    network = model.model.network
    with torch.no_grad():
        for branch in network.branches:
            branch.leave.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(1))
        if ours["propagation"]:
            for part in (network.propagation.belief, network.propagation.look):
                for parameter in part.parameters():
                    parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(2))
    batch, lightness, ab = training_batch(48, 4)  # colors bleed in some images
    with torch.no_grad():
        guidance = Guidance()
        if "points" in model.accepts:
            generators = image_generators(batch["seed"], "points")
            guidance = Guidance(points=simulate_points(ab, generators, none=1 - ours["hints"]))
        encoded = model.model.backbone.model.encode(lightness, guidance)
        first = model.model.backbone.model.decode(encoded, (48, 48))
        generators = image_generators(batch["seed"], "strokes")
        strokes = {"lost": 0.3, "most": ours["strokes"], "jitter": 2.0, "none": ours["empty"]}
        drawn = simulate_scribbles(first, ab, generators, **strokes).mask
    assert bool(drawn.any()) == (ours["empty"] < 1)
    image, moved = refined(model, encoded, lightness, drawn, ours)
    near = torch.stack(square(drawn, ours["edge_band"])).amax(dim=0)

    def relative(error: Tensor) -> Tensor:
        return 1 / (error + 2e-4) if ours["relative"] else torch.ones_like(error)

    of_edges = relative(masked_mean(sobel(first), sobel(ab), near))
    of_colors = relative(masked_mean(first / 110, ab / 110, near))
    losses = {
        "edge": (of_edges * masked_mean(sobel(image), sobel(ab), near)).mean(),
        "con": (of_edges * masked_mean(sobel(image), sobel(first), 1 - near)).mean(),
        "reg": torch.stack([each.square().mean() for each in moved]).mean(),
        "color": (of_colors * masked_mean(image / 110, ab / 110, near)).mean(),
        "hold": (of_colors * masked_mean(image / 110, first / 110, 1 - near)).mean(),
    }
    wanted = losses["edge"] + ours["con_weight"] * losses["con"] + ours["reg_weight"] * losses["reg"]
    wanted = wanted + ours["color_weight"] * losses["color"] + ours["hold_weight"] * losses["hold"]
    found = model.training_step(batch, 0)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-9)
    if drawn.any():
        assert min(losses.values()) > 0
        same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_boxes_of_the_batch_reach_the_backbone_in_training_and_validation() -> None:
    model: Any = build_model(Kim2021, {"backbone": "su2020_small", "hidden": (8,), "propagation": 0}).train()
    batch, lightness, ab = training_batch(48, 2)
    boxes = [torch.tensor([[12.0, 0.0, 36.0, 48.0]]), torch.zeros(0, 4)]
    received = []
    encode = model.model.backbone.model.encode
    model.model.backbone.model.encode = lambda lightness, guidance: (
        received.append(guidance.boxes) or encode(lightness, guidance)
    )
    model.training_step({**batch, "boxes": boxes}, 0)
    assert received[0].corners[0].tolist() == [[0.25, 0.0, 0.75, 1.0]]
    assert received[0].given.tolist() == [[1], [0]]
    guidances = dict(model.validation_guidances({**batch, "boxes": boxes}, torch.cat([lightness, ab], 1)))
    assert all(each.boxes.equals(received[0]) for each in guidances.values())
    assert guidances["scribbles"].scribbles.mask.any()
    model.training_step({**batch, "boxes": [boxes[1], boxes[1]]}, 0)  # no image has a box
    assert received[1].corners.shape == (2, 0, 4)


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="kim2021/paper.yaml",
        source="fact sheet, sections 2 to 5: our choices, marked [NP] there",
        rates={0: 1e-4, 499: 1e-4},
        batch=16, epochs=5,
        settings={
            "con_weight": 1.0, "reg_weight": 0.1, "empty": 0.1, "strokes": 5,
            "jitter": 2.0, "lost": 0.3, "reach": None, "propagation": 0, "relative": False,
            "color_weight": 0.0, "hold_weight": 0.0,
        },
    ),
)  # fmt: skip


KNOBS = {
    "kim2021": Knobs(
        base={
            "backbone": "zhang2017_local_small", "hidden": (8,), "reach": 12, "propagation": 6,
            "edge_band": 1, "color_weight": 0.5, "hold_weight": 0.5, "hints": 1.0, "empty": 0.0,
        },
        values={
            "backbone": "zhang2016_small", "backbone_hparams": {"mask_center": 0.5}, "hidden": (16,),
            "reach": None, "propagation": 0, "empty": 1.0,
            "hints": 0.0, "strokes": 1, "lost": 0.99, "jitter": 6.0,
        },
        size=48, batch=3,
    ),
}  # fmt: skip
