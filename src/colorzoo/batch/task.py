"""Tasks, results and provenance records of batch runs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from colorzoo import __version__
from colorzoo.batch.settings import ColorSettings
from colorzoo.errors import GuidanceError
from colorzoo.files import digest_or_empty
from colorzoo.guidance import Exemplar, Guidance, Recipe
from colorzoo.image_io.provenance import ImageProvenance, current_date
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import MAX_PIXELS, read_image
from colorzoo.inference.colorizer import Colorizer, choose_for_image
from colorzoo.inference.references import ReadReference, equal_or_given, recipe_reference_files
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.task import StageRun
from colorzoo.model import full_repr
from colorzoo.registry import model_card
from colorzoo.weights.choice import ModelChoice, choose_model
from colorzoo.weights.load import existing_file

if TYPE_CHECKING:
    from colorzoo.batch.bucket import ResultBucket  # imports fsspec


Status = Literal["colored", "skipped", "failed", "planned"]

ALREADY_DONE = "already exists with the same source and settings"
EXISTS = {
    "changed": "already exists but was made with other settings. Set --overwrite to replace this file.",
    "foreign": "already exists but was made from another image. Set --overwrite to replace this file, or "
    "choose another --output.",
    "unknown": "already exists and does not record its source image. Set --overwrite to replace this file, "
    "or choose another --output.",
}
"""Reason why an existing file is not replaced, by its `ResultState`."""
_IN_RECIPE = ("strength", "alpha", "reference_weights", "reassigned")  # settings with a recipe field
_UNRECORDED = ("device", "allow_untrained")  # settings that do not determine the result
_OF_COLORIZER = ("device", "precision", "size", "temperature", "render_factor", "engine", "allow_untrained")
_LOADING = threading.Lock()
FileUse = Literal["reference", "classes"]


@dataclass(frozen=True)
class FileResult:
    """Outcome of one file in a run.

    Examples:
        >>> FileResult("photo.png", "colored/photo.png", "failed", ("photo.png: no image",)).error
        'photo.png: no image'

    Attributes:
        source: Name of the source image.
        output: Path of the output file; empty if the source was not found.
        status: ``"colored"``, ``"skipped"`` (for example because the output exists), ``"planned"`` (in a dry
            run) or ``"failed"``.
        notes: Notes for the user, or the reason if the status is ``"failed"``.
        model: Registered name of the model; empty if nothing was colorized.
        stages: Processing stages of the image, with durations; empty if the file has several frames.
    """

    source: str
    output: str
    status: Status
    notes: tuple[str, ...] = ()
    model: str = ""
    stages: tuple[StageRun, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the image could not be colorized or written."""
        return self.status == "failed"

    @property
    def error(self) -> str:
        """Reason for a failure, as one line; empty if the file did not fail."""
        return "; ".join(self.notes) if self.failed else ""

    @property
    def finished(self) -> bool:
        """Whether the output was written by this run or by an earlier run."""
        return self.status == "colored" or ALREADY_DONE in self.notes


