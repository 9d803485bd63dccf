"""Zhang et al. 2019: frame propagation, tensor names, previous frames, and a training step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses.exemplar import relativistic_loss
from colorzoo.networks.exemplar import ReferenceImage, enlarge
from colorzoo.randomness import image_generators
from colorzoo.registry import load_model_class, load_task_class, model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.zhang2019.task import previous_frames
from knobs.knob import Knobs
from parity.cases import read
from training_recipes.recipe import Recipe
from zoo.exemplar_formulas import compare_step, expected_losses, noisy, paired_batch
from zoo.exemplar_matches import check_match_of_itself

SIZE = (64, 96)
GOLDEN = Path(__file__).parent.parent / "golden"


def test_color_frames_conditions_each_frame_on_the_previous_frame() -> None:
    model: Any = contract_test_model(model_card("zhang2019"))
    frames = rgb_to_lab(sample_image(SIZE, seed=1))[:, :1].repeat(3, 1, 1, 1)
    exemplar = Exemplar(sample_image(SIZE, seed=2))
    colored = model.model.color_frames(frames, exemplar)
    assert colored.shape == (3, 2, *SIZE)
    with torch.inference_mode():
        single = model(frames[:1], Guidance(exemplar=exemplar)).ab
    assert torch.equal(colored[:1], single)  # the first frame is a single image
    assert (colored[1] - colored[0]).abs().max() > 1e-3
    before = torch.cat([frames[1:2], colored[1:2]], dim=1)
    assert torch.equal(
        model.model.color_frames(frames[2:], exemplar, before), colored[2:]
    )  # also in several calls


@torch.inference_mode()
def test_match_of_the_image_itself_is_the_position_in_a_reference_that_is_padded() -> None:
    """The network pads the reference from 61 x 69 to 64 x 96 pixels."""
    check_match_of_itself(contract_test_model(model_card("zhang2019")), (61, 69))


def published_tensors() -> dict[str, Tensor]:
    """Return the tensors of the authors' three networks: the SPColor tensors under older names."""
    shapes = dict(read(GOLDEN / "spcolor_full_64.npz").meta["shapes"])
    state = {}
    for key, shape in shapes.items():
        name = key.replace("conv1_1_new", "conv1_1").replace("_class", "")
        if name.endswith(("theta.weight", "phi.weight")):
            shape = [*shape, 1, 1]
        if name == "colornet.conv1_1.0.weight":
            shape = [shape[0], 7, *shape[2:]]
        state[name] = torch.empty(shape, device="meta")
    return state


def test_convert_published_maps_all_zhang2019_tensors() -> None:
    with torch.device("meta"):
        model = load_model_class(model_card("zhang2019"))()
    converted = model.convert_published(published_tensors())
    own = {k: v.shape for k, v in model.state_dict().items()}
    assert {key: value.shape for key, value in converted.items()} == own


def test_previous_frames_are_shifted_images_or_gray() -> None:
    """The shift is at most a twentieth of the sides; other frames are gray with lightness 50."""
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    lab = torch.stack([rows + columns, columns, rows]).expand(16, -1, -1, -1)  # a is x, b is y
    before = previous_frames(lab, torch.arange(16), 0.3)
    draws = torch.stack([torch.rand(3, generator=g) for g in image_generators(torch.arange(16), "before")])
    moves = draws[:, :2] * torch.tensor([6.0, 4.0]) - torch.tensor([3.0, 2.0])
    has = draws[:, 2] < 0.3
    assert 0 < int(has.sum()) < 16
    inner = (..., slice(3, -3), slice(3, -3))
    wanted = lab[:, 1:] + moves[..., None, None]
    torch.testing.assert_close(before[:, 1:][inner][has], wanted[inner][has], rtol=0, atol=1e-3)
    assert (before[has][..., 0, 0] - lab[has][..., 0, 0]).abs().max() < 6  # mirrored at the border, not black
    assert (
        before[~has].amax(dim=(0, 2, 3)).tolist() == before[~has].amin(dim=(0, 2, 3)).tolist() == [50, 0, 0]
    )


