"""Make the pictures of docs/walks.md: what an artist puts into a picture, step by step.

Run with ``python -m benchmarks.pages.walks`` whenever weights have changed. A walk is a recipe that grows,
and goes the way of ``colorzoo colorize --recipe``: things are selected as by a click, regions are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks._command import named, run_command
from benchmarks.pages import IMAGES
from colorzoo.guidance import Area, BoxHint, PointHint, Recipe, RegionColor
from colorzoo.guidance.reach import Reach
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.guide import wanted_model
from colorzoo.inference.picture_io import Picture, read_picture
from colorzoo.inference.select import features_of, select_at
from colorzoo.inference.sketches import model_input

SOURCES = IMAGES / "sources"
MOST_BYTES = 150_000
GAP = 6
RED = "#b02a20"

Place = tuple[float, float]
Change = Callable[[Recipe, "Desk"], Recipe]


@dataclass(frozen=True)
class Desk:
    """A picture, and the model that looks at it when a thing is selected.

    Attributes:
        picture: The picture.
        colorizer: The model.
    """

    picture: Picture
    colorizer: Colorizer


@dataclass(frozen=True)
class Walk:
    """What an artist does with one picture.

    Attributes:
        picture: Reads or draws it.
        model: Registered name; None takes the default for what is given.
        steps: What each step changes.
        width: Of one picture on the page.
    """

    picture: Callable[[], Picture]
    model: str | None
    steps: tuple[tuple[Change, ...], ...]
    width: int


def point(x: float, y: float, color: str, reach: Reach = "automatic") -> Change:
    """Click a place and choose a color."""
    return lambda recipe, _: replace(
        recipe, points=(*recipe.points, PointHint(x, y, 2.5, color, reach=reach))
    )


def thing(x: float, y: float, color: str, size: float = 1.0) -> Change:
    """Select the thing at a place by a click, and give it a color."""

    def change(recipe: Recipe, desk: Desk) -> Recipe:
        luma = desk.colorizer.see(desk.picture)
        features = features_of(desk.colorizer.model, luma)
        mask = select_at(luma, features, (x, y), desk.picture.size, size)
        area = Area("color", mask=mask, color=color, made={"at": [x, y]})
        return replace(recipe, areas=(*recipe.areas, area))

    return change


def outlined(color: str, *path: Place) -> Change:
    """Draw around something, and give it a color."""
    return lambda recipe, _: replace(recipe, areas=(*recipe.areas, Area("color", tuple(path), color=color)))


def own_thing(*path: Place) -> Change:
    """Draw around something that is a thing of its own."""
    return lambda recipe, _: replace(
        recipe, boxes=recipe.boxes or (), areas=(*recipe.areas, Area("thing", tuple(path)))
    )


def boxed(x: float, y: float, width: float, height: float) -> Change:
    """Draw a box around something."""
    return lambda recipe, _: replace(recipe, areas=(), boxes=(BoxHint(x, y, width, height),))


def no_boxes(recipe: Recipe, desk: Desk) -> Recipe:
    """Say that there are no things."""
    del desk
    return replace(recipe, boxes=())


def reaching(reach: Reach) -> Change:
    """Change how far all points go."""
    return lambda recipe, _: replace(recipe, points=tuple(replace(p, reach=reach) for p in recipe.points))


def regions(x: float, y: float, color: str) -> Change:
    """Join the model's regions within the lines around a place, and give them a color."""

    def change(recipe: Recipe, desk: Desk) -> Recipe:
        luma = desk.colorizer.see(desk.picture)
        index = desk.colorizer.propose(luma).index[0, 0].numpy()
        paper, _ = ndimage.label(model_input(desk.colorizer.model, luma)[0, 0].numpy() > 0.5)
        rows, columns = index.shape
        width, height = desk.picture.size
        inside = paper == paper[int(y * rows / height), int(x * columns / width)]
        most = [number for number in np.unique(index) if inside[index == number].mean() > 0.5]
        found = tuple(RegionColor(int(number), color, {"at": (x, y)}) for number in most)
        return replace(recipe, regions=(*recipe.regions, *found))

    return change


