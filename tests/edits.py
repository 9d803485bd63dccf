"""Layers, contexts and routes of `test_edits`, and the images on which they act.

One photo and one drawing show the same grid of shapes, three in a row. Each layer has a shape of its own, so
that a layer cannot change the color that another layer sets. The last row belongs to no layer.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from skimage.color import lab2rgb, rgb2lab
from starlette.testclient import TestClient

import colorzoo
from colorzoo import Colorizer
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.service import ColorService, build_service
from colorzoo.apps.studio.studio import Studio
from colorzoo.apps.video.run import colorize_video
from colorzoo.evaluation import evaluate

Kind = Literal["photo", "drawing"]
Levels = NDArray[np.uint8]
Fields = dict[str, Any]
Place = tuple[int, int]
Box = tuple[int, int, int, int]

KINDS: tuple[Kind, ...] = get_args(Kind)
MODELS: Mapping[Kind, str] = {"photo": "colorzoo2026", "drawing": "colorzoo2026_drawing"}
STEP, HALF = 32, 12
"""Distance between the centers of shapes, and half the inner side of a shape, in pixels."""
COLUMNS, ROWS = 3, 6
WIDTH, HEIGHT = STEP * COLUMNS + 4, STEP * ROWS + 4


def center(column: int, row: int) -> Place:
    """Return x and y of the center pixel of a shape."""
    return 18 + STEP * column, 18 + STEP * row


def box_around(place: Place, half: int) -> Box:
    """Return the left, top, right and bottom edge of a square; right and bottom are exclusive."""
    x, y = place
    return x - half, y - half, x + half + 1, y + half + 1


FILLED, WEAK, REPLACED = (center(column, 0) for column in range(3))
AREA, GRAY, LOCK = (center(column, 1) for column in range(3))
PAINT, MULTIPLY, HEALED = (center(column, 2) for column in range(3))
SPLIT, JOIN_LEFT, JOIN_RIGHT = (center(column, 3) for column in range(3))
GAP_LEFT, GAP_RIGHT, FREE = (center(column, 4) for column in range(3))
UNTOUCHED = tuple(center(column, 5) for column in range(3))
SPLIT_PLACES = (SPLIT[0] - 6, SPLIT[1]), (SPLIT[0] + 6, SPLIT[1])
ONLY_ROW = STEP * 5
"""First row outside the area of the layer ``only``."""
CROP: Box = (3, 2, WIDTH - 2, HEIGHT - 1)
BORDER: Box = (4, 3, WIDTH - 2, HEIGHT - 1)
PALETTE = ("#e0c080", "#506890")
SPECK = 2
"""Half the side of the speck of dust that the layer ``healing`` covers."""


@cache
def photo() -> Levels:
    """Return a grainy gray scene of 18 surfaces of different lightness."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    value = 0.42 + 0.12 * np.sin(x / 37 + 0.5) + 0.1 * np.cos(y / 51)
    for row in range(ROWS):
        for column in range(COLUMNS):
            left, top, right, bottom = box_around(center(column, row), HALF)
            inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
            if (row + column) % 2:
                inside = np.hypot(x - center(column, row)[0], y - center(column, row)[1]) < HALF + 1
            tone = 0.34 + 0.06 * ((5 * row + 3 * column + (row == 4)) % 7)
            value = np.where(inside, tone + 0.002 * (x - left) + 0.001 * (y - top), value)
    value += np.random.default_rng(0).normal(0, 0.006, value.shape)
    levels = np.rint(255 * np.clip(value, 0.02, 0.98)).astype(np.uint8)
    left, top, right, bottom = box_around(HEALED, SPECK)
    levels[top:bottom, left:right] = 235
    return levels


