"""The published pipeline in steps of 8 bits, for comparison; `colorzoo.Colorizer` keeps size and lightness.

Images are ``(H, W, 3)`` uint8 in RGB, flows ``(H, W, 2)`` whole pixels dx and dy, error maps ``(5, H, W)``
uint8, coarse first.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.zoo.he2018.model import (
    STRIDE,
    ExemplarColorization,
    distances,
    errors_of,
    network_input,
    pixel_grid,
    warp,
)

Bytes = NDArray[np.uint8]
Whole = NDArray[np.integer]


class Combo(NamedTuple):
    """Content of a ``.combo`` file that the colorization sub-net reads.

    Attributes:
        warped: ``(H, W, 3)``, the aligned reference.
        forward: ``(5, H, W)``, errors from the image to the reference.
        backward: ``(5, H, W)``, errors from the matches back.
    """

    warped: Bytes
    forward: Bytes
    backward: Bytes


class Published(NamedTuple):
    """Results of the published program.

    Attributes:
        inputs: ``(1, 13, h, w)`` input of the network, sides cut to multiples of 8.
        cut_ab: ``(1, 2, h, w)`` its output.
        lightness: ``(1, 1, H', W')`` lightness of the resized image.
        ab: ``(1, 2, H', W')`` at that size.
        rgb: ``(H', W', 3)``, the saved image.
    """

    inputs: Tensor
    cut_ab: Tensor
    lightness: Tensor
    ab: Tensor
    rgb: Bytes


def matches_of(flow: Tensor) -> Tensor:
    """Return the matches of a flow ``(B, 2, H, W)`` of whole pixels, dx and dy."""
    return flow.long() + pixel_grid((flow.shape[2], flow.shape[3]), flow.device)


def lightness_levels(rgb: Bytes) -> Bytes:
    """Return the lightness ``(H, W)`` in 8 bits as OpenCV rounds it, the input of the gray VGG-19."""
    levels: Bytes = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2LAB)[..., 0].astype(np.uint8)
    return levels


def warped_image(image: Bytes, matches: Tensor) -> Bytes:
    """Return an image that follows matches ``(1, 2, H, W)``, truncated to 8 bits."""
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    levels: Bytes = warp(planes, matches)[0].permute(1, 2, 0).byte().numpy()
    return levels


def error_maps(distance: Tensor) -> Bytes:
    """Return errors of negative cosines ``(1, 5, H, W)``, truncated to 8 bits."""
    levels: Bytes = errors_of(distance)[0].byte().numpy()
    return levels


@torch.inference_mode()
def make_combo(
    model: ExemplarColorization, target: Bytes, reference: Bytes, flow: Whole, flow_back: Whole
) -> Combo:
    """Align a reference along given flows: the similarity sub-net.

    Args:
        model: The model.
        target: The gray image, in RGB.
        reference: The reference; its size may differ.
        flow: From target to reference, of the target's size.
        flow_back: From reference to target, of the reference's size.

    Raises:
        ColorzooError: A flow has another size than its image.
    """
    for name, image, each in (("flow", target, flow), ("flow_back", reference, flow_back)):
        wanted = (*image.shape[:2], 2)
        if each.shape != wanted:
            raise ColorzooError(f"{name} must have the shape {wanted}, dx and dy a pixel, got {each.shape}.")
    there, back = (
        matches_of(torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1)[None])
        for each in (flow, flow_back)
    )
    ours, theirs = (
        model.features.of_levels(torch.from_numpy(lightness_levels(each))[None, None].float())
        for each in (target, reference)
    )
    forward, backward = (error_maps(each) for each in distances(ours, theirs, there, back))
    return Combo(warped_image(reference, there), forward, backward)


@torch.inference_mode()
def color_combo(model: ExemplarColorization, target: Bytes, combo: Combo, short_side: int = 256) -> Published:
    """Color an image with an aligned reference: the colorization sub-net.

    Args:
        model: The model.
        target: The gray image, in RGB.
        combo: The aligned reference.
        short_side: Shorter side to which everything is resized first; 0 keeps the size.
    """
    height, width = target.shape[:2]
    size = resized_size((height, width), short_side)
    small, warped = (_lab_of(_resized(each, size)) for each in (target, combo.warped))
    maps = [*combo.forward, *combo.backward]
    errors = torch.from_numpy(np.stack([_resized(each, size) for each in maps]))[None].float()
    lightness = small[:, :1]
    cut = (size[0] // STRIDE * STRIDE, size[1] // STRIDE * STRIDE)
    inputs = F.interpolate(network_input(lightness, warped[:, 1:], errors), size=cut, mode="bilinear")
    cut_ab = model.network(inputs)
    ab = F.interpolate(cut_ab, size=size, mode="bicubic")
    rgb = (lab_to_rgb(torch.cat([lightness, ab], dim=1))[0] * 255).byte().permute(1, 2, 0).numpy()
    return Published(inputs, cut_ab, lightness, ab, rgb)


def resized_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return height and width with the shorter side ``short_side``; 0 keeps them."""
    short = min(size)
    if short_side in (0, short):
        return size
    rows, columns = (short_side if side == short else round(side * short_side / short) for side in size)
    return rows, columns


def _resized(levels: Bytes, size: tuple[int, int]) -> Bytes:
    return np.asarray(Image.fromarray(levels).resize(size[::-1], Image.Resampling.BILINEAR))


def _lab_of(rgb: Bytes) -> Tensor:
    return rgb_to_lab(torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None] / 255)
