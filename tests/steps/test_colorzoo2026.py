"""colorzoo2026: training step compared with losses computed image by image and cell by cell."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import hull_centers
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.testing.samples import sample_batch
from colorzoo.zoo.colorzoo2026.task import Colorzoo2026Task, random_cells
from steps.step import gradients, same, small

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

SIDE, CLASSES = 64, 5
CPU = torch.device("cpu")
CELLS = (SIDE // 4) ** 2
WEIGHTS = {"classes": 1.0, "colors": 3.0, "points": 2.0, "variance": 0.01, "labels": 0.05}
DELTA = 0.2


@pytest.fixture(scope="module")
def task() -> Colorzoo2026Task:
    """Return the task with random layers, so that predictions, variances and classes differ between cells."""
    found = small("colorzoo2026", label_count=CLASSES)
    assert isinstance(found, Colorzoo2026Task)
    generator = torch.Generator().manual_seed(1)
    network = found.model.network
    with torch.no_grad():
        for layer, scale in ((network.mean, 0.1), (network.classes, 1.0), (found.label_head, 1.0)):
            layer.weight.copy_(scale * torch.randn(layer.weight.shape, generator=generator))
            layer.bias.copy_(scale * torch.randn(layer.bias.shape, generator=generator))
        found.model.covariance.log_noise.fill_(math.log(0.2))
    return found


@pytest.fixture(scope="module")
def batch() -> Any:
    given: Any = sample_batch((SIDE, SIDE), batch=3)
    return {**given, "label": torch.tensor([4, 0, 2])}


def true_colors(rgb: Tensor) -> Tensor:
    """Return the mean ab of each cell of 4 x 4 pixels, ``(B, h, w, 2)``, by scikit-image."""
    ab = torch.from_numpy(rgb2lab(rgb.permute(0, 2, 3, 1).double().numpy()))[..., 1:].float()
    batch, height, width, _ = ab.shape
    return ab.view(batch, height // 4, 4, width // 4, 4, 2).mean((2, 4))


def huber(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean Huber loss: square over twice delta, then linear with a slope of 1."""
    off = (found - truth).abs()
    return torch.where(off < DELTA, off.square() / (2 * DELTA), off - DELTA / 2).mean()


