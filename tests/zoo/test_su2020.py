"""Su et al. 2020: boxes, three networks, three stages, and their training steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import create_model
from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.factory import build_model, create_coloring_model
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.randomness import image_generators
from colorzoo.registry import load_task_class, model_card
from colorzoo.simulation.points import simulate_points
from colorzoo.testing import sample_batch, sample_image
from colorzoo.training.initial_weights import load_initial_weights
from colorzoo.weights import save_weights
from colorzoo.zoo.su2020.model import (
    FUSED,
    InstanceColorization,
    Rectangle,
    detect,
    to_rectangle,
    torchvision_detector,
)
from colorzoo.zoo.su2020.task import Su2020, random_boxes, relative_boxes
from colorzoo.zoo.zhang2017.model import LocalHints
from knobs.knob import Knobs
from parity.cases import Golden, case
from parity.pipelines.su2020 import fuse
from pseudo_weights import pseudo_state_dict
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

SIZE = (40, 56)
TINY = {"width": 0.125}


def model(**more: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(Su2020, {**TINY, **more}).eval()


def lightness_of(batch: int, size: tuple[int, int] = SIZE) -> Tensor:
    return rgb_to_lab(sample_image(size, batch=batch))[:, :1]


def boxes_of(*counts: int) -> Boxes:
    generator = torch.Generator().manual_seed(0)
    return Boxes.of([random_boxes(generator, count) if count else torch.empty(0, 4) for count in counts])


@pytest.mark.parametrize(
    ("corners", "stride", "expected"),
    [
        ((0.25, 0.5, 0.75, 1.0), 1, Rectangle(16, 32, 32, 32)),
        ((0.25, 0.5, 0.75, 1.0), 8, Rectangle(2, 4, 4, 4)),
        ((0.3, 0.3, 0.31, 0.31), 1, Rectangle(19, 19, 1, 1)),  # too small: extended to the next cell
        ((1.0, 1.0, 1.0, 1.0), 1, Rectangle(63, 63, 1, 1)),  # at the border: the previous cell
        ((0.9, 0.0, 0.95, 0.01), 8, Rectangle(6, 0, 1, 1)),
        ((-0.5, 0.0, 1.5, 1.0), 4, Rectangle(0, 0, 16, 16)),
    ],
)
def test_to_rectangle_rounds_box_to_whole_cells(corners: Any, stride: int, expected: Rectangle) -> None:
    assert to_rectangle(torch.tensor(corners), (64, 64), stride) == expected


def test_su2020_images_without_boxes_equal_predictions_without_guidance() -> None:
    networks = model()
    lightness = lightness_of(4)
    boxes = boxes_of(2, 0, 3, 0)
    together = networks(lightness, Guidance(boxes=boxes))
    plain = networks(lightness, None)
    torch.testing.assert_close(together.ab[[1, 3]], plain.ab[[1, 3]], rtol=0, atol=1e-3)
    assert (together.ab - plain.ab)[[0, 2]].abs().amax(dim=(1, 2, 3)).min() > 0.1
    for row in range(4):
        one = slice(row, row + 1)
        alone = networks(lightness[one], Guidance(boxes=boxes[one]))
        torch.testing.assert_close(alone.ab, together.ab[one], rtol=0, atol=1e-3)
        torch.testing.assert_close(alone.extras["logits"], together.extras["logits"][one], rtol=0, atol=1e-3)


def test_su2020_crops_contain_the_point_hints() -> None:
    networks = model()
    lightness, boxes = lightness_of(1), boxes_of(1)
    ab = torch.zeros(1, 2, *SIZE)
    mask = torch.zeros(1, 1, *SIZE)
    corners = boxes.corners[0, 0]
    x, y = float(corners[0] + corners[2]) / 2 * SIZE[1], float(corners[1] + corners[3]) / 2 * SIZE[0]
    mask[..., int(y), int(x)] = 1
    ab[..., int(y), int(x)] = 80
    seen = []
    networks.model.network.instance.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    networks(lightness, Guidance(boxes=boxes, points=Points(ab, mask)))
    assert seen[0][:, 3].max() == pytest.approx(0.5)  # the mask, less its center
    assert seen[0][:, 1].max() == pytest.approx(80 / 110)


@pytest.mark.parametrize(
    ("before", "stage", "copied"),
    [
        ("full", "instance", {"instance"}),
        ("full", "fusion", {"instance", "fusion"}),
        ("instance", "fusion", {"fusion"}),
        ("instance", "instance", set()),
        (None, "fusion", set()),
    ],
)
def test_su2020_stage_copies_the_full_network_to_untrained_networks(
    before: str | None, stage: str, copied: set[str], tmp_path: Path
) -> None:
    """Regression test: continuing a stage overwrote its trained weights."""
    saved = model(stage=before or "full")
    path = tmp_path / "before.safetensors"
    trained_in = {} if before is None else {"provenance": json.dumps({"stage": before})}
    save_weights(path, saved.state_dict(), {"model": "su2020", **trained_in})
    networks = build_model(Su2020, {**TINY, "stage": stage})
    load_initial_weights(networks, str(path))
    networks.prepare_fit()
    full = saved.model.network.full.state_dict()
    for name in ("full", "instance", "fusion"):
        wanted = full if name in copied else getattr(saved.model.network, name).state_dict()
        found = getattr(networks.model.network, name).state_dict()
        assert all(torch.equal(found[key], value) for key, value in wanted.items()), name


def local_hints(folder: Path, **settings: Any) -> Path:
    """Write the weights of a tiny Local Hints model."""
    card = model_card("zhang2017_local")
    settings = {**TINY, **settings}
    local = build_model(load_task_class(card), settings)
    metadata = {"model": card.name, "hparams": json.dumps(settings)}
    save_weights(folder / "local.safetensors", local.state_dict(), metadata)
    return folder / "local.safetensors"


def test_su2020_init_from_copies_local_hints_to_all_networks(tmp_path: Path) -> None:
    path = local_hints(tmp_path, mask_center=0.5)
    networks = model()
    load_initial_weights(networks, str(path))
    source = create_model("zhang2017_local", path).model.network.unet.state_dict()
    for unet in (networks.model.network.full, networks.model.network.instance, networks.model.network.fusion):
        assert all(torch.equal(unet.state_dict()[key], value) for key, value in source.items())
    assert networks.provenance.start["file"] == path.name


@pytest.mark.parametrize(
    ("theirs", "message"),
    [({"mask_center": 0.0}, "mask_center 0.5"), ({"mask_center": 0.5, "width": 0.25}, "block1.0.weight")],
)
def test_su2020_init_from_with_other_settings_raises(
    theirs: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Regression test: the configuration combined a trunk of mask center 0 with 0.5."""
    with pytest.raises(ColorzooError, match=message):
        load_initial_weights(model(), str(local_hints(tmp_path, **theirs)))


