"""Structural similarity (SSIM) and deep feature distance (LPIPS) over RGB."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from colorzoo.errors import DataError, WeightsError
from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_float, require_pair
from colorzoo.metrics.feature_networks import FrozenNetwork, load_by_name, published_weights, weights_suffix
from colorzoo.weights import read_weights

WINDOW = 11
Net = Literal["alex", "vgg", "squeeze"]


def ssim(rgb: Tensor, target: Tensor) -> Tensor:
    """Return the SSIM of each image, averaged over R, G and B.

    Examples:
        >>> truth = torch.rand(2, 3, 16, 16)
        >>> ssim(0.9 * truth, truth).shape
        torch.Size([2])

    The window is an 11 x 11 Gaussian with sigma 1.5. The mean covers only windows inside the image, as in
    scikit-image and in the original definition.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        target: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B,)`` float32; 1 for equal images.

    Raises:
        DataError: The images are smaller than the window, or have an integer dtype.
    """
    require_float(rgb)
    require_float(target)
    if min(rgb.shape[-2:]) < WINDOW:
        height, width = rgb.shape[-2:]
        raise DataError(f"images must be at least {WINDOW} pixels per side, got {width} x {height}")
    _, values = structural_similarity_index_measure(
        rgb.float(), target.float(), data_range=1.0, sigma=1.5, reduction="none", return_full_image=True
    )
    margin = WINDOW // 2  # torchmetrics' own mean includes windows beyond the border
    return values[..., margin:-margin, margin:-margin].mean(dim=(1, 2, 3))


class MeanSSIM(ColorMetric):
    """Mean `ssim` over images, at most 1 (Wang et al. 2004, as in scikit-image).

    Examples:
        >>> truth = torch.rand(2, 3, 16, 16)
        >>> MeanSSIM()(truth, truth).round(decimals=3)
        tensor(1.)
    """

    names = {"ssim": {}}
    outputs = (Output("ssim_rgb_gauss11_mean", "SSIM", "", "higher", mean_of_moments),)
    higher_is_better = True
    is_differentiable = True

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        self.add(ssim(rgb, target))


def lpips_network(net: Net = "alex", weights: Path | None = None, *, spatial: bool = False) -> nn.Module:
    """Build the LPIPS network of torchmetrics with its linear layers (version 0.1).

    Examples:
        >>> lpips = lpips_network("alex")  # doctest: +SKIP
        >>> lpips(torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)).shape  # doctest: +SKIP

    Args:
        net: Backbone, ``"alex"``, ``"vgg"`` or ``"squeeze"``.
        weights: Weight file of the backbone with torchvision's weight names; None downloads the ImageNet
            weights once with torch hub.
        spatial: Whether to return a distance map at image size instead of one number per image.

    Returns:
        Frozen network; its inputs are two RGB batches in [-1, 1].

    Raises:
        WeightsError: The backbone does not exist, or its weights are missing or do not match.
    """
    from torchmetrics.functional.image.lpips import _LPIPS
    from torchvision import models

    published = {
        "alex": models.AlexNet_Weights.IMAGENET1K_V1,
        "vgg": models.VGG16_Weights.IMAGENET1K_V1,
        "squeeze": models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
    }
    if net not in published:
        raise WeightsError(f"the LPIPS backbone must be one of {', '.join(get_args(Net))}, got {net!r}")
    network = _LPIPS(pretrained=True, net=net, spatial=spatial, pnet_rand=True)  # random backbone
    if weights is None:
        backbone_weights = published_weights(str(published[net].url))
    else:
        backbone_weights = read_weights(weights).state_dict
    # LPIPS splits torchvision's ``features.N...`` into slices and does not use the classifier
    slices = re.compile(r"^(slice\d+|slices\.\d+)\.")
    names = {key: slices.sub("features.", key) for key in network.net.state_dict()}
    load_by_name(network.net, names, backbone_weights, f"the {net} backbone of LPIPS")
    return FrozenNetwork(network)


def to_signed(rgb: Tensor) -> Tensor:
    """Map RGB from [0, 1] to [-1, 1], the input range of LPIPS."""
    return rgb.float() * 2 - 1


class MeanLPIPS(ColorMetric):
    """Mean LPIPS over images (Zhang et al. 2018, version 0.1).

    Examples:
        >>> rgb, truth = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)  # doctest: +SKIP
        >>> MeanLPIPS("alex")(rgb, truth)  # doctest: +SKIP

    Args:
        net: Backbone, ``"alex"``, ``"vgg"`` or ``"squeeze"``; part of the result key.
        weights: Weight file of the backbone; see `lpips_network`. None downloads the weights once.
        **options: Arguments of `ColorMetric`, such as ``validate_args``.
    """

    names = {"lpips": {}}
    default_network = "alex"
    higher_is_better = False
    is_differentiable = True

    def __init__(self, net: Net = "alex", weights: Path | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.net: Net = net
        self.network = lpips_network(net, weights)
        key = f"lpips_{net}_v0.1{weights_suffix(weights)}_mean"
        self.outputs = (Output(key, "LPIPS", "", "lower", mean_of_moments),)

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        self.add(self.network(to_signed(rgb), to_signed(target)).flatten())

    def compute(self) -> dict[str, Tensor]:
        """Return the mean LPIPS, with the key ``lpips_NET``."""
        return {f"lpips_{self.net}": self.mean()}