def cross_entropy_of_neighbors(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the mean cross-entropy to the four nodes of the grid of 10 units around each true color."""
    centers = hull_centers()
    total, shares = logits.new_zeros(()), logits.float().log_softmax(-1)
    for given, (a, b) in zip(shares.flatten(0, -2), truth.reshape(-1, 2).tolist(), strict=True):
        left, below = math.floor(a / 10), math.floor(b / 10)
        for column in (left, left + 1):
            for row in (below, below + 1):
                share = (1 - abs(a / 10 - column)) * (1 - abs(b / 10 - row))
                node = torch.tensor([10.0 * column, 10.0 * row])
                total = total - share * given[(centers - node).norm(dim=1).argmin()]
    return total / truth[..., 0].numel()


def smoothed_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy to 0.9 of the label and 0.1 of all classes."""
    wanted = torch.full_like(scores, 0.1 / CLASSES)
    for row, label in enumerate(labels.tolist()):
        wanted[row, label] += 0.9
    return -(wanted * scores.log_softmax(1)).sum(1).mean()


def drawn_cells(seed: Tensor, purpose: str, most: int) -> list[int]:
    """Return the cells drawn for one image, in drawing order."""
    (row,) = draw_uniform(image_generators(seed[None], purpose), 1, CELLS + 1, seed.device).tolist()
    order = sorted(range(CELLS), key=lambda cell: -row[1 + cell])[:most]
    count = min(most, max(1, math.floor((most + 1) ** row[0])))
    return order[:count] if purpose == "points" else order


def covariance_of(task: Colorzoo2026Task, features: Tensor, lightness: Tensor) -> Tensor:
    """Return the covariance ``(N, N)`` of all cells of one image, a sum over heads, in float64."""
    layer = task.model.covariance
    light = (F.avg_pool2d(lightness[None], 4)[0].permute(1, 2, 0) - 50) / 50
    hidden = F.leaky_relu(layer.hidden(torch.cat([features, light], -1)), 0.1).flatten(0, 1)
    embedding, amplitude = layer.embed(hidden).double(), F.softplus(layer.amplitude(hidden)).double()
    side = SIDE // 4
    numbers = torch.arange(CELLS)
    position = torch.stack([numbers // side, numbers % side], 1).double() / side
    total = torch.zeros(CELLS, CELLS, dtype=torch.double)
    for head, log_reach in enumerate(layer.log_reach):
        places = torch.cat([embedding.view(CELLS, layer.heads, -1)[:, head], position / log_reach.exp()], 1)
        squares = (places[:, None] - places[None]).square().sum(-1)
        total = total + amplitude[:, head, None] * amplitude[None, :, head] * torch.exp(-squares / 2)
    return total


def losses_by_hand(task: Colorzoo2026Task, batch: Any, lightness: Tensor) -> dict[str, Tensor]:
    maps = task.model.network(lightness)
    truth = true_colors(batch["rgb"])
    after, likelihoods = [], []
    for image, seed in enumerate(batch["seed"]):
        covariance = covariance_of(task, maps.features[image].float(), lightness[image])
        noise = task.model.covariance.log_noise.double().exp() ** 2
        mean, wanted = maps.mean[image].flatten(0, 1).double(), truth[image].flatten(0, 1) / 50
        given = drawn_cells(seed, "points", 64)
        system = covariance[given][:, given] + (noise + 1e-5) * torch.eye(len(given), dtype=torch.double)
        gain = torch.linalg.solve(system, covariance[given]).T  # (N, n)
        answer = mean + gain @ (wanted - mean)[given]
        after.append(huber(answer, wanted))
        prior = covariance.diagonal() + noise
        left = prior - (gain * covariance[:, given]).sum(1)
        for cell in drawn_cells(seed, "queries", 48):
            errors = [(wanted - each)[cell].detach().square().sum() for each in (mean, answer)]
            for error, variance in zip(errors, (prior[cell], left[cell]), strict=True):
                # negative log-density of a normal distribution with equal variances, without constants
                likelihoods.append(error / (2 * variance) + variance.log())
    return {
        "classes": cross_entropy_of_neighbors(maps.logits, truth),
        "colors": huber(maps.mean.float(), truth / 50),
        "labels": smoothed_cross_entropy(task.label_head(maps.vector), batch["label"]),
        "points": torch.stack(after).mean().float(),
        "variance": (2 * torch.stack(likelihoods).mean()).float(),
    }


def test_step_equals_the_formula(task: Colorzoo2026Task, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: dict[str, Tensor] = {}
    monkeypatch.setattr(task, "log_losses", lambda losses, _: logged.update(losses))
    found = task.training_step(batch, 0)
    lab = torch.from_numpy(rgb2lab(batch["rgb"].permute(0, 2, 3, 1).double().numpy())).float()
    wanted = losses_by_hand(task, batch, lab.permute(0, 3, 1, 2)[:, :1])
    assert logged.keys() == {*WEIGHTS, "loss"}
    for name, value in wanted.items():
        torch.testing.assert_close(logged[name], value, rtol=2e-4, atol=0, msg=lambda m, n=name: f"{n}: {m}")
        # each loss alone, because small weights would hide errors
        ours, plain = gradients(logged[name], task), gradients(value, task)
        same(ours, plain, rtol=5e-3)
    total = torch.stack([WEIGHTS[name] * value for name, value in wanted.items()]).sum()
    torch.testing.assert_close(found, total, rtol=2e-4, atol=0)
    torch.testing.assert_close(logged["loss"], found, rtol=0, atol=0)


def test_random_cells_depend_on_the_image_seed_and_purpose() -> None:
    seeds = torch.arange(400)
    index, given = random_cells(seeds, 256, CPU)
    assert all(len(set(row)) == 64 for row in index.tolist())  # different cells
    alone, alone_given = random_cells(seeds[7:8], 256, CPU)
    assert torch.equal(alone[0], index[7])
    assert torch.equal(alone_given[0], given[7])
    other, _ = random_cells(seeds, 256, CPU, 64, "queries")
    assert (other != index).any(1).all()
    # uniform over cells, and in the logarithm of the count: half of the counts are below the root of 65
    shares = torch.bincount(index.flatten(), minlength=256) / len(seeds)
    assert float((shares - 0.25).abs().max()) < 0.09
    counts = given.sum(1)
    assert (counts.min(), counts.max()) == (1, 64)
    assert torch.equal(given, (torch.arange(64)[None] < counts[:, None]).float())
    assert 0.4 < float((counts < 8).float().mean()) < 0.6


def test_colorzoo2026_uses_muon_for_hidden_matrices_only() -> None:
    task = small("colorzoo2026", label_count=40, vector=32, decoder=32, stem=(20, 40), widths=(32, 32, 32))
    names = {parameter: name for name, parameter in task.named_parameters()}
    groups = task.optimized_parameters()
    taken = [names[parameter] for group in groups for parameter in group["params"]]
    assert sorted(taken) == sorted(names.values())
    by_muon = {names[p] for group in groups if group["use_muon"] for p in group["params"]}
    assert {"model.network.stem_quarter.weight", "model.network.stage32.0.qkv.weight"} <= by_muon
    # the excluded layers have large enough matrices
    for part in ("network.mean", "network.classes", "network.stem_half", "label_head", "position", "covar"):
        assert not any(part in name for name in by_muon)
