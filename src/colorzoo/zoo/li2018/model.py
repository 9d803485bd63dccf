"""A Closed-form Solution to Photorealistic Image Stylization (Li et al., ECCV 2018).

The network PhotoWCT (section 3.1) transfers the colors of a style image to a content image: between the
encoder and the decoder of four VGG-19 autoencoders, the whitening and coloring transform matches the mean and
covariance of content features to style features. With label maps, the features of each label are transformed
separately. Unpooling to the positions of the pooling maxima preserves edges. A smoothing step (section 3.2)
then removes artifacts; its images are ``(H, W, 3)`` float64 RGB in [0, 1] unless stated otherwise.
https://arxiv.org/abs/1802.06474

The guided filter and the last filter are from the authors' code. The colorization of grayscale images and the
argument ``alpha`` of `ClosedFormStylization.stylize` are not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement, product
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, dia_array
from scipy.sparse.linalg import cg
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import StyleModel, Transform
from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple, scaled_width
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN
from colorzoo.networks.renaming import Pattern, rename_keys
from colorzoo.networks.style import VGG19_LAYERS, covariance_of, power_of, transform_by_label
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Width

Smoothing = Literal["closed_form", "guided", "none"]
FloatImage = NDArray[np.float64]
Labels = tuple[Sequence[Tensor], Sequence[Tensor]]
"""Integer label maps of the content and style images, one ``(H, W)`` map per image."""

LEVELS = (1, 2, 3, 4)
SMALLEST = 16
"""Minimum height and width of an image in pixels, required by reflection padding."""

_POOL = "pool"
_STEPS = (
    *("conv1_1", "conv1_2", _POOL, "conv2_1", "conv2_2", _POOL, "conv3_1"),
    *("conv3_2", "conv3_3", "conv3_4", _POOL, "conv4_1"),
)
_BASES = {"1": 64, "2": 128, "3": 256, "4": 512}

BETA, AFFINITY_EPSILON = 0.9999, 1e-7
GUIDED_RADIUS, GUIDED_EPSILON = 35, 0.001  # epsilon for values in [0, 255]
FILTER_RADIUS, FILTER_EDGE = 15, 0.1

_WINDOW = tuple(product(range(3), range(3)))
_TOLERANCE = 1e-7  # relative tolerance of the solver
_RIDGE = (1e-3, 1e-3, 1e-3, 0.0)

_NAMES: tuple[Pattern, ...] = (
    (r"e([1-4])\.", lambda m: f"network.encoders.{int(m[1]) - 1}."),
    (r"d([1-4])\.", lambda m: f"network.decoders.{int(m[1]) - 1}."),
)


def recolor(content: Tensor, style: Tensor, labels: Labels | None = None) -> Tensor:
    """Transform content features so that mean and covariance match the style features.

    Args:
        content: Content features ``(B, C, h, w)``.
        style: Style features ``(B, C, h', w')``.
        labels: Label maps of content and style, or None to transform all positions together. Each label with
            sufficient area in content and style is transformed separately; other positions are unchanged. See
            `colorzoo.networks.style.usable_labels`.

    Returns:
        Transformed content features ``(B, C, h, w)``.
    """
    if labels is None:
        return whiten_and_color(content.flatten(2), style.flatten(2)).view(content.shape)
    images = zip(content, style, *labels, strict=True)
    return torch.stack(
        [transform_by_label(whiten_and_color, a, b, (ours, theirs)) for a, b, ours, theirs in images]
    )


def whiten_and_color(content: Tensor, style: Tensor) -> Tensor:
    """Transform content features so that mean and covariance match the style features.

    As in the published code, the identity matrix is added only to the content covariance.

    Args:
        content: Content features ``(B, C, N)`` at N positions.
        style: Style features ``(B, C, M)`` at M positions.
    """
    centered, _, covariance = covariance_of(content)
    _, mean, style_covariance = covariance_of(style)
    identity = torch.eye(content.shape[1], dtype=torch.float64, device=content.device)
    matrix = power_of(style_covariance.double(), 0.5) @ power_of(covariance.double() + identity, -0.5)
    return torch.baddbmm(mean, matrix.to(content.dtype), centered)


class Pooled(NamedTuple):
    """Positions of the maxima in a max pooling layer, for unpooling.

    Attributes:
        positions: ``(B, C, h, w)`` int64, row-major index of each maximum in the map before pooling.
        size: Height and width of the map before pooling.
    """

    positions: Tensor
    size: tuple[int, int]


class Encoded(NamedTuple):
    """Output of an encoder.

    Attributes:
        hooks: Feature maps relu1_1, relu2_1 and so on, up to the encoder's resolution level.
        pools: Positions of the maxima in each pooling layer, in forward order.
    """

    hooks: tuple[Tensor, ...]
    pools: tuple[Pooled, ...]


class Encoder(nn.Module):
    """VGG-19 up to the first convolution of a resolution level, for RGB in [0, 1].

    Pooling drops the last row of a map with odd height and the last column of a map with odd width.

    Args:
        level: Resolution level from 1 (full size) to 4 (1/8 scale).
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, level: int, width: float = 1.0) -> None:
        super().__init__()
        self.steps = _steps_to(level)
        self.conv0 = nn.Conv2d(3, 3, 1)
        for name, in_channels, out_channels in _convolutions(self.steps, width):
            self.add_module(name, _reflect_conv(in_channels, out_channels))

    def forward(self, rgb: Tensor) -> Encoded:
        """Compute VGG-19 feature maps and pooling positions of RGB ``(B, 3, H, W)`` in [0, 1]."""
        x, hooks, pools = self.conv0(rgb), [], []
        for name in self.steps:
            if name == _POOL:
                size = (x.shape[2], x.shape[3])
                x, positions = F.max_pool2d(x, 2, return_indices=True)
                pools.append(Pooled(positions, size))
                continue
            x = F.relu(self.get_submodule(name)(x), inplace=True)
            if name.endswith("_1"):
                hooks.append(x)
        return Encoded(tuple(hooks), tuple(pools))


