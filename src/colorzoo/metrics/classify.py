"""Accuracy of a classifier on the results: are things still what they were (SPColor, Table I)?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from colorzoo.errors import DataError
from colorzoo.metrics.checks import require_pictures
from colorzoo.metrics.frozen import Frozen
from colorzoo.metrics.timm_network import timm_network


@dataclass(frozen=True)
class Classifier:
    """A classifier under the name that stays beside its numbers.

    Attributes:
        name: Of the network and its weights.
        preprocessing: In short, what it does to a picture first: size, crop, interpolation.
        network: Takes ``(B, 3, H, W)`` RGB in [0, 1], gives ``(B, classes)`` scores: a module or a
            function.
    """

    name: str
    preprocessing: str
    network: Callable[[Tensor], Tensor]


def classifier_network(name: str = "resnet101.tv_in1k", weights: Path | None = None) -> Classifier:
    """Build a classifier by the name of a timm model.

    Pictures are resized and their center cut out as timm tests the model.

    Args:
        name: Of the model; the default is a ResNet-101 of ImageNet, as in SPColor.
        weights: Its weight file; by default timm fetches the published one once.

    Raises:
        WeightsError: The weights are not here or do not fit, or no model has that name.
    """
    network = timm_network(name, weights, crop=True)
    return Classifier(f"timm-{name}", network.preprocessing, network)


class ClassifierAccuracy(Metric):
    """Share of results whose true class is among a classifier's k best (SPColor, Table I).

    Args:
        classifier: A classifier, or a name for `classifier_network`.
        weights: For a classifier given by name.
        best: Which k.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    hits: Tensor
    count: Tensor

    def __init__(
        self,
        classifier: Classifier | str = "resnet101.tv_in1k",
        weights: Path | None = None,
        *,
        best: Sequence[int] = (1, 5),
    ) -> None:
        super().__init__()
        if isinstance(classifier, str):
            classifier = classifier_network(classifier, weights)
        network = classifier.network
        self.classify = Frozen(network) if isinstance(network, nn.Module) else network
        self.best = tuple(best)
        self.keys = [f"top{k}_{classifier.name}_{classifier.preprocessing}" for k in self.best]
        self.add_state("hits", torch.zeros(len(self.best), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, rgb: Tensor, labels: Tensor) -> None:
        """Add pictures.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            labels: ``(B,)`` int64, true classes in the classifier's order.

        Raises:
            DataError: There is not one label a picture, or the classifier has no such class.
        """
        require_pictures(rgb, 3)
        with torch.no_grad():
            scores = self.classify(rgb.float())
        require_labels(labels, len(rgb), scores.shape[1])
        ranks = rank_of(scores, labels.to(scores.device))
        found = torch.stack([(ranks < k).sum() for k in self.best])
        # Not in place: the states may stem from inference mode while this run is outside of it.
        self.hits = self.hits + found.to(self.hits.device)
        self.count = self.count + len(rgb)

    def compute(self) -> dict[str, Tensor]:
        """Return ``topK_CLASSIFIER_PREPROCESSING`` in [0, 1]; NaN if there was no picture."""
        return dict(zip(self.keys, (self.hits / self.count).float(), strict=True))


def rank_of(scores: Tensor, labels: Tensor) -> Tensor:
    """Return ``(B,)`` how many classes of ``(B, classes)`` score above the true one; ties do not count."""
    return (scores > scores.gather(1, labels[:, None])).sum(dim=1)


def require_labels(labels: Tensor, count: int, classes: int) -> None:
    """Make sure that labels belong to pictures and to a classifier.

    Raises:
        DataError: Not ``(count,)`` whole numbers from 0 to below ``classes``.
    """
    if tuple(labels.shape) != (count,) or labels.is_floating_point():
        raise DataError(f"expected one class number for each of {count} pictures, got {tuple(labels.shape)}")
    if count and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        span = f"{int(labels.min())} to {int(labels.max())}"
        raise DataError(f"labels from {span}, but the classifier knows {classes} classes")