def photo(name: str) -> Callable[[], Picture]:
    """Return what reads a photo of the documentation."""
    return lambda: read_picture(SOURCES / name)


@cache
def boat() -> Picture:
    """Draw a boat at sea, by hand as it were; it is ours (CC0)."""
    side, finer, pen = 512, 3, 5
    canvas = Image.new("L", (side * finer, side * finer), 255)
    draw = ImageDraw.Draw(canvas)
    for path in _boat_lines():
        corners = [(x * finer, y * finer) for x, y in path]
        draw.line(corners, fill=0, width=pen * finer, joint="curve")
    levels = np.asarray(canvas.resize((side, side), Image.Resampling.LANCZOS))
    return read_picture(np.dstack([levels] * 3))


def _boat_lines() -> Iterator[list[Place]]:
    turn, grow = np.linspace(0, 2 * np.pi, 80), np.linspace(0, 1, 40)
    for start, end in ((0, 120), (401, 512)):
        yield [(x, 372 + 9 * np.sin(x / 26)) for x in np.linspace(start, end, 40)]  # the sea
    yield [(95, 340), (425, 340), (385, 425), (140, 425), (95, 340)]
    yield [(262, 340), (262, 60)]
    right = [(274 + 120 * np.sin(1.4 * t), 80 + 240 * t) for t in grow]
    left = [(250 - 110 * t**0.8, 110 + 210 * t) for t in grow]
    yield [*right, (274, 320), (274, 80)]
    yield [*left, (250, 320), (250, 110)]
    yield [(262, 60), (330, 45), (318, 68), (262, 82)]
    yield [(415 + 48 * np.cos(t), 95 + 48 * np.sin(t)) for t in turn]  # the sun
    yield [(120 + 62 * np.cos(t) * (1 + 0.12 * np.cos(5 * t)), 135 + 38 * np.sin(t)) for t in turn]


def picture_of(walk: Walk) -> Image.Image:
    """Return a walk as pictures beside each other: all that was given, then each step's result."""
    picture, recipe, results = walk.picture(), Recipe(), []
    desk = Desk(picture, colorizer(walk.model or wanted_model(None, Recipe(points=(PointHint(0, 0),)))))
    for step in walk.steps:
        for change in step:
            recipe = change(recipe, desk)
        results.append(Image.fromarray(desk.colorizer.colorize(picture, recipe).levels()))
    return beside([marked(picture, walk, desk), *results], walk.width)


@cache
def colorizer(name: str) -> Colorizer:
    """Return a model, loaded once."""
    return Colorizer(name, device="cpu")


def marked(picture: Picture, walk: Walk, desk: Desk) -> Image.Image:
    """Return the gray picture with the hints of all steps, in their colors."""
    shown = Image.fromarray(picture.levels).convert("L").convert("RGB")
    draw, reach = ImageDraw.Draw(shown), max(shown.size) / 70
    for step in walk.steps:
        for change in step:
            given = change(Recipe(), desk)
            for area in given.areas:
                if area.path:
                    draw.polygon(area.path, outline=area.color or "#ffffff", width=round(reach / 2))
            for box in given.boxes or ():
                draw.rectangle(box.corners, outline="#ffffff", width=round(reach / 2))
            for x, y, color in _places(given):
                draw.ellipse((x - reach, y - reach, x + reach, y + reach), "#ffffff", "#000000")
                inner = reach * 0.7
                draw.ellipse((x - inner, y - inner, x + inner, y + inner), color)
    return shown


def _places(given: Recipe) -> Iterator[tuple[float, float, str]]:
    """Yield the places that were clicked for one change, with their colors."""
    for hint in given.points:
        yield hint.x, hint.y, hint.color
    for area in given.areas:
        if "at" in area.made:
            yield (*area.made["at"], str(area.color))
    for region in given.regions[:1]:
        yield (*region.extra["at"], region.color)