class Decoder(nn.Module):
    """Decoder that mirrors an `Encoder`, except for the 1 x 1 input layer.

    Args:
        level: Resolution level from 1 (full size) to 4 (1/8 scale).
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, level: int, width: float = 1.0) -> None:
        super().__init__()
        self.steps = tuple(reversed(_steps_to(level)))
        for name, in_channels, out_channels in _convolutions(_steps_to(level), width):
            self.add_module(name, _reflect_conv(out_channels, in_channels))

    def forward(self, features: Tensor, pools: tuple[Pooled, ...]) -> Tensor:
        """Decode features to unclipped RGB ``(B, 3, H, W)``.

        Args:
            features: Transformed features at the decoder's resolution level, ``(B, C, h, w)``.
            pools: `Encoded.pools` of the image from which the features were computed.
        """
        x, left = features, list(pools)
        for name in self.steps:
            if name == _POOL:
                # write each value to the position of its maximum; F.max_unpool2d is not deterministic
                positions, (height, width) = left.pop()
                whole = x.new_zeros(*x.shape[:2], height * width)
                filled = whole.scatter_(2, positions.flatten(2), x.flatten(2))
                x = filled.view(*x.shape[:2], height, width)
                continue
            x = self.get_submodule(name)(x)
            x = x if name == self.steps[-1] else F.relu(x, inplace=True)
        return x


class PhotoWCT(nn.Module):
    """Four autoencoders from coarse to fine, each applied to the previous output image.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(level, width) for level in LEVELS)
        self.decoders = nn.ModuleList(Decoder(level, width) for level in LEVELS)
        initialize(self, None)
        self.encoders.requires_grad_(False)

    def forward(self, content: Tensor, style: Tensor, labels: Labels | None = None) -> list[Tensor]:
        """Transfer style colors to content images at four resolution levels, one after another.

        Args:
            content: ``(B, 3, H, W)`` in [0, 1]; H and W are at least 16.
            style: ``(B, 3, H', W')`` in [0, 1]; H' and W' are at least 16.
            labels: Label maps of content and style, or None; see `recolor`.

        Returns:
            Unclipped images ``(B, 3, H, W)`` after levels 4, 3, 2 and 1. The last image is the final output.
        """
        hooks, images = self.encoders[-1](style).hooks, [content]
        for level in reversed(LEVELS):
            encoded = self.encoders[level - 1](images[-1])
            moved = recolor(encoded.hooks[-1], hooks[level - 1], labels)
            images.append(self.decoders[level - 1](moved, encoded.pools))
        return images[1:]