@cache
def drawing() -> Levels:
    """Return line art of 16 closed shapes; one has a wall with an opening."""
    paper = np.full((HEIGHT, WIDTH), 255, np.uint8)
    for row in range(ROWS):
        for column in range(COLUMNS):
            x, y = center(column, row)
            if (column, row) == (1, 4):
                continue
            left, top, right, bottom = x - HALF - 1, y - HALF - 1, x + HALF + 1, y + HALF + 1
            if (column, row) == (0, 4):  # one shape of double width
                right += STEP
            if (row + column) % 2 and row not in (3, 4):
                cv2.ellipse(paper, (x, y), (HALF + 1, HALF + 1), 0, 0, 360, 0, 2)
            else:
                cv2.rectangle(paper, (left, top), (right, bottom), 0, 2)
    wall = (GAP_LEFT[0] + GAP_RIGHT[0]) // 2
    top, bottom = GAP_LEFT[1] - HALF, GAP_LEFT[1] + HALF
    paper[top:bottom, wall : wall + 2] = 0
    paper[GAP_LEFT[1] - 3 : GAP_LEFT[1] + 3, wall : wall + 2] = 255
    left, top, right, bottom = box_around(HEALED, SPECK)
    paper[top:bottom, left:right] = 60
    return paper


def scene(kind: Kind) -> Levels:
    """Return the gray image of a kind."""
    return photo() if kind == "photo" else drawing()


