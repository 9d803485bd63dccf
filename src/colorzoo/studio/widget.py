"""`Pad`: the drawing pad in a notebook, without a server. It speaks the same messages as the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.encode import encode
from colorzoo.inference.picture_io import Picture, read_picture, to_pil
from colorzoo.studio.bundle import pad_module, pad_style
from colorzoo.studio.desk import Studio
from colorzoo.studio.messages import Message
from colorzoo.tasks import ColorizationModule

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise ColorzooError('the widget needs anywidget: python -m pip install "colorzoo[notebook]"') from error

RecipeLike = Recipe | Mapping[str, Any] | str | Path


class Pad(anywidget.AnyWidget):
    """A drawing pad for one photo; show it as the last line of a cell.

    ``pad.recipe`` is the document: it follows what is drawn, and setting it draws. ``pad.result()`` is the
    picture in full size, the same that `colorzoo.colorize` makes of photo and recipe.

    Args:
        photo: Path, Pillow image, or array as `colorzoo.colorize` takes; None begins empty.
        model: Registered name, a module of your own, a `Colorizer`, or None for the default.
        recipe: Points and settings to begin with.
        device: On which models run.
        page: Address of what ``colorzoo studio --static`` wrote. Where no Python answers, as in a saved
            notebook or after its kernel has died, the pad colors with the models of that page; its host must
            allow other origins (CORS).
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    recipe = traitlets.Dict(help="The recipe as plain JSON types.").tag(sync=True)
    page = traitlets.Unicode(help="A page that colors where no Python answers.").tag(sync=True)

    def __init__(
        self,
        photo: str | Path | Image.Image | NDArray[Any] | None = None,
        *,
        model: str | ColorizationModule | Colorizer | None = None,
        recipe: RecipeLike | None = None,
        device: str = "auto",
        page: str = "",
    ) -> None:
        self._drawn = False  # whether a change of `recipe` comes from the pad itself
        colorizer = Colorizer(model, device=device) if isinstance(model, ColorizationModule) else model
        own, name = (colorizer, None) if isinstance(colorizer, Colorizer) else (None, colorizer)
        self.studio = Studio(own, model=name, device=device, inline_files=True)
        self._session = self.studio.sessions.new()
        self._photo: Picture | None = None
        self._file = b""
        self._offered = None if photo is None else self._offer(photo)
        document = {} if recipe is None else _document(recipe)
        super().__init__(_esm=pad_module(), _css=pad_style(), recipe=document, page=page)
        self.on_msg(self._receive)

    @traitlets.validate("recipe")
    def _check_recipe(self, proposal: dict[str, Any]) -> dict[str, Any]:
        value = proposal["value"]
        return _document(value) if value else {}

    @traitlets.observe("recipe")
    def _push_recipe(self, change: dict[str, Any]) -> None:
        if not self._drawn:
            self._send_message(Message({"type": "recipe", "recipe": change["new"]}))

    def result(self) -> Image.Image:
        """Return the photo in color at full size, by the recipe as it stands.

        Raises:
            ColorzooError: There is no photo, or the recipe does not fit it.
        """
        photo = self._session.photo
        mine = photo is None or photo.sha256 == self._offered  # else the user has opened another one
        picture = self._photo if mine or photo is None else photo.picture(self.studio.limits)
        if picture is None:
            raise ColorzooError("the pad has no photo yet; give one, or drop one onto it")
        recipe = Recipe.from_json(self.recipe)
        reference = None if self._session.reference is None else self._session.reference[0]
        colorizer = self.studio.pool.bench(recipe.model).colorizer()
        return to_pil(colorizer.colorize(picture, recipe, reference=reference).levels(), picture)

    def close(self) -> None:
        """Remove the pad and free what it holds."""
        self.studio.close()
        super().close()

    def _offer(self, photo: str | Path | Image.Image | NDArray[Any]) -> str:
        """Let the page open a photo; returns the hash of the file that it gets."""
        self._photo = read_picture(photo)  # what is wrong is said here
        path = Path(photo) if isinstance(photo, str | Path) else None
        data = encode(self._photo.rgb, self._photo, "PNG", 95) if path is None else path.read_bytes()
        self._file = data
        self.studio.offer(data, "picture.png" if path is None else path.name)
        return sha256(data).hexdigest()

    def _receive(self, _: object, content: Any, buffers: Sequence[Any]) -> None:
        """Take a message of the page; it answers from other threads."""
        message = Message(content if isinstance(content, dict) else {}, tuple(bytes(b) for b in buffers))
        if message.type == "ready":  # the page has just been drawn, perhaps for a second time
            self._session.connected = False
            self._session = self.studio.greet(self._session.id, self._welcome, dict(self.recipe) or None)
            return
        if message.type == "sign":
            self._send_message(Message({"type": "sign"}))
            return
        if message.type == "color":
            self._follow(message.body.get("recipe"))
        self.studio.handle(self._session, message, self._send_message)

    def _follow(self, document: Any) -> None:
        """Take over the recipe of an edit, without sending it back."""
        self._drawn = True
        try:
            self.recipe = document
        except (GuidanceError, traitlets.TraitError):
            return  # the request itself will be answered with what is wrong
        finally:
            self._drawn = False

    def _welcome(self, hello: Message) -> None:
        """Greet, and give the photo to a pad that has a page to go on with if Python is gone."""
        self._send_message(replace(hello, buffers=(self._file,)) if self.page and self._file else hello)

    def _send_message(self, message: Message) -> None:
        self.send(message.body, list(message.buffers))


def _document(recipe: RecipeLike) -> dict[str, Any]:
    return (recipe if isinstance(recipe, Recipe) else Recipe.from_json(recipe)).to_dict()
