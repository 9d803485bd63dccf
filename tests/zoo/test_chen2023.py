"""SPColor: classes, segmenters, unrelated references, and the formulas of a training step."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from docs.models.find_clusters import find_clusters
from exemplar_formulas import compare_step, expected_losses, noisy, paired_batch
from exemplar_matches import check_match_of_itself
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import ModelCard
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.losses.exemplar import relativistic_loss
from colorzoo.networks.clusters import Classified, classify, merge_clusters
from colorzoo.networks.exemplar import ReferenceImage, enlarge, to_grid
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.chen2023.model import (
    ClusterSegmenter,
    ProjectedMaps,
    StegoEncoder,
)
from colorzoo.zoo.chen2023.task import hide_from_matching, load_segmenter

SIZE = (64, 96)
MEAN, DEVIATION = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return model_card("chen2023_small")


@pytest.fixture(scope="module")
def model(card: ModelCard) -> Any:
    return contract_test_model(card)


@pytest.fixture(scope="module")
def gray() -> Tensor:
    return rgb_to_lab(sample_image(SIZE, seed=1))[:, :1]


@pytest.fixture(scope="module")
def exemplar() -> Exemplar:
    return Exemplar(sample_image((96, 64), seed=2))


def thirds(size: tuple[int, int]) -> Tensor:
    return (torch.arange(size[1]) * 3 // size[1]).expand(1, 1, *size).clone()


@torch.inference_mode()
def test_reassigning_a_class_changes_only_its_region(model: Any, gray: Tensor, exemplar: Exemplar) -> None:
    before, reference = thirds(SIZE), thirds((96, 64))
    after = torch.where(before == 1, 2, before)
    warped = [
        model(gray, Guidance(exemplar=exemplar, classes=ClassMap(labels, reference))).extras["warped_ab"]
        for labels in (before, after)
    ]
    moved = (warped[0] - warped[1]).norm(dim=1, keepdim=True)
    # class 2 keeps its region, but the mean of its features changes
    assert moved[before == 0].max() < 0.5
    assert moved[before == 1].mean() > 1


@torch.inference_mode()
def test_chen2023_ignores_a_reference_without_common_classes(
    model: Any, gray: Tensor, exemplar: Exemplar
) -> None:
    apart = ClassMap(torch.zeros(1, 1, *SIZE), torch.ones(1, 1, 96, 64))
    answer = model(gray, Guidance(exemplar=exemplar, classes=apart))
    assert torch.equal(answer.ab, model(gray).ab)
    (note,) = answer.notes
    assert "no object type in common" in note
    assert not model(gray, Guidance(exemplar=exemplar)).notes
    labels = (torch.arange(90) // 32).clamp(max=1).expand(1, 1, 61, 90)  # 8 of 23 columns of positions
    part = ClassMap(labels, torch.zeros(1, 1, 96, 64))
    found = model(gray[..., :61, :90], Guidance(exemplar=exemplar, classes=part))
    shares = [each.extras["matched"].item() for each in (answer, model(gray), found)]
    assert shares == pytest.approx([0, 0, 8 / 23])


@torch.inference_mode()
def test_chen2023_match_returns_the_source_coordinates(model: Any, gray: Tensor) -> None:
    check_match_of_itself(copy.deepcopy(model), (61, 90))
    assert model(gray).extras["match"].shape == (1, 2, *SIZE)


def test_cluster_segmenter_merges_centers_before_classification() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 20, 5, 6, generator=generator)
    encode = ProjectedMaps(20, code=12)
    centers, features = encode.centers, encode(maps, maps)
    found = {count: ClusterSegmenter(encode, count)(maps, maps) for count in (27, 22, 4, 1)}
    assert torch.equal(found[27].labels, classify(features, centers).labels)
    for count in (22, 4, 1):
        merged = classify(features, merge_clusters(centers, count))
        assert int(found[count].labels.max()) < count
        assert torch.equal(found[count].labels, merged.labels)
    assert torch.allclose(found[1].confidence, torch.ones(()))
    with pytest.raises(ColorzooError, match="from 1 to 27"):
        merge_clusters(centers, 28)


def test_find_clusters_separates_groups_of_features_and_whitens_them() -> None:
    generator = torch.Generator().manual_seed(0)
    kind = torch.arange(300) % 5
    features = 8 * torch.randn(5, 20, generator=generator)[kind] + torch.randn(300, 20, generator=generator)
    found = find_clusters(features, code=4, clusters=5)
    codes = F.normalize((features - found["shift"]) @ found["projection"].T, dim=1)
    assert torch.allclose(found["centers"].norm(dim=1), torch.ones(5))
    nearest = (codes @ found["centers"].T).argmax(dim=1)
    assert len({*zip(kind.tolist(), nearest.tolist(), strict=True)}) == len(set(nearest.tolist())) == 5
    assert all(map(torch.equal, find_clusters(features, code=4, clusters=5).values(), found.values()))
    spread = torch.linalg.eigvalsh(features.T.cov(correction=0))[-4:]
    for share in (0.0, 0.5, 1.0):  # fraction of whitening
        projection = find_clusters(features, code=4, clusters=5, whitening=share)["projection"]
        codes = (features - features.mean(0)) @ projection.T
        torch.testing.assert_close(
            codes.T.cov(correction=0), torch.diag(spread ** (1 - share)), atol=1e-3, rtol=1e-3
        )


def test_hide_from_matching_draws_per_image_reference_and_class() -> None:
    labels, seeds = torch.arange(8).view(1, 1, 2, 4).repeat(64, 1, 1, 2), torch.arange(64)
    found = classify(torch.randn(64, 3, 2, 8), torch.randn(4, 3))._replace(labels=labels)
    ours, theirs = hide_from_matching(
        found, found, seeds, one_class=0.2, hide_classes=0.5, without_reference=0.1
    )
    single, whole, *each = draw_uniform(image_generators(seeds, "hide"), 64, 10, labels.device).T
    one = (single < 0.2)[:, None, None, None].expand_as(labels)
    assert torch.equal(ours.labels, labels.where(~one, 0))
    hidden = torch.stack(each, dim=1)[:, labels[0].flatten()].view_as(labels) < 0.5
    hidden = (hidden & ~one) | (whole < 0.1)[:, None, None, None]
    assert torch.equal(theirs.labels, ours.labels.where(~hidden, -1))
    assert 0 < int(one.sum()) < one.numel()
    for kept in hide_from_matching(found, found, seeds, one_class=0, hide_classes=0, without_reference=0):
        assert torch.equal(kept.labels, labels)


def test_segmenter_weights_are_loaded_for_fit_of_untrained_models(card: ModelCard, tmp_path: Path) -> None:
    source = build_model(load_task_class(card), {**card.hparams, **card.contract_test.hparams})
    channels = source.model.features.deep_channels
    found = find_clusters(torch.randn(400, channels, generator=torch.Generator().manual_seed(0)))
    save_file(found, tmp_path / "clusters.safetensors")
    path = str(tmp_path / "clusters.safetensors")
    model: Any = build_model(
        load_task_class(card), {**card.hparams, **card.contract_test.hparams, "segmenter_weights": path}
    )
    assert not torch.equal(model.model.segmenter.encode.centers, found["centers"])
    model.prepare_fit()
    for name, value in found.items():
        assert torch.equal(getattr(model.model.segmenter.encode, name), value)
    model.trained = True  # loaded weights contain the clusters
    model.model.segmenter.encode.centers.zero_()
    model.prepare_fit()
    assert not model.model.segmenter.encode.centers.any()


def test_stego_encoder_resizes_to_a_square_and_back_to_the_image_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Backbone(torch.nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return F.avg_pool2d(image, 8).repeat(1, 256, 1, 1)

    monkeypatch.setattr("colorzoo.zoo.chen2023.model.DinoBackbone", Backbone)
    encoder = StegoEncoder()
    held = {key: torch.rand_like(value) for key, value in encoder.head.state_dict().items()}
    names = {"linear_code": "net.cluster1.0", "bent_code": "net.cluster2", "linear": "linear_probe"}
    theirs = {names[key.split(".")[0]] + key[key.index(".") :]: held[key] for key in held if "." in key}
    torch.save({**theirs, "cluster_probe.clusters": held["clusters"]}, tmp_path / "stego.ckpt")
    load_segmenter(ClusterSegmenter(encoder, 27), str(tmp_path / "stego.ckpt"))
    assert torch.equal(encoder.centers, held["clusters"])
    for size in ((256, 256), (64, 96), (256, 64)):
        rgb = sample_image(size)
        square = F.interpolate(rgb, (256, 256), mode="bilinear")
        wanted = encoder.head(encoder.backbone((square - MEAN) / DEVIATION))
        found = encoder(rgb, rgb)
        whole = size == (256, 256)
        torch.testing.assert_close(found, wanted if whole else F.interpolate(wanted, size, mode="bilinear"))


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
    lightness = noisy(batch, model.lightness_noise)
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
    terms["adversarial"] = model.hparams.adversarial_weight * relativistic_loss(fake, real)
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
