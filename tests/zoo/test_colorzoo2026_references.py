"""colorzoo2026: reference embeddings, several references, match coordinates, and classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo import Guidance
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import ClassMap, Exemplar, Points
from colorzoo.testing import sample_image
from colorzoo.zoo.colorzoo2026.model import Colorzoo2026

SIZE = (64, 96)
WARM, COLD = 0.5, 3.6


@pytest.fixture(scope="module")
def model() -> Colorzoo2026:
    found = create_coloring_model("colorzoo2026", offline=True).eval()
    assert isinstance(found, Colorzoo2026)
    return found


def scene(hue: float, seed: int = 0) -> Tensor:
    """Return a sample image in one hue."""
    lab = rgb_to_lab(sample_image(SIZE, seed=seed))
    lab[:, 1:] = 25 * torch.tensor([math.cos(hue), math.sin(hue)]).view(1, 2, 1, 1)
    return lab_to_rgb(lab).clamp(0, 1)


@pytest.fixture(scope="module")
def lightness() -> Tensor:
    return rgb_to_lab(scene(WARM))[:, :1]


@torch.no_grad()
def colored(model: Colorzoo2026, lightness: Tensor, exemplar: Exemplar) -> Tensor:
    return model(lightness, Guidance(exemplar=exemplar)).ab


def mixed(model: Colorzoo2026, *parts: tuple[Tensor, float]) -> Exemplar:
    """Return the exemplar of references with their weights."""
    with torch.no_grad():
        embeddings = [model.encode_reference(rgb) for rgb, _ in parts]
    return Exemplar.of_embedding(model.mix_references(embeddings, [weight for _, weight in parts]))


def warmth(ab: Tensor) -> float:
    """Return the mean color along the warm hue, in CIE units."""
    axis = torch.tensor([math.cos(WARM), math.sin(WARM)]).view(1, 2, 1, 1)
    return float((ab.detach() * axis).sum(1).mean())


def test_reference_embedding_replaces_the_reference_image(model: Colorzoo2026, lightness: Tensor) -> None:
    wanted = colored(model, lightness, Exemplar(scene(WARM)))
    with torch.no_grad():
        embedding = model.encode_reference(scene(WARM))
    assert torch.equal(colored(model, lightness, Exemplar.of_embedding(embedding)), wanted)
    part = colored(model, lightness, Exemplar.of_embedding(embedding, alpha=0.5))
    assert warmth(part) == pytest.approx((warmth(wanted) + warmth(model(lightness).ab)) / 2, abs=0.5)


def test_mix_references_combines_references_by_weight(model: Colorzoo2026, lightness: Tensor) -> None:
    alone = colored(model, lightness, Exemplar(scene(WARM)))
    twice = colored(model, lightness, mixed(model, (scene(WARM), 1.0), (scene(WARM), 3.0)))
    torch.testing.assert_close(twice, alone, atol=0.05, rtol=0)
    without = mixed(model, (scene(WARM), 0.3), (scene(COLD), 0.0))
    assert torch.equal(without.embedding, mixed(model, (scene(WARM), 1.0)).embedding)
    found = [
        warmth(colored(model, lightness, mixed(model, (scene(WARM), share), (scene(COLD), 1 - share))))
        for share in (0.1, 0.5, 0.9)
    ]
    assert found[0] + 3 < found[1] < found[2] - 3


@torch.no_grad()
def test_colorzoo2026_match_returns_the_source_coordinates(model: Colorzoo2026, lightness: Tensor) -> None:
    mirrored = Exemplar(scene(WARM).flip(3))
    match = model(lightness, Guidance(exemplar=mirrored)).extras["match"][0]
    rows, columns = match.shape[1:]
    y, x = (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns
    wanted = torch.stack(torch.meshgrid(1 - x, y, indexing="xy"))
    near = (match - wanted).norm(dim=0) < 0.15
    assert near.float().mean() > 0.5

    mask = torch.zeros(1, 1, *SIZE)
    mask[..., 20, 40] = 1
    clicked = Guidance(points=Points(30 * mask.expand(-1, 2, -1, -1), mask), exemplar=mirrored)
    assert torch.equal(model(lightness, clicked).extras["match"][0].nan_to_num(), match.nan_to_num())
    assert "match" not in model(lightness).extras
    two = mixed(model, (scene(WARM), 1.0), (scene(COLD), 1.0))
    assert "match" not in model(lightness, Guidance(exemplar=two)).extras


@torch.no_grad()
def test_reference_colors_are_transferred_only_within_classes(model: Colorzoo2026, lightness: Tensor) -> None:
    left = torch.zeros(1, 1, *SIZE, dtype=torch.int64)
    left[..., : SIZE[1] // 2] = 1
    exemplar, plain = Exemplar(scene(WARM)), model(lightness).ab
    free = model(lightness, Guidance(exemplar=exemplar)).ab
    same = model(lightness, Guidance(exemplar=exemplar, classes=ClassMap(left, left))).ab
    assert warmth(same) > 0.8 * warmth(free)
    # class 1 is nowhere in the reference, and class 0 at another resolution
    nowhere = torch.zeros(1, 1, 20, 30, dtype=torch.int64)
    found = model(lightness, Guidance(exemplar=exemplar, classes=ClassMap(left, nowhere)))
    inside = slice(0, SIZE[1] // 2 - 16)
    torch.testing.assert_close(found.ab[..., inside], plain[..., inside], atol=0.05, rtol=0)
    assert (free - plain)[..., inside].norm(dim=1).mean() > 5
    assert warmth(found.ab[..., SIZE[1] // 2 + 16 :]) > 8
    assert found.extras["match"][..., : found.extras["match"].shape[-1] // 2 - 1].isnan().all()


@torch.no_grad()
def test_network_input_is_shrunk_as_pillow_does(model: Colorzoo2026) -> None:
    lightness = 100 * torch.rand(1, 1, 47, 47, generator=torch.Generator().manual_seed(0))
    small = Image.fromarray(lightness[0, 0].numpy()).resize((32, 32), Image.Resampling.BILINEAR)
    expected = model.analyze(torch.from_numpy(np.array(small))[None, None], {}).mean
    found = model.analyze(lightness, {}).mean
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


@torch.no_grad()
def test_reference_colors_are_means_over_cells(model: Colorzoo2026) -> None:
    noise = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    ab = rgb_to_lab(noise)[0, 1:].flatten(1).T
    colors = model.encode_reference(noise)[0, :, -6:-4]  # after the features of each block
    scale = ab.mean(dim=0) / colors.mean(dim=0)
    assert float(scale[0] / scale[1]) == pytest.approx(1, abs=0.1)
    assert (scale * colors).std() < 0.2 * ab.std()  # samples instead of means have a larger deviation
