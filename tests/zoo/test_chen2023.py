"""SPColor: classes, segmenters, unrelated references, and the formulas of a training step."""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from docs.models.find_clusters import find_clusters
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import ModelCard
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data import Batch
from colorzoo.data.self_references import crop_flip_reference
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model, create_coloring_model
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.losses import contextual_loss, relativistic_loss
from colorzoo.losses.exemplar import (
    edge_aware_smoothness,
    neighbor_mean,
    self_reference_l1,
    unmatched_perceptual,
)
from colorzoo.networks.blocks import instance_norm, layer_outputs
from colorzoo.networks.clusters import Classified, classify, merge_clusters
from colorzoo.networks.discriminators import AttentionDiscriminator
from colorzoo.networks.exemplar import (
    ColorNet,
    ReferenceImage,
    convert_color_net,
    convert_vgg19,
    convert_warp_net,
    enlarge,
    to_grid,
)
from colorzoo.networks.exemplar_features import CaffeVGG19, caffe_input
from colorzoo.networks.matching import WarpNet
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.chen2023.model import (
    ClusterSegmenter,
    DinoBackbone,
    ProjectedMaps,
    StegoEncoder,
    StegoHead,
    convert_stego,
)
from colorzoo.zoo.chen2023.task import hide_from_matching, load_segmenter
from knobs.knob import Knobs
from parity.cases import Golden, case
from pseudo_weights import pseudo_state_dict
from training_recipes.recipe import Recipe
from zoo.exemplar_formulas import compare_step, expected_losses, noisy, paired_batch
from zoo.exemplar_matches import check_match_of_itself

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


# Golden files: Parts of SPColor (Chen et al. 2023) against the authors' code, through the names of their
# checkpoint.


