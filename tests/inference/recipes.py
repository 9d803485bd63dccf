"""Recipes of every kind with small models and images; their results are stored in ``recipes.npz``.

``python tests/inference/recipes.py`` (from the root, with ``tests`` and ``src`` on the path) writes that file
again. Run it only for an intended change of results, and state the reason in the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo import Colorizer
from colorzoo.abilities import ExemplarModel, SimilarityModel
from colorzoo.color import rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.guidance import Area, Guidance, Points, Recipe
from colorzoo.guidance.areas import KeptColors, Mask
from colorzoo.image_io.read import read_image
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.steps.areas import encode_locked_colors
from colorzoo.model import ColoringModel
from colorzoo.options import constructor_parameters
from colorzoo.prediction import AbPrediction
from colorzoo.registry import load_model_class, model_card
from inference.by_hand import Results
from pseudo_weights import pseudo_state_dict
from tiny_model import tiny_model, tiny_painter

STORED = Path(__file__).with_name("recipes.npz")
WIDTH, HEIGHT, SIZE = 104, 80, 48


class Alike(ColoringModel, ExemplarModel, SimilarityModel):
    """A small model that accepts points, references and statistics, and computes similarities."""

    accepts = frozenset({"points", "exemplar", "statistics"})

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        guidance = guidance or Guidance()
        own = torch.cat([0.4 * (lightness - 50), 0.5 * (60 - lightness)], dim=1)
        if guidance.exemplar is not None:
            own = (
                own
                + guidance.exemplar.alpha
                * guidance.exemplar.embed_by(self.encode_reference).mean(1)[:, 1:, None, None]
            )
        if guidance.statistics is not None and guidance.statistics.saturation is not None:
            own = own * guidance.statistics.saturation[..., None, None] * 2
        points = guidance.points
        if points is None:
            return AbPrediction(ab=own)
        side = 2 * (min(lightness.shape[2:]) // 3) + 1
        spread = [
            F.avg_pool2d(maps, side, stride=1, padding=side // 2, count_include_pad=True)
            for maps in (points.mask, points.ab * points.mask)
        ]
        share = (20 * spread[0]).clamp(max=0.8)
        return AbPrediction(ab=own + share * (spread[1] / spread[0].clamp(min=1e-6) - own))

    def encode_image(self, lightness: Tensor, guidance: Guidance, encoded: Any = None) -> Tensor:
        return lightness

    def decode_image(self, lightness: Tensor, guidance: Guidance, encoded: Any) -> AbPrediction:
        return self.forward(encoded, guidance)

    def similarity(self, encoded: Tensor, mask: Tensor) -> Tensor:
        mean = (encoded * mask).sum() / mask.sum()
        return torch.exp(-((encoded - mean).abs() / 12))

    def encode_reference(self, rgb: Tensor) -> Tensor:
        return rgb_to_lab(rgb).mean(dim=(2, 3))[:, None]


def _small(name: str) -> ColoringModel:
    """Return the narrowest form of a model with random weights."""
    card = model_card(name)
    kind = load_model_class(card)
    known = constructor_parameters(kind).keys()
    wanted = {"init_std": None, **card.hparams, **card.contract_test.hparams}
    hparams = {key: value for key, value in wanted.items() if key in known}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: ColoringModel = build_model(kind, hparams)
    model.trained = True
    return model


def _sketch_model() -> ColoringModel:
    """Return a sketch model that predicts different colors for different regions."""
    painter = tiny_painter()
    shapes = {key: tuple(value.shape) for key, value in painter.network.colorizer.state_dict().items()}
    pseudo = {key: torch.from_numpy(value) for key, value in pseudo_state_dict(shapes, seed=1).items()}
    painter.network.colorizer.load_state_dict(pseudo)
    return painter


MODELS: Mapping[str, Callable[[], ColoringModel]] = {
    "alike": Alike,
    "hints": tiny_model,
    "painter": _sketch_model,
    **{name: lambda name=name: _small(name) for name in (
        "zhang2016_small", "zhang2017_global", "kim2021_small", "su2020_small", "xu2020_small",
        "chen2023_small", "levin2004",
    )},
}  # fmt: skip


@cache
def colorizer(model: str) -> Colorizer:
    """Return a colorizer, shared by all recipes of a model."""
    return Colorizer(MODELS[model](), device="cpu", precision="float32", size=SIZE)


def photo(dtype: type = np.uint8, border: int = 0) -> NDArray[Any]:
    """Return a grainy scene of several surfaces, with an optional dark border."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    value = 0.62 + 0.2 * np.sin(x / 31) - 0.25 * (y > 46 + 6 * np.sin(x / 14))
    value = np.where(np.hypot(x - 70, y - 38) < 15, 0.3 + 0.003 * x, value)
    value = np.where((abs(x - 28) < 12) & (abs(y - 58) < 14), 0.85, value)
    value = value + np.random.default_rng(0).normal(0, 0.008, value.shape)
    if border:
        outside = np.ones(value.shape, bool)
        outside[border:-border, border:-border] = False
        value = np.where(outside, 0.02, value)
    return (np.clip(value, 0.01, 0.99) * np.iinfo(dtype).max).astype(dtype)