@dataclass(frozen=True)
class FileTask:
    """File to colorize, with model, guidance and settings.

    Examples:
        >>> FileTask(Path("photo.png"), Path("colored.png"), "photo.png").result("planned").output
        'colored.png'

    Attributes:
        source: Source file, or a function that returns the bytes of the source.
        target: Output file.
        name: Name of the source in `FileResult` and in error messages.
        choice: Model and weight file; None if ``colorizer`` contains a custom module.
        guidance: Recipe (guidance and settings as in a JSON file), or guidance as tensors.
        folder: Folder of the recipe file, used to resolve reference paths; None if the recipe is not a file.
        reference: Paths of reference images, whose colors are transferred; empty to use the references of the
            recipe.
        settings: Settings of the command line; the recipe contains ``--alpha`` and ``--class``, see
            `with_settings`.
        uploaded: References uploaded to the drawing pad (the editor in the browser), which are listed in the
            provenance record; empty without uploads.
        colorizer: Colorizer with the loaded model; None to load the model when it is needed.
        exemplar: Reference encoded by ``colorizer``; None without a reference. Ignored if ``colorizer`` is
            None.
        embed_provenance: Whether to store a provenance record in the result.
        overwrite: Whether an existing result is replaced; the source is never replaced.
        max_pixels: Maximum number of pixels of an image.
        max_side: Maximum longer side in pixels to which the drawing pad reduces the result; None keeps the
            size of the image. `colorzoo.batch.runner` writes results at full size only.
        needs_all_frames: Whether to raise an error if the format of ``target`` does not support several
            frames or pages.
        bucket: Object store to which ``target`` is uploaded; None keeps the local file.
    """

    source: Path | Callable[[], bytes] = Path()
    target: Path = Path()
    name: str = ""
    choice: ModelChoice | None = None
    guidance: Guidance | Recipe = field(default_factory=Recipe)
    folder: Path | None = None
    reference: tuple[str, ...] = ()
    settings: ColorSettings = field(default_factory=ColorSettings)
    uploaded: tuple[UsedFile, ...] = ()
    colorizer: Colorizer | None = None
    exemplar: Exemplar | None = None
    embed_provenance: bool = True
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS
    max_side: int | None = None
    needs_all_frames: bool = False
    bucket: ResultBucket | None = None

    @property
    def recipe(self) -> Recipe:
        """The guidance if it is a recipe; otherwise an empty recipe."""
        return self.guidance if isinstance(self.guidance, Recipe) else Recipe()

    def result(self, status: Status, *notes: str) -> FileResult:
        """Return an outcome with the source and output names of this task.

        Args:
            status: Status of the file, see `FileResult`.
            *notes: Notes for the user, or the reason for a failure.
        """
        return FileResult(self.name, str(self.target), status, notes)

    def for_image(self, image: RasterImage) -> FileTask:
        """Return the task for an image, with the default model for drawings if the image is line art."""
        if self.choice is None or self.exemplar is not None:
            return self
        choice = choose_for_image(self.choice, self.guidance, image)
        return self if choice is self.choice else replace(self, choice=choice, colorizer=None)

    def load(self) -> tuple[Colorizer, Exemplar | None]:
        """Return the loaded model and the encoded references; thread-safe.

        Models and references are loaded on first use and then cached.

        Returns:
            Colorizer with the model, and the references; None without references.

        Raises:
            ColorzooError: The model, the device, the weights or a reference cannot be used.
        """
        if self.colorizer is not None:
            return self.colorizer, self.exemplar
        assert self.choice is not None
        with _LOADING:
            colorizer = load_colorizer(self.choice, self.settings)
            files = tuple((path, digest_or_empty(path), share) for path, share in self.references)
            return colorizer, _encode_references(colorizer, files) if files else None

    @property
    def references(self) -> list[tuple[Path, float]]:
        """Path and weight of each reference image.

        Raises:
            GuidanceError: The field ``exemplar`` of the recipe is malformed.
        """
        if self.reference:
            shares = equal_or_given(self.settings.reference_weights, len(self.reference))
            return list(zip(map(Path, self.reference), shares, strict=True))
        return [] if self.folder is None else recipe_reference_files(self.recipe, self.folder)

    def origin(self, source: str = "", name: str = "", size: int | None = None) -> ImageProvenance:
        """Return the provenance record of the result.

        If the weight file is missing, it is downloaded. The model is not loaded.

        Args:
            source: SHA-256 of the source file; empty if unknown.
            name: Name of the source file without its folder.
            size: Shorter side of the network input in pixels, `Colorizer.size`; None if the model is not
                loaded.

        Raises:
            ColorzooError: The model does not exist, or its weights cannot be downloaded.
        """
        model = self.choice or self.colorizer
        assert model is not None
        settings = self._recorded_settings()
        options = {name: value for name, value in settings.items() if name not in _IN_RECIPE}
        origin = origin_of_model(
            model,
            self._decisive_values(settings),
            options=options if size is None else {"size": size, **options},
            source=source,
            recipe=self._recipe_with_files([file.name for file in self.used_files]).to_json(),
            crop="" if self.recipe.crop is None else self.recipe.crop.to_text(),
            files=self.used_files,
        )
        return replace(origin, name=name)

    def _decisive_values(self, settings: Mapping[str, Any]) -> list[object]:
        """Return the values that determine the result, except model and source; see `origin_of_model`."""
        recipe = self._recipe_with_files([file.sha256 for file in self.used_files])
        decisive: list[object] = [
            {name: value for name, value in settings.items() if name != "engine"},  # equal pixels
            {**recipe.to_dict(), "image": None},
        ]
        if self.choice is not None and self.choice.is_replaceable:  # can color drawings, see `for_image`
            decisive.append(choose_model(None, "sketch", fast=self.choice.fast).sha256)
        return decisive

    def _recorded_settings(self) -> dict[str, Any]:
        """Return the settings that determine the result, and the engine, by name; None values are omitted.

        The model settings of a loaded model override `settings`.
        """
        found = {each.name: getattr(self.settings, each.name) for each in fields(ColorSettings)}
        found["max_side"] = self.max_side
        if self.colorizer is not None:
            loaded = self.colorizer
            found |= {"temperature": None, "render_factor": None, **loaded.settings}
            found |= {"size": loaded.requested_size, "precision": loaded.precision, "engine": loaded.engine}
        return {name: value for name, value in found.items() if value is not None and name not in _UNRECORDED}

    @cached_property
    def files(self) -> list[tuple[FileUse, Path]]:
        """Role and path of each additional input file.

        The role is ``"reference"`` for a reference image and ``"classes"`` for a label image.
        """
        found: list[tuple[FileUse, Path]] = [("reference", path) for path, _ in self.references]
        labels = self.recipe.classes.label_files if "classes" in self.recipe.extra else ()
        return [*found, *(("classes", Path(name)) for name in labels)]

    @cached_property
    def used_files(self) -> list[UsedFile]:
        """Uploaded references, references and label images, with their hashes."""
        files = [UsedFile(use, path.name, digest_or_empty(path)) for use, path in self.files]
        return [*self.uploaded, *files]

    def _recipe_with_files(self, names: Sequence[str]) -> Recipe:
        """Return the recipe of this task, including command-line options that have a recipe field.

        The command-line options are the model, ``--strength``, ``--reference`` and ``--reference-weights``.

        Args:
            names: New name for each of `used_files`, in the same order. The provenance record stores the
                recipe with file names, whose files must be beside the recipe when it is used again. The hash
                of the settings uses the recipe with the SHA-256 of each file as its name.
        """
        recipe = self.recipe
        named_files = list(zip(self.used_files, names, strict=True))
        references = [name for file, name in named_files if file.use == "reference"]
        labels = [name for file, name in named_files if file.use == "classes"]
        if self.uploaded:  # the first upload replaces all references of the recipe
            recipe = recipe.with_fields("exemplar", {"path": references[0], "more": None})
        elif self.reference:  # --reference replaces the references of the recipe
            weights = equal_or_given(self.settings.reference_weights, len(references))
            recipe = _with_references(recipe, references, weights)
        elif references:  # references of the recipe, which keep their weights
            recipe = recipe.with_references(references)
        if labels:
            recipe = recipe.with_label_files(labels)
        model = recipe.model if self.choice is None else model_card(self.choice.name).name
        strength = recipe.strength if self.settings.strength is None else self.settings.strength
        return replace(recipe, model=model, strength=strength)