CARD = model_card("zhang2019")
ALL_TERMS = {"truth_weight": 0.7, "warp_weight": 0.6, "perceptual_weight": 20.0}


def small() -> Any:
    torch.manual_seed(0)
    model: Any = build_model(load_task_class(CARD), {**CARD.contract_test.hparams, "tau": 0.1, **ALL_TERMS})
    with torch.no_grad():
        model.discriminator.attention.gamma.fill_(0.3)
    return model


def expected_step(model: Any, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
    """Return the generator's terms and the discriminator's loss."""
    lab = rgb_to_lab(batch["rgb"])
    look = batch.get("reference")
    made = batch.get("self_made", torch.ones(3, dtype=torch.bool))
    if look is None:
        look = crop_flip_reference(batch["rgb"], image_generators(batch["seed"], "reference"))
    lightness = noisy(batch, 2.0)
    reference = ReferenceImage(look, rgb_to_lab(look)[:, 1:])
    warped = model.model.warp(model.model.features.of_lightness(lightness), reference, 1.0)
    before = previous_frames(lab, batch["seed"], 0.5)
    seen = torch.cat([before[:, :1] - 50, before[:, 1:]], dim=1)
    parts = [enlarge(warped.ab), enlarge(warped.similarity), lightness - 50, seen]
    ab = model.model.network(torch.cat(parts, dim=1))
    terms = expected_losses(model, lab, ab, warped, made, look)
    shown = [torch.cat([lab[:, :1], each, before], 1) for each in (ab, lab[:, 1:])]
    fake, real = (model.discriminator(each) for each in shown)
    terms["adversarial"] = 0.2 * relativistic_loss(fake, real)
    fake, real = (model.discriminator(each.detach()) for each in shown)
    return terms, relativistic_loss(real, fake)


@pytest.mark.parametrize(
    "guided",
    [pytest.param(True, marks=pytest.mark.nightly), False],
    ids=["references", "self references"],
)
def test_zhang2019_training_step_equals_the_formulas(guided: bool, tmp_path: Path) -> None:
    batch = paired_batch()
    if not guided:
        del batch["reference"], batch["self_made"]
    model = small()
    compare_step(model, batch, expected_step, tmp_path)


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="zhang2019/paper.yaml",
        source="fact sheet spcolor, section 9; the authors' train.py (batch, epochs, optimizer)",
        rates={0: 2e-4, 3999: 2e-4},
        matching_rates={0: 1e-5, 3999: 1e-5},
        discriminator_rates={0: 2e-4, 3999: 2e-4},
        betas=(0.5, 0.999), batch=16, epochs=40,
        settings={
            "features": "vgg19", "width": 1.0, "color_width": 1.0, "discriminator_width": 1.0,
            "discriminator_layers": 6, "tau": 1e-10, "training_tau": 0.01, "l1_weight": 2.0,
            "perceptual_weight": 0.001, "semantic": False, "smooth_weight": 5.0, "smooth_alpha": 10.0,
            "adversarial_weight": 0.2, "contextual_weight": 0.2, "lightness_noise": 2.0,
            "truth_weight": 0.0, "warp_weight": 0.0, "gated": False, "unrelated": "zero", "donor": None,
        },
        trains=("model.network.", "model.correspondence."),
    ),
)  # fmt: skip


KNOBS = {
    "zhang2019": Knobs(
        base={"truth_weight": 0.5, "warp_weight": 0.5},
        values={
            "width": 0.1875, "color_width": 0.25, "discriminator_width": 0.1875, "last_kernel": (3, 6),
            "training_tau": 0.1, "colored": 1.0,
        },
        exempt=("features", "tau", "unrelated", "matching_lr"),
        size=48, batch=3, steps=2,
    ),
}  # fmt: skip
