"""Time from file to file by stage, compared with a simple implementation.

The simple implementation stores the whole image in float32 and fits colors into sRGB by bisection.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import kornia.color
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import (
    Options,
    Row,
    in_fresh_process,
    megabytes,
    random_model,
    share_of,
    time_in_turn,
    where,
)
from colorzoo import Guidance
from colorzoo.color.lab import mix_with_gray, to_oklab
from colorzoo.image_io.raster_image import chroma_note, quantized
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import (
    FullLightness,
    bicubic_matrix,
    compose_image,
    preprocess,
    shrink_lightness,
    working_size,
)

SMALL, LARGE, HUGE = (512, 512), (3000, 4000), (6700, 9000)  # height, width
LIMITS = {SMALL: 0.3, LARGE: 6.0}  # seconds on one core
GOAL_PLAIN, GOAL_PEAK = 0.35, 0.6
STAGES = ("read", "lightness", "network", "join", "write")
TILE, TOLERANCE, STEPS = 2**16, 1e-4, 12
TO_RGB = (
    (3.0799803023, -1.5371515163, -0.5428213080),
    (-0.9212477523, 1.8759900015, 0.0452473395),
    (0.0528904611, -0.2040413384, 1.1512320120),
)


def run(options: Options) -> list[Row]:
    """Time two image sizes end to end; compare seconds and peak memory with the simple implementation."""
    del options
    colorizer = make_colorizer()
    with tempfile.TemporaryDirectory() as name:
        files = {size: write_photo(size, Path(name)) for size in (SMALL, LARGE, HUGE)}
        rows = [end_to_end(colorizer, size, files[size]) for size in LIMITS]
        rows.append(against_simple_code(colorizer, files[LARGE]))
        ours, theirs = (in_fresh_process(peak, str(files[HUGE]), plain) for plain in (False, True))
    claim = f"peak MB of a gray JPEG of {HUGE[0] * HUGE[1] / 1e6:.0f} megapixels, against the plain way"
    return [*rows, share_of(claim, ours, theirs, GOAL_PEAK, where())]


def make_colorizer() -> Colorizer:
    """Return a `Colorizer` of the small model with random weights."""
    torch.manual_seed(0)
    return Colorizer(random_model("zhang2017_local_small"), device="cpu", allow_untrained=True)


def write_photo(size: tuple[int, int], folder: Path) -> Path:
    """Write a gray JPEG: blobs with a little grain."""
    generator = torch.Generator().manual_seed(0)
    blobs = F.interpolate(torch.rand(1, 1, 12, 16, generator=generator), size=size, mode="bicubic")[0, 0]
    gray = (0.9 * blobs + 0.1 * torch.rand(size, generator=generator)).clamp(0, 1)
    path = folder / f"{size[0]}.jpg"
    Image.fromarray((gray.numpy() * 255).astype(np.uint8)).save(path, quality=92)
    return path


def stages(colorizer: Colorizer, source: Path) -> dict[str, Callable[[], object]]:
    """Return each stage of colorizing a file as a call, with the results of the previous stages."""
    image = read_image(source)
    small = preprocess(FullLightness(image.levels), colorizer.size)
    ab = colorizer.predict(small, Guidance()).to_ab()[0]
    levels = compose_image(FullLightness(image.levels), ab, depth=8)
    target = source.with_suffix(".out.jpg")
    calls: tuple[Callable[[], object], ...] = (
        partial(read_image, source),
        partial(preprocess, FullLightness(image.levels), colorizer.size),
        partial(colorizer.predict, small, Guidance()),
        partial(compose_image, FullLightness(image.levels), ab, depth=8),
        partial(write_image, target, levels, image, overwrite=True),
    )
    return dict(zip(STAGES, calls, strict=True))


def end_to_end(colorizer: Colorizer, size: tuple[int, int], source: Path) -> Row:
    """Return the sum of all stages against the limit."""
    seconds = time_in_turn(stages(colorizer, source), runs=7 if size == SMALL else 2)
    split = ", ".join(f"{name} {value:.3f}" for name, value in seconds.items())
    claim = f"{size[1]} x {size[0]} JPEG to JPEG with the small model, seconds, against the limit ({split})"
    return share_of(claim, sum(seconds.values()), LIMITS[size], 1.0, where())


def against_simple_code(colorizer: Colorizer, source: Path) -> Row:
    """Time all stages except the network, and compare the pixels."""
    ab = colorizer.predict(
        preprocess(FullLightness(read_image(source).levels), colorizer.size), Guidance()
    ).to_ab()[0]

    def ours() -> NDArray[Any]:
        image = read_image(source)
        chroma_note(image)
        preprocess(FullLightness(image.levels), colorizer.size)
        levels = compose_image(FullLightness(image.levels), ab, depth=8)
        write_image(source.with_suffix(".ours.jpg"), levels, image, overwrite=True)
        return levels

    def plain() -> NDArray[np.uint8]:
        image = read_image(source)
        rgb = image.rgb
        chroma_note(replace(image, levels=rgb))
        lightness = plain_lightness(rgb)
        shrink_lightness(lightness, working_size(rgb.shape[0], rgb.shape[1], colorizer.size))
        joined = plain_join(lightness[0, 0], ab)
        write_image(source.with_suffix(".plain.jpg"), joined, image, overwrite=True)
        return quantized(joined, None, 8)

    seconds = time_in_turn({"ours": ours, "plain": plain}, runs=2)
    apart = np.abs(ours().astype(int) - plain())
    pixels = f"largest difference {apart.max()} of 255, {100 * np.mean(apart > 0):.3f} % of the values differ"
    claim = f"all but the network of a 12-megapixel JPEG, seconds, against the plain way ({pixels})"
    return share_of(claim, seconds["ours"], seconds["plain"], GOAL_PLAIN, where())


def peak(source: str, plain: bool) -> float:
    """Return the peak memory in MB of a process that colorizes a file."""
    colorizer, path = make_colorizer(), Path(source)
    if plain:
        color_plainly(colorizer, path, path.with_suffix(".plain.jpg"))
    else:
        image = read_image(path)
        chroma_note(image)
        levels = colorizer.colorize(image).levels()
        write_image(path.with_suffix(".ours.jpg"), levels, image, overwrite=True)
    return megabytes("VmHWM")


def color_plainly(colorizer: Colorizer, source: Path, target: Path) -> None:
    """Colorize a file with the simple implementation."""
    image = read_image(source)
    chroma_note(image)
    rgb = image.rgb
    lightness = plain_lightness(rgb)
    seen = shrink_lightness(lightness, working_size(rgb.shape[0], rgb.shape[1], colorizer.size))
    ab = colorizer.predict(seen, Guidance()).to_ab()[0]
    write_image(target, plain_join(lightness[0, 0], ab), image, overwrite=True)


def plain_lightness(rgb: NDArray[np.float32]) -> Tensor:
    """Return the lightness ``(1, 1, H, W)`` of ``(H, W, 3)`` RGB in [0, 1]."""
    height, width = rgb.shape[:2]
    lightness = torch.empty(1, 1, height, width)
    step = max(1, TILE // width)
    for first in range(0, height, step):
        rows = slice(first, first + step)
        tile = torch.from_numpy(np.ascontiguousarray(rgb[rows])).permute(2, 0, 1)
        lightness[0, 0, rows] = kornia.color.rgb_to_lab(tile)[0]
    return lightness


def plain_join(lightness: Tensor, ab: Tensor) -> NDArray[np.float32]:
    """Combine a lightness ``(H, W)`` and a small ab ``(2, h, w)`` to RGB ``(H, W, 3)`` in [0, 1]."""
    height, width = lightness.shape
    down, across = bicubic_matrix(ab.shape[1], height), bicubic_matrix(ab.shape[2], width)
    rgb = np.empty((height, width, 3), dtype=np.float32)
    step = max(1, TILE // width)
    for first in range(0, height, step):
        rows = slice(first, first + step)
        linear = linear_in_gamut(lightness[rows].flatten(), (down[rows] @ ab @ across.T).flatten(1))
        shown = kornia.color.linear_rgb_to_rgb(linear.view(3, -1, width).clamp(0, 1))
        rgb[rows] = shown.permute(1, 2, 0).numpy()
    return rgb


def linear_in_gamut(lightness: Tensor, ab: Tensor) -> Tensor:
    """Return linear RGB ``(3, N)``; the chroma of colors outside sRGB is reduced by bisection."""

    def within(linear: Tensor, tolerance: float) -> Tensor:
        return (linear.amin(0) >= -tolerance) & (linear.amax(0) <= 1 + tolerance)

    fy = (lightness + 16) / 116
    x, y, z = (from_cone(cone) for cone in (fy + ab[0] / 500, fy, (fy - ab[1] / 200).clamp(min=0)))
    linear = torch.stack([of_x * x + of_y * y + of_z * z for of_x, of_y, of_z in TO_RGB])
    outside = (~within(linear, TOLERANCE)).nonzero().squeeze(-1)
    if outside.numel():
        oklab = to_oklab(linear[:, outside])
        luminance = from_cone((lightness[outside].clamp(0, 100) + 16) / 116)
        gray = to_oklab(luminance.expand(3, -1))
        low, high = torch.zeros(len(outside)), torch.ones(len(outside))
        for _ in range(STEPS):
            middle = (low + high) / 2
            inside = within(mix_with_gray(oklab, gray, luminance, middle), TOLERANCE / 2)
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        linear[:, outside] = mix_with_gray(oklab, gray, luminance, low)
    return linear


def from_cone(cone: Tensor) -> Tensor:
    """Invert the nonlinearity of CIE Lab."""
    return torch.where(cone > 0.2068966, cone**3, (cone - 16 / 116) / 7.787)