def load_colorizer(choice: ModelChoice, settings: ColorSettings, **more: Any) -> Colorizer:
    """Return a cached colorizer; load its model if it is not cached or its weights changed.

    Args:
        choice: Model and weight file.
        settings: Settings, of which some are arguments of `Colorizer`, such as the device.
        **more: Other keyword arguments of `Colorizer`, which override the settings.
    """
    arguments = {name: getattr(settings, name) for name in _OF_COLORIZER} | more
    path = existing_file(choice.weights)
    changed = None if path is None else (path.stat().st_mtime_ns, path.stat().st_size)
    return _load_colorizer(choice, changed, tuple(sorted(arguments.items())))


@lru_cache(maxsize=4)
def _load_colorizer(
    choice: ModelChoice, changed: tuple[int, int] | None, arguments: tuple[tuple[str, Any], ...]
) -> Colorizer:
    """Load a model; ``changed`` is the time and the size of its weight file."""
    del changed
    return Colorizer(choice, **dict(arguments))


@lru_cache(maxsize=1)
def _encode_references(colorizer: Colorizer, files: tuple[tuple[Path, str, float], ...]) -> Exemplar:
    """Encode reference images; each item of ``files`` is the path, the SHA-256 and the weight of a file."""
    images = [ReadReference(read_image(path), share, str(path)) for path, _, share in files]
    return colorizer.exemplar(images)


def with_settings(
    guidance: Guidance | Recipe,
    settings: ColorSettings,
    *,
    folder: Path | None = None,
    references: Sequence[object] = (),
) -> Guidance | Recipe:
    """Return guidance with the settings that are fields of a recipe.

    The settings are ``alpha``, ``reassigned`` and ``reference_weights``. The weights are added to the recipe
    only if its own references are used. If no setting is set, the guidance is returned unchanged.

    Examples:
        >>> with_settings(Recipe(), ColorSettings()) == Recipe()
        True

    Args:
        guidance: Recipe, or guidance as tensors, which does not support these settings.
        settings: Settings, which override the fields of the recipe.
        folder: Folder of the recipe file; None to ignore the references of the recipe.
        references: References that replace the references of the recipe; empty to keep them.

    Raises:
        GuidanceError: A setting requires a recipe or a reference, or is malformed.
    """
    alpha, weights, reassigned = settings.alpha, settings.reference_weights, settings.reassigned
    if alpha is None and not weights and not reassigned:
        return guidance
    if not isinstance(guidance, Recipe):
        # the weights of references outside a recipe are applied when the references are encoded
        has_only_weights = alpha is None and not reassigned
        if has_only_weights and references:
            return guidance
        raise GuidanceError("guidance must be a recipe if alpha or reassigned is set, got tensors")
    recipe_references: list[str] = []
    if not references and folder is not None:
        recipe_references = [file.path for file in guidance.exemplar.files]
    if not (references or recipe_references):
        raise GuidanceError("--alpha, --class and --reference-weights require --reference IMG")
    recipe = guidance if alpha is None else guidance.with_fields("exemplar", {"alpha": alpha})
    if recipe_references and weights:
        checked_weights = equal_or_given(weights, len(recipe_references))
        recipe = _with_references(recipe, recipe_references, checked_weights)
    return _with_reassigned(recipe, reassigned) if reassigned else recipe