def reference() -> NDArray[np.uint8]:
    y, x = np.mgrid[0:60, 0:70]
    return np.stack([120 + x, 200 - 2 * y, 90 + 0 * x], axis=-1).astype(np.uint8)


def drawing() -> NDArray[np.uint8]:
    """Return line art of two closed shapes."""
    paper = np.full((HEIGHT, WIDTH), 255, np.uint8)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    paper[abs(np.hypot(x - 70, y - 38) - 20) < 1.5] = 0
    paper[(abs(x - 28) == 15) & (abs(y - 50) <= 20) | (abs(y - 50) == 20) & (abs(x - 28) <= 15)] = 0
    return paper


@dataclass(frozen=True)
class Case:
    """One colorization.

    Attributes:
        model: Key of `MODELS`.
        guidance: Recipe fields, or tensors.
        image: The image.
        reference: The reference, or None.
        depth: Bit depth of the result.
        options: Options of `Colorizer.colorize`.
    """

    model: str
    guidance: Mapping[str, Any] | Guidance = field(default_factory=dict)
    image: Callable[[], NDArray[Any]] = photo
    reference: Callable[[], NDArray[np.uint8]] | None = None
    depth: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)

    def result(self, by: Colorizer | None = None, results: Results | None = None) -> NDArray[Any]:
        """Colorize the image and return the levels."""
        given = self.guidance
        recipe = given if isinstance(given, Guidance) else Recipe.from_json({"version": 2, **given})
        known = None if self.reference is None else read_image(self.reference())
        by = by or colorizer(self.model)
        edit = by.resolve(
            read_image(self.image()), recipe, reference=by.exemplar_of(known, recipe, None), **self.options
        )
        if results is not None and isinstance(recipe, Recipe):
            edit = replace(edit, cache=results)
        return colorize_edit(edit).levels(self.depth)


def _point(x: float, y: float, color: str, **more: Any) -> dict[str, Any]:
    return {"x": x, "y": y, "color": color, **more}


RED, BLUE, GREEN = "#c04020", "#2050c0", "#40a050"
_SQUARE = [[45, 15], [95, 15], [95, 60], [45, 60]]
_LOWER = [[0, 48], [104, 48], [104, 80], [0, 80]]
_DISC = Mask.of(np.hypot(*np.mgrid[-19:21, -35:17]) < 9)  # 52 x 40, over the disc
_AREA = Area("lock", mask=_DISC)


def _kept() -> KeptColors:
    y, x = np.mgrid[0:24, 0:32].astype(np.float32)
    lab = torch.from_numpy(np.stack([0 * x, 30 - 2 * x, 20 + y]))
    return encode_locked_colors(lab, torch.ones(24, 32))


def _area(action: str, **more: Any) -> dict[str, Any]:
    return {"action": action, **({} if "mask" in more else {"path": _SQUARE}), **more}


def _dense() -> Guidance:
    """Return points as tensors whose size differs from the image size."""
    ab, mask = torch.zeros(1, 2, 40, 52), torch.zeros(1, 1, 40, 52)
    ab[:, 0, 4:10, 5:12], ab[:, 1, 25:30, 30:36] = 50.0, -40.0
    mask[:, :, 4:10, 5:12], mask[:, :, 25:30, 30:36] = 1, 1
    return Guidance(points=Points(ab, mask))