def test_su2020_without_boxes_equals_a_trunk_with_another_output_scale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trunk = LocalHints(width=0.125, ab_scale=100.0, init_std=None).eval()
    monkeypatch.setattr("colorzoo.zoo.su2020.model.create_backbone", lambda *_: trunk)
    networks: Any = InstanceColorization(trunk="zhang2017_local").network.eval()
    lightness = lightness_of(1)
    with torch.inference_mode():
        found = networks(lightness, Points.none(lightness), None).ab
        torch.testing.assert_close(found, trunk(lightness).ab)
        torch.testing.assert_close(networks.color("full", lightness, Points.none(lightness)), found)


def test_su2020_training_boxes_are_fractions_and_default_to_the_whole_image() -> None:
    batch: Any = sample_batch((32, 64), batch=2)
    assert [len(each) for each in relative_boxes(batch)] == [0, 0]
    batch = Batch(**batch, boxes=[torch.tensor([[16.0, 8.0, 32.0, 32.0]]), torch.empty(0, 4)])
    torch.testing.assert_close(relative_boxes(batch)[0], torch.tensor([[0.25, 0.25, 0.5, 1.0]]))
    assert model().boxes_of(batch)[1].tolist() == [[0, 0, 1, 1]]
    four = [torch.tensor([[0.0, 0.0, 8.0 * side, 32.0]]) for side in (1, 2, 3, 4)]
    crowded = Batch(**sample_batch((32, 64), batch=1), boxes=[torch.cat(four)])
    assert model(most_boxes=2).boxes_of(crowded)[0][:, 2].tolist() == [0.125, 0.25]  # the first ones
    assert [len(each) for each in model(random_boxes=3).boxes_of(batch)] == [1, 3]
    assert [
        len(each)
        for each in model(most_boxes=2, random_boxes=3).boxes_of(
            {**batch, "boxes": [torch.ones(5, 4), torch.empty(0, 4)]}
        )
    ] == [2, 3]
    drawn = random_boxes(torch.Generator().manual_seed(0), 50)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    sides = drawn[:, 2:] - drawn[:, :2]
    assert [sides.min().item(), sides.max().item()] == pytest.approx([0.25, 0.7], abs=0.01)
    assert drawn[:, :2].min() < 0.02
    assert drawn[:, 2:].max() > 0.98


