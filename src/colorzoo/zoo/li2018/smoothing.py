"""Edge-preserving smoothing: closed form (section 3.2), guided filter and final filter.

Images are ``(H, W, 3)`` float64 RGB in [0, 1] unless stated otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement, product

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, dia_array
from scipy.sparse.linalg import cg
from torch import Tensor
from torch.nn import functional as F

FloatImage = NDArray[np.float64]

BETA, AFFINITY_EPSILON = 0.9999, 1e-7
GUIDED_RADIUS, GUIDED_EPSILON = 35, 0.001  # epsilon for values in [0, 255]
FILTER_RADIUS, FILTER_EDGE = 15, 0.1

_WINDOW = tuple(product(range(3), range(3)))
_TOLERANCE = 1e-7  # relative tolerance of the solver
_RIDGE = (1e-3, 1e-3, 1e-3, 0.0)


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
    centered = colors - colors.mean(axis=0)  # c_i - m
    inverse_covariance = np.linalg.inv(window_covariance(colors) + epsilon / 9 * np.eye(3))  # C^-1
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
    return sparse_affinities(affinity_maps, (height, width))


def window_covariance(colors: FloatImage) -> FloatImage:
    """Return the covariance ``(h, w, 3, 3)`` of the colors ``(9, h, w, 3)`` in each window."""
    mean = colors.mean(axis=0)
    return np.einsum("nhwi,nhwj->hwij", colors, colors) / 9 - mean[..., :, None] * mean[..., None, :]


def sparse_affinities(shifted: Mapping[tuple[int, int], FloatImage], size: tuple[int, int]) -> csr_array:
    """Build a sparse affinity matrix for all pairs of pixels.

    Args:
        shifted: Dict that maps a shift (dy, dx) to a map ``(H, W)``: the affinity of each pixel (y, x) and
            the pixel (y + dy, x + dx).
        size: Height and width of the image.
    """
    height, width = size
    offsets = [dy * width + dx for dy, dx in shifted]
    diagonals = [
        np.roll(each.ravel(), offset) for each, offset in zip(shifted.values(), offsets, strict=True)
    ]
    return csr_array(dia_array((np.stack(diagonals), offsets), shape=(height * width, height * width)))


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
        return _box_filter(maps, radius)

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


def _box_filter(maps: FloatImage, radius: int) -> FloatImage:
    """Average maps ``(H, W, ...)`` over square windows with mirrored borders."""
    channels = np.ascontiguousarray(maps.reshape(*maps.shape[:2], -1))
    side = 2 * radius + 1
    means = cv2.blur(channels, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(means, np.float64).reshape(maps.shape)


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