POINTS: Mapping[str, list[dict[str, Any]]] = {
    "automatic": [_point(70, 38, RED)],
    "everywhere": [_point(70, 38, RED, reach="everywhere"), _point(20, 10, GREEN, reach="everywhere")],
    "far": [_point(28, 58, BLUE, reach=2.5)],
    "near": [_point(28, 58, BLUE, reach=0.3), _point(60, 70, RED, reach=0)],
    "small beside a larger one": [
        _point(28, 58, BLUE, reach=0.3), _point(24, 30, RED), _point(34, 52, GREEN, reach="everywhere")
    ],
    "mixed": [
        _point(70, 38, RED), _point(20, 10, GREEN, reach="everywhere"), _point(28, 58, BLUE, reach=0.7)
    ],
    "weak": [_point(70, 38, RED, strength=0.4), _point(28, 58, BLUE)],
    "weak alone": [_point(70, 38, RED, strength=0.6), _point(20, 10, GREEN, strength=0, reach="everywhere")],
    "covering": [
        _point(70, 38, RED, radius=8),
        _point(74, 40, BLUE, radius=2),
        {"x": 10.5, "y": 70, "ab": [30, 40], "radius": 0},
    ],
}  # fmt: skip

_KEPT = {"png": _kept().png, "low": list(_kept().low), "step": list(_kept().step)}
_MASK = _AREA.to_dict()["mask"]
AREAS: Mapping[str, dict[str, Any]] = {
    "color": {"areas": [_area("color", color=BLUE)]},
    "two colors": {"areas": [_area("color", color=BLUE), _area("color", color=RED, mask=_MASK)]},
    "color with its lightness": {"areas": [_area("color", color=GREEN, lightness="color", mask=_MASK)]},
    "color and points": {
        "areas": [_area("color", color=BLUE)],
        "points": [
            _point(70, 38, RED), _point(20, 10, GREEN, reach="everywhere"), _point(88, 25, RED, strength=0.5)
        ],
    },
    "gray": {"areas": [_area("gray")], "points": POINTS["automatic"]},
    "locked": {"areas": [_area("lock", mask=_MASK)], "points": POINTS["everywhere"]},
    "locked as kept": {"areas": [_area("lock", kept=_KEPT)], "points": POINTS["far"]},
    "only": {"areas": [_area("only"), _area("only", path=_LOWER)], "points": POINTS["mixed"]},
    "only as kept": {"areas": [_area("only", kept=_KEPT)], "strength": 0.7, "points": POINTS["automatic"]},
    "all": {
        "areas": [
            _area("color", color=BLUE, lightness="color"),
            _area("lock", mask=_MASK),
            _area("gray", path=_LOWER),
            _area("only", path=[[5, 5], [100, 5], [100, 75], [5, 75]]),
        ],
        "points": POINTS["weak"],
        "strength": 1.3,
    },
}  # fmt: skip
_PAINT = [
    {"path": [[10, 12], [60, 30]], "color": GREEN, "size": 14},
    {"path": [[50, 60]], "color": RED, "size": 20, "hardness": 1, "opacity": 0.6},
    {"path": [[30, 10], [40, 40]], "erase": True, "size": 6},
]
_REPLACED = [{"old": "#b06040", "new": BLUE, "range": 60}]
OVERLAYS: Mapping[str, dict[str, Any]] = {
    "paint": {"paint": _PAINT, "strength": 0.8},
    "replacement": {"replacements": _REPLACED},
    "both over areas and points": {
        "paint": _PAINT,
        "replacements": [*_REPLACED, {"old": GREEN, "new": RED}],
        "points": POINTS["automatic"],
        "areas": [_area("lock", mask=_MASK)],
    },
}
_FRAMED = {
    "points": POINTS["mixed"],
    "areas": AREAS["color"]["areas"],
    "paint": _PAINT,
    "scribbles": [{"path": [[10, 12], [90, 70]], "width": 5}],
}
_LOOPS = [
    {"path": [[60, 30], [80, 30], [80, 50], [60, 50]], "closed": True},
    {"path": [[14, 50], [44, 52]], "closed": False},
]
_CLASSES = {"map": {"0": 1, "3": 2}, "painted": [{"class": 1, "path": _SQUARE}]}

