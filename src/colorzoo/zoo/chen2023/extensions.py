"""Additions to SPColor in `chen2023_small`; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.clusters import Classified
from colorzoo.networks.exemplar import ExemplarExtensions, Warped
from colorzoo.networks.exemplar_features import TrunkFeatures
from colorzoo.networks.matching import STRIDE
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.settings import Share

_MOST_CLASSES = 256


@dataclass(frozen=True)
class Extensions(ExemplarExtensions):
    """Additions to SPColor, besides those of `ExemplarExtensions`.

    These hide parts of the reference in training, so that one network learns all cases of use.

    Attributes:
        without_reference: Share of training pictures without a reference.
        hide_classes: Probability that a class of the reference is hidden in training.
        one_class: Share of training pictures matched without classes.
    """

    without_reference: Share = 0.0
    hide_classes: Share = 0.0
    one_class: Share = 0.0


def hide_from_matching(
    target: Classified, reference: Classified, seeds: Tensor, extensions: Extensions
) -> tuple[Classified, Classified]:
    """Merge the classes of some pictures into one; hide some or all classes of some references.

    Args:
        target: Classes of the training pictures.
        reference: Classes of their references.
        seeds: ``(B,)``, seeds of the pictures.
        extensions: The shares.
    """
    if not (extensions.one_class or extensions.hide_classes or extensions.without_reference):
        return target, reference
    labels = reference.labels
    uniform = draw_uniform(picture_generators(seeds, "hide"), len(labels), _MOST_CLASSES + 2, labels.device)
    single = (uniform[:, 0] < extensions.one_class)[:, None, None, None]
    target = target._replace(labels=torch.where(single, 0, target.labels))
    labels = torch.where(single, 0, labels)
    hidden = uniform[:, 2:].gather(1, labels.flatten(1)).view_as(labels) < extensions.hide_classes
    hidden = (hidden & ~single) | (uniform[:, 1] < extensions.without_reference)[:, None, None, None]
    return target, reference._replace(labels=torch.where(hidden, -1, labels))


def with_automatic_colors(warped: Warped, features: TrunkFeatures) -> Warped:
    """Give positions without a match the colors of the model whose features are used, if it has any."""
    if features.automatic is None:
        return warped
    automatic = F.avg_pool2d(features.automatic, STRIDE)
    return warped._replace(ab=torch.where(warped.matched, warped.ab, automatic))
