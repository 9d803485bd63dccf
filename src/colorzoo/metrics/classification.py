"""Classification accuracy on colorized images (SPColor, Chen et al. 2023, Table I)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.errors import DataError
from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_images
from colorzoo.metrics.feature_networks import (
    LITE0,
    FeatureNetwork,
    FrozenNetwork,
    lite0_network,
    report_name,
    timm_network,
    weights_suffix,
)

_BEST = (1, 5)  # values of k


def classifier_network(name: str = "resnet101.tv_in1k", weights: Path | None = None) -> FeatureNetwork:
    """Build a pretrained image classifier by name.

    Examples:
        >>> classifier_network("resnet50.a1_in1k").network(torch.rand(2, 3, 64, 64)).shape  # doctest: +SKIP
        torch.Size([2, 1000])

    Images are resized and center-cropped as in timm's evaluation of the model.

    Args:
        name: ``"efficientnet-lite0"`` or the name of a timm model; the default is a ResNet-101 trained on
            ImageNet, as in SPColor.
        weights: Weight file; None downloads the published weights once with timm.

    Raises:
        WeightsError: The weights are missing or do not match, or the model does not exist.
    """
    if name == LITE0:
        network = lite0_network(weights, classify=True)
    else:
        network = timm_network(name, weights, crop=True)
    classes = int(network.model.num_classes)  # type: ignore[arg-type]  # every timm model has it as int
    return FeatureNetwork(report_name(name), network.preprocessing, network, classes)


class ClassifierAccuracy(ColorMetric):
    """Top-k accuracy of an image classifier on colorized images (SPColor, Table I).

    Examples:
        >>> from colorzoo.metrics.feature_networks import FeatureNetwork
        >>> mean = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> classifier = FeatureNetwork("mine", "whole", mean, 3)
        >>> accuracy = ClassifierAccuracy(classifier)
        >>> reds = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
        >>> accuracy(reds, torch.tensor([0, 1]))
        {'top1_mine_whole': tensor(0.5000), 'top5_mine_whole': tensor(1.)}

    Plausible colors increase the accuracy of a classifier. Compare the accuracy on results with the accuracy
    on gray images and on the ground truth. EfficientNet-Lite0 (``"efficientnet-lite0"``) requires no
    download.

    Args:
        classifier: Name for `classifier_network`; None uses `default_network`. For another network, a
            `colorzoo.metrics.feature_networks.FeatureNetwork` with the attributes ``name`` and
            ``preprocessing`` (parts of the result keys), ``network`` (a module that maps RGB
            ``(B, 3, H, W)`` in [0, 1] to class logits ``(B, dimension)``) and ``dimension``.
        weights: Weight file; used only if ``classifier`` is a name or None.
        **options: Arguments of `ColorMetric`, such as ``validate_args``.
    """

    names = {"accuracy": {}}
    default_network = "resnet101.tv_in1k"
    higher_is_better = True
    is_differentiable = False
    value_shape = (len(_BEST),)

    def __init__(
        self,
        classifier: FeatureNetwork | str | None = None,
        weights: Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        suffix = ""
        if not isinstance(classifier, FeatureNetwork):
            classifier = classifier_network(classifier or self.default_network, weights)
            suffix = weights_suffix(weights)
        self.classify = FrozenNetwork(classifier.network)
        self.keys = [f"top{k}_{classifier.name}_{classifier.preprocessing}" for k in _BEST]
        title = f"({classifier.name.removeprefix('timm-')})"
        self.outputs = tuple(
            Output(f"{key}{suffix}_mean", f"Top-{k} {title}", "", "higher", mean_of_moments)
            for key, k in zip(self.keys, _BEST, strict=True)
        )

    def update(self, rgb: Tensor, labels: Tensor) -> None:
        """Add results and their true classes.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            labels: ``(B,)`` int64 true classes, with the class numbers of the classifier.

        Raises:
            DataError: The number of labels differs from the number of images, or a label is out of range.
        """
        require_images(rgb, 3, values=self.validate_args)
        with torch.no_grad():
            scores = self.classify(rgb.float())
        count, classes = scores.shape
        is_valid = tuple(labels.shape) == (count,) and not labels.is_floating_point()
        if not is_valid or not ((labels >= 0) & (labels < classes)).all():
            raise DataError(
                f"labels must have shape ({count},) and integer values from 0 to {classes - 1}, "
                f"got shape {tuple(labels.shape)} and type {labels.dtype}"
            )
        true_scores = scores.gather(1, labels.to(scores.device)[:, None])
        ranks = (scores > true_scores).sum(dim=1)  # from 0; ties count as correct
        self.add(torch.stack([ranks < k for k in _BEST], dim=1).float())

    def compute(self) -> dict[str, Tensor]:
        """Return the accuracy in [0, 1] for each k; NaN without images.

        The keys are ``topK_CLASSIFIER_PREPROCESSING``.
        """
        return dict(zip(self.keys, self.mean(), strict=True))
