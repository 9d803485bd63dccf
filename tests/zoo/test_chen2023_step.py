"""SPColor's training step compared with an independent implementation of its formulas."""

from pathlib import Path
from typing import Any

import torch
from exemplar_formulas import compare_step, expected_losses, noisy, paired_batch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.factory import build_model
from colorzoo.losses.exemplar import relativistic_loss
from colorzoo.networks.clusters import Classified
from colorzoo.networks.exemplar import ReferenceImage, enlarge, to_grid
from colorzoo.randomness import image_generators
from colorzoo.registry import load_task_class, model_card

ALL_TERMS = {"contextual_weight": 0.3, "truth_weight": 0.7, "warp_weight": 0.6, "perceptual_weight": 20.0}
CARD = model_card("chen2023")


def small(**changed: Any) -> Any:
    torch.manual_seed(0)
    model: Any = build_model(load_task_class(CARD), {**CARD.contract_test.hparams, **ALL_TERMS, **changed})
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
    lightness = noisy(batch, model.simulation.lightness_noise)
    target, other = model.model.features.of_lightness(lightness), model.model.features.of_rgb(look)
    clean = model.model.features.of_lightness(lab[:, :1])
    grid = (lightness.shape[-2] // 4, lightness.shape[-1] // 4)
    classes = tuple(
        Classified(
            *(to_grid(part, tuple(lightness.shape[-2:]), grid) for part in model.model.segmenter(None, deep))
        )
        for deep in (clean.deep, other.deep)
    )
    reference = ReferenceImage(look, rgb_to_lab(look)[:, 1:])
    warped = model.model.carry_over((target, other), reference, classes)
    parts = [enlarge(warped.ab), enlarge(warped.similarity), lightness - 50]
    ab = model.model.network(torch.cat(parts, dim=1))
    terms = expected_losses(model, lab, ab, warped, made, look)
    fake, real = (model.discriminator(torch.cat([lab[:, :1], each], 1)) for each in (ab, lab[:, 1:]))
    terms["adversarial"] = model.objective.adversarial_weight * relativistic_loss(fake, real)
    generated = torch.cat([lab[:, :1], ab.detach()], 1)
    fake, real = (model.discriminator(each) for each in (generated, lab))
    return terms, relativistic_loss(real, fake)


def test_chen2023_training_step_equals_the_formulas(tmp_path: Path) -> None:
    for guided, semantic in [(True, True), (False, False)]:
        batch = paired_batch()
        if not guided:
            del batch["reference"], batch["self_made"]
        model = small(semantic=semantic)
        compare_step(model, batch, expected_step, tmp_path)


class RecordingSegmenter:
    """A segmenter that records its inputs."""

    def __init__(self) -> None:
        self.inputs: list[tuple[Tensor, Tensor]] = []

    def __call__(self, rgb: Tensor, deep: Tensor) -> Classified:
        self.inputs.append((rgb, deep))
        labels = torch.zeros(len(rgb), 1, 8, 8, dtype=torch.int64)
        return Classified(labels, torch.ones(labels.shape))


def record_segmenter(model: Any) -> RecordingSegmenter:
    del model.model.segmenter
    model.model.segmenter = RecordingSegmenter()
    return model.model.segmenter


def test_chen2023_segments_the_gray_target_without_noise() -> None:
    batch, model = paired_batch(), small(lightness_noise=20.0)
    recorded = record_segmenter(model)
    model.generate(batch)
    lightness = rgb_to_lab(batch["rgb"])[:, :1]
    gray = lab_to_rgb(torch.cat([lightness, 0 * lightness, 0 * lightness], 1))
    (target, deep), (reference, _) = recorded.inputs
    assert torch.equal(target, gray)
    assert torch.equal(deep, model.model.features.of_lightness(lightness).deep)
    assert torch.equal(reference, batch["reference"])
