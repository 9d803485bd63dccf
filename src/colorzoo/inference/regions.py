"""The regions that a model asks for: proposed once a picture, colored by a recipe, and what to say of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe, RegionColor, Regions
from colorzoo.users.regions import region_means

_KEPT = 8  # proposals; a map of 256 x 256 takes half a megabyte


@runtime_checkable
class ProposesRegions(Protocol):
    """A model that asks for the colors of regions."""

    def propose(self, luma: Tensor) -> Regions:
        """Return the regions of ``(B, 1, H, W)``, none of them colored yet, the most wanted first."""


class Proposals:
    """The last proposals of a model, so that each new color costs only the painting of the picture."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Regions] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, model: ProposesRegions, seen: Tensor, device: torch.device) -> Regions:
        """Return the regions, on the CPU, of what a model sees: ``(1, 1, h, w)``."""
        key = f"{tuple(seen.shape)} {sha256(seen.contiguous().cpu().numpy().tobytes()).hexdigest()}"
        with self._lock:
            if key not in self._kept:
                with torch.inference_mode():
                    self._kept[key] = model.propose(seen.to(device)).to("cpu")
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


def proposal_hash(regions: Regions) -> str:
    """Return the SHA-256 of the map of one proposal: its height, width and the region of each pixel."""
    index = regions.index[0, 0].to(torch.uint8)
    size = f"{index.shape[0]}x{index.shape[1]}:"
    return sha256(size.encode() + index.contiguous().numpy().tobytes()).hexdigest()


def color_regions(regions: Regions, colors: Sequence[RegionColor]) -> Regions:
    """Fill in the colors that a recipe gives; the last one of a region counts.

    Raises:
        GuidanceError: The recipe colors a region that the model cannot have proposed.
    """
    rgb, given = regions.rgb.clone(), regions.given.clone()
    for region in colors:
        if region.index >= rgb.shape[1]:
            raise GuidanceError(
                f"recipe.regions colors region {region.index}, but the model found {rgb.shape[1]} (from 0)."
            )
        levels = [int(region.color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        rgb[:, region.index], given[:, region.index] = rgb.new_tensor(levels), 1
    return replace(regions, rgb=rgb, given=given)


def filled_regions(regions: Regions) -> list[int]:
    """Return the numbers of the regions that have a pixel in the first picture, in the model's order."""
    found: list[int] = torch.unique(regions.index[0]).tolist()
    return found


def region_notes(regions: Regions, recipe: Recipe, proposal: str) -> tuple[str, ...]:
    """Return what the user should know about the colored regions of one picture.

    Args:
        regions: Colored.
        recipe: Whose colors they are.
        proposal: Hash of what the model proposed, before anything was drawn into it.
    """
    filled = filled_regions(regions)
    colored = [number for number in range(regions.given.shape[1]) if regions.given[0, number] > 0]
    notes = []
    if recipe.proposal is not None and colored and recipe.proposal != proposal:
        notes.append(
            "these are not the regions that the recipe was made for: another picture, size or set of weights"
        )
    if empty := [number for number in colored if number not in filled]:
        notes.append(f"{_named(empty)} no pixel here; the color was ignored")
    left_out = skipped_regions(filled, colored)
    if left_out:
        notes.append(
            f"{_named(left_out, 'was', 'were')} left out before others were colored: the model never "
            "saw that in training, and may paint worse than after answers in its order"
        )
    return tuple(notes)


def skipped_regions(filled: Sequence[int], colored: Sequence[int]) -> list[int]:
    """Return the filled regions without a color before one that has a color: gaps in the model's order."""
    last = max((number for number in colored if number in filled), default=-1)
    return [number for number in filled if number < last and number not in colored]


def suggest_colors(regions: Regions, rgb: Tensor) -> list[str]:
    """Return a color ``#rrggbb`` for each region: the mean of the picture as it is painted so far.

    Args:
        regions: Of one picture.
        rgb: ``(1, 3, h, w)`` in [0, 1], of the same size.
    """
    colors, _ = region_means(regions.index, rgb, regions.rgb.shape[1])
    levels = (colors[0].clamp(0, 1) * 255).round().int().tolist()
    return ["#" + "".join(f"{level:02x}" for level in color) for color in levels]


def _named(numbers: Sequence[int], one: str = "has", many: str = "have") -> str:
    listed = ", ".join(str(number) for number in numbers)
    return f"region {listed} {one}" if len(numbers) == 1 else f"regions {listed} {many}"