def weights(golden: Golden, prefix: str = "") -> dict[str, Tensor]:
    """Return the pseudo weights whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in golden.weights().items() if k.startswith(prefix)}


def wide(golden: Golden, name: str) -> Tensor:
    return golden.tensor(name).float()


def labels_on(golden: Golden, name: str, size: torch.Size) -> Tensor:
    """Return labels or confidences on another grid, as the published code does."""
    value = golden.tensor(name)[:, None]
    return torch.nn.functional.interpolate(value.double(), size=size, mode="nearest").to(
        torch.int64 if "labels" in name else torch.float32
    )


@case("spcolor_vgg19")
@torch.inference_mode()
def vgg19(golden: Golden) -> None:
    network = CaffeVGG19()
    network.load_state_dict(convert_vgg19(weights(golden)))
    hooks = network(golden.tensor("in_rgb"))
    for name, hook in zip(("r12", "r22", "r32", "r42", "r52"), hooks, strict=True):
        count = golden.tensor(f"out_{name}").shape[1]
        golden.close(f"out_{name}", hook[:, :count])


@case("spcolor_warpnet")
@torch.inference_mode()
def warpnet(golden: Golden) -> None:
    network = WarpNet()
    network.load_state_dict(convert_warp_net(weights(golden)))
    target, reference = (
        network([wide(golden, f"in_{side}_relu{block}_2") for block in (2, 3, 4, 5)])
        for side in ("target", "ref")
    )
    golden.close(
        "out_target_features", target[:, : golden.arrays["out_target_features"].shape[1]], like="out_features"
    )
    golden.close(
        "out_ref_features", reference[:, : golden.arrays["out_ref_features"].shape[1]], like="out_features"
    )
    ab = torch.nn.functional.avg_pool2d(wide(golden, "in_ref_lab")[:, 1:], 4)
    tau = golden.meta["temperature"]
    grid = target.shape[-2:]
    ours, theirs = (labels_on(golden, f"in_labels_{side}", grid) for side in ("target", "ref"))
    mine, their = (labels_on(golden, f"in_conf_{side}", grid) for side in ("target", "ref"))
    for name, labels in (("warp", (ours, theirs)), ("global", None)):
        found = network.warp(target, reference, torch.cat([ab, their], 1), labels, tau=tau)
        golden.close(f"out_{name}_ab", found.values[:, :2])
        golden.close(f"out_{name}_sim", found.similarity * found.values[:, 2:] * mine)


@case("spcolor_spc")
@torch.inference_mode()
def spc(golden: Golden) -> None:
    network = WarpNet()
    loaded = weights(golden)
    network.theta.load_state_dict({key: loaded[f"theta_class.{key}"] for key in ("weight", "bias")})
    network.phi.load_state_dict({key: loaded[f"phi_class.{key}"] for key in ("weight", "bias")})
    values = torch.cat([golden.tensor("in_ref_ab"), golden.tensor("in_conf_ref")[:, None]], dim=1)
    labels = (golden.tensor("in_labels_target")[:, None], golden.tensor("in_labels_ref")[:, None])
    found = network.warp(
        wide(golden, "in_target_features"),
        wide(golden, "in_ref_features"),
        values,
        labels,
        tau=golden.meta["temperature"],
    )
    confident = found.similarity * found.values[:, 2:] * golden.tensor("in_conf_target")[:, None]
    golden.close("out_ab", found.values[:, :2])
    golden.close("out_sim", confident)
    golden.close("out_raw_sim", found.similarity)
    # a tenth of the file's tolerance, because only the order of sums differs
    assert (confident - golden.tensor("out_sim")).abs().max() < 1e-5
    assert (found.values[:, :2] - golden.tensor("out_ab")).abs().max() < 1e-5 * 128


@case("spcolor_colorvid")
@torch.inference_mode()
def colorvid(golden: Golden) -> None:
    network = ColorNet()
    network.load_state_dict(convert_color_net(weights(golden)))
    golden.close("out_ab", network(golden.tensor("in_x")))


@case("spcolor_cra")
def cra(golden: Golden) -> None:
    counts = [int(name.rpartition("_")[2]) for name in golden.arrays if name.startswith("out_centres_")]
    assert counts
    for count in counts:
        clusters = golden.tensor("in_clusters")
        merged = merge_clusters(clusters, count)
        golden.close(f"out_centres_{count}", merged, like="out_centres")
        labels = torch.cdist(clusters.double(), merged.double()).argmin(dim=1)
        assert torch.equal(labels, golden.tensor(f"out_labels_{count}").long())


@case("spcolor_dino")
@torch.inference_mode()
def dino(golden: Golden) -> None:
    backbone = DinoBackbone()
    backbone.load_state_dict({f"vit.{key}": value for key, value in weights(golden).items()})
    image = golden.tensor("in_image")
    grid = (image.shape[-2] // 8, image.shape[-1] // 8)
    golden.close("out_pos", backbone.positions(grid)[..., : golden.tensor("out_pos").shape[2]])
    golden.close("out_tokens", backbone(image)[:, : golden.tensor("out_tokens").shape[1]])


@case("spcolor_stego_head")
@torch.inference_mode()
def stego_head(golden: Golden) -> None:
    head = StegoHead()
    state_dict = convert_stego(weights(golden))
    head.load_state_dict({key.removeprefix("head."): value for key, value in state_dict.items()})
    code = head(wide(golden, "in_tokens"))
    golden.close("out_code", code)
    check_classes(golden, code, head.clusters, "")
    merged_centers = merge_clusters(head.clusters, golden.meta.get("m", 22))
    check_classes(golden, code, merged_centers, "_m")
    linear = torch.log_softmax(head.linear(code), dim=1)
    rows, columns = golden.tensor("out_linear").shape[-2:]
    golden.close("out_linear", linear[..., :rows, :columns], like="out_conf")
    cosine = torch.einsum("bdhw,md->bmhw", F.normalize(code, dim=1), F.normalize(head.clusters, dim=1))
    golden.close("out_cluster_loss", -cosine.amax(dim=1).mean(), like="out_conf")


def check_classes(golden: Golden, code: Tensor, centers: Tensor, suffix: str) -> None:
    found = classify(code, centers)
    golden.close(f"out_conf{suffix}", found.confidence[:, 0], like="out_conf")
    cosine = torch.einsum(
        "bdhw,md->bmhw",
        torch.nn.functional.normalize(code, dim=1),
        torch.nn.functional.normalize(centers, dim=1),
    )
    two = torch.softmax(10 * cosine, dim=1).topk(2, dim=1).values
    clear = (two[:, 0] - two[:, 1]) > 1e-4
    assert clear.float().mean() > 0.9
    assert torch.equal(found.labels[:, 0][clear], golden.tensor(f"out_labels{suffix}").long()[clear])


def convert_discriminator(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the discriminator: layers are counted from 0, and ``weight_bar`` is ``weight_orig``."""
    ours = {}
    for key, value in state_dict.items():
        name = re.sub(r"^layer(\d)(_new)?\.0\.", lambda m: f"layers.{int(m[1]) - 1}.", key)
        name = re.sub(r"^last(_new)?\.(0\.)?", "last.", name)
        name = re.sub(r"^attention\.(query|key|value)_conv\.", r"attention.\1.", name)
        name = name.replace("module.", "")
        name = name.replace("weight_bar", "weight_orig")
        is_singular_vector = name.endswith(("weight_u", "weight_v"))
        ours[name] = F.normalize(value, dim=0) if is_singular_vector else value
    return ours


@case("spcolor_disc")
@torch.inference_mode()
def discriminator(golden: Golden) -> None:
    network = AttentionDiscriminator()
    network.load_state_dict(convert_discriminator(weights(golden)))
    lab = wide(golden, "in_lab")
    judged: list[Tensor] = []
    (fourth,) = layer_outputs(network, ["layers.3"], lambda: judged.append(network(lab)))
    golden.close("out_layer2_u", network.layers[1].weight_u)
    golden.close("out_score", judged[0])
    features = F.leaky_relu(instance_norm(fourth), 0.2)
    golden.close("out_feature4", features[:, : golden.tensor("out_feature4").shape[1]])
    golden.close("out_score_second", network(lab))