def _steps_to(level: int) -> tuple[str, ...]:
    return _STEPS[: _STEPS.index(f"conv{level}_1") + 1]


def _convolutions(steps: tuple[str, ...], width: float) -> list[tuple[str, int, int]]:
    """Return the name, input channels and output channels of each encoder convolution."""
    convolutions, in_channels = [], 3
    for name in steps:
        if name != _POOL:
            out_channels = scaled_width(_BASES[name[4]], width)
            convolutions.append((name, in_channels, out_channels))
            in_channels = out_channels
    return convolutions


def _reflect_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="reflect")


def smooth_closed_form(
    stylized: FloatImage, content: FloatImage, *, beta: float = BETA, epsilon: float = AFFINITY_EPSILON
) -> FloatImage:
    """Smooth a stylized image but preserve edges of the content image (closed form, section 3.2).

    The smoothed image is r = (1 - beta) (I - beta S)^-1 y, where S contains the normalized matting affinities
    of the content. Conjugate gradients solve the linear system for each color channel.

    Args:
        stylized: Stylized image y.
        content: Content image of the same size, at least 5 pixels wide and 3 pixels high.
        beta: Weight of the smoothness in [0, 1); 0 returns the stylized image.
        epsilon: Regularization of the matting affinities; see `affinities`.
    """
    # S = D^-1/2 W D^-1/2, where the diagonal matrix D contains the column sums of the affinities W
    affinity = affinities(content, epsilon)
    scale = 1 / np.sqrt(affinity.sum(axis=0))  # diagonal of D^-1/2
    normalized = affinity.multiply(scale[:, None]).multiply(scale[None]).tocsr()

    system = csr_array(-beta * normalized)
    system.setdiag(system.diagonal() + 1)  # I - beta S
    smoothed: list[FloatImage] = []
    for channel in stylized.reshape(-1, 3).T:
        solution, _ = cg(system, (1 - beta) * channel, x0=channel, rtol=_TOLERANCE)
        smoothed.append(solution)
    return np.stack(smoothed, axis=1).reshape(stylized.shape)


def affinities(content: FloatImage, epsilon: float = AFFINITY_EPSILON) -> csr_array:
    """Return the matting affinities of an image as a sparse matrix (Levin et al. 2008).

    The matrix has a row and a column for each of the H * W pixels. Each 3 x 3 window adds
    (1 + (c_i - m)^T C^-1 (c_j - m)) / 9 to the affinity of each pixel pair (i, j) in the window, with mean m
    and covariance C of the window's colors c.

    Args:
        content: Content image.
        epsilon: Regularization; epsilon / 9 is added to the diagonal of each covariance matrix.
    """
    height, width = content.shape[:2]
    rows, columns = height - 2, width - 2  # of the grid of windows
    # the crop for each position in the window, (9, rows, columns, 3)
    crops = [(slice(y, y + rows), slice(x, x + columns)) for y, x in _WINDOW]
    colors = np.stack([content[crop] for crop in crops])
    mean = colors.mean(axis=0)
    covariance = np.einsum("nhwi,nhwj->hwij", colors, colors) / 9 - mean[..., :, None] * mean[..., None, :]
    inverse_covariance = np.linalg.inv(covariance + epsilon / 9 * np.eye(3))  # C^-1
    centered = colors - mean  # c_i - m
    whitened = np.einsum("hwij,nhwj->nhwi", inverse_covariance, centered)  # C^-1 (c_i - m)

    # for each shift (dy, dx), the affinity of each pixel (y, x) and the pixel (y + dy, x + dx)
    affinity_maps = {shift: np.zeros((height, width)) for shift in product(range(-2, 3), range(-2, 3))}
    for i, j in combinations_with_replacement(range(9), 2):
        # pixel i and pixel j of each window; the affinity is symmetric
        affinity = (1 + np.einsum("hwc,hwc->hw", whitened[i], centered[j])) / 9
        both_directions = {(i, j), (j, i)}  # a set, because i can equal j
        for start, end in both_directions:
            (y, x), (y_end, x_end) = _WINDOW[start], _WINDOW[end]
            affinity_maps[y_end - y, x_end - x][crops[start]] += affinity
    # the map of each shift is a diagonal of the matrix
    offsets = [dy * width + dx for dy, dx in affinity_maps]
    pairs = zip(affinity_maps.values(), offsets, strict=True)
    diagonals = np.stack([np.roll(each.ravel(), offset) for each, offset in pairs])
    return csr_array(dia_array((diagonals, offsets), shape=(height * width, height * width)))


