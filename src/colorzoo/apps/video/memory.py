"""Memory of the colors of key frames.

Cells of a frame are matched with cells of the key frames by features of the model. A logistic function
estimates how far a matched color can be trusted. Where the trust is low, a frame keeps its automatic color.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.inference import Colorizer
from colorzoo.networks.enlarging import enlarge_along_edges

_MATCHES = 5  # number of averaged cells of a key frame
_TEMPERATURE = 0.05
_MOST_KEYS = 3  # key frames that are matched with a frame
# fraction of trusted cells with which a key frame influences another shot, and the part of the set cells that
# suffices for small corrections
_LEAST_MATCH, _LEAST_PART = 0.01, 0.25
# fraction of trusted cells with which a shot returns to the scene of a key image: the 46th frames of eight
# clips have at least 0.37 in their first frame, and 111 of 112 frames have less in the frames of other clips
_RETURNS = 0.35

# Means of the predictors in `match_cells`, their factors and the bias. `python -m benchmarks._film_trust`
# fits them on composed scenes: objects of COCO move over photographs.
_CENTERS = (0.687, 0.687, 1.825, 1.042, 0.476)
_FACTORS = (18.357, 20.744, -1.283, -0.612, -2.513)
_BIAS = 4.362

WEAK_SHOTS = 8
"""Number of shots of which one predicted frame is stored."""


class Cells(NamedTuple):
    """Cells of a frame.

    Attributes:
        features: ``(N, C)`` in half precision; see `MatchingModel.match_features`.
        light: ``(N,)``, mean lightness of each cell in [0, 100].
        grid: Number of rows and columns of cells; N is their product.
    """

    features: Tensor
    light: Tensor
    grid: tuple[int, int]

    @classmethod
    @torch.inference_mode()
    def of(cls, colorizer: Colorizer, lightness: Tensor, states: Any = None) -> Cells:
        """Compute the cells of a frame.

        Args:
            colorizer: Colorizer whose model is a `MatchingModel`.
            lightness: ``(1, 1, H, W)`` in [0, 100].
            states: Results of `colorize_edit` for the frame, which are reused; or None.
        """
        features = colorizer.match_features(lightness, states)
        grid = features.shape[2], features.shape[3]
        light = F.interpolate(lightness, grid, mode="area").flatten()
        return cls(features[0].flatten(1).T.half(), light, grid)


class ColorMemory:
    """Colors of key frames, which are recalled in other frames.

    Args:
        colorizer: Colorizer whose model is a `MatchingModel`.
    """

    def __init__(self, colorizer: Colorizer) -> None:
        self._colorizer = colorizer
        # cells, colors (N, 2) in CIE units, and opacity (N,) in [0, 1]: how far a person has set a color
        self._entries: dict[int, tuple[Cells, Tensor, Tensor]] = {}
        # cells, colors and opacity of one frame of each of the last shots, by the first frame of the shot
        self._weak: dict[int, tuple[Cells, Tensor, Tensor]] = {}

    def add(self, number: int, lightness: Tensor, ab: Tensor, opacity: Tensor) -> None:
        """Store the colors of a key frame or a reference.

        Args:
            number: Frame number, or a negative number for a reference.
            lightness: ``(1, 1, H, W)`` in [0, 100].
            ab: ``(1, 2, H, W)`` in CIE units.
            opacity: ``(1, 1, H, W)`` in [0, 1]. The colors of transparent pixels are not stored.
        """
        cells = Cells.of(self._colorizer, lightness)
        maps = F.interpolate(torch.cat([ab * opacity, opacity], dim=1), cells.grid, mode="area")
        a, b, weight = maps[0].flatten(1)
        colors = torch.stack([a, b], dim=1) / weight.clamp(min=1e-3)[:, None]
        self._entries[number] = cells, colors, weight

    def add_weak(self, shot: int, cells: Cells, ab: Tensor) -> None:
        """Store the predicted colors of a frame, so that objects that return to the shot keep their color.

        Args:
            shot: First frame of the shot. Only the last shots are stored.
            cells: Cells of the frame.
            ab: ``(1, 2, H, W)`` in CIE units.
        """
        self._weak[shot] = _whole_entry(cells, ab)
        while len(self._weak) > WEAK_SHOTS:
            del self._weak[next(iter(self._weak))]

    def matching_shot(self, cells: Cells, before: int) -> int | None:
        """Return the first frame of the most similar earlier shot with a trusted match; None without one.

        Args:
            cells: Cells of a frame.
            before: First frame of the shot of this frame.
        """
        earlier = ((shot, entry) for shot, entry in self._weak.items() if shot < before)
        matching = [shot for shot, entry in earlier if _match_fraction(cells, entry) > _least_match(entry)]
        similarity = {shot: coarse_similarity(cells, self._weak[shot][0]) for shot in matching}
        return max(matching, key=similarity.__getitem__, default=None)

    def correct(self, lightness: Tensor, numbers: Sequence[int], shot: Container[int]) -> Tensor:
        """Find corrected objects in a frame.

        In the shot of the correction, each cell gets the opacity of its matches, because most of the frame
        is similar. In other shots, the match must also be trusted.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            numbers: Numbers of the entries to use, which are corrections.
            shot: Numbers of the frames of this shot.

        Returns:
            ``(1, 3, H, W)``, ab in CIE units, multiplied by the opacity, and opacity in [0, 1].
        """
        if not numbers:
            return lightness.new_zeros(1, 3, *lightness.shape[2:])
        cells = Cells.of(self._colorizer, lightness)
        matches = []
        for number in numbers:
            entry = self._entries[number]
            matched, opacity = match_correction(cells, *entry)
            matches.append((matched, opacity if number in shot else opacity * match_cells(cells, *entry)[1]))
        opacities = torch.stack([opacity for _, opacity in matches])[..., None]
        weights = opacities.square() / opacities.square().sum(0).clamp(min=1e-9)
        colors = (weights * torch.stack([color for color, _ in matches])).sum(0)
        opacity = opacities.amax(0)
        maps = torch.cat([opacity * colors, opacity], dim=1).T.reshape(1, 3, *cells.grid)
        return enlarge_along_edges(maps, cells.light.reshape(1, 1, *cells.grid), lightness)

    def matches(self, cells: Cells, numbers: Iterable[int]) -> dict[int, tuple[bool, bool]]:
        """Return whether entries have a trusted match in a frame, and whether the shot returns to the entry.

        Args:
            cells: Cells of the frame.
            numbers: Numbers of the entries to test.
        """
        found = {}
        for number in numbers:
            entry = self._entries[number]
            fraction = _match_fraction(cells, entry)
            found[number] = fraction > _least_match(entry), fraction > _RETURNS
        return found

    def recall(
        self,
        lightness: Tensor,
        automatic: Tensor,
        keys: Sequence[int],
        shots: Sequence[int] = (),
        states: Any = None,
        carried: tuple[Cells, Tensor] | None = None,
    ) -> Tensor:
        """Return the colors of key frames where the match is trusted, and automatic colors elsewhere.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            automatic: ``(1, 2, H, W)``, automatic ab in CIE units.
            keys: Numbers of the entries to use. Of several entries, the most similar ones are used.
            shots: First frames of the shots whose stored frame is used.
            states: Results of `colorize_edit` for the frame, which are reused; or None.
            carried: Cells and ab ``(1, 2, H, W)`` of another frame that is used.

        Returns:
            ``(1, 2, H, W)`` ab in CIE units.
        """
        if not keys and not shots and carried is None:
            return automatic
        cells = Cells.of(self._colorizer, lightness, states)
        entries = [self._entries[number] for number in keys]
        if len(entries) > _MOST_KEYS:
            entries.sort(key=lambda entry: -coarse_similarity(cells, entry[0]))
        entries = [*entries[:_MOST_KEYS], *(self._weak[shot] for shot in shots if shot in self._weak)]
        if carried is not None:
            entries.append(_whole_entry(*carried))
        matches = [match_cells(cells, *entry) for entry in entries]
        # the colors of several entries are averaged, weighted by the squared odds of their trust
        trusts = torch.stack([trust for _, trust in matches])[..., None]
        odds = trusts / (1 - trusts).clamp(min=1e-3)
        weights = odds.square() / odds.square().sum(0).clamp(min=1e-9)
        colors = (weights * torch.stack([color for color, _ in matches])).sum(0)
        trust = trusts.amax(0)
        maps = torch.cat([trust * colors, trust], dim=1).T.reshape(1, 3, *cells.grid)
        maps = enlarge_along_edges(maps, cells.light.reshape(1, 1, *cells.grid), lightness)
        return automatic * (1 - maps[:, 2:].clamp(0, 1)) + maps[:, :2]


def _whole_entry(cells: Cells, ab: Tensor) -> tuple[Cells, Tensor, Tensor]:
    """Return cells, colors and opacity of an opaque frame with the ab ``(1, 2, H, W)``."""
    colors = F.interpolate(ab, cells.grid, mode="area")[0].flatten(1).T
    return cells, colors, torch.ones_like(cells.light)


def _match_fraction(cells: Cells, entry: tuple[Cells, Tensor, Tensor]) -> float:
    """Return the fraction of the cells of a frame that have a trusted match in an entry."""
    return float((match_cells(cells, *entry)[1] > 0.5).float().mean())


def _least_match(entry: tuple[Cells, Tensor, Tensor]) -> float:
    """Return the fraction of matched cells from which an entry has a trusted match."""
    return min(_LEAST_MATCH, _LEAST_PART * float(entry[2].mean()))


def coarse_similarity(cells: Cells, key: Cells) -> float:
    """Return the mean similarity of blocks of 4 x 4 cells to the most similar blocks of a key frame."""
    first, second = (
        F.avg_pool2d(each.features.float().T.reshape(1, -1, *each.grid), 4, ceil_mode=True)[0].flatten(1).T
        for each in (cells, key)
    )
    return float((first @ second.T).amax(1).mean())


def match_correction(cells: Cells, key: Cells, colors: Tensor, opacity: Tensor) -> tuple[Tensor, Tensor]:
    """Match the cells of a frame with the cells of a corrected frame.

    Args:
        cells: N cells of the frame.
        key: K cells of the corrected frame.
        colors: ``(K, 2)``, ab of the correction in CIE units.
        opacity: ``(K,)``, opacity of the correction in [0, 1].

    Returns:
        Matched ab ``(N, 2)``, and opacity ``(N,)`` in [0, 1].
    """
    similarity = cells.features.float() @ key.features.float().T
    top, index = similarity.topk(min(_MATCHES, similarity.shape[1]), dim=1)
    weights = (top / _TEMPERATURE).softmax(dim=1) * opacity[index]
    found = weights.sum(1)
    matched = (weights[..., None] * colors[index]).sum(1) / found.clamp(min=1e-3)[:, None]
    return matched, found


def match_cells(cells: Cells, key: Cells, colors: Tensor, opacity: Tensor) -> tuple[Tensor, Tensor]:
    """Match the cells of a frame with the cells of a key frame.

    Args:
        cells: N cells of the frame.
        key: K cells of the key frame.
        colors: ``(K, 2)``, ab of the key frame in CIE units.
        opacity: ``(K,)`` in [0, 1]; a person has set the color of a cell if it is above 0.5.

    Returns:
        Matched ab ``(N, 2)``, and trust ``(N,)`` in [0, 1]; the trust is 0 where the best match is not set.
    """
    predictors, matched, best = match_predictors(cells, key, colors)
    logit = (predictors - torch.tensor(_CENTERS)) @ torch.tensor(_FACTORS) + _BIAS
    return matched, logit.sigmoid() * (opacity[best] > 0.5)


def match_predictors(cells: Cells, key: Cells, colors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the predictors ``(N, 5)`` of the trust, the matched ab ``(N, 2)``, and the best cell ``(N,)``.

    See `match_cells` for the arguments. The predictors are the similarity of each cell to its best match, the
    mean of these similarities, the logarithms of the variance of the averaged colors and of the distance
    between the cell and the cell that its best match matches best, and the difference in lightness.
    """
    similarity = cells.features.float() @ key.features.float().T
    top, index = similarity.topk(min(_MATCHES, similarity.shape[1]), dim=1)
    weights = (top / _TEMPERATURE).softmax(dim=1)
    found = colors[index]
    matched = (weights[..., None] * found).sum(1)
    variance = ((weights[..., None] * found.square()).sum(1) - matched.square()).clamp(min=0).sum(1)
    best = index[:, 0]
    back, number, columns = similarity.argmax(0)[best], torch.arange(len(best)), cells.grid[1]
    rows_apart = (back // columns - number // columns).abs()
    distance = torch.maximum(rows_apart, (back % columns - number % columns).abs())
    lightness_difference = (cells.light - (weights * key.light[index]).sum(1)).abs()
    predictors = [
        top[:, 0],
        top[:, 0].mean().expand_as(top[:, 0]),
        (variance + 1).log(),
        (distance + 1.0).log(),
        lightness_difference / 10,
    ]
    return torch.stack(predictors, dim=1), matched, best