@cache
def colored_scene(kind: Kind, number: int) -> Levels:
    """Return a reference image: the scene in two or more colors of its own."""
    gray = scene(kind).astype(float)[::-1] / 255
    tints = [ImageColor.getrgb(each) for each in (("#f0b890", "#90b8f0"), ("#a0e0a0", "#e0a0d0"))[number]]
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    tint = np.where((((x // STEP) + (y // STEP)) % 2 == 0)[..., None], tints[0], tints[1])
    return np.rint(gray[..., None] * tint).astype(np.uint8)


# layers


def _corners(box: Box) -> list[list[int]]:
    left, top, right, bottom = box
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _point(place: Place, color: str, **more: Any) -> Fields:
    return {"x": place[0] + 0.5, "y": place[1] + 0.5, "radius": 2, "color": color, **more}


def _area(action: str, box: Box, **more: Any) -> Fields:
    return {"action": action, "path": _corners(box), **more}


def _stroke(place: Place, color: str, **more: Any) -> Fields:
    x, y = place
    path = [[x - 4 + 0.5, y + 0.5], [x + 4 + 0.5, y + 0.5]]
    return {"path": path, "color": color, "size": 9, "hardness": 1, **more}


@dataclass(frozen=True)
class Layer:
    """A kind of edit.

    Attributes:
        name: Name of the layer.
        recipe: Fields of the recipe.
        colors: Colors that the layer sets, by the pixel.
        mask: Box outside which the layer changes nothing; None if it may change the whole image.
        kinds: Kinds of images in which the layer has an effect.
    """

    name: str
    recipe: Fields
    colors: tuple[tuple[Place, str], ...] = ()
    mask: Box | None = None
    kinds: tuple[Kind, ...] = KINDS

    def __str__(self) -> str:
        return self.name


RED, BLUE, OCHER, PURPLE, GREEN, PINK = "#b05a40", "#4a68a8", "#b09050", "#805090", "#4a9050", "#a04a90"
SHADE = "#a0c8d0"
_DRAWN: tuple[Kind, ...] = ("drawing",)
_ALL = (0, 0, WIDTH, HEIGHT)

LAYERS = (
    Layer("point", {"points": [_point(FILLED, RED)]}, ((FILLED, RED),)),
    Layer("weak point", {"points": [_point(WEAK, BLUE, strength=0.5)]}),
    Layer(
        "area",
        {"areas": [_area("color", box_around(AREA, 7), color=OCHER)]},
        ((AREA, OCHER),),
        box_around(AREA, 13),
    ),
    Layer("gray", {"areas": [_area("gray", box_around(GRAY, 9))]}, mask=box_around(GRAY, 16)),
    Layer("only", {"areas": [_area("only", (0, 0, WIDTH, ONLY_ROW))]}, mask=(0, ONLY_ROW - 4, WIDTH, HEIGHT)),
    Layer("lock", {"areas": [_area("lock", box_around(LOCK, 9))]}, mask=box_around(LOCK, 16)),
    Layer("paint", {"paint": [_stroke(PAINT, PURPLE)]}, ((PAINT, PURPLE),), box_around(PAINT, 10)),
    Layer("multiply", {"paint": [_stroke(MULTIPLY, SHADE, blend="multiply")]}, mask=box_around(MULTIPLY, 10)),
    Layer(
        "replacement",
        {
            "points": [_point(REPLACED, GREEN)],
            "replacements": [{"old": GREEN, "new": PINK, "range": 15, "fade": 5}],
        },
        ((REPLACED, PINK),),
    ),
    Layer("finish", {"finish": {"temperature": 40}}),
    Layer("palette", {"drawing": {"palette": list(PALETTE)}}, kinds=_DRAWN),
    Layer("variant", {"drawing": {"variant": 2}}, kinds=_DRAWN),
    Layer(
        "split",
        {
            "divisions": [{"path": [[SPLIT[0], SPLIT[1] - HALF], [SPLIT[0], SPLIT[1] + HALF]]}],
            "points": [_point(SPLIT_PLACES[0], RED), _point(SPLIT_PLACES[1], BLUE)],
        },
        ((SPLIT_PLACES[0], RED), (SPLIT_PLACES[1], BLUE)),
    ),
    Layer(
        "join",
        {
            "divisions": [{"path": [[*JOIN_LEFT], [*JOIN_RIGHT]], "join": True}],
            "points": [_point(JOIN_LEFT, BLUE)],
        },
        ((JOIN_LEFT, BLUE),),
    ),
    Layer(
        "gap",
        {"drawing": {"gap": 80}, "points": [_point(GAP_LEFT, RED)]},
        ((GAP_LEFT, RED),),
    ),
    Layer("shading", {"drawing": {"shading": True}}, kinds=_DRAWN),
    Layer(
        "healing",
        {
            "healing": [
                {"path": [[HEALED[0] - 2, HEALED[1] + 0.5], [HEALED[0] + 3, HEALED[1] + 0.5]], "width": 9}
            ]
        },
    ),
    Layer(
        "crop",
        {"crop": {"x": CROP[0], "y": CROP[1], "width": CROP[2] - CROP[0], "height": CROP[3] - CROP[1]}},
    ),
    Layer(
        "border",
        {"border": [BORDER[0], BORDER[1], BORDER[2] - BORDER[0], BORDER[3] - BORDER[1]]},
        kinds=("photo",),
    ),
    Layer("statistics", {"statistics": {"saturation": 0.6}}, kinds=("photo",)),
    Layer("text", {"text": "a red car, a blue sky"}, kinds=()),
)
LAYER = {layer.name: layer for layer in LAYERS}
LAYER["lock below paint"] = Layer("lock below paint", {"areas": [_area("lock", box_around(PAINT, 9))]})
LAYER["area below lock"] = Layer(
    "area below lock", {"areas": [_area("color", box_around(LOCK, 7), color=PURPLE)]}
)
LAYER["strong point"] = Layer("strong point", {"points": [_point(WEAK, BLUE)]})
AUTOMATIC = (
    "palette",
    "variant",
    "split",
    "join",
    "gap",
    "shading",
    "healing",
    "border",
    "statistics",
    "text",
)
"""Layers that change what the model predicts; split, join and gap only without their points."""
BARE = "*"
"""Suffix of a layer without its points."""


@dataclass(frozen=True)
class Cell:
    """Layers on one kind of image, in one context.

    Attributes:
        kind: Kind of the image.
        layers: Names of the layers, in the order of `LAYERS`.
        strength: Strength of the recipe.
        references: Number of reference images.
        same: Whether an earlier page of the same characters was colored before.
    """

    kind: Kind
    layers: tuple[str, ...] = ()
    strength: float = 1.0
    references: int = 0
    same: bool = False

    def __str__(self) -> str:
        context = [] if self.strength == 1 else [f"strength {self.strength:g}"]
        context += [f"{self.references} references"] if self.references else []
        context += ["same characters"] if self.same else []
        return " + ".join((f"{self.kind}: {' + '.join(self.layers) or 'nothing'}", *context))

    def without(self, *names: str) -> Cell:
        """Return the cell without some of its layers."""
        kept = tuple(name for name in self.layers if name not in names)
        return Cell(self.kind, kept, self.strength, self.references, self.same)

    def automatic(self, *omitted: str) -> Cell:
        """Return the cell without what a person sets."""
        bare = {name: f"{name}{BARE}" for name in ("split", "join", "gap")}
        kept = tuple(
            bare.get(name, name) for name in self.layers if name in AUTOMATIC and name not in omitted
        )
        return Cell(self.kind, kept, self.strength, self.references, self.same)

    def has(self, name: str) -> bool:
        """Return whether the cell has a layer."""
        return name in self.layers


def cell(kind: Kind, *names: str, **context: Any) -> Cell:
    """Return a cell with its layers in the order of `LAYERS`."""
    return Cell(kind, tuple(layer.name for layer in LAYERS if layer.name in names), **context)


def recipe_of(layers: Sequence[str], kind: Kind, strength: float = 1.0) -> Fields:
    """Return the recipe that contains the fields of all layers; lists are joined."""
    recipe: Fields = {"version": 2, "model": MODELS[kind], "strength": strength, "border": "none"}
    for name in layers:
        for key, value in LAYER[name.removesuffix(BARE)].recipe.items():
            if name.endswith(BARE) and key == "points":
                continue
            if isinstance(value, list) and key != "border":
                recipe[key] = [*recipe.get(key, []), *value]
            elif isinstance(value, dict):
                recipe[key] = {**recipe.get(key, {}), **value}
            else:
                recipe[key] = value
    return recipe


# routes


@cache
def colorizer(kind: Kind) -> Colorizer:
    """Return the loaded model of a kind of image."""
    return Colorizer(MODELS[kind], device="cpu", precision="float32")


@cache
def image_file(kind: Kind) -> Path:
    """Write the scene once."""
    path = Path(mkdtemp(prefix="scene")) / f"{kind}.png"
    Image.fromarray(scene(kind)).save(path)
    return path


@cache
def reference_files(kind: Kind) -> tuple[Path, ...]:
    """Write two reference images once."""
    folder = Path(mkdtemp(prefix="references"))
    paths = tuple(folder / f"reference{number}.png" for number in range(2))
    for number, path in enumerate(paths):
        Image.fromarray(colored_scene(kind, number)).save(path)
    return paths


def run_command(*words: object) -> str:
    """Run ``colorzoo`` in this process, and return what it prints.

    Raises:
        AssertionError: The exit code is not 0.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    assert code == 0, f"exit code {code}: {err.getvalue()}"
    return out.getvalue()


def pixels(source: Path | bytes) -> Levels:
    """Return the RGB levels of an image file."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        return np.asarray(image.convert("RGB"))


def _given(each: Cell) -> tuple[Path, Fields, tuple[Path, ...]]:
    folder = Path(mkdtemp(prefix="cell"))
    recipe = recipe_of(each.layers, each.kind, each.strength)
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder, recipe, reference_files(each.kind)[: each.references]


def by_colorizer(each: Cell) -> Levels:
    """Color in memory with a loaded model."""
    _, recipe, references = _given(each)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(colorizer(each.kind)(scene(each.kind), recipe, reference=list(references) or None))


def by_command(each: Cell) -> Levels:
    """Color by the command line; with ``same``, a page in the same folder is colored before."""
    folder, _, references = _given(each)
    words: list[object] = ["--recipe", folder / "recipe.json", "--device", "cpu", "--precision", "float32"]
    for path in references:
        words += ["--reference", path]
    if not each.same:
        run_command("colorize", image_file(each.kind), "-o", folder / "out.png", *words)
        return pixels(folder / "out.png")
    (folder / "in").mkdir()
    Image.fromarray(scene(each.kind)[::-1, ::-1]).save(folder / "in" / "page1.png")
    Image.fromarray(scene(each.kind)).save(folder / "in" / "page2.png")
    run_command("colorize", folder / "in", "-o", folder / "out", "--same-characters", *words)
    return pixels(folder / "out" / "page2.png")


def by_colorize(each: Cell) -> Levels:
    """Color by `colorzoo.colorize`."""
    _, recipe, references = _given(each)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = colorzoo.colorize(
            image_file(each.kind),
            None,
            recipe,
            device="cpu",
            reference=list(references) or None,
            precision="float32",
        )
    return np.asarray(image)


def by_colorize_file(each: Cell) -> Levels:
    """Color by `colorzoo.colorize_file`."""
    folder, _, references = _given(each)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        colorzoo.colorize_file(
            image_file(each.kind),
            folder / "out.png",
            None,
            folder / "recipe.json",
            device="cpu",
            reference=list(references) or None,
            precision="float32",
        )
    return pixels(folder / "out.png")


@cache
def _client() -> TestClient:
    app = build_service(ColorService(device="cpu"), Access("127.0.0.1", "secret"))
    client = TestClient(app, base_url="http://127.0.0.1:8000", headers={"Authorization": "Bearer secret"})
    client.__enter__()
    return client


def by_serve(each: Cell) -> Levels:
    """Color by ``POST /colorize``."""
    _, recipe, references = _given(each)
    files: list[tuple[str, tuple[str, bytes]]] = [
        ("image", ("image.png", image_file(each.kind).read_bytes()))
    ]
    files += [("reference", (path.name, path.read_bytes())) for path in references]
    reply = _client().post("/colorize", files=files, data={"recipe": json.dumps(recipe), "format": "png"})
    assert reply.status_code == 200, reply.text
    return pixels(reply.content)


@cache
def _studio() -> Studio:
    return Studio(device="cpu")


def by_pad(each: Cell) -> Levels:
    """Export from the drawing pad."""
    from pads import DirectPad

    _, recipe, references = _given(each)
    pad = DirectPad(_studio())
    try:
        opened = pad.open(image_file(each.kind).read_bytes(), "image.png")
        for path in references[:1]:
            reply = pad.call("attach", path.read_bytes(), name=path.name, model=recipe["model"])
            assert reply.type == "attached", reply.body
            recipe["exemplar"] = {"path": path.name, "sha256": reply.body["sha256"]}
        return pixels(pad.export({"image": opened["image"], **recipe}))
    finally:
        pad.studio.disconnect(pad.session)


def by_film(each: Cell) -> Levels:
    """Color a film of one frame, whose colors a recipe for this frame sets."""
    folder, _, references = _given(each)
    film = folder / "film"
    film.mkdir()
    for number in range(2):
        Image.fromarray(scene(each.kind)).save(film / f"f{number}.png")
    options: Fields = {"model": MODELS[each.kind], "device": "cpu", "precision": "float32"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        colorize_video(
            film,
            folder / "out",
            keys={0: folder / "recipe.json"},
            references=references,
            border="none",
            **options,
        )
    return pixels(folder / "out" / "f0.png")


def by_evaluate(each: Cell) -> Levels:
    """Evaluate the result of the command line; it must have a perfect score.

    `evaluate` reads no recipes. It compares files with the result of `Colorizer`.
    """
    folder, _, _ = _given(each)
    (folder / "truth").mkdir()
    (folder / "results").mkdir()
    Image.fromarray(by_colorizer(each)).save(folder / "truth" / "image.png")
    Image.fromarray(by_command(each)).save(folder / "results" / "image.png")
    protocol = {"name": "edits", "version": 1, "title": "edits", "source": "tests", "metrics": ["psnr"]}
    protocol |= {"resize": {"mode": "none"}, "coloring": "colorizer"}
    (folder / "protocol.yaml").write_text(json.dumps(protocol))
    report = evaluate({"results": folder / "results"}, folder / "truth", str(folder / "protocol.yaml"))
    (scores,) = report.per_image()
    assert next(value for key, value in scores.items() if key.startswith("psnr")) > 90, scores
    return pixels(folder / "truth" / "image.png")


def edit_in_pad(kind: Kind, steps: Sequence[tuple[str, ...]]) -> list[Levels]:
    """Return the exports of one pad after each step, whose layers replace those of the step before."""
    from pads import DirectPad

    pad = DirectPad(_studio())
    try:
        opened = pad.open(image_file(kind).read_bytes(), "image.png")
        return [pixels(pad.export({"image": opened["image"], **recipe_of(names, kind)})) for names in steps]
    finally:
        pad.studio.disconnect(pad.session)


ROUTES: Mapping[str, Callable[[Cell], Levels]] = {
    "Colorizer": by_colorizer,
    "command line": by_command,
    "colorize": by_colorize,
    "colorize_file": by_colorize_file,
    "serve": by_serve,
    "pad": by_pad,
    "evaluate": by_evaluate,
    "film key": by_film,
}


@cache
def result(each: Cell, route: str | None = None) -> Levels:
    """Return the levels ``(H, W, 3)`` of a cell, computed once for each route.

    Without a route, it is the fastest one. Only the command line copies colors of sheets and earlier pages.
    """
    if route is None:
        route = "command line" if each.same or each.references > 1 else "Colorizer"
    return ROUTES[route](each)


# colors


def rgb(color: str) -> NDArray[np.float64]:
    """Return the levels of a ``#rrggbb`` color."""
    return np.array(ImageColor.getrgb(color)[:3], float)


def lab(levels: NDArray[Any]) -> NDArray[np.float64]:
    """Convert levels to CIE Lab."""
    return np.asarray(rgb2lab(np.asarray(levels, float)[None] / 255)[0])


def to_levels(color: NDArray[Any]) -> NDArray[np.float64]:
    """Convert CIE Lab to levels."""
    return np.asarray(255 * lab2rgb(np.asarray(color, float)[None])[0])


def scaled(levels: NDArray[Any], strength: float) -> NDArray[np.float64]:
    """Multiply the chroma of a color."""
    return to_levels(lab(levels) * (1, strength, strength))


def _oklab_hue(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    share = levels / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    a = cones @ (1.9779984951, -2.4285922050, 0.4505937099)
    b = cones @ (0.0259040371, 0.7827717662, -0.8086757660)
    return np.degrees(np.arctan2(b, a))


def at_lightness(color: str, lightness: float, strength: float = 1.0) -> NDArray[np.float64]:
    """Return the color with the Oklab hue and the CIE chroma of ``color`` at a lightness, as levels.

    The chroma is multiplied by ``strength`` at last. All colors of the matrix are inside sRGB.
    """
    own = lab(rgb(color))
    chroma = np.hypot(*own[1:])
    start = np.degrees(np.arctan2(own[2], own[1]))
    turns = np.radians(start + np.linspace(-30, 30, 1201))
    candidates = np.stack(
        [np.full(turns.shape, lightness), chroma * np.cos(turns), chroma * np.sin(turns)], 1
    )
    apart = abs((_oklab_hue(to_levels(candidates)) - _oklab_hue(rgb(color)) + 180) % 360 - 180)
    return scaled(to_levels(candidates[apart.argmin()]), strength)
