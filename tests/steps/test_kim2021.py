"""Kim et al. 2021: training step compared with the losses of every shipped configuration."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.networks.feature_hooks import unchanged
from colorzoo.randomness import image_generators
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.simulation.scribbles import ScribbleSimulation, simulate_scribbles
from colorzoo.training.configs import find_config, load_config
from colorzoo.zoo.kim2021.task import Kim2021
from steps.step import gradients, same, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

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
    model: Any, state: Any, lightness: Tensor, drawn: Tensor, ours: dict[str, Any]
) -> tuple[Tensor, list[Tensor]]:
    """Return the refined image, and the change at each feature hook divided by its scale."""
    hooked, network, changes = model.model.backbone.model, model.model.network, []
    hooks = {hook.name: (hook, branch) for hook, branch in zip(hooked.hooks, network.branches, strict=True)}
    drawn_at_all = drawn.amax(dim=(1, 2, 3), keepdim=True)

    def visit(name: str, activation: Tensor) -> Tensor:
        if name not in hooks:
            return activation
        hook, branch = hooks[name]
        beside = [F.max_pool2d(drawn, hook.stride)]
        if ours["read_lightness"]:
            beside.append(F.avg_pool2d((lightness - 50) / 100, hook.stride))
        reach = ours["reach"]
        near = drawn_at_all if reach is None else F.avg_pool2d(fading(drawn, reach), hook.stride)
        changes.append(near * branch_change(branch, activation, beside))
        return activation + hook.scale * changes[-1]

    image = hooked.after_hooks(state, visit)
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
    ours = {**OFF, **settings.get("extensions", {}), **changes}
    weights = {"con_weight": 1.0, "reg_weight": 0.1, **settings.get("objective", {}), **changes}
    users = {"empty": 0.1, "strokes": 5, **settings.get("users", {}), **changes}
    torch.manual_seed(0)
    parts = ("objective", "users", "extensions", "architecture")
    given = {key: value for part in parts for key, value in settings.get(part, {}).items()}
    model: Any = build_model(Kim2021, {"backbone": backbone, **given, **changes}).train()
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
            simulation = PointSimulation(none=1 - users["hints"])
            generators = image_generators(batch["seed"], "points")
            guidance = Guidance(points=simulate_points(ab, generators, simulation))
        state = model.model.backbone.model.before_hooks(lightness, guidance)
        first = model.model.backbone.model.after_hooks(state, unchanged)
        strokes = ScribbleSimulation(lost=0.3, most=users["strokes"], jitter=2.0, none=users["empty"])
        drawn = simulate_scribbles(first, ab, image_generators(batch["seed"], "strokes"), strokes).mask
    assert bool(drawn.any()) == (users["empty"] < 1)
    image, moved = refined(model, state, lightness, drawn, ours)
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
    wanted = losses["edge"] + weights["con_weight"] * losses["con"] + weights["reg_weight"] * losses["reg"]
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
    before_hooks = model.model.backbone.model.before_hooks
    model.model.backbone.model.before_hooks = lambda lightness, guidance: (
        received.append(guidance.boxes) or before_hooks(lightness, guidance)
    )
    model.training_step({**batch, "boxes": boxes}, 0)
    assert received[0].corners[0].tolist() == [[0.25, 0.0, 0.75, 1.0]]
    assert received[0].given.tolist() == [[1], [0]]
    guidances = dict(model.validation_guidances({**batch, "boxes": boxes}, torch.cat([lightness, ab], 1)))
    assert all(each.boxes.equals(received[0]) for each in guidances.values())
    assert guidances["scribbles"].scribbles.mask.any()
    model.training_step({**batch, "boxes": [boxes[1], boxes[1]]}, 0)  # no image has a box
    assert received[1].corners.shape == (2, 0, 4)
