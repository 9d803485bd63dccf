"""What each request of the pad does. The messages are described in ``docs/studio_protocol.md``."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any, cast

from colorzoo import __version__
from colorzoo.errors import GuidanceError
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.areas import parse_area
from colorzoo.guidance.fields import Fields
from colorzoo.guidance.reach import read_reach
from colorzoo.inference.colorizer import Colored
from colorzoo.inference.encode import encode
from colorzoo.inference.kinds import describe_statistics
from colorzoo.inference.origin import Origin, with_origin
from colorzoo.inference.paths import WRITABLE
from colorzoo.inference.picture_io import Picture, depth_at, read_picture, write_notes
from colorzoo.inference.references import as_reference, require_color
from colorzoo.studio import areas, zones
from colorzoo.studio.coloring import Quality, Task, color_at, displayed, preview, shown_points, solve
from colorzoo.studio.errors import StudioError
from colorzoo.studio.files import Shelf
from colorzoo.studio.gamut import REACH, SIDE, gamut_picture, to_hex
from colorzoo.studio.layers import LAYERED, encode_layers
from colorzoo.studio.limits import Limits
from colorzoo.studio.messages import Message
from colorzoo.studio.models import Bench, ModelPool
from colorzoo.studio.opening import check_head
from colorzoo.studio.palette import suggest, where_next
from colorzoo.studio.photo import Photo, opening, plain_name, thumbnail
from colorzoo.studio.session import Session

MOST_SUGGESTIONS = 32
_LABEL_FILES = {"file", "reference_file"}
_FORMATS = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "webp": ".webp"}
_MIMES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "tiff": "image/tiff",
    "webp": "image/webp",
    "layer": "image/png",
    "ora": "image/openraster",
}


@dataclass(frozen=True)
class Context:
    """A request and all that serves it.

    Attributes:
        session: Whose it is.
        message: The request.
        pool: The models.
        limits: What is granted.
        uploads: Pictures that were sent ahead.
        downloads: Where exports wait; None where they travel in the message.
        network: Shorter side at which most networks see a photo, and in which the pad counts brush sizes.
        arrived: When the request came, by `time.perf_counter`.
    """

    session: Session
    message: Message
    pool: ModelPool
    limits: Limits
    uploads: Shelf
    downloads: Shelf | None
    network: int
    arrived: float = field(default_factory=time.perf_counter)

    def answer(self, kind: str, /, *buffers: bytes, **fields: Any) -> Message:
        """Return the message that answers this request."""
        return Message({"type": kind, "re": self.message.id, **fields}, buffers)

    def photo(self) -> Photo:
        """Return the opened photo.

        Raises:
            StudioError: There is none.
        """
        photo = self.session.photo
        if photo is None:
            raise StudioError("no_photo", "no photo is open here; open it again")
        return photo

    def recipe(self) -> Recipe:
        """Return the recipe of the request, without the files that it names: none of them is opened.

        Raises:
            GuidanceError: It is none, or has too many points.
        """
        return _without_files(self.document())

    def document(self) -> Recipe:
        """Return the recipe of the request as it stands.

        Raises:
            GuidanceError: As `recipe`.
        """
        recipe = Recipe.from_json(dict(_object(self.message.body.get("recipe"), "recipe")))
        if len(recipe.points) > self.limits.points:
            raise GuidanceError(
                f"recipe has {len(recipe.points)} points; the pad takes {self.limits.points}."
            )
        return recipe

    def bench(self, recipe: Recipe) -> Bench:
        """Return the model that a recipe names, or the default."""
        return self.pool.bench(recipe.model)

    def task(self, recipe: Recipe | None = None) -> Task:
        """Return the recipe, the photo and the model together; the model is loaded if need be."""
        photo, recipe = self.photo(), recipe or self.recipe()
        bench = self.bench(recipe)
        with self.session.lock:
            reference = None if self.session.reference is None else self.session.reference[0]
            return Task(bench.colorizer(), photo, recipe, reference, self.session.stamp, self.pool.threads)

    def file(self) -> tuple[bytes, str]:
        """Return bytes and name of the picture that the request brings.

        Raises:
            StudioError: It brings none, or one that is too large.
        """
        fields = self.message.fields()
        name = plain_name(fields.text("name", "picture"))
        if self.message.buffers:
            data = self.message.buffers[0]
        else:
            data = self.uploads.take(fields.text("upload", None), self.session.id).data
        check_bytes(len(data), self.limits)
        return data, name

    def check_wanted(self) -> None:
        """Stop where the pad has given up this request.

        Raises:
            StudioError: It has.
        """
        if self.message.id in self.session.cancelled:
            raise StudioError("cancelled", "given up")


def check_bytes(count: int, limits: Limits) -> None:
    """Refuse a file that is too large.

    Raises:
        StudioError: It is.
    """
    if count > limits.file_bytes:
        raise StudioError(
            "too_large", f"the file is larger than {limits.file_bytes / 2**20:.0f} MB, the limit here"
        )


def open_(ctx: Context) -> Iterator[Message]:
    """Decode a photo and put it on the pad."""
    data, name = ctx.file()
    for step in opening(data, name, ctx.limits, ctx.network):
        ctx.check_wanted()
        if isinstance(step, Photo):
            ctx.session.place(step)
            proposed = ctx.pool.for_sketches() if step.kind == "sketch" else None
            facts = {**step.describe(ctx.network), "proposed": proposed}
            yield ctx.answer("photo", step.gray, step.source, **facts)
        else:
            glimpse = () if step.glimpse is None else (step.glimpse,)
            yield ctx.answer("progress", *glimpse, share=round(step.share, 3))


def examine(ctx: Context) -> Iterator[Message]:
    """Say by size and beginning of a file whether it would be let in, before it is sent."""
    fields = ctx.message.fields()
    name = plain_name(fields.text("name", "picture"))
    check_bytes(fields.integer("bytes", 0, low=0) or 0, ctx.limits)
    head = ctx.message.buffers[0] if ctx.message.buffers else b""
    size = check_head(head, name, ctx.limits.pixels)
    yield ctx.answer("examined", width=size and size[0], height=size and size[1])


def attach(ctx: Context) -> Iterator[Message]:
    """Take a reference picture, or measure the statistics of one."""
    fields = ctx.message.fields()
    slot = fields.text("slot", "exemplar")
    if slot not in ("exemplar", "statistics"):
        raise StudioError("bad_message", f"attach.slot must be 'exemplar' or 'statistics', got {slot!r}.")
    if fields.take("detach"):
        with ctx.session.lock:
            ctx.session.reference = None
            ctx.session.stamp = ""
        yield ctx.answer("attached", slot=slot, detached=True)
        return
    data, name = ctx.file()
    picture = read_picture(data, max_pixels=ctx.limits.pixels)
    more: dict[str, Any] = {}
    if slot == "statistics":
        more["statistics"] = describe_statistics(picture)
    else:
        _keep_reference(ctx, picture, name)
    size = {"width": picture.size[0], "height": picture.size[1]}
    yield ctx.answer(
        "attached", thumbnail(picture), slot=slot, name=name, notes=list(picture.notes), **size, **more
    )


def color(ctx: Context) -> Iterator[Message]:
    """Color the photo at the size that the quality asks for."""
    quality = ctx.message.body.get("quality", "final")
    if quality not in ("drag", "final", "full"):
        raise StudioError("bad_message", f"color.quality must be 'drag', 'final' or 'full', got {quality!r}.")
    began = time.perf_counter()
    recipe = ctx.recipe()
    bench = ctx.bench(recipe)
    if not bench.loaded:
        yield Message({"type": "model", **bench.abilities()})
    task = ctx.task(recipe)
    answer, picture, facts = preview(task, cast(Quality, quality), ctx.session.cache, ctx.limits)
    points = [asdict(shown) for shown in shown_points(task)]
    facts["timing"]["wait"] = round((began - ctx.arrived) * 1e3, 2)
    facts["timing"]["total"] = round((time.perf_counter() - ctx.arrived) * 1e3, 2)
    yield ctx.answer(
        "colored",
        picture,
        quality=quality,
        model=task.colorizer.name,
        mime="image/jpeg",
        notes=list(answer.notes),
        distribution=answer.logits is not None,
        points=points,
        **facts,
    )


def suggestions(ctx: Context) -> Iterator[Message]:
    """Suggest colors for a place: those likely among all other hints."""
    body = ctx.message.body
    wanted = _object(body["suggest"], "color.suggest") if "suggest" in body else body
    fields = Fields(dict(wanted), "suggest")
    x, y = fields.required_number("x"), fields.required_number("y")
    count = min(fields.integer("count", 9, low=1) or 9, MOST_SUGGESTIONS)
    exclude = fields.integer("exclude", None, low=0)
    recipe = ctx.recipe()
    if exclude is not None:
        others = recipe.points[:exclude] + recipe.points[exclude + 1 :]
        recipe = replace(recipe, points=others)
    task = ctx.task(recipe)
    place = _inside(x, y, task.photo)
    answer = solve(task, task.colorizer.size, ctx.session.cache)
    found: dict[str, Any] = {"luma": None, "items": [], "entropy": None}
    if (distribution := answer.distribution()) is not None:
        shape = (answer.ab.shape[1], answer.ab.shape[2])
        found = suggest(distribution, task.photo, place, shape, count)
    yield ctx.answer("suggestions", x=x, y=y, **found)


def next_(ctx: Context) -> Iterator[Message]:
    """Say where a hint would help most."""
    task = ctx.task()
    answer = solve(task, task.colorizer.size, ctx.session.cache)
    place: dict[str, Any] = {"x": None, "y": None, "entropy": None}
    if (distribution := answer.distribution()) is not None:
        shape = (answer.ab.shape[1], answer.ab.shape[2])
        place = where_next(distribution, task.photo, task.recipe, shape)
    yield ctx.answer("next", **place)


def probe(ctx: Context) -> Iterator[Message]:
    """Tell the colors at a place: of the photo as it came, and of the result."""
    fields = ctx.message.fields()
    x, y = fields.required_number("x"), fields.required_number("y")
    task = ctx.task()
    place = _inside(x, y, task.photo)
    lab = color_at(task, solve(task, task.colorizer.size, ctx.session.cache), place)
    shown = displayed(lab)
    yield ctx.answer(
        "probed",
        x=x,
        y=y,
        luma=float(lab[0]),
        ab=[float(lab[1]), float(lab[2])],
        result=to_hex(shown),
        source=areas.source_color(task.photo, place),
    )


def gamut(ctx: Context) -> Iterator[Message]:
    """Draw the ab plane at a lightness."""
    luma = round(min(max(ctx.message.fields().required_number("luma"), 0.0), 100.0))
    yield ctx.answer("gamut", gamut_picture(luma), luma=luma, side=SIDE, low=-REACH, step=1)


def extent(ctx: Context) -> Iterator[Message]:
    """Show where the color of a point goes."""
    fields = ctx.message.fields()
    x, y = _inside(fields.required_number("x"), fields.required_number("y"), ctx.photo())
    radius = fields.number("radius", 3.0, low=0)
    reach = read_reach(fields.take("reach"), "extent.reach")
    point = PointHint(x, y, radius, reach=reach)
    yield ctx.answer("extent", areas.extent(ctx.photo(), point, ctx.network), x=x, y=y, reach=reach)


def select(ctx: Context) -> Iterator[Message]:
    """Select the thing at a place, or in a rough outline."""
    fields = ctx.message.fields()
    task = ctx.task(zones.bare(ctx.recipe()))
    if ctx.message.body.get("path") is not None:
        mask = zones.outlined(task, zones.own_colors(task, ctx.session.cache), fields.path("path"))
    else:
        place = _inside(fields.required_number("x"), fields.required_number("y"), task.photo)
        mask = zones.selected(task, place, fields.number("size", 1.0, low=0.1, high=10))
    yield ctx.answer("selected", mask=mask)


def keep(ctx: Context) -> Iterator[Message]:
    """Take down the colors that an area locks, or leaves as they are outside."""
    area = parse_area(ctx.message.fields().child("area"))
    task = ctx.task()
    answer = solve(task, task.colorizer.size, ctx.session.cache)
    yield ctx.answer("kept", kept=zones.kept(task, answer, area))


def propose(ctx: Context) -> Iterator[Message]:
    """Show the regions whose colors the model asks for."""
    task = ctx.task()
    if "regions" not in task.colorizer.model.accepts:
        raise StudioError("unsupported", f"{task.colorizer.name} does not ask for regions")
    facts, buffer = areas.regions(task, solve(task, task.colorizer.size, ctx.session.cache))
    yield ctx.answer("regions", buffer, **facts)


def classes(ctx: Context) -> Iterator[Message]:
    """Show the classes of the photo and of the reference."""
    facts, buffers = areas.classes(ctx.task())
    yield ctx.answer("classes", *buffers, **facts)


def match(ctx: Context) -> Iterator[Message]:
    """Tell which place of the reference colored a place."""
    fields = ctx.message.fields()
    x, y = fields.required_number("x"), fields.required_number("y")
    task = ctx.task()
    answer = solve(task, task.colorizer.size, ctx.session.cache)
    reference = ctx.session.reference
    found: tuple[float, float] | None = None
    if answer.match is not None and reference is not None:
        found = areas.matched(answer.match, _inside(x, y, task.photo), task.photo.size, reference[1])
    yield ctx.answer("matched", x=found and found[0], y=found and found[1])


def model(ctx: Context) -> Iterator[Message]:
    """Load a model and tell what it can do."""
    name = ctx.message.fields().text("name", None)
    yield ctx.answer("model", **ctx.pool.bench(name).abilities())


def export(ctx: Context) -> Iterator[Message]:
    """Color the photo at full size, exactly as ``colorzoo colorize --recipe`` does, and encode it."""
    fields = ctx.message.fields()
    kind = fields.text("format", "png")
    quality = fields.integer("quality", 95, low=1) or 95
    if kind not in _MIMES or quality > 100:
        raise StudioError("bad_message", f"export takes {', '.join(_MIMES)} and a quality from 1 to 100.")
    photo, recipe = ctx.photo(), ctx.recipe()
    name = PurePath(photo.name).stem + (LAYERED.get(kind) or f".color{_FORMATS[kind]}")
    picture = photo.picture(ctx.limits)
    with ctx.session.lock:
        reference = None if ctx.session.reference is None else ctx.session.reference[0]
    colored = ctx.bench(recipe).colorizer().colorize(picture, recipe, reference=reference)
    notes = [*picture.notes, *colored.notes]
    if kind in LAYERED:
        data = encode_layers(kind, picture, colored.levels())
    else:
        data = _encode(photo, colored, picture, recipe, name, quality)
        notes += write_notes(name, picture)
    facts = {"name": name, "mime": _MIMES[kind], "bytes": len(data), "notes": notes}
    if ctx.downloads is None:
        yield ctx.answer("exported", data, **facts)
        return
    key = ctx.downloads.put(data, name, ctx.session.id)
    yield ctx.answer("exported", url=f"api/download/{key}?session={ctx.session.id}", **facts)


def check(ctx: Context) -> Iterator[Message]:
    """Read a recipe that is to be loaded, whatever it holds."""
    recipe = ctx.document()
    photo = ctx.session.photo
    notes = [f"recipe field {name!r} is unknown and was kept" for name in recipe.unknown()]
    if _without_files(recipe) != recipe:
        notes.append("label images that a recipe names are kept but not opened here; the model finds classes")
    if photo is not None:
        recipe.check_inside(*photo.size)
        if recipe.sha256 not in (None, photo.sha256):
            notes.append("the recipe was made for another picture file")
    if recipe.model is not None:
        ctx.pool.bench(recipe.model)
    yield ctx.answer("checked", recipe=recipe.to_dict(), notes=notes)


def _encode(
    photo: Photo, colored: Colored, picture: Picture, recipe: Recipe, name: str, quality: int
) -> bytes:
    """Encode a result as the command line does, with what it says of its origin."""
    made = Origin(photo.sha256, "", colored.model, version=__version__, recipe=recipe.to_json())
    marked = replace(picture, metadata=with_origin(picture.metadata, made))
    levels = colored.levels(depth_at(name, picture))
    return encode(levels, marked, WRITABLE[PurePath(name).suffix], quality)


Handler = Callable[[Context], Iterator[Message]]


@dataclass(frozen=True)
class Request:
    """How a request is served.

    Attributes:
        run: Does it.
        where: In the thread of the model, or on the side where files are decoded and encoded.
        newest: Only the newest of a session counts.
        rank: See `Job`.
    """

    run: Handler
    where: str = "side"
    newest: bool = True
    rank: int = 1


REQUESTS: dict[str, Request] = {
    "examine": Request(examine, newest=False),
    "open": Request(open_, newest=False),
    "attach": Request(attach, newest=False),
    "color": Request(color, "model", rank=0),
    "suggest": Request(suggestions, "model"),
    "next": Request(next_, "model"),
    "probe": Request(probe, "model"),
    "gamut": Request(gamut, rank=0),
    "extent": Request(extent),
    "select": Request(select, "model"),
    "keep": Request(keep, "model", newest=False),
    "propose": Request(propose, "model"),
    "classes": Request(classes, "model"),
    "match": Request(match, "model"),
    "model": Request(model, "model", newest=False),
    "export": Request(export, newest=False),
    "check": Request(check, newest=False),
}


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GuidanceError(f"{name} must be an object, got {type(value).__name__}.")
    return value


def _without_files(recipe: Recipe) -> Recipe:
    """Take out the label images that a recipe names: their paths are the client's."""
    wanted = recipe.extra.get("classes")
    if not isinstance(wanted, dict) or not _LABEL_FILES & wanted.keys():
        return recipe
    kept = {name: value for name, value in wanted.items() if name not in _LABEL_FILES}
    return replace(recipe, extra={**recipe.extra, "classes": kept})


def _inside(x: float, y: float, photo: Photo) -> tuple[float, float]:
    width, height = photo.size
    if not (0 <= x <= width and 0 <= y <= height):
        raise StudioError(
            "bad_message", f"({x:g}, {y:g}) lies outside the photo ({width} x {height} pixels)."
        )
    return x, y


def _keep_reference(ctx: Context, picture: Picture, name: str) -> None:
    require_color(picture, repr(name))
    small = as_reference(picture, ctx.network)
    with ctx.session.lock:
        ctx.session.reference = (small, picture.size)
        ctx.session.stamp = secrets.token_hex(8)