def test_detect_returns_boxes_by_descending_score() -> None:
    """Scores are at least 0.7, sides at least 2 pixels, and boxes are clipped to the image."""
    seen: list[Tensor] = []

    def finds(image: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(image)
        boxes = [[0.0, 0, 28, 40], [0, 0, 1.9, 40], [7, 5, 9, 45], [1, 1, 9, 9], [-7, 10, 14, 20]]
        return torch.tensor(boxes), torch.tensor([0.7, 0.99, 0.9, 0.69, 0.8])

    lightness = lightness_of(2)
    found = detect(lightness, finds)
    assert torch.equal(torch.stack(seen), lightness.expand(-1, 3, -1, -1) / 100)
    assert found.given.tolist() == [[1, 1, 1], [1, 1, 1]]
    wanted = [[0.125, 0.125, 9 / 56, 1.0], [0.0, 0.25, 0.25, 0.5], [0.0, 0.0, 0.5, 1.0]]
    torch.testing.assert_close(found.corners[1], torch.tensor(wanted))
    many = detect(lightness_of(1), lambda _: (torch.tensor([[0.0, 0, 9, 9]]).repeat(20, 1), torch.ones(20)))
    assert many.given.shape == (1, 8)


class DetectorNetwork(torch.nn.Linear):
    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        assert images[0].device == self.weight.device
        return [{"boxes": torch.tensor([[5.0, 5, 35, 30]]), "scores": torch.ones(1)}]


def test_torchvision_detector_runs_on_the_device_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, file = DetectorNetwork(2, 2), tmp_path / "detector.safetensors"
    save_weights(file, network.state_dict(), {})
    monkeypatch.setattr("torchvision.models.detection.fasterrcnn_resnet50_fpn_v2", lambda **_: network)
    found = detect(torch.zeros(1, 1, 40, 50, device="meta"), torchvision_detector(str(file)))
    assert found.corners.device.type == "meta"


def test_su2020_error_without_boxes_and_detector_names_the_box_option(tmp_path: Path) -> None:
    networks = model()
    networks.trained = True
    colorizer = Colorizer(networks)
    image = (sample_image(SIZE)[0].permute(1, 2, 0).numpy() * 255).astype("uint8")
    with pytest.raises(GuidanceError, match="--box none") as caught:
        colorizer(image)
    assert "\n" not in str(caught.value)
    whole = colorizer(image, {"boxes": []})
    boxed = colorizer(image, {"boxes": [{"x": 5, "y": 5, "width": 30, "height": 25}]})
    assert whole.tobytes() != boxed.tobytes()
    networks.model.detector = lambda _: (torch.tensor([[5.0, 5, 35, 30]]), torch.ones(1))
    assert colorizer(image).tobytes() != whole.tobytes()


SIDE = 32
BOXES = (  # in whole pixels
    [[0.0, 0.0, 16.0, 24.0], [8.0, 4.0, 32.0, 32.0]],
    [[4.0, 4.0, 20.0, 12.0]],
    [[16.0, 16.0, 32.0, 32.0], [0.0, 8.0, 32.0, 16.0], [2.0, 2.0, 30.0, 30.0]],
)


def batch_with_boxes() -> tuple[Any, Tensor]:
    """Return a batch, whose second image is nearly gray, and its Lab."""
    batch, lightness, ab = training_batch(SIDE, 3)
    ab[1] *= 4.9 / float((ab[1].amax((1, 2)) - ab[1].amin((1, 2))).sum())
    batch["boxes"] = [torch.tensor(each) for each in BOXES]
    return batch, torch.cat([lightness, ab], dim=1)


def huber(found: Tensor, ab: Tensor) -> Tensor:
    """Return the loss of train_model.py: 10 times the mean over pixels, and 0 for nearly gray images."""
    delta = 1 / 110
    off = (found / 110 - ab / 110).abs()
    each = torch.where(off < delta, off.square() / (2 * delta), off - delta / 2).sum(dim=1)
    ranges = ab.amax((2, 3)) - ab.amin((2, 3))
    colored = ranges.sum(dim=1) >= 10
    return 10 * (each.mean((1, 2)) * colored).sum() / len(ab)


def crops(lab: Tensor, seeds: Tensor) -> Tensor:
    """Return one box crop of each image, drawn by the image seed."""
    found = []
    for row, generator in enumerate(image_generators(seeds, "instance")):
        chosen = int(torch.randint(len(BOXES[row]), (1,), generator=generator))
        left, top, right, bottom = (int(each) for each in BOXES[row][chosen])
        crop = lab[row : row + 1, :, top:bottom, left:right]
        found.append(F.interpolate(crop, (SIDE, SIDE), mode="bilinear", align_corners=False))
    return torch.cat(found)


def points_of(batch: Any, ab: Tensor, hints: float) -> Points:
    return simulate_points(ab, image_generators(batch["seed"], "points"), none=1 - hints)


@pytest.mark.parametrize("hints", [0.0, 1.0])
@pytest.mark.parametrize("stage", ["full", "instance", "fusion"])
def test_su2020_step_equals_the_huber_loss(stage: str, hints: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("su2020", stage=stage, hints=hints)
    batch, lab = batch_with_boxes()
    monkeypatch.setattr("colorzoo.zoo.su2020.task.rgb_to_lab", lambda _: lab)
    seen = crops(lab, batch["seed"]) if stage == "instance" else lab
    points = points_of(batch, seen[:, 1:], hints)
    assert bool(points.mask.any()) == bool(hints)
    found = model.training_step(batch, 0)
    if stage == "fusion":
        corners: Sequence[Tensor] = [torch.tensor(each) / SIDE for each in BOXES]
        predicted = model.model.network(seen[:, :1], points, Boxes.of(corners)).ab
    else:
        predicted = model.model.network.color(stage, seen[:, :1], points)
    wanted = huber(predicted, seen[:, 1:])
    assert wanted > 0
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_su2020_colorfulness_weights_colorful_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("su2020", colorfulness=0.5, delta=2.0)
    batch, lab = batch_with_boxes()
    monkeypatch.setattr("colorzoo.zoo.su2020.task.rgb_to_lab", lambda _: lab)
    ab = lab[:, 1:]
    off = (model.model.network.color("full", lab[:, :1], Points.none(ab)) - ab).abs()
    each = torch.where(off < 2, off.square() / 4, off - 1).sum(dim=1)
    weight = 1 + 0.5 * ab.square().sum(dim=1).sqrt() / 20
    means = (each * weight).sum((1, 2)) / weight.sum((1, 2))
    wanted = 10 / 110 * (means[0] + means[2]) / 3
    torch.testing.assert_close(model.training_step(batch, 0), wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("stage", ["full", "instance", "fusion"])
def test_su2020_loss_does_not_depend_on_the_batch_split(stage: str) -> None:
    """Regression test: the loss was divided by the number of color images of the process."""
    model = small("su2020", stage=stage, hints=0.5, colorfulness=0.5).eval()
    batch, _ = batch_with_boxes()
    batch["rgb"][1] = batch["rgb"][1].mean(dim=0)  # gray
    whole = model.training_step(batch, 0)
    parts = [{key: value[rows] for key, value in batch.items()} for rows in (slice(0, 1), slice(1, 3))]
    first, second = (model.training_step(part, 0) for part in parts)
    torch.testing.assert_close((first + 2 * second) / 3, whole, rtol=1e-4, atol=0)


# Golden files: The three networks of Su et al. 2020 against the authors' code, through the names of their
# checkpoints.


NETWORKS = {"full": "netGComp", "instance": "netG", "fusion": "netGF"}
LAYERS = ("", "2", "3", "4", "5", "6", "7", "8_1", "8_2", "9_1", "9_2", "10_1", "10_2")


def published_model(meta: dict[str, Any]) -> ColoringModel:
    model = create_coloring_model("su2020", None)
    state = {}
    for ours, theirs in NETWORKS.items():
        shapes = meta["shapes"]["instance" if ours == "full" else ours]
        arrays = pseudo_state_dict(shapes, meta["seed"][ours], meta["scales"])
        prefix = "module." if ours == "fusion" else ""  # prefix in the authors' files
        state |= {f"{theirs}.{prefix}{key}": torch.from_numpy(value) for key, value in arrays.items()}
    model.load_weights(state, name="the authors' weights", published=True)
    return model.eval()


@case("su2020")
@torch.inference_mode()
def su2020(golden: Golden) -> None:
    model = published_model(golden.meta)
    network: Any = model.network
    lightness, crops = (50 + 100 * golden.tensor(name) for name in ("in_full_L", "in_crop_L"))
    size = (lightness.shape[-2], lightness.shape[-1])
    places = check_places(golden, size)

    full = network.full(full_input(network, lightness))
    golden.close("out_full_reg", full.ab)
    golden.close_sampled("out_full_class", full.logits)
    golden.close("out_instance_reg", network.color("instance", crops, Points.none(crops)) / 110)

    features = network.instance_features(crops, Points.none(crops))
    golden.close_sampled("out_inst_conv8_up", features["8_up"])
    golden.close_sampled("out_inst_conv7_3", features["7_3"])

    fused = {}

    def keep(name: str, activation: torch.Tensor) -> torch.Tensor:
        fused[name] = fuse(network.layers[name], activation, features[name], places[name])
        return fused[name]

    unet = network.fusion
    golden.close("out_fusion_reg", unet(full_input(network, lightness), visit=keep).ab)
    for (name, _, _), layer in zip(FUSED, LAYERS, strict=True):
        wide = name in ("10_up", "10_2")
        # The authors' next activation works in place, so that their stored sums "up" lie behind it.
        stored = torch.relu(fused[name]) if name.endswith("_up") else fused[name]
        shown = stored.mean(dim=1, keepdim=True) if wide else stored
        golden.close_sampled(f"out_fused_weight_layer{layer}", shown)


def check_places(golden: Golden, size: tuple[int, int]) -> dict[str, list[Any]]:
    """Compare the boxes on all four grids, and return where they lie on each fused map."""
    height, width = golden.arrays["in_rgb"].shape[:2]
    corners = golden.tensor("in_boxes").float() / torch.tensor([width, height, width, height])
    for level, stride in enumerate((1, 2, 4, 8)):
        rows, columns = size[0] // stride, size[1] // stride
        found = [
            (p.left, columns - p.left - p.width, p.top, rows - p.top - p.height, p.width, p.height)
            for p in (to_rectangle(box, size, stride) for box in corners)
        ]
        np.testing.assert_array_equal(found, golden.arrays["in_box_info"][level])
    return {name: [to_rectangle(box, size, stride) for box in corners] for name, _, stride in FUSED}


def full_input(network: Any, lightness: torch.Tensor) -> torch.Tensor:
    from colorzoo.networks.hint_unet import hint_input

    return hint_input(lightness, Points.none(lightness), network.mask_center)


# Training settings that the paper or the authors' code states

_COMMON = {
    "width": 1.0, "mask_center": 0.5, "delta": 1.0, "most_boxes": 8,
    "hints": 0.0,  # sample_p 1.0 of the script: no point is ever given
    "random_boxes": 0, "colorfulness": 0.0, "trunk": None,
}  # fmt: skip


def whole(stage: str) -> Recipe:
    return Recipe(
        config=f"su2020/{stage}.yaml",
        source="fact sheet, training: 100 epochs at 5e-4, then 50 in a line to 0; scripts/train.sh",
        rates={0: 5e-4, 9_999: 5e-4, 12_500: 5e-4 * (1 - 2500 / 5001), 15_000: 5e-4 / 5001},
        batch=16, epochs=150, stage=stage,
        settings=_COMMON,
        trains=(f"model.network.{stage}.",), fixed=(f"model.network.{stage}.class_head.",),
    )  # fmt: skip


RECIPES = (
    whole("full"),
    whole("instance"),
    Recipe(
        config="su2020/fusion.yaml",
        source="fact sheet, training: 10 epochs at 5e-5, then 20 in a line to 0",
        rates={0: 5e-5, 999: 5e-5, 2_000: 5e-5 * (1 - 1000 / 2001), 3_000: 5e-5 / 2001},
        batch=1, epochs=30, stage="fusion",
        settings=_COMMON,
        trains=("model.network.layers.", "model.network.fusion.block10.", "model.network.fusion.ab_head."),
    ),
)  # fmt: skip


KNOBS = {
    "su2020": Knobs(
        base={"stage": "fusion", "colorfulness": 0.3, "hints": 0.5},
        values={"stage": "instance", "width": 0.25, "most_boxes": 1, "hints": 1.0},
        exempt=("random_boxes",),
        batch=8,
    ),
}  # fmt: skip
