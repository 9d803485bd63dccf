"""Settings of SPColor and its training, as the paper and its authors' code have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from colorzoo.zoo.chen2023.segment import Merging


@dataclass(frozen=True)
class Architecture:
    """The networks (sections III-A and III-D).

    Attributes:
        features: ``vgg19``, or the name of a registered model of the zhang2016 family whose layers are
            borrowed (ours).
        width: Multiplier of the channel counts of the correspondence network (and of VGG-19); 1.0 is the
            published one.
        color_width: The same for the color network.
        tau: Temperature of the matching (eq. 8).
        reference_input: ``rgb``, or ``normalized_twice`` as the published code feeds VGG-19.
    """

    features: str = "vgg19"
    width: float = 1.0
    color_width: float = 1.0
    tau: float = 0.01
    reference_input: Literal["rgb", "normalized_twice"] = "rgb"


@dataclass(frozen=True)
class Segmentation:
    """What names the classes (sections III-B and III-C).

    Attributes:
        segmenter: ``stego``, ``stego_supervised`` (Table IV), ``clusters`` of borrowed features (ours), or
            None: one class.
        segmenter_weights: File of the segmenter's weights, from which training takes them unless weights of
            the whole model were loaded: the authors' STEGO, or for ``clusters`` what
            `colorzoo.zoo.chen2023.find_clusters` wrote. Without one ``clusters`` are random, which serves
            trials.
        classes: To how many classes the segmenter's 27 clusters are merged: 22 in the paper, 27 keeps them.
        merging: See `ClusterSegmenter`.
        segmented_target: What the segmenter sees of a training picture: ``gray``, its lightness, as the paper
            says and as it is in use, or ``color`` as the published code shows it. Neither has the noise of
            `Simulation`, and references are in color. ``clusters`` see lightness alone.
    """

    segmenter: Literal["stego", "stego_supervised", "clusters"] | None = "stego"
    segmenter_weights: str | None = None
    classes: int = 22
    merging: Merging = "pre"
    segmented_target: Literal["gray", "color"] = "gray"


@dataclass(frozen=True)
class Simulation:
    """What is done to training pictures.

    Attributes:
        luma_noise: Deviation of the noise on L, which trunk and color network see; in the published code.
    """

    luma_noise: float = 2.0
