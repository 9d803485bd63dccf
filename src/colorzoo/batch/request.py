"""Requests: model, recipe, references and settings by name and file; and the loaded models of a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from colorzoo.batch.origin import FileUse, UsedFile, crop_text, origin_of_choice, origin_of_model
from colorzoo.batch.settings import ColorSettings
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import ImageProvenance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.references import named_references, recipe_reference_files, recipe_references
from colorzoo.inference.task import ColorizeTask
from colorzoo.weights.choice import ModelChoice
from colorzoo.weights.files import digest_of

_MOST_MODELS = 2  # kept at once, where recipes name several


Prepared = tuple[Callable[[RasterImage], ColorizeTask], ImageProvenance | None]
"""Function that returns the job of an image, and the provenance of results without their source, if any."""


@dataclass(frozen=True)
class Request:
    """Everything that decides the colors of images, by name and file; a `ColorizeTask` for each image.

    Attributes:
        choice: Model and weights.
        recipe: Guidance and settings.
        folder: Folder of the recipe file, in which its references lie; None without a file.
        reference: Files of references; without any those of the recipe are used.
        settings: Settings besides the recipe, which holds alpha and the classes to replace already.
        uploaded: The reference, if it was sent instead of lying in a folder.
    """

    choice: ModelChoice
    recipe: Recipe
    folder: Path | None = None
    reference: tuple[str, ...] = ()
    settings: ColorSettings = field(default_factory=ColorSettings)
    uploaded: tuple[UsedFile, ...] = ()

    @cached_property
    def origin(self) -> ImageProvenance:
        """Origin of the results, without their source.

        Raises:
            ColorzooError: There is no such model, or its weights cannot be had.
        """
        own = asdict(self.settings)
        shown = ("size", "temperature", "render_factor", "quality", "frames")
        options = {name: own[name] for name in (*shown, "engine")}
        decisive = (*shown, "strength", "alpha", "reference_weights", "reassigned")
        settings = {name: own[name] for name in decisive}
        files = [UsedFile(use, path.name, _digest_or_nothing(path)) for use, path in self.files]
        files = [*self.uploaded, *files]
        recipe = _without_files({**self.recipe.to_dict(), "image": None})
        recipe |= (
            {"frame": recipe.pop("border")} if "border" in recipe else {}
        )  # its name in earlier versions
        # what decides must stay as it is: by its digest the results of earlier versions are recognized
        digests = [file.sha256 for file in files]
        return origin_of_choice(
            self.choice,
            [self.choice.name, self.choice.sha256, settings, recipe, digests],
            options=options,
            recipe=self.effective_recipe().to_json(),
            crop=crop_text(self.recipe),
            files=files,
            engine=self.settings.engine,
        )

    def origin_by(self, colorizer: Colorizer) -> ImageProvenance:
        """Return the origin with the size at which the loaded model sees images."""
        options = {"size": colorizer.size, **json.loads(self.origin.options)}
        return replace(self.origin, options=json.dumps(options))

    @cached_property
    def files(self) -> list[tuple[FileUse, Path]]:
        """The files besides the image that decide its colors, with their use."""
        references = reference_files(self.recipe, self.folder, self.reference)
        found: list[tuple[FileUse, Path]] = [("reference", path) for path in references]
        return [*found, *(("classes", Path(name)) for name in self.recipe.classes.label_files)]

    def effective_recipe(self) -> Recipe:
        """Return the recipe with what other options replace in it, and files named without their folders.

        Coloring by it alone, beside the same files, gives the same image.
        """
        recipe, settings, classes = self.recipe, self.settings, self.recipe.classes
        named = [Path(name).name for name in self.reference]
        if named:
            shares = settings.reference_weights or [1.0] * len(named)
            items = [{"path": name, "weight": share} for name, share in zip(named, shares, strict=False)]
            alpha = recipe.exemplar.alpha if settings.alpha is None else settings.alpha
            recipe = replace(recipe, extra={**recipe.extra, "exemplar": {}})
            recipe = recipe.with_fields("exemplar", {**items[0], "alpha": alpha, "more": items[1:] or None})
        for file in self.uploaded:
            recipe = recipe.with_fields("exemplar", {"path": file.name})
        labels = {"file": classes.file, "reference_file": classes.reference_file}
        recipe = recipe.with_fields("classes", {key: Path(file).name for key, file in labels.items() if file})
        strength = recipe.strength if settings.strength is None else settings.strength
        return replace(recipe, model=self.choice.name, strength=strength)


class LoadedModels:
    """The models of a run: one, or the last ones if recipes name several.

    Args:
        embed_origin: Whether results hold their origin.
    """

    def __init__(self, *, embed_origin: bool) -> None:
        self._embed_origin = embed_origin
        self._kept: dict[str, tuple[Colorizer, Prepared]] = {}
        self._lock = threading.Lock()

    def prepare(self, request: Request) -> Prepared:
        """Load a model and its references, or return them if they are loaded; from any thread.

        Raises:
            ColorzooError: There is no such model or device, its weights cannot be had, or a reference cannot
                be used.
        """
        with self._lock:
            key = request.origin.settings
            if key not in self._kept:
                self._kept[key] = self._load(request)
                while len(self._kept) > _MOST_MODELS:
                    del self._kept[next(iter(self._kept))]
            return self._kept[key][1]

    def _load(self, request: Request) -> tuple[Colorizer, Prepared]:
        settings = request.settings
        if request.reference or request.folder is None:
            references = named_references(request.reference, settings.reference_weights)
        else:
            references = recipe_references(request.recipe, request.folder)
        loaded = (colorizer for colorizer, _ in self._kept.values())
        colorizer = next((each for each in loaded if each.name == request.choice.name), None) or Colorizer(
            request.choice, **settings.colorizer_arguments()
        )
        exemplar = colorizer.exemplar(references) if references else None
        job = partial(
            colorizer.prepare, guidance=request.recipe, strength=settings.strength, reference=exemplar
        )
        return colorizer, (job, request.origin_by(colorizer) if self._embed_origin else None)


def prepared_alone(colorizer: Colorizer) -> Prepared:
    """Prepare a loaded model without guidance; its weights may have no file."""
    job = partial(colorizer.prepare, guidance=Recipe())
    return job, origin_of_model(colorizer.model, colorizer.size)


def request_of(
    colorizer: Colorizer,
    recipe: Recipe,
    *,
    folder: Path | None = None,
    reference: tuple[str, ...] = (),
    uploaded: tuple[UsedFile, ...] = (),
    settings: ColorSettings | None,
) -> Request | None:
    """Return the request of a command line that colors as a loaded model does.

    Args:
        colorizer: The model.
        recipe: See `Request`, as the following.
        folder: See `Request`.
        reference: See `Request`.
        uploaded: See `Request`.
        settings: Settings of the result; those of the model are taken from it.

    Returns:
        The request; None for a module of the user's own, and for settings that no option sets.
    """
    if colorizer.choice is None or not colorizer.settings.keys() <= {"temperature", "render_factor"}:
        return None
    settings = replace(
        settings or ColorSettings(),
        size=colorizer.requested_size,
        precision=colorizer.precision,
        engine=colorizer.engine,
        **colorizer.settings,
    )
    return Request(colorizer.choice, recipe, folder, reference, settings, uploaded)


def reference_files(recipe: Recipe, folder: Path | None, named: tuple[str, ...]) -> list[Path]:
    """Return the files of the references: those that the user named, else the recipe's.

    Raises:
        GuidanceError: The recipe does not name them as it should.
    """
    if named or folder is None:
        return [Path(name) for name in named]
    return [path for path, _ in recipe_reference_files(recipe, folder)]


def _digest_or_nothing(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError:  # reported when the file is opened
        return ""


def _without_files(document: Any) -> Any:
    """Return a recipe without the names of files: their content counts."""
    if isinstance(document, list):
        return [_without_files(item) for item in document]
    if not isinstance(document, dict):
        return document
    kept = document.keys() - {"path", "file", "reference_file"}
    return {name: _without_files(document[name]) for name in kept}