def _with_references(recipe: Recipe, names: Sequence[str], weights: Sequence[float]) -> Recipe:
    """Return a recipe with other references and an unchanged ``alpha``."""
    first, *more = ({"path": name, "weight": each} for name, each in zip(names, weights, strict=True))
    recipe = replace(recipe, extra={**recipe.extra, "exemplar": {"alpha": recipe.exemplar.alpha}})
    return recipe.with_fields("exemplar", {**first, "more": more or None})


def _with_reassigned(recipe: Recipe, reassigned: Sequence[str]) -> Recipe:
    """Add reassigned classes, written as ``OLD=NEW``, to the classes of a recipe."""
    moved = {str(old): new for old, new in recipe.classes.moved.items()}
    return recipe.with_fields("classes", {"map": moved | dict(map(_parse_reassigned, reassigned))})


def _parse_reassigned(text: str) -> tuple[str, int]:
    old, _, new = text.partition("=")
    if not (old.isdigit() and new.isdigit()):
        raise GuidanceError(f"--class must be OLD=NEW, for example 3=7, got {text!r}")
    return old, int(new)


@dataclass(frozen=True)
class UsedFile:
    """Input file besides the source image, such as a reference.

    Examples:
        >>> UsedFile("reference", "photo.png", "").name
        'photo.png'

    Attributes:
        use: Role of the file: ``"reference"``, or ``"classes"`` for a label image.
        name: Name without the folder.
        sha256: SHA-256 of the content; empty if the file cannot be read.
    """

    use: FileUse
    name: str
    sha256: str


def origin_of_model(
    model: ModelChoice | Colorizer,
    decisive: Sequence[object],
    *,
    options: Mapping[str, object],
    source: str = "",
    recipe: str = "",
    crop: str = "",
    files: Sequence[UsedFile] = (),
) -> ImageProvenance:
    """Return a provenance record for results of a model.

    Examples:
        >>> from colorzoo.weights import choose_model
        >>> origin_of_model(choose_model("zhang2017_local_small"), [], options={"size": 128}).model
        'zhang2017_local_small'

    Args:
        model: Registered model and weight file, or a colorizer with a custom module.
        decisive: All other values that determine the result, except the source image, as JSON types. The
            record stores a hash of the model and these values. A later run with an equal hash keeps the
            existing result.
        options: Settings outside the recipe, by option name; None values are omitted.
        source: SHA-256 of the source file, which is recorded with the current date; empty if unknown.
        recipe: Guidance and settings as JSON.
        crop: Crop of the results, see `ImageProvenance`.
        files: Input files besides the source image.

    Raises:
        ColorzooError: The model does not exist, or its weights cannot be downloaded.
    """
    if isinstance(model, Colorizer):  # with a custom module
        module = model.model
        name, weights, digest = type(module).__name__, "", model.digest
        is_trained = next(module.parameters(), None) is not None and module.trained
    else:
        name, weights, digest = model_card(model.name).name, model.sha256, model.sha256
        is_trained = model.is_trained
    # settings of custom models can be any objects
    hashed = json.dumps([name, digest, *decisive], sort_keys=True, default=full_repr)
    selected = {key: value for key, value in options.items() if value is not None}
    return ImageProvenance(
        source=source,
        date=current_date() if source else "",
        settings=hashlib.sha256(hashed.encode()).hexdigest(),
        model=name,
        weights=weights,
        version=__version__,
        recipe=recipe,
        trained=is_trained,
        engine=str(selected.get("engine", "torch")),
        crop=crop,
        options=json.dumps(selected, default=repr),
        files=json.dumps([asdict(file) for file in files]) if files else "",
    )


def with_prediction(origin: ImageProvenance, colored: ColorizedImage) -> ImageProvenance:
    """Return a copy of a provenance record with values that the colorization computed.

    Args:
        origin: Provenance record.
        colored: Colorized image, which provides the scan border and the predicted uncertainty.
    """
    surroundings, uncertainty = colored.task.surroundings, colored.uncertainty
    border = "" if surroundings is None else str(surroundings.inside)
    return replace(origin, border=border, uncertainty="" if uncertainty is None else f"{uncertainty:.1f}")
