"""Extensions of SPColor that are not in the paper; `chen2023_small` uses them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorzoo.networks.clusters import Classified
from colorzoo.networks.exemplar import ColorNet, Warped
from colorzoo.networks.exemplar_extensions import ExemplarExtensions, color_net, fill_automatic
from colorzoo.networks.exemplar_features import TrunkFeatures
from colorzoo.networks.matching import WarpNet
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction
from colorzoo.zoo.chen2023.network import ClassPair, warp_reference

_MAX_CLASSES = 256


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

    @property
    def hides(self) -> bool:
        """Return whether training hides or merges classes before the matching; see `hide_from_matching`."""
        return self.without_reference + self.hide_classes + self.one_class > 0


def hide_from_matching(
    target: Classified, reference: Classified, seeds: Tensor, extensions: Extensions
) -> ClassPair:
    """Merge all classes of random training images, or exclude reference classes from matching.

    `Extensions` describes the three cases. Excluded reference positions have the class -1, which has no
    match.

    Args:
        target: Classes of the training images, labels ``(B, 1, h, w)``.
        reference: Classes of the references, labels ``(B, 1, h', w')``.
        seeds: ``(B,)``, per-image seeds.
        extensions: Fractions and probabilities of the three cases.

    Returns:
        Modified classes of the training images and their references.
    """
    generators = image_generators(seeds, "hide")
    draws = draw_uniform(generators, len(seeds), 2 + _MAX_CLASSES, reference.labels.device)
    merge_draw, reference_draw, class_draws = torch.split(draws, [1, 1, _MAX_CLASSES], dim=1)

    # flags of images, (B, 1, 1, 1)
    is_merged = (merge_draw < extensions.one_class)[:, :, None, None]
    lacks_reference = (reference_draw < extensions.without_reference)[:, :, None, None]

    # merged classes have the number 0
    target_labels = torch.where(is_merged, 0, target.labels)
    reference_labels = torch.where(is_merged, 0, reference.labels)

    # the draw of a position is the draw of its class, so a class is hidden as a whole
    position_draws = class_draws.gather(1, reference_labels.flatten(1)).view_as(reference_labels)
    is_hidden = (position_draws < extensions.hide_classes) & ~is_merged
    reference_labels = torch.where(is_hidden | lacks_reference, -1, reference_labels)
    return target._replace(labels=target_labels), reference._replace(labels=reference_labels)


def warp_with_automatic(
    correspondence: WarpNet,
    features: tuple[TrunkFeatures, TrunkFeatures],
    ab: Tensor,
    classes: ClassPair,
    tau: float,
) -> Warped:
    """Warp reference colors like `warp_reference`; other positions get the colors of an automatic model."""
    return fill_automatic(warp_reference(correspondence, features, ab, classes, tau), features[0])


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
