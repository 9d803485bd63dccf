"""K-means initialization of a convolution network, after Krähenbühl et al. 2016 (arXiv 1511.06856).

Layer by layer, filters are the centers of spherical k-means over whitened patches of that layer's input,
scaled so that each channel has variance 1 on the data (their "within-layer" step). Their second step evens
out the rates at which layers learn by plain gradient descent; it is left out, as Adam divides them out.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PATCHES_PER_CENTER, ROUNDS, CHANNEL_MEAN = 40, 10, 0.1
FLATTEST = 1e-2  # share of the mean eigenvalue added before whitening, so that noise is not blown up


def kmeans_initialize(network: nn.Module, probe: nn.Module, luma: Tensor, generator: torch.Generator) -> None:
    """Initialize every convolution of ``network`` in one pass of ``probe``, each when its input is known.

    Transposed convolutions, which the paper does not treat, keep the directions that they have.

    Args:
        network: Weights of its layers are replaced; its BatchNorm must be in training mode.
        probe: What runs the network on ``luma``.
        luma: ``(B, 1, H, W)`` in [0, 100].
        generator: Chooses patches and first centers.
    """

    def prepare(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(layer, nn.Conv2d):
            patches = sample_patches(layer, inputs[0], generator)
            layer.weight.copy_(kmeans_filters(patches, len(layer.weight), generator).view_as(layer.weight))
        scale_channels(cast(nn.Conv2d | nn.ConvTranspose2d, layer), inputs[0])

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_pre_hook(prepare) for layer in layers]
    with torch.no_grad():
        probe(luma)
    for hook in hooks:
        hook.remove()


def sample_patches(layer: nn.Conv2d, inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Return ``(N, in * k * k)`` random patches of a layer's input, as its filters meet them."""
    kernel, dilation, stride = layer.kernel_size, layer.dilation, layer.stride
    patches = F.unfold(inputs, kernel, dilation, cast(tuple[int, int], layer.padding), stride)
    flat = patches.transpose(1, 2).flatten(0, 1)
    count = PATCHES_PER_CENTER * len(layer.weight)
    return flat[torch.randperm(len(flat), generator=generator)[:count]]


def kmeans_filters(patches: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return ``(count, D)`` filters for ``(N, D)`` patches: centers on the sphere of whitened patches."""
    centered = patches - patches.mean(dim=0)
    covariance = (centered.T @ centered / len(centered)).double()  # in float32 few patches fail to converge
    values, axes = (found.float() for found in torch.linalg.eigh(covariance))
    values, axes = values[-count:], axes[:, -count:]
    whitening = axes / torch.sqrt(values + FLATTEST * values.mean())
    points = F.normalize(centered @ whitening, dim=1)
    centers = points[torch.randperm(len(points), generator=generator)[:count]]
    for _ in range(ROUNDS):
        nearest = (points @ centers.T).argmax(dim=1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, points)
        alone = torch.bincount(nearest, minlength=count) == 0
        centers = F.normalize(torch.where(alone[:, None], centers, sums), dim=1)
    return centers @ whitening.T


def scale_channels(layer: nn.Conv2d | nn.ConvTranspose2d, inputs: Tensor) -> None:
    """Scale weights and set biases so that each channel has variance 1 and mean 0.1 on these inputs."""
    assert layer.bias is not None
    layer.bias.zero_()
    variance, mean = torch.var_mean(layer.forward(inputs), dim=(0, 2, 3))
    deviation = variance.sqrt().clamp(min=1e-6)
    shape = (-1, 1, 1, 1) if isinstance(layer, nn.Conv2d) else (1, -1, 1, 1)
    layer.weight.div_(deviation.view(shape))
    layer.bias.copy_(CHANNEL_MEAN - mean / deviation)
