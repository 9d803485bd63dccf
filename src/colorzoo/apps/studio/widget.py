"""Notebook widget for the drawing pad, with the same message protocol as the server."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray
from PIL import Image
from torch import nn

from colorzoo.apps.studio.protocol import Message
from colorzoo.apps.studio.studio import Studio
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.image_io import RasterImage, encode, read_image, to_pil
from colorzoo.inference import Colorizer, read_recipe

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise ColorzooError(
        'the widget requires anywidget. Run `python -m pip install "colorzoo[notebook]"`.'
    ) from error

STATIC = Path(__file__).parent / "static"
BUNDLE = Path(__file__).parent / "widget.js"
# imports the modules of the pad from memory, because a notebook does not serve the files of the package
_LOADER = r"""
const urls = {};
const load = (name) => urls[name] ??= URL.createObjectURL(new Blob(
  [sources[name].replace(/ from "\.\/(\w+)\.js";/g, (_, other) => ` from "${load(other)}";`)],
  { type: "text/javascript" },
));
const { default: pad } = await import(load("pad"));
Object.values(urls).forEach(URL.revokeObjectURL);
export default pad;
"""

_STORED_SIDE = 1024  # maximum side in pixels of the image stored in a notebook

RecipeLike = Recipe | Mapping[str, Any] | str | Path


class Pad(anywidget.AnyWidget):
    """Drawing pad for a notebook.

    A notebook displays the pad if the pad is the last expression of a cell. ``pad.recipe`` contains the
    current edits, and assigning a recipe replaces them. ``pad.result()`` returns the colorized image at full
    size, equal to the result of `colorzoo.colorize` for the image and the recipe.

    Args:
        image: Path, Pillow image or array, as for `colorzoo.colorize`; None starts without an image.
        model: Registered name, module or `Colorizer`; None selects the default model.
        recipe: Initial hints and settings.
        device: Device of the models.

    Raises:
        GuidanceError: The initial or an assigned recipe is invalid or has an unknown field.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    recipe = traitlets.Dict(help="The recipe as a JSON-serializable dict.").tag(sync=True)

    def __init__(
        self,
        image: str | Path | Image.Image | NDArray[Any] | None = None,
        *,
        model: str | nn.Module | Colorizer | None = None,
        recipe: RecipeLike | None = None,
        device: str = "auto",
    ) -> None:
        self._updating = False  # True while an edit in the drawing pad sets `recipe`
        colorizer = Colorizer(model, device=device) if isinstance(model, nn.Module) else model
        own, name = (colorizer, None) if isinstance(colorizer, Colorizer) else (None, colorizer)
        self.studio = Studio(own, model=name, device=device, inline_files=True)
        self._session = self.studio.sessions.new()
        self._image: RasterImage | None = None
        self._image_sha256: str | None = None
        if image is not None:
            self._image = read_image(image)  # raises an error here if the image is invalid
            if isinstance(image, str | Path):
                data, file_name = Path(image).read_bytes(), Path(image).name
            else:
                data, file_name = encode(self._image.rgb, self._image, "PNG", 95), "image.png"
            self.studio.offer(data, file_name)
            self._image_sha256 = sha256(data).hexdigest()
        initial = {} if recipe is None else _to_dict(recipe)
        super().__init__(_esm=pad_module(), _css=(STATIC / "pad.css").read_text("utf-8"), recipe=initial)
        self.on_msg(self._receive)

    @traitlets.validate("recipe")
    def _check_recipe(self, proposal: dict[str, Any]) -> dict[str, Any]:
        value = proposal["value"]
        if not value:
            return {}
        # the drawing pad keeps unknown fields of a loaded file and shows a note on each of them
        return Recipe.from_json(value).to_dict() if self._updating else _to_dict(value)

    @traitlets.observe("recipe")
    def _push_recipe(self, change: dict[str, Any]) -> None:
        if not self._updating:
            self._send_message(Message({"type": "recipe", "recipe": change["new"]}))

    def result(self) -> Image.Image:
        """Colorize the image at full size with the current recipe.

        Raises:
            ColorzooError: The pad has no image or has closed the image of the recipe, or the recipe does not
                match the image.
        """
        opened, recipe = self._session.opened, Recipe.from_json(self.recipe)
        is_displayed = self._session.connection > 0
        if is_displayed and opened is None and recipe.sha256 not in (None, self._image_sha256):
            raise ColorzooError("the pad has closed the image of the recipe. Open the image again.")
        # if the hashes differ, the user opened another image
        is_own = opened is None or opened.sha256 == self._image_sha256
        image = self._image if is_own or opened is None else opened.decode()
        if image is None:
            raise ColorzooError("the pad has no image. Pass an image to Pad, or drop an image onto the pad.")
        attached = self._session.reference_for(recipe)
        reference = None if attached is None else attached.rgb
        colorizer = self.studio.pool.get(recipe.model)
        colored = colorizer.colorize(image, recipe, reference=reference)
        return to_pil(colored.levels(), colored.source(image))

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the pad, and a PNG of the current result for viewers without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        with suppress(ColorzooError):  # the pad has no image, or reports the error itself
            image = self.result()
            image.thumbnail((_STORED_SIDE, _STORED_SIDE))
            png = io.BytesIO()
            image.save(png, "PNG")
            data["image/png"] = b64encode(png.getvalue()).decode()
        return data, metadata

    def close(self) -> None:
        """Close the drawing pad and free its resources."""
        self.studio.close()
        super().close()

    def _receive(self, _: object, content: Any, buffers: Sequence[Any]) -> None:
        """Process a message from the browser; responses are sent from other threads."""
        message = Message(content if isinstance(content, dict) else {}, tuple(bytes(b) for b in buffers))
        if message.type == "ready":  # the cell was displayed, for the first time or again
            self._session.connected = False
            self.studio.recipe = dict(self.recipe) or None
            self._session = self.studio.connect(self._session.id, self._send_message)
            return
        # small previews are not always of the current edits, but also of suggested versions
        if message.type == "color" and message.body.get("quality") != "drag":
            self._updating = True  # a recipe from an edit is not sent back
            try:
                with suppress(GuidanceError, traitlets.TraitError):  # the response reports the error
                    self.recipe = cast(Any, message.body.get("recipe"))
            finally:
                self._updating = False
        self.studio.handle(self._session, message, self._send_message)

    def _send_message(self, message: Message) -> None:
        self.send(message.body, list(message.buffers))


def pad_module() -> str:
    """Return the drawing pad as one ES module, whose default export is ``{render}``.

    Releases contain the module as the file that ``npm run bundle`` writes. Elsewhere, the module consists of
    the sources and a loader.
    """
    if BUNDLE.is_file():
        return BUNDLE.read_text("utf-8")
    sources = {path.stem: path.read_text("utf-8") for path in sorted((STATIC / "js").glob("*.js"))}
    return f"const sources = {json.dumps(sources)};\n{_LOADER}"


def _to_dict(recipe: RecipeLike) -> dict[str, Any]:
    return (recipe if isinstance(recipe, Recipe) else read_recipe(recipe)).to_dict()