CASES: Mapping[str, Case] = {
    **{f"{model}, no guidance": Case(model) for model in MODELS if model not in ("painter", "su2020_small")},
    **{f"alike, points {name}": Case("alike", {"points": each}) for name, each in POINTS.items()},
    **{f"hints, points {name}": Case("hints", {"points": each}) for name, each in POINTS.items()},
    **{
        f"{model}, points {name}": Case(model, {"points": POINTS[name]})
        for model in ("zhang2016_small", "levin2004")
        for name in ("mixed", "weak")
    },
    **{f"alike, area {name}": Case("alike", each) for name, each in AREAS.items()},
    **{f"hints, area {name}": Case("hints", AREAS[name]) for name in ("color and points", "locked", "all")},
    "zhang2016_small, area all": Case("zhang2016_small", AREAS["all"]),
    **{f"alike, {name}": Case("alike", each) for name, each in OVERLAYS.items()},
    "kim2021_small, scribbles": Case(
        "kim2021_small",
        {"scribbles": [{"path": [[50, 5], [55, 75]], "width": 4}], "points": POINTS["everywhere"]},
    ),
    "kim2021_small, thing": Case("kim2021_small", {"areas": [_area("thing", mask=_MASK)]}),
    "su2020_small, no boxes": Case("su2020_small", {"boxes": []}),
    "su2020_small, boxes": Case("su2020_small", {"boxes": [{"x": 50, "y": 20, "width": 40, "height": 36}]}),
    "su2020_small, thing": Case(
        "su2020_small", {"boxes": [], "areas": [_area("thing")], "points": POINTS["mixed"]}
    ),
    "alike, reference": Case("alike", reference=reference),
    "alike, reference by half": Case("alike", {"exemplar": {"alpha": 0.5}}, reference=reference),
    "xu2020_small, reference and points": Case(
        "xu2020_small", {"points": POINTS["mixed"]}, reference=reference
    ),
    "chen2023_small, classes": Case("chen2023_small", {"classes": _CLASSES}, reference=reference),
    "zhang2017_global, statistics": Case(
        "zhang2017_global",
        {"statistics": {"saturation": 0.7, "histogram": [float(i % 7 == 0) for i in range(313)]}},
    ),
    "alike, statistics and strength": Case("alike", {"statistics": {"saturation": 0.8}, "strength": 1.5}),
    "alike, without color": Case("alike", {"points": POINTS["mixed"]}, options={"strength": 0.0}),
    "alike, frame found": Case("alike", _FRAMED, image=lambda: photo(border=6)),
    "alike, frame given": Case("alike", {**_FRAMED, "border": [20, 10, 70, 60]}),
    "alike, frame ignored": Case("alike", _FRAMED, lambda: photo(border=6), options={"border": "none"}),
    "painter, no guidance": Case("painter", image=drawing),
    "painter, photo": Case("painter"),
    "painter, regions": Case(
        "painter",
        {"regions": [{"index": 0, "color": RED}, {"index": 3, "color": BLUE}], "divisions": _LOOPS,
         "image": {"width": WIDTH, "height": HEIGHT}},
        drawing,
    ),
    "painter, areas": Case("painter", {**AREAS["all"], "points": []}, drawing),
    "alike, 16 bits": Case("alike", {"points": POINTS["mixed"]}, lambda: photo(np.uint16), depth=16),
    "alike, 16 bits with all": Case(
        "alike", {**AREAS["all"], "paint": _PAINT, "replacements": _REPLACED},
        lambda: photo(np.uint16, 6), depth=16,
    ),
    "hints, tensors": Case("hints", _dense()),
    "alike, a picture in color": Case("alike", {"points": POINTS["weak"]}, reference),
}  # fmt: skip


def write() -> None:
    """Store the results of all cases, each with an empty cache."""
    results: dict[str, NDArray[Any]] = {}
    for name, case in CASES.items():
        colorizer.cache_clear()
        results[name] = case.result()
    np.savez_compressed(STORED, **results)  # type: ignore[arg-type]


if __name__ == "__main__":
    write()
