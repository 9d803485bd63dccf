"""Handlers of requests from drawing pads; see ``docs/studio_protocol.md``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, replace
from hashlib import sha256
from typing import Annotated, Any, Literal

from colorzoo.abilities import DrawingModel
from colorzoo.apps.studio import drawings, regions, suggestions
from colorzoo.apps.studio.coloring import PadRequest, Quality, color_preview, milliseconds, predict
from colorzoo.apps.studio.export import (
    ExportOptions,
    encode_with_layers,
    encode_with_provenance,
    export_provenance,
)
from colorzoo.apps.studio.models import ModelPool, describe_model
from colorzoo.apps.studio.opened_image import OpenedImage, open_upload, read_upload, safe_name, thumbnail
from colorzoo.apps.studio.protocol import Limits, Message, Reply, StudioError, error_message
from colorzoo.apps.studio.sessions import AttachedReference, Session
from colorzoo.apps.studio.worker_pool import RequestCancelledError, cancellable, stop_if_cancelled
from colorzoo.batch import UsedFile
from colorzoo.errors import GuidanceError
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.areas import parse_area
from colorzoo.guidance.fields import DEFAULT_REACH, Fields, Reach, Vertices
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.image_io import is_gray, without_positions, write_notes
from colorzoo.inference import (
    as_reference,
    colorize_edit,
    crop_recipe,
    describe_statistics,
    require_color,
)
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, Range

MAX_SUGGESTIONS = 32
"""Maximum number of suggested colors for a location."""
_LEAST_CORNERS = 3  # minimum number of corners of an outline


class Context:
    """Request of a drawing pad, with its session and the services of the server.

    Args:
        session: Session of the drawing pad.
        message: Message with the request.
        reply: Thread-safe function that sends a message to the drawing pad.
        pool: Cache of loaded models.
        limits: Limits of the server.
        inline_files: Whether responses contain exported files instead of a download address.
        network: Usual shorter side of a network input in pixels. The drawing pad specifies brush sizes in
            pixels of an image with this size.

    Attributes:
        received: Time of the request, by `time.perf_counter`.
    """

    def __init__(
        self,
        session: Session,
        message: Message,
        reply: Reply,
        *,
        pool: ModelPool,
        limits: Limits,
        inline_files: bool,
        network: int,
    ) -> None:
        self.session, self.message, self.reply = session, message, reply
        self.pool, self.limits, self.inline_files, self.network = pool, limits, inline_files, network
        self.received = time.perf_counter()
        self._connection = session.connection  # requests of earlier connections are cancelled

    def run(self, handler: Handler) -> None:
        """Run a handler and send its responses; errors are sent as messages.

        The handler stops if the drawing pad disconnects or a newer ``color`` request replaces this request.
        """
        kind, body, number = self.message.type, self.message.body, self.message.id or 0

        def is_cancelled() -> bool:
            if self.session.connection != self._connection:
                return True
            if kind not in ("color", "colorings"):
                return False
            if kind == "colorings" or body.get("quality") == "full":
                return self.session.newest_color > number
            is_preview = body.get("quality") == "drag" or body.get("early") is True
            return is_preview and self.session.newest_final > number

        try:
            with cancellable(is_cancelled):
                for answer in handler(self):
                    self.reply(answer)
                    stop_if_cancelled()
        except RequestCancelledError:
            self.drop()  # a disconnected drawing pad does not receive this message
        except Exception as error:  # all errors are reported, so that later requests are processed
            self.reply(error_message(error, self.message.id))

    def drop(self) -> None:
        """Send the message that the request is not processed."""
        self.reply(self.answer("dropped"))

    def answer(self, kind: str, /, *buffers: bytes, **fields: Any) -> Message:
        """Return a message that responds to this request.

        Args:
            kind: Type of the message.
            *buffers: Binary parts of the message.
            **fields: Other JSON fields of the message.
        """
        return Message({"type": kind, "re": self.message.id, **fields}, buffers)

    def opened(self, recipe: Recipe | None = None) -> OpenedImage:
        """Return the open photo of the session.

        Args:
            recipe: Recipe for the photo; None does not check which photo is open.

        Raises:
            StudioError: No photo is open, or the recipe is for another photo.
        """
        opened = self.session.opened
        if opened is None:
            raise StudioError("no_photo", "no photo is open in this session. Open the photo again.")
        if recipe is not None and recipe.sha256 not in (None, opened.sha256):
            raise StudioError("no_photo", "another photo is open in this session. Open the photo again.")
        return opened

    def place(self, fields: Fields | None = None) -> tuple[float, float]:
        """Return the location in the request: x and y in pixels of the photo.

        Args:
            fields: Fields that contain the location; None uses the fields of the message.

        Raises:
            StudioError: The coordinates are outside the photo.
        """
        fields = fields or self.message.fields()
        x, y = (fields.read(key, float, MISSING) for key in "xy")
        width, height = self.opened().size
        if not (0 <= x <= width and 0 <= y <= height):
            raise StudioError(
                "bad_message", f"({x:g}, {y:g}) lies outside the photo ({width} x {height} pixels)"
            )
        return x, y

    def full_recipe(self) -> Recipe:
        """Parse the recipe of the request; raise `GuidanceError` if it is invalid."""
        return Recipe.from_json(Fields(self.message.body.get("recipe"), "recipe").rest())

    def recipe(self) -> Recipe:
        """Parse the recipe of the request and remove the paths of label files and of other images.

        The server must not open paths from clients. The drawing pad sends images of other kinds of guidance
        as ``data:`` URLs.
        """
        recipe = self.full_recipe()
        more = {
            kind: value
            for kind, value in recipe.more.items()
            if guidance_kind(kind).widget != "image" or str(value).startswith("data:")
        }
        classes = replace(recipe.classes, file=None, reference_file=None)
        return replace(recipe, classes=classes, more=more)

    def pad_request(self, recipe: Recipe | None = None) -> PadRequest:
        """Load the model of a recipe and return the inputs of the colorization.

        Unless the model colorizes sketches, the photo is cropped to the part within the border of the scan,
        and the coordinates of the recipe are converted to pixels of this part.

        Args:
            recipe: Recipe to apply; None uses the recipe of the request.

        Raises:
            GuidanceError: The border rectangle of the recipe extends beyond the photo, or the reference is
                gray although the model requires a color reference.
            StudioError: No photo is open, or the recipe is for another photo.
        """
        recipe = recipe or self.recipe()
        photo = self.opened(recipe)
        colorizer = self.pool.get(recipe.model)
        if colorizer.is_sketch_model:
            prepared = photo.on_paper().healed(recipe.healing)
        else:
            prepared = photo.healed(recipe.healing).part(recipe.border)
        if prepared.window is None:  # the whole photo
            recipe.check_inside(*photo.size)
        else:
            # the pad does not show the notes
            recipe, _ = crop_recipe(recipe, photo.size, prepared.window.inside)
        reference = self.session.reference_for(recipe)
        if reference is not None and reference.gray:
            model = colorizer.model
            if "exemplar" in model.accepts and model.reference_needs_color:
                raise GuidanceError(
                    f"the reference {reference.file.name!r} has no color. Choose a color image."
                )
        return PadRequest(colorizer, prepared, recipe, reference, self.pool.cache)

    def file(self) -> tuple[bytes, str]:
        """Return the content and the name of the uploaded file.

        Raises:
            StudioError: The request has no file, or the file is too large.
        """
        fields = self.message.fields()
        name = safe_name(fields.read("name", str, "image"))
        if self.message.buffers:
            data = self.message.buffers[0]
        else:
            data = self.session.file(fields.read("upload", str), drop=True).data
        self.limits.check_bytes(len(data))
        return data, name


def _open(ctx: Context) -> Iterator[Message]:
    """Open a photo."""
    data, name = ctx.file()
    opened = open_upload(data, name, ctx.limits, ctx.network)
    if ctx.message.id in ctx.session.cancelled:
        raise StudioError("cancelled", "cancelled")
    if ctx.session.opened is not None:
        ctx.pool.cache.clear()
    ctx.session.set_opened(opened)
    proposed = ctx.pool.for_sketches() if opened.kind == "sketch" else None
    buffers = (opened.gray, opened.source, *((opened.alpha,) if opened.alpha else ()))
    yield ctx.answer("photo", *buffers, **opened.describe(ctx.network), proposed=proposed)


def _attach(ctx: Context) -> Iterator[Message]:
    """Attach a reference image, or measure the color statistics of an image."""
    fields = ctx.message.fields()
    slot = fields.read("slot", Literal["exemplar", "statistics"], "exemplar")
    if fields.take("detach"):
        if slot == "exemplar":
            ctx.session.reference = None
        yield ctx.answer("attached", slot=slot)
        return
    data, name = ctx.file()
    image = read_upload(data, name, ctx.limits)
    width, height = image.size
    response: dict[str, Any] = {"name": name, "width": width, "height": height, "notes": list(image.notes)}
    if slot == "statistics":
        response["statistics"] = describe_statistics(image)
    else:
        response["sha256"] = sha256(data).hexdigest()
        if ctx.pool.get(fields.read("model", str)).model.reference_needs_color:
            require_color(image, repr(name))
        file = UsedFile("reference", name, response["sha256"])
        rgb = as_reference(image, ctx.network)
        ctx.session.reference = AttachedReference(rgb, image.size, file, is_gray(image))
    yield ctx.answer("attached", thumbnail(image), slot=slot, **response)


def _color(ctx: Context) -> Iterator[Message]:
    """Colorize the photo and send a preview in one of the qualities ``drag``, ``final`` and ``full``."""
    quality: Quality = ctx.message.fields().read("quality", Quality, "final")
    recipe = ctx.recipe()
    if not ctx.pool.has(recipe.model):
        yield Message({"type": "model", **describe_model(ctx.pool.get(recipe.model))})
    request = ctx.pad_request(recipe)
    fields, buffers = color_preview(request, quality, ctx.limits)
    fields["timing"]["total"] = milliseconds(time.perf_counter() - ctx.received)
    fields |= {"quality": quality, "model": request.colorizer.name, "mime": "image/jpeg"}
    yield ctx.answer("colored", *buffers, **fields)


def suggest(ctx: Context) -> Iterator[Message]:
    """Yield a message with likely colors at a location, predicted from all other hints."""
    body = ctx.message.body
    fields = Fields(body.get("suggest", body), "suggest")  # a ``color`` request can contain this request
    place_in_photo = ctx.place(fields)
    count = min(fields.read("count", PositiveInt, 9), MAX_SUGGESTIONS)
    recipe, exclude = ctx.recipe(), fields.read("exclude", NonNegativeInt)
    if exclude is not None:
        # the other points of the same brush stroke are excluded, too
        strokes = {point.stroke for point in recipe.points[exclude : exclude + 1]} - {None}
        points = tuple(
            point
            for number, point in enumerate(recipe.points)
            if number != exclude and point.stroke not in strokes
        )
        recipe = replace(recipe, points=points)
    request = ctx.pad_request(recipe)
    place = request.opened.part_location(place_in_photo)
    if _colors_regions(request):
        reach = None
        colors = drawings.describe_region_colors(request, place, count)
    else:
        reach = regions.default_reach(request, place)
        colors = suggestions.describe_likely_colors(request, place, count)
    yield ctx.answer("suggestions", reach=reach, **colors)


def _next(ctx: Context) -> Iterator[Message]:
    """Find the location with the most uncertain color, as a proposal for the next point."""
    request = ctx.pad_request()
    if _colors_regions(request):
        proposal = drawings.describe_next_region(request)
    else:
        proposal = suggestions.describe_next_point(request)
    yield ctx.answer("next", **proposal)


def _colorings(ctx: Context) -> Iterator[Message]:
    """Find the location whose color determines most other colors, and its likely colors."""
    request = ctx.pad_request()
    if _colors_regions(request):
        versions = [{"variant": number} for number in range(suggestions.COLORINGS)]
        yield ctx.answer("colorings", x=None, y=None, lightness=None, items=versions)
        return
    yield ctx.answer("colorings", **suggestions.describe_colorings(request))


def _extent(ctx: Context) -> Iterator[Message]:
    """Return an image of the reach of a point: the pixels that its color can change."""
    place = ctx.place()
    fields = ctx.message.fields()
    radius = fields.read("radius", NonNegativeFloat, 3.0)
    reach = fields.read("reach", Reach, DEFAULT_REACH)
    recipe = ctx.recipe() if "recipe" in ctx.message.body else Recipe()
    request = ctx.pad_request(recipe)
    point = PointHint(*request.opened.part_location(place), radius, reach=reach)
    overlay, steps = regions.reach_overlay(request, point), regions.reach_steps(request, point)
    yield ctx.answer("extent", overlay, steps=steps)


def _select(ctx: Context) -> Iterator[Message]:
    """Select the object at a location, or inside a rough outline."""
    fields = ctx.message.fields()
    size = fields.read("size", Annotated[float, Range(0.1, 10)], 1.0)
    request = ctx.pad_request(ctx.recipe().without_hints())
    if ctx.message.body.get("path") is None:
        visible = fields.read("visible", Fraction, 1.0)
        place = request.opened.part_location(ctx.place())
        mask = regions.select_at_point(request, place, size, visible)
    else:
        path, window = fields.read("path", Vertices, MISSING), request.opened.window
        if len(path) < _LEAST_CORNERS:
            raise StudioError(
                "bad_message", f"select.path must have at least {_LEAST_CORNERS} corners, got {len(path)}"
            )
        if window is not None:  # convert to pixels of the colorized part
            path = [window.inside.shifted(corner) for corner in path]
        select = regions.select_outline if fields.take("exact") else regions.select_in_outline
        mask = select(request, path, size)
    yield ctx.answer("selected", mask=mask)


def _parts(ctx: Context) -> Iterator[Message]:
    """Find named parts of the photo, such as skin and sky."""
    yield ctx.answer("parts", items=regions.named_parts(ctx.pad_request(Recipe())))


def _keep(ctx: Context) -> Iterator[Message]:
    """Return the current colors of the pixels that an area locks."""
    area = parse_area(ctx.message.fields().child("area"))
    request = ctx.pad_request()
    if (window := request.opened.window) is not None:
        (area,) = crop_recipe(Recipe(areas=(area,)), window.size, window.inside)[0].areas
    kept = regions.locked_colors(request, predict(request), area)
    yield ctx.answer("kept", kept=kept)


def _propose(ctx: Context) -> Iterator[Message]:
    """Return the regions that the model proposes to fill with colors, or the regions of a drawing."""
    request = ctx.pad_request()
    if "regions" in request.colorizer.model.accepts:
        description, *buffers = regions.describe_regions(request, predict(request))
    elif request.colorizer.is_sketch_model:
        description, *buffers = drawings.describe_drawing(request)
    else:
        raise StudioError("unsupported", "this coloring model does not support regions")
    yield ctx.answer("regions", *buffers, **description)


def _same(ctx: Context) -> Iterator[Message]:
    """Find the regions of a drawing that probably have the color of the region at a location."""
    place = ctx.place()
    yield ctx.answer("same", **drawings.describe_similar_regions(ctx.pad_request(), place))


def _classes(ctx: Context) -> Iterator[Message]:
    """Return the object classes in the photo and the reference as label maps."""
    description, class_maps = regions.describe_classes(ctx.pad_request())
    yield ctx.answer("classes", *class_maps, **description)


def _match(ctx: Context) -> Iterator[Message]:
    """Find the reference location that the model matched to a photo location."""
    x, y = regions.matched_location(ctx.pad_request(), ctx.place()) or (None, None)
    yield ctx.answer("matched", x=x, y=y)


def _model(ctx: Context) -> Iterator[Message]:
    """Load a model and return its capabilities."""
    name = ctx.message.fields().read("name", str)
    yield ctx.answer("model", **describe_model(ctx.pool.get(name)))


def _export(ctx: Context) -> Iterator[Message]:
    """Colorize the photo like ``colorzoo colorize --recipe``, and encode the result; see `ExportOptions`."""
    options = ctx.message.fields().parse(ExportOptions)
    recipe = ctx.recipe()
    request = ctx.pad_request(recipe)
    opened = ctx.opened()
    name = options.file_name(opened.name)
    image = opened.decode()
    drawing = request.drawing() if request.colorizer.is_sketch_model else None
    edit = request.colorizer.resolve(image, recipe, reference=request.exemplar, drawing=drawing)
    # reuse results of the previews, which have the same network input
    colored = colorize_edit(replace(edit, lightness=request.lightness(), cache=request.cache))
    notes = [*image.notes, *colored.notes]
    if options.has_layers:
        data = encode_with_layers(colored, image, options)
    else:
        origin = export_provenance(request, recipe, options, colored.source(image).size)
        data = encode_with_provenance(colored, image, name, origin, options)
    if options.format != "layer":  # a layer has no metadata
        source = colored.source(image)
        if options.side is not None and options.side < max(source.size):
            source = replace(source, metadata=without_positions(source.metadata, scaled=True))
        notes += write_notes(name, replace(image, metadata=source.metadata))
    fields = {"name": name, "mime": options.mime, "notes": notes}
    if ctx.inline_files:
        yield ctx.answer("exported", data, **fields)
    else:
        key = ctx.session.add_file(data, name)
        yield ctx.answer("exported", url=f"api/download/{key}?session={ctx.session.id}", **fields)


def _check(ctx: Context) -> Iterator[Message]:
    """Validate a recipe file before the drawing pad loads the recipe."""
    recipe = ctx.full_recipe()
    opened = ctx.session.opened
    notes = [
        f"the setting {name} of these edits is unknown; it is kept but not used" for name in recipe.unknown()
    ]
    count = len(recipe.exemplar.files)
    if count > 1:
        notes.append(f"the drawing pad uses only the first of {count} reference images")
    # the server opens no paths
    unread = [kind for kind in recipe.more if kind not in ctx.recipe().more]
    unread += ["classes"] if recipe.classes.label_files else []
    notes += [f"the drawing pad does not use the image files of {kind}" for kind in unread]
    if opened is not None:
        opened.part(recipe.border)  # raises an error if the border exceeds the photo
        recipe.check_inside(*opened.size)
    if recipe.model is not None:
        ctx.pool.get(recipe.model)
    yield ctx.answer("checked", recipe=recipe.to_dict(), notes=notes)


Handler = Callable[[Context], Iterator[Message]]


@dataclass(frozen=True)
class Request:
    """Handler and scheduling of a request type.

    Attributes:
        handler: Generator function that yields the responses.
        uses_model: Whether the request runs in a worker thread for models instead of a worker thread for
            files.
        newest_only: Whether a newer request replaces waiting requests of this type in the session.
        rank: Priority among the requests of a session; the lowest rank runs first.
    """

    handler: Handler
    uses_model: bool = False
    newest_only: bool = True
    rank: int = 1


REQUESTS: dict[str, Request] = {
    "open": Request(_open, newest_only=False),
    "attach": Request(_attach, newest_only=False),
    "color": Request(_color, uses_model=True, rank=0),
    "suggest": Request(suggest, uses_model=True),
    "next": Request(_next, uses_model=True),
    "colorings": Request(_colorings, uses_model=True),
    "extent": Request(_extent, uses_model=True),
    "parts": Request(_parts, uses_model=True),
    "select": Request(_select, uses_model=True),
    "keep": Request(_keep, uses_model=True, newest_only=False),
    "propose": Request(_propose, uses_model=True),
    "same": Request(_same, uses_model=True),
    "classes": Request(_classes, uses_model=True),
    "match": Request(_match, uses_model=True),
    "model": Request(_model, uses_model=True, newest_only=False),
    "export": Request(_export, newest_only=False),
    "check": Request(_check, newest_only=False),
}


def _colors_regions(request: PadRequest) -> bool:
    return isinstance(request.colorizer.model, DrawingModel)