def smooth_guided(
    stylized: FloatImage, content: FloatImage, *, radius: int = GUIDED_RADIUS, epsilon: float = GUIDED_EPSILON
) -> FloatImage:
    """Smooth a stylized image but preserve edges of the content image (guided filter).

    The method is described in He et al. 2010; the content is the guide.

    Args:
        stylized: Stylized image with values in [0, 255].
        content: Content image of the same size with values in [0, 255].
        radius: Radius of the square windows in pixels.
        epsilon: Regularization, which is added to the variances of the content's color channels.
    """

    def mean(maps: FloatImage) -> FloatImage:
        """Average maps ``(H, W, ...)`` over square windows with mirrored borders."""
        channels = np.ascontiguousarray(maps.reshape(*maps.shape[:2], -1))
        side = 2 * radius + 1
        means = cv2.blur(channels, (side, side), borderType=cv2.BORDER_REFLECT)
        return np.asarray(means, np.float64).reshape(maps.shape)

    def covariance(a: FloatImage, b: FloatImage) -> FloatImage:
        """Return E[a b^T] - E[a] E[b]^T in the window around each pixel, ``(H, W, 3, 3)``."""
        result = mean(a[..., :, None] * b[..., None, :])
        result -= mean(a)[..., :, None] * mean(b)[..., None, :]
        return result

    # linear regression of the stylized colors on the content colors in each window
    variance = covariance(content, content) + epsilon * np.eye(3)
    slope: FloatImage = np.asarray(np.linalg.solve(variance, covariance(content, stylized)), np.float64)
    offset: FloatImage = mean(stylized) - _transformed(mean(content), slope)
    # each pixel uses the mean of the regressions of all windows that contain the pixel
    return _transformed(content, mean(slope)) + mean(offset)


def _transformed(colors: FloatImage, matrices: FloatImage) -> FloatImage:
    """Multiply the color ``(3,)`` of each pixel, a row vector, by the matrix ``(3, 3)`` of the pixel."""
    return (colors[..., None, :] @ matrices)[..., 0, :]


def last_filter(stylized: Tensor, content: Tensor) -> Tensor:
    """Replace a stylized image by local affine functions of content colors, to keep edges.

    Functions are fitted in 3 x 3 windows and averaged over nearby positions with similar colors.

    Args:
        stylized: Stylized image ``(3, H, W)`` float32 in [0, 1], after the smoothing step.
        content: Content image ``(3, H, W)`` float32 in [0, 1].

    Returns:
        Unclipped image ``(3, H, W)``.
    """
    models = affine_models(stylized, content)
    models = averaged_models(models, content, radius=FILTER_RADIUS, edge=FILTER_EDGE)
    return apply_models(models, content)


