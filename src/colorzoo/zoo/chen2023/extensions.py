"""Extensions of SPColor that are not in the paper; `chen2023_small` uses them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorzoo.guidance import ClassMap
from colorzoo.networks.clusters import Classified
from colorzoo.networks.exemplar import ColorNet, to_grid
from colorzoo.networks.exemplar_extensions import ExemplarExtensions, color_net
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction

_MOST_CLASSES = 256


@dataclass(frozen=True)
class Extensions(ExemplarExtensions):
    """Extensions that are not in the paper, in addition to `ExemplarExtensions`.

    Positive values train the network to colorize with incomplete references and without references.

    Attributes:
        without_reference: Fraction of training images whose reference is excluded from matching.
        hide_classes: Probability that a class of a reference is excluded from matching in training.
        one_class: Fraction of training images whose classes are merged into one class, so each position is
            matched with all positions of the reference.
    """

    without_reference: Fraction = 0.0
    hide_classes: Fraction = 0.0
    one_class: Fraction = 0.0


def hide_from_matching(
    target: Classified, reference: Classified, seeds: Tensor, extensions: Extensions
) -> tuple[Classified, Classified]:
    """Merge all classes of random training images, or exclude reference classes from matching.

    `Extensions` describes the three cases. Excluded reference positions have the class -1, which has no
    match.

    Args:
        target: Classes of the training images.
        reference: Classes of the references.
        seeds: ``(B,)``, per-image seeds.
        extensions: Fractions and probabilities of the three cases.

    Returns:
        Modified classes of the training images and their references.
    """
    labels = reference.labels
    uniform = draw_uniform(image_generators(seeds, "hide"), len(labels), _MOST_CLASSES + 2, labels.device)
    single = (uniform[:, 0] < extensions.one_class)[:, None, None, None]
    target = target._replace(labels=torch.where(single, 0, target.labels))
    labels = torch.where(single, 0, labels)
    hidden = uniform[:, 2:].gather(1, labels.flatten(1)).view_as(labels) < extensions.hide_classes
    hidden = (hidden & ~single) | (uniform[:, 1] < extensions.without_reference)[:, None, None, None]
    return target, reference._replace(labels=torch.where(hidden, -1, labels))


def relabeled(
    found: tuple[Classified, Classified],
    classes: ClassMap | None,
    sizes: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[Classified, Classified]:
    """Replace the segmenter's labels with the class maps of the user; the confidences do not change.

    Args:
        found: Classes of images and references from the segmenter.
        classes: Class maps of the user; None changes nothing.
        sizes: Height and width of the images and of the references.
    """
    maps = (None, None) if classes is None else (classes.target, classes.exemplar)
    ours, theirs = (
        each
        if labels is None
        else each._replace(labels=to_grid(labels, size, (each.labels.shape[-2], each.labels.shape[-1])))
        for each, labels, size in zip(found, maps, sizes, strict=True)
    )
    return ours, theirs


def small_color_net(width: float, extensions: Extensions) -> ColorNet:
    """Return the color network; with a gate, its output is initially close to the warped colors.

    Args:
        width: Multiplier for the channel counts.
        extensions: Settings, which add the gate.
    """
    network = color_net(4, width, extensions)
    if extensions.gated:
        nn.init.normal_(network.ab.weight, std=1e-3)
    return network