def beside(pictures: Sequence[Image.Image], width: int) -> Image.Image:
    """Return pictures of one size in a row."""
    height = round(width * pictures[0].height / pictures[0].width)
    row = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height), "white")
    for number, picture in enumerate(pictures):
        row.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (number * (width + GAP), 0))
    return row


WALKS = {
    "walk_portrait": Walk(
        photo("migrant_mother_1936.jpg"),
        None,
        (
            (
                point(175, 150, "#d8a686"),
                point(185, 320, "#d49f7e"),
                point(200, 62, "#4a3020"),
                point(325, 95, "#8a6840"),
                point(110, 180, "#6a4a30"),
            ),
            (
                point(120, 265, "#857058"),
                outlined(
                    "#8c98a8",
                    (15, 212),
                    (40, 208),
                    (84, 242),
                    (97, 290),
                    (104, 340),
                    (104, 394),
                    (60, 372),
                    (15, 350),
                ),
                point(320, 290, "#66705c"),
                point(250, 420, "#d8ccb0"),
            ),
            (point(90, 60, "#6e6850"),),
        ),
        240,
    ),
    "walk_street": Walk(
        photo("detroit_1915.jpg"),
        None,
        (
            (
                thing(250, 50, "#a8c8e8", 1.6),
                point(60, 200, "#96604a"),
                point(370, 190, "#7c4a3a"),
                point(690, 120, "#9a5f48"),
                point(450, 235, "#c4a678"),
            ),
            (
                point(300, 330, "#c4b8a4"),
                point(40, 280, "#cfc4b2"),
                point(580, 100, "#d8cfbc"),
                point(300, 230, "#dcd2bc"),
                point(90, 105, "#66766a"),
            ),
            (
                point(385, 268, "#5c7a40"),
                point(425, 290, "#6e8a4c"),
                point(515, 360, "#b8863a"),
                point(115, 370, "#8a5a34"),
                point(690, 330, "#c8b48c"),
            ),
        ),
        360,
    ),
    "walk_house": Walk(
        photo("buffalo_bank_1908.jpg"),
        None,
        ((point(110, 200, RED, "everywhere"),), (reaching("automatic"),)),
        300,
    ),
    "walk_thing": Walk(
        photo("coffee.jpg"),
        "su2020_small",
        (
            (no_boxes,),
            (boxed(75, 5, 410, 385),),
            (
                no_boxes,
                own_thing(
                    (180, 40),
                    (240, 18),
                    (340, 22),
                    (400, 60),
                    (440, 130),
                    (478, 190),
                    (478, 250),
                    (420, 340),
                    (300, 388),
                    (180, 360),
                    (100, 290),
                    (80, 210),
                    (110, 130),
                ),
            ),
        ),
        240,
    ),
    "walk_sketch": Walk(
        boat,
        "cho2023_small",
        (
            (regions(262, 385, "#a03c2c"), regions(300, 220, "#f2e8d0"), regions(220, 260, "#e8c880")),
            (regions(60, 60, "#8cc4ea"), regions(60, 440, "#2c6c9c"), regions(130, 135, "#fafafa")),
            (regions(415, 95, "#f4c430"), regions(290, 63, "#d02c3c")),
        ),
        240,
    ),
}


def main() -> None:
    """Make all pictures, or those that are named."""
    for name in named(WALKS, __doc__):
        target = IMAGES / f"{name}.jpg"
        picture_of(WALKS[name]).save(target, quality=85, optimize=True, progressive=True)
        size = target.stat().st_size
        if size > MOST_BYTES:
            raise SystemExit(f"{target.name} has {size} bytes, more than {MOST_BYTES}")
        print(f"{target.name}: {size / 1000:.0f} kB")


if __name__ == "__main__":
    run_command(main)
