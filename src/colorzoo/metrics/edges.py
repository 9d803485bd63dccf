"""PSNR and LPIPS in a band around edges (Kim et al. 2021).

The paper reports values for K = 7 and K = Full without defining K. Here the band consists of all pixels in
squares of K x K pixels around edge pixels. The caller selects the edges, such as the edges under scribbles,
because a band around all edges would cover nearly the whole image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from colorzoo.metrics.base import (
    ColorMetric,
    Output,
    mean_of_moments,
    require_float,
    require_mask,
    require_pair,
)
from colorzoo.metrics.feature_networks import weights_suffix
from colorzoo.metrics.perceptual import Net, lpips_network, to_signed
from colorzoo.metrics.psnr import decibels


def edge_band(edges: Tensor, kernel_size: int | None = 7) -> Tensor:
    """Dilate edges to a band of pixels (Kim et al. 2021, tables of PSNR and LPIPS).

    Examples:
        >>> edges = torch.zeros(1, 1, 9, 9)
        >>> edges[..., 4, 4] = 1
        >>> int(edge_band(edges, 3).sum())
        9

    Args:
        edges: Edge map ``(B, 1, H, W)``, nonzero on thinned edges.
        kernel_size: Odd side K in pixels of the square around each edge pixel. None selects the whole image
            ("Full"). The band of an image without edges is always empty.

    Returns:
        ``(B, 1, H, W)`` float32 in {0, 1}.

    Raises:
        ValueError: ``kernel_size`` is even or below 1.
    """
    marked = (edges != 0).float()
    if kernel_size is None:
        return marked.amax(dim=(1, 2, 3), keepdim=True).expand_as(marked)
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be None or a positive odd number, got {kernel_size}")
    return F.max_pool2d(marked, kernel_size, stride=1, padding=kernel_size // 2)


def band_mean(values: Tensor, band: Tensor) -> Tensor:
    """Return the ``(B,)`` mean of values over each image's band; NaN for an empty band."""
    total = (values * band).sum(dim=(1, 2, 3))
    return total / (band.sum(dim=(1, 2, 3)) * values.shape[1])


def band_psnr(rgb: Tensor, target: Tensor, band: Tensor) -> Tensor:
    """Return the PSNR of each image over the pixels of its band (Kim et al. 2021, PSNR at K).

    Examples:
        >>> truth = torch.full((2, 3, 8, 8), 0.5)
        >>> band_psnr(truth + 0.1, truth, torch.ones(2, 1, 8, 8)).round(decimals=2)
        tensor([20., 20.])

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        target: ``(B, 3, H, W)`` in [0, 1].
        band: ``(B, 1, H, W)`` in {0, 1}; see `edge_band`.

    Returns:
        ``(B,)`` in dB; NaN for an empty band, inf if the images are equal in the band.

    Raises:
        DataError: The images have an integer dtype.
    """
    require_float(rgb)
    require_float(target)
    return decibels(band_mean((rgb.float() - target.float()).square(), band), 1.0)


class BandMetric(ColorMetric):
    """Base class of metrics that average a value over the edge band of each image.

    Images without edges are excluded and counted.

    Args:
        kernel_size: Odd side K in pixels of the squares that form the band; None selects the whole image. See
            `edge_band`.

    Attributes:
        quantity: Beginning of the result key, such as ``psnr``.
    """

    quantity: str

    def __init__(self, *, kernel_size: int | None = 7, **options: Any) -> None:
        super().__init__(**options)
        self.kernel_size = kernel_size

    def compute(self) -> dict[str, Tensor]:
        """Return a dict with the mean and the number of images without edges.

        The keys are ``excluded`` and, for example, ``psnr_k7`` for a kernel size of 7, or ``psnr_full`` for
        the whole image.
        """
        size = "full" if self.kernel_size is None else f"k{self.kernel_size}"
        return {f"{self.quantity}_{size}": self.mean(), "excluded": self.excluded}


class BandPSNR(BandMetric):
    """Mean `band_psnr` over images, in dB (Kim et al. 2021, rows K = 7 and K = Full).

    Examples:
        >>> truth, edges = torch.full((2, 3, 8, 8), 0.5), torch.ones(2, 1, 8, 8)
        >>> BandPSNR(kernel_size=3)(truth + 0.1, truth, edges)["psnr_k3"].round(decimals=2)
        tensor(20.)
    """

    quantity = "psnr"
    names = {"psnr_k7": {"kernel_size": 7}, "psnr_kfull": {"kernel_size": None}}
    higher_is_better = True
    is_differentiable = True

    def __init__(self, *, kernel_size: int | None = 7, **options: Any) -> None:
        super().__init__(kernel_size=kernel_size, **options)
        key, title = f"psnr_rgb_float_k{kernel_size or 'full'}_mean", f"PSNR K={kernel_size or 'Full'}"
        self.outputs = (Output(key, title, "dB", "higher", mean_of_moments, 2),)

    def update(self, rgb: Tensor, target: Tensor, edges: Tensor) -> None:
        """Add results, ground truth and edges.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            target: ``(B, 3, H, W)`` in [0, 1].
            edges: ``(B, 1, H, W)``, nonzero on the thinned edges.
        """
        require_pair(rgb, target, 3, values=self.validate_args)
        require_mask(edges, rgb)
        self.add(band_psnr(rgb, target, edge_band(edges, self.kernel_size)))


class BandLPIPS(BandMetric):
    """Mean LPIPS inside the edge band of each image (Kim et al. 2021).

    Examples:
        >>> truth, edges = torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64)  # doctest: +SKIP
        >>> BandLPIPS("alex", kernel_size=7)(0.9 * truth, truth, edges)  # doctest: +SKIP

    Args:
        net: Backbone, ``"alex"``, ``"vgg"`` or ``"squeeze"``; part of the result key.
        weights: Weight file of the backbone; see `lpips_network`. None downloads the weights once.
        kernel_size: Odd side K in pixels of the squares that form the band; None selects the whole image. See
            `edge_band`.
    """

    names = {"lpips_k7": {"kernel_size": 7}}
    default_network = "alex"
    higher_is_better = False
    is_differentiable = True

    def __init__(
        self, net: Net = "alex", weights: Path | None = None, *, kernel_size: int | None = 7, **options: Any
    ) -> None:
        super().__init__(kernel_size=kernel_size, **options)
        self.quantity = f"lpips_{net}"
        self.network = lpips_network(net, weights, spatial=True)
        key = f"lpips_{net}_v0.1_k{kernel_size or 'full'}{weights_suffix(weights)}_mean"
        title = f"LPIPS K={kernel_size or 'Full'}"
        self.outputs = (Output(key, title, "", "lower", mean_of_moments),)

    def update(self, rgb: Tensor, target: Tensor, edges: Tensor) -> None:
        """Add results, ground truth and edges.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            target: ``(B, 3, H, W)`` in [0, 1].
            edges: ``(B, 1, H, W)``, nonzero on the thinned edges.
        """
        require_pair(rgb, target, 3, values=self.validate_args)
        require_mask(edges, rgb)
        distances = self.network(to_signed(rgb), to_signed(target))
        self.add(band_mean(distances, edge_band(edges, self.kernel_size)))
