"""LPIPS over RGB, of whole pictures and inside a band around edges (Zhang et al. 2018; Kim et al. 2021)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from colorzoo.errors import WeightsError
from colorzoo.metrics.band import band_mean, band_name, edge_band
from colorzoo.metrics.checks import require_mask, require_pair
from colorzoo.metrics.frozen import Frozen, load_by_name, published_weights
from colorzoo.metrics.mean import PictureMean
from colorzoo.weights import load_state_dict_file

Net = Literal["alex", "vgg", "squeeze"]


def lpips_network(net: Net = "alex", weights: Path | None = None, *, spatial: bool = False) -> nn.Module:
    """Build the LPIPS network of torchmetrics, whose linear layers (version 0.1) it brings along.

    Args:
        net: The trunk.
        weights: File with the trunk's weights under torchvision's names; by default those of ImageNet, which
            torch hub fetches once.
        spatial: Answer with a map of the pictures' size instead of one number a picture.

    Returns:
        A frozen network that takes two batches in [-1, 1].

    Raises:
        WeightsError: There is no such trunk, or its weights are not here or do not fit.
    """
    from torchmetrics.functional.image.lpips import _LPIPS

    if net not in get_args(Net):
        raise WeightsError(f"LPIPS has no trunk {net!r}; expected one of {', '.join(get_args(Net))}")
    network = _LPIPS(pretrained=True, net=net, spatial=spatial, pnet_rand=True)
    found = published_weights(_trunk_url(net)) if weights is None else load_state_dict_file(weights)
    # torchvision's ``features.N...`` in slices; the classifier is not needed
    slices = re.compile(r"^(slice\d+|slices\.\d+)\.")
    names = {key: slices.sub("features.", key) for key in network.net.state_dict()}
    load_by_name(network.net, names, found, f"the {net} trunk of LPIPS")
    return Frozen(network)


def _trunk_url(net: Net) -> str:
    from torchvision import models

    weights = {
        "alex": models.AlexNet_Weights.IMAGENET1K_V1,
        "vgg": models.VGG16_Weights.IMAGENET1K_V1,
        "squeeze": models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
    }
    return str(weights[net].url)


def to_signed(rgb: Tensor) -> Tensor:
    """Return RGB in [0, 1] as the [-1, 1] that LPIPS takes."""
    return rgb.float() * 2 - 1


class MeanLPIPS(PictureMean):
    """Mean LPIPS over pictures.

    Args:
        net: The trunk; it stays in the key of the answer.
        weights: See `lpips_network`.
    """

    higher_is_better = False
    is_differentiable = True

    def __init__(self, net: Net = "alex", weights: Path | None = None) -> None:
        super().__init__()
        self.net: Net = net
        self.network = lpips_network(net, weights)

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]."""
        require_pair(rgb, target, 3)
        self.add(self.network(to_signed(rgb), to_signed(target)).flatten())

    def compute(self) -> dict[str, Tensor]:
        """Return ``lpips_NET``."""
        return {f"lpips_{self.net}": self.mean()}


class BandLPIPS(PictureMean):
    """Mean over pictures of the LPIPS map inside a band; pictures without edges are left out and counted.

    Args:
        net: The trunk; it stays in the key of the answer.
        weights: See `lpips_network`.
        kernel_size: Side of the band; None for the whole picture. See `edge_band`.
    """

    higher_is_better = False
    is_differentiable = True

    def __init__(
        self, net: Net = "alex", weights: Path | None = None, *, kernel_size: int | None = 7
    ) -> None:
        super().__init__()
        self.kernel_size, self.net = kernel_size, net
        self.network = lpips_network(net, weights, spatial=True)

    def update(self, rgb: Tensor, target: Tensor, edges: Tensor) -> None:
        """Add pictures.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            target: ``(B, 3, H, W)`` in [0, 1].
            edges: ``(B, 1, H, W)``, not 0 on the thinned edges.
        """
        require_pair(rgb, target, 3)
        require_mask(edges, rgb)
        distances = self.network(to_signed(rgb), to_signed(target))
        self.add(band_mean(distances, edge_band(edges, self.kernel_size)))

    def compute(self) -> dict[str, Tensor]:
        """Return ``lpips_NET_k7`` (or ``_full``) and the number ``left_out``."""
        return {f"lpips_{self.net}_{band_name(self.kernel_size)}": self.mean(), "left_out": self.left_out}