def affine_models(stylized: Tensor, content: Tensor) -> Tensor:
    """Fit an affine function from content to stylized colors in each 3 x 3 window.

    Args:
        stylized: ``(3, H, W)`` in [0, 1].
        content: ``(3, H, W)`` in [0, 1].

    Returns:
        Coefficients ``(3, 4, H, W)``: for each output channel, the factors of R, G and B, then a constant.
    """
    ones = torch.ones_like(content[:1])
    terms = torch.cat([content, ones])
    squares = _window_sums(terms[:, None] * terms[None])
    common = _window_sums(terms[:, None] * stylized[None])
    ridge = torch.diag(torch.tensor(_RIDGE, dtype=torch.float64, device=content.device))
    matrix = squares.permute(2, 3, 0, 1) + ridge
    coefficients: Tensor = torch.linalg.solve(matrix, common.permute(2, 3, 0, 1))
    return coefficients.permute(3, 2, 0, 1).to(content.dtype).contiguous()


def averaged_models(models: Tensor, content: Tensor, *, radius: int, edge: float) -> Tensor:
    """Average the affine functions of nearby pixels with similar colors (bilateral filter).

    Args:
        models: Coefficients ``(3, 4, H, W)`` of the functions from `affine_models`.
        content: Content image ``(3, H, W)`` in [0, 1].
        radius: Radius of the window in pixels; the spatial standard deviation is radius / 3.
        edge: Standard deviation of the Gaussian over color differences, for colors in [0, 1].

    Returns:
        Averaged coefficients ``(3, 4, H, W)``.
    """
    height, width = content.shape[-2:]
    coefficients = models.flatten(0, 1)
    # the weight of the pixel itself is 1
    weighted_sum = coefficients.clone()
    weight_sum = torch.ones_like(content[0])
    for dy, dx in product(range(radius + 1), range(-radius, radius + 1)):
        if dy == 0 and dx <= 0:
            continue  # each unordered pair of pixels is processed once
        if dy >= height or abs(dx) >= width:
            continue  # all neighbors lie outside the image
        # all pixels (y, x) whose neighbor (y + dy, x + dx) lies in the image, and these neighbors
        left, right = max(0, -dx), width - max(0, dx)  # columns of the pixels
        pixel = (..., slice(0, height - dy), slice(left, right))
        neighbor = (..., slice(dy, height), slice(left + dx, right + dx))
        color_distance = (content[pixel] - content[neighbor]).square().mean(dim=0)
        log_spatial_weight = -(dx * dx + dy * dy) / (2 * (radius / 3) ** 2)
        weight = torch.exp(log_spatial_weight - color_distance / (2 * edge**2))
        weighted_sum[pixel].addcmul_(weight, coefficients[neighbor])
        weighted_sum[neighbor].addcmul_(weight, coefficients[pixel])
        weight_sum[pixel] += weight
        weight_sum[neighbor] += weight
    return (weighted_sum / weight_sum).view(models.shape)


def apply_models(models: Tensor, content: Tensor) -> Tensor:
    """Apply affine functions to the content colors and return an image ``(3, H, W)``.

    Args:
        models: Coefficients ``(3, 4, H, W)``, one function per pixel; see `affine_models`.
        content: Content image ``(3, H, W)`` in [0, 1].
    """
    return (models[:, :3] * content).sum(dim=1) + models[:, 3]


def _window_sums(maps: Tensor) -> Tensor:
    """Return 3 x 3 window sums of ``(N, M, H, W)`` in float64, without padding."""
    return F.avg_pool2d(maps.double(), 3, stride=1, padding=1, divisor_override=1)


