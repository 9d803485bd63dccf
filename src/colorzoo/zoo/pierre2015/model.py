"""Luminance-Chrominance Model for Image Colorization (Pierre et al., SIIMS 2015).

Reference patches provide eight candidate colors for each pixel. A primal-dual algorithm selects one candidate
per pixel and minimizes a total variation that couples chrominance edges to luminance edges. Luminance Y and
chrominance U, V follow BT.601, multiplied by 255. https://hal.science/hal-01051308
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeFloat, NonNegativeInt, Positive, PositiveInt

DEVIATION_WINDOWS, FREQUENCY_WINDOWS, HISTOGRAM_WINDOWS = (7, 9), (7, 9, 11), (7, 9, 11)
MOST_U, MOST_V = 0.436 * 255, 0.615 * 255
_YUV = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))
_CHUNK = 4096  # patches per matrix product
_MIN_DEVIATION = 1e-3  # minimum deviation of the luminance, in [0, 255] levels


def rgb_to_yuv(rgb: Tensor) -> Tensor:
    """Convert RGB ``(B, 3, H, W)`` in [0, 1] to YUV of the same shape, with Y in [0, 255]."""
    return 255 * torch.einsum("ij,bjhw->bihw", rgb.new_tensor(_YUV), rgb)


def yuv_to_rgb(yuv: Tensor) -> Tensor:
    """Convert YUV ``(B, 3, H, W)`` with Y in [0, 255] to RGB; values can exceed [0, 1]."""
    return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(yuv.new_tensor(_YUV)), yuv / 255)


def into_gamut(yuv: Tensor) -> Tensor:
    """Reduce U and V of YUV ``(B, 3, H, W)`` per pixel until RGB is in [0, 1]; keep Y."""
    gray = yuv[:, :1] / 255
    offset = yuv_to_rgb(F.pad(yuv[:, 1:], (0, 0, 0, 0, 1, 0)))  # difference of RGB from gray
    largest_offset = torch.where(offset > 0, 1 - gray, gray).clamp(min=0)
    factor = (largest_offset / offset.abs().clamp(min=1e-9)).amin(dim=1, keepdim=True).clamp(max=1)
    return torch.cat([yuv[:, :1], factor * yuv[:, 1:]], dim=1)


def candidates(luminance: Tensor, reference: Tensor, step: int) -> Tensor:
    """Return eight candidate colors per pixel from the most similar reference patches.

    Each of eight patch descriptors selects one candidate: the center color of the reference patch with the
    nearest descriptor. The descriptors are the standard deviation, the Fourier amplitudes and the cumulative
    histogram in windows of several sizes. The first of equally similar patches is selected.

    Args:
        luminance: Luminance of the image, ``(1, 1, H, W)`` in [0, 255].
        reference: YUV of the reference, ``(1, 3, H', W')``. Y is first matched to the mean and standard
            deviation of ``luminance``.
        step: Distance in pixels between patch centers in the reference.

    Returns:
        U and V of the candidates, ``(8, 2, H, W)``.
    """
    # linear transform of the reference luminance to the mean and standard deviation of the image
    reference_luminance = reference[:, :1]
    scale = luminance.std(correction=0) / reference_luminance.std(correction=0).clamp(min=_MIN_DEVIATION)
    remapped = scale * (reference_luminance - reference_luminance.mean()) + luminance.mean()

    # U and V at the centers of the reference patches, (2, M)
    center_colors = reference[0, 1:, step // 2 :: step, step // 2 :: step].flatten(1)
    if not center_colors.numel():  # the reference is too small for this step
        step = 1
        center_colors = reference[0, 1:].flatten(1)

    selected = []
    image_descriptors = patch_descriptors(luminance, 1)
    reference_descriptors = patch_descriptors(remapped, step)
    for query, key in zip(image_descriptors, reference_descriptors, strict=True):
        # in chunks, because the distances of all patches would need too much memory
        nearest = [torch.cdist(chunk, key, p=1.0).argmin(dim=1) for chunk in torch.split(query, _CHUNK)]
        selected.append(center_colors[:, torch.cat(nearest)].view(2, *luminance.shape[-2:]))
    return torch.stack(selected)


def patch_descriptors(luminance: Tensor, step: int) -> Iterator[Tensor]:
    """Yield eight descriptors of luminance patches, each ``(N, D)`` for N patches.

    The descriptors are two standard deviations, three Fourier amplitude spectra and three sorted lists of
    values, each in a window of a different size. Descriptors are compared by the L1 distance. The L1 distance
    between sorted values equals the L1 distance between cumulative histograms. Image borders are mirrored.

    Args:
        luminance: Luminance ``(1, 1, H, W)`` in [0, 255].
        step: Distance in pixels between patch centers.
    """
    for window in DEVIATION_WINDOWS:
        deviation = patches(luminance, window, step).std(dim=1, correction=0)
        yield deviation[:, None]
    for window in FREQUENCY_WINDOWS:
        values = torch.unflatten(patches(luminance, window, step), 1, (window, window))
        # rfft2 omits the columns of negative frequencies, which have the same amplitudes as the positive
        # ones, so all columns but the zero frequency count twice; windows are odd
        amplitude = torch.fft.rfft2(values).abs()
        amplitude[..., 1:] *= 2
        yield amplitude.flatten(1)
    for window in HISTOGRAM_WINDOWS:
        sorted_values = patches(luminance, window, step).sort(dim=1).values
        yield sorted_values / window**2


def patches(luminance: Tensor, window: int, step: int) -> Tensor:
    """Return the values ``(N, window^2)`` of N square windows in a luminance map.

    Image borders are mirrored.

    Args:
        luminance: Luminance ``(1, 1, H, W)``.
        window: Side of a window in pixels.
        step: Distance in pixels between window centers.
    """
    height, width = luminance.shape[-2:]
    rows, columns = (_mirrored(side, window // 2, luminance.device) for side in (height, width))
    padded = luminance[:, :, rows][..., columns]
    start = step // 2 if step > 1 else 0
    windows = padded[0, 0].unfold(0, window, 1).unfold(1, window, 1)[start::step, start::step]
    return windows.reshape(-1, window**2)


def _mirrored(side: int, reach: int, device: torch.device) -> Tensor:
    """Return mirrored pixel indices for positions from ``-reach`` to ``side + reach``."""
    place = torch.arange(-reach, side + reach, device=device) % (2 * side)
    return torch.where(place < side, place, 2 * side - 1 - place)


def gradient(maps: Tensor) -> Tensor:
    """Return the forward differences ``(2, C, H, W)`` of maps ``(C, H, W)``.

    The first half contains vertical differences, and the second half contains horizontal differences.
    Differences across the image border are 0.
    """
    down = F.pad(maps.diff(dim=1), (0, 0, 0, 1))
    right = F.pad(maps.diff(dim=2), (0, 1))
    return torch.stack([down, right])


def divergence(field: Tensor) -> Tensor:
    """Return the divergence ``(C, H, W)`` of a vector field ``(2, C, H, W)``.

    The operator is the negative adjoint of `gradient`.
    """
    down, right = field[0, :, :-1], field[1, :, :, :-1]
    first = F.pad(down, (0, 0, 0, 1)) - F.pad(down, (0, 0, 1, 0))
    return first + F.pad(right, (0, 1)) - F.pad(right, (1, 0))


def choose(
    luminance: Tensor,
    colors: Tensor,
    *,
    fidelity: float,
    coupling: float,
    iterations: int,
    sigma: float = 0.005,
    tau: float = 5.0,
    rho: float = 1000.0,
) -> Tensor:
    """Select one candidate color per pixel and return smoothed U and V maps.

    A primal-dual algorithm minimizes, over U and V and the selection of the candidates c_i,
    sum sqrt(gamma |grad Y|^2 + |grad U|^2 + |grad V|^2) + lambda / 2 sum |(U, V) - c_i|^2.

    Args:
        luminance: Luminance ``(1, H, W)`` in [0, 255].
        colors: U and V of the candidates, ``(N, 2, H, W)`` for N candidates per pixel.
        fidelity: Weight of the squared distance to the selected candidate (lambda).
        coupling: Weight of the luminance edges in the total variation (gamma).
        iterations: Number of iterations of the algorithm.
        sigma: Step size of the dual variable; at most ``1 / (8 tau)``.
        tau: Step size of U and V.
        rho: Step size of the weights that select a candidate.

    Returns:
        U and V, ``(2, H, W)``.
    """
    scaled_luminance = math.sqrt(coupling) * luminance
    limit = colors.new_tensor([MOST_U, MOST_V]).view(2, 1, 1)
    weights = torch.full_like(colors[:, 0], 1 / len(colors))
    uv = extrapolated = colors.mean(dim=0)
    dual = torch.zeros_like(gradient(torch.cat([uv, scaled_luminance])))  # (2, 3, H, W)
    for _ in range(iterations):
        # dual step, and projection on the unit ball of each pixel
        dual = dual + sigma * gradient(torch.cat([extrapolated, scaled_luminance]))
        dual = dual / dual.square().sum(dim=(0, 1)).sqrt().clamp(min=1)
        # step of the weights, and projection on the nearest corner of the simplex: one candidate
        distance = (extrapolated - colors).square().sum(dim=1)
        best = (weights - rho * fidelity * distance).argmax(dim=0, keepdim=True)
        weights = torch.zeros_like(weights).scatter_(0, best, 1.0)
        selected = (weights[:, None] * colors).sum(dim=0)
        # primal step, and projection on the range of U and V
        previous = uv
        uv = (uv + tau * (divergence(dual[:, :2]) + fidelity * selected)) / (1 + tau * fidelity)
        uv = uv.clamp(-limit, limit)
        extrapolated = 2 * uv - previous
    return uv


class CoupledVariation(ColoringModel):
    """Exemplar colorization by patch matching and coupled total variation.

    Images are processed one at a time.

    Args:
        step: Distance in pixels between the centers of reference patches.
        fidelity: Weight of the squared distance to the selected candidate (lambda).
        coupling: Weight of the luminance edges in the total variation (gamma).
        iterations: Number of iterations of the primal-dual algorithm.
    """

    accepts = frozenset({"exemplar"})

    def __init__(
        self,
        step: PositiveInt = 16,
        fidelity: Positive = 0.007,
        coupling: NonNegativeFloat = 25.0,
        iterations: NonNegativeInt = 250,
    ) -> None:
        super().__init__(nn.Identity())
        self.step, self.fidelity, self.coupling, self.iterations = step, fidelity, coupling, iterations

    @torch.no_grad()
    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch with exemplar colors; without an exemplar, the result is gray."""
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        with torch.autocast(lightness.device.type, enabled=False):  # float32 for small patch distances
            luminance = 255 * lightness_to_rgb(lightness.float())[:, :1]
            references = rgb_to_yuv(guidance.exemplar.rgb.float())
            colored = []
            for image, reference in zip(torch.split(luminance, 1), torch.split(references, 1), strict=True):
                uv = choose(
                    image[0],
                    candidates(image, reference, self.step),
                    fidelity=self.fidelity,
                    coupling=self.coupling,
                    iterations=self.iterations,
                )
                colored.append(into_gamut(torch.cat([image, uv[None]], dim=1)))
            return AbPrediction(ab=rgb_to_lab(yuv_to_rgb(torch.cat(colored)).clamp(0, 1))[:, 1:])