@case("spcolor_losses")
def losses(golden: Golden) -> None:
    lab, pred = golden.tensor("in_lab"), golden.tensor("in_pred_ab").requires_grad_()
    true, chosen = lab[:, 1:], golden.tensor("in_self")
    lightness = torch.tensor([50.0, 0, 0]).view(3, 1, 1)
    golden.close("out_l1", self_reference_l1(pred, true, chosen))
    golden.close("out_l1_without_self", self_reference_l1(pred, true, torch.zeros_like(chosen)))
    features = [wide(golden, f"in_{name}_relu5_2") for name in ("pred", "true")]
    similarity = golden.tensor("in_sim")
    golden.close("out_smp", unmatched_perceptual(*features, similarity))
    golden.close("out_perceptual", unmatched_perceptual(*features, torch.zeros_like(similarity)))
    check_smoothness(golden, pred, lab + lightness)
    maps = [wide(golden, f"in_cx_{name}") for name in "xy"]
    golden.close("out_contextual_forward", contextual_loss(*maps))
    golden.close("out_contextual_backward", contextual_loss(*maps, every="reference"))
    real, fake = golden.tensor("in_score_real"), golden.tensor("in_score_fake")
    golden.close("out_gan_d", relativistic_loss(real, fake))
    golden.close("out_gan_g", relativistic_loss(fake, real))
    check_images(golden, torch.cat([lab[:, :1] + 50, pred], dim=1))


def check_smoothness(golden: Golden, pred: Tensor, lab: Tensor) -> None:
    smooth = edge_aware_smoothness(pred, lab)
    golden.close("out_smooth", smooth)
    golden.close("out_smooth_alpha10", edge_aware_smoothness(pred, lab, alpha=10))
    golden.close("out_smooth_average_ab", neighbor_mean(pred, lab))
    golden.close("out_smooth_grad", torch.autograd.grad(smooth, pred)[0])


def check_images(golden: Golden, lab: Tensor) -> None:
    rgb = lab_to_rgb(lab)
    golden.close("out_rgb", rgb)
    rows, columns = golden.tensor("out_vgg_input").shape[-2:]
    golden.close("out_vgg_input", caffe_input(rgb, CaffeVGG19(0.125).mean)[..., :rows, :columns])


@case("spcolor_full")
@torch.inference_mode()
def full(golden: Golden) -> None:
    meta = golden.meta
    model = create_coloring_model("chen2023", None, segmenter=None)
    arrays = pseudo_state_dict(meta["shapes"], meta["seed"], meta["scales"])
    model.load_weights(
        {key: torch.from_numpy(value) for key, value in arrays.items()},
        name="the authors' weights",
        published=True,
    )
    lightness = golden.tensor("in_target_l") + 50
    grid = (lightness.shape[-2] // 4, lightness.shape[-1] // 4)
    ours, theirs = (
        Classified(labels_on(golden, f"in_labels_{side}", grid), labels_on(golden, f"in_conf_{side}", grid))
        for side in ("target", "ref")
    )
    reference = ReferenceImage(golden.tensor("in_ref_rgb"), golden.tensor("in_ref_lab")[:, 1:])
    features = (model.eval().features.of_lightness(lightness), model.features.of_rgb(reference.rgb))
    warped = model.carry_over(features, reference, (ours, theirs))
    golden.close("out_warp_ab", warped.ab)
    golden.close("out_warp_sim", warped.similarity)
    golden.close("out_ab", model.colorize_warped(lightness, warped))


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="chen2023/paper.yaml",
        source="fact sheet spcolor, sections 2 to 5: paper, section IV-A; train_stego.py where it is silent",
        rates={0: 4e-4, 99_999: 4e-4, 100_000: 4e-5, 119_999: 4e-5},
        matching_rates={0: 2e-5, 99_999: 2e-5, 100_000: 2e-6, 119_999: 2e-6},
        discriminator_rates={0: 2e-4, 99_999: 2e-4, 100_000: 2e-5, 119_999: 2e-5},
        betas=(0.5, 0.999), batch=16, steps=120_000,
        settings={
            "features": "vgg19", "segmenter": "stego", "classes": 22,
            "width": 1.0, "color_width": 1.0, "discriminator_width": 1.0,
            "discriminator_layers": 6, "tau": 0.01, "l1_weight": 2.0,
            "perceptual_weight": 0.01, "semantic": True, "smooth_weight": 2.0, "smooth_alpha": 2.0,
            "adversarial_weight": 0.4, "contextual_weight": 0.0, "lightness_noise": 2.0,
            "truth_weight": 0.0, "warp_weight": 0.0, "gated": False, "unrelated": "zero",
            "without_reference": 0.0, "hide_classes": 0.0, "one_class": 0.0,
        },
        trains=("model.network.", "model.correspondence."),
    ),
)  # fmt: skip


KNOBS = {
    "chen2023": Knobs(
        base={"contextual_weight": 0.3, "truth_weight": 0.5, "warp_weight": 0.5},
        values={
            "segmenter": None, "classes": 4,
            "unrelated": "automatic", "width": 0.1875, "color_width": 0.25, "discriminator_width": 0.1875,
            "hide_classes": 0.5, "one_class": 1.0, "without_reference": 1.0, "tau": 0.1,
        },
        exempt=("features", "matching_lr"),
        size=48, steps=2,
    ),
}  # fmt: skip