class ClosedFormStylization(ColoringModel, StyleModel):
    """Color transfer between images, or from a reference to grayscale images.

    The colorization of grayscale images is not part of the paper.

    Args:
        width: Multiplier for the channel counts; 1.0 matches the published network.
        smoothing: Method of the smoothing step: ``closed_form`` as in the paper, ``guided`` (the
            authors' fast filter), or ``none``.
        last_filter: Whether to apply the final edge-preserving filter of the authors' code after the
            smoothing step; see `colorzoo.zoo.li2018.model.last_filter`.
    """

    accepts = frozenset({"exemplar", "classes"})
    network: PhotoWCT

    def __init__(
        self, width: Width = 1.0, smoothing: Smoothing = "closed_form", last_filter: bool = True
    ) -> None:
        super().__init__(PhotoWCT(width))
        self.smoothing = smoothing
        self.last_filter = last_filter

    @torch.no_grad()
    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: Transform = "wct",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Transfer the colors of a style image to a content image; see `StyleModel.stylize`.

        Args:
            content: RGB ``(B, 3, H, W)`` in [0, 1].
            style: RGB ``(B, 3, H', W')`` in [0, 1].
            transform: Must be ``"wct"``, which matches mean and covariance.
            alpha: Strength of the transfer: 0 returns the content, 1 the full transfer. Not in the paper.
            labels: Integer label maps of content and style, for a separate transfer in each label.

        Raises:
            ColorzooError: ``transform`` is not ``"wct"``.
        """
        if transform != "wct":
            raise ColorzooError(f"--transform must be wct for li2018, got {transform}. Set --transform wct.")
        label_lists = None if labels is None else ([labels[0]], [labels[1]])  # one image per list
        stylized = self._restyled(content, style, label_lists)
        return alpha * stylized + (1 - alpha) * content

    @torch.no_grad()
    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch by color transfer from exemplars; images without exemplar stay gray.

        Only the ab channels of the stylized images are returned.
        """
        guidance = guidance or Guidance()
        if guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        classes, labels = guidance.classes, None
        if classes is not None and classes.exemplar is not None:
            labels = (list(classes.target[:, 0]), list(classes.exemplar[:, 0]))
        rgb = self._restyled(lightness_to_rgb(lightness), guidance.exemplar.rgb, labels)
        return AbPrediction(ab=rgb_to_lab(rgb)[:, 1:])

    def _restyled(self, content: Tensor, style: Tensor, labels: Labels | None) -> Tensor:
        """Transfer style colors to content images, each ``(B, 3, H, W)`` in [0, 1]."""
        with torch.autocast(content.device.type, enabled=False):  # indices and eigenvectors need float32
            height, width = content.shape[-2:]
            guides = pad_to_multiple(content.float(), 1, SMALLEST)
            images = self.network(guides, pad_to_multiple(style.float(), 1, SMALLEST), labels)
            stylized = []
            for image, guide in zip(images[-1].clamp(0, 1), guides, strict=True):
                # smooth the image but preserve edges of the content
                if self.smoothing != "none":
                    planes = [each.permute(1, 2, 0).cpu().double().numpy() for each in (image, guide)]
                    if self.smoothing == "guided":
                        smoothed = smooth_guided(255 * planes[0], 255 * planes[1]) / 255
                    else:
                        smoothed = smooth_closed_form(*planes)
                    smoothed = np.ascontiguousarray(smoothed)
                    image = torch.from_numpy(smoothed).permute(2, 0, 1).to(image).clamp(0, 1)
                stylized.append(last_filter(image, guide) if self.last_filter else image)
        return torch.stack(stylized)[:, :, :height, :width].clamp(0, 1)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the weights of ``photo_wct.pth`` or torchvision's VGG-19 to a state dict.

        VGG-19 contains only encoder weights, so the state dict then contains the current decoder weights.
        """
        ours = convert_published(state_dict)
        return ours if any("decoders" in key for key in ours) else {**self.state_dict(), **ours}


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights or torchvision's VGG-19 to this library's names.

    The authors' keys start with ``e1.`` to ``e4.`` or ``d1.`` to ``d4.``. Unknown keys are unchanged. VGG-19
    is copied to the four encoders, whose first layers apply the input normalization of VGG-19.

    Args:
        state_dict: State dict of the authors or of torchvision's VGG-19.
    """
    if "features.0.weight" not in state_dict:
        return rename_keys(state_dict, _NAMES)
    deviation = torch.tensor(IMAGENET_DEVIATION)
    ours = {}
    for level in LEVELS:
        prefix = f"network.encoders.{level - 1}."
        ours[f"{prefix}conv0.weight"] = torch.diag(1 / deviation)[:, :, None, None]
        ours[f"{prefix}conv0.bias"] = -torch.tensor(IMAGENET_MEAN) / deviation
        for layer, name in VGG19_LAYERS.items():
            if name <= f"conv{level}_1":
                ours |= {f"{prefix}{name}.{k}": state_dict[f"{layer}.{k}"] for k in ("weight", "bias")}
    return ours
