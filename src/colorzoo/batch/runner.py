"""Colorize files in three steps: read, colorize and write.

Each frame or page of a file is colorized as a separate image.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from colorzoo.abilities import DrawingModel
from colorzoo.batch.overlap import overlapped
from colorzoo.batch.provenance import (
    UsedFile,
    input_files,
    result_provenance,
    used_files,
    with_prediction,
    with_source,
)
from colorzoo.batch.settings import ColorSettings
from colorzoo.batch.task import ALREADY_DONE, FileResult, FileTask
from colorzoo.console import unexpected_message
from colorzoo.drawing.lines import PROBE, LineArt, has_midtones, shrink
from colorzoo.environment import is_on
from colorzoo.errors import ColorzooError, DiskFullError, ImageError
from colorzoo.files import remove_leftovers
from colorzoo.guidance import Exemplar, Guidance, Recipe
from colorzoo.image_io.frames import (
    ColoredFrame,
    Frames,
    ImageFrame,
    describe_frames,
    frames_notes,
    read_frames,
    supports_frames,
    write_frames,
)
from colorzoo.image_io.provenance import (
    ImageProvenance,
    embed_provenance,
    read_provenance,
    result_state,
    sidecar_written,
)
from colorzoo.image_io.raster_image import IN_COLOR, RasterImage, chroma_note
from colorzoo.image_io.read import read_file, stored_size
from colorzoo.image_io.write import (
    ANIMATED_FORMATS,
    LAYERED_FORMATS,
    output_bit_depth,
    output_format,
    write_image,
    write_layers,
    write_notes,
)
from colorzoo.inference.choice import choose_model, requested_model
from colorzoo.inference.colorizer import Colorizer, ReferenceLike, listed_references, used_references
from colorzoo.inference.edit import Edit
from colorzoo.inference.layers.sheets import Sheets
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.references import reference_notes
from colorzoo.inference.result import ColorizedImage
from colorzoo.pixels.decode import MAX_PIXELS, open_source
from colorzoo.pixels.raster import as_rgb, composite_on_paper
from colorzoo.registry import DEFAULT_MODELS, model_card
from colorzoo.weights.load import existing_file

if TYPE_CHECKING:
    from colorzoo.batch.bucket import ResultBucket  # imports fsspec
    from colorzoo.inference.region_memory import RegionMemory

MOST_FRAMES = 20_000
"""Maximum number of frames or pages of a file."""

NOT_TRIED = "not processed: the disk is full"
_MAX_PIXELS = 200_000_000  # maximum number of pixels of all images in memory; a pixel takes about 10 bytes
_OF_COLORIZER = ("device", "precision", "size", "temperature", "render_factor", "engine", "allow_untrained")


@dataclass(frozen=True)
class OpenedFile:
    """File whose first image is ready for the network.

    Attributes:
        task: The file.
        first: The first image.
        frames: Description of all frames or pages; None if only the first image is colorized.
        later: The images after the first image, which are read when they are used.
        provenance: Provenance record of the result; None if the result contains no record.
        colorizer: Model for the file.
        exemplar: References encoded by the model; None without references.
        edit: The preprocessed first image with the recipe.
        notes: Notes for the user on the source file and on the format of the result.
    """

    task: FileTask
    first: ImageFrame
    frames: Frames | None
    later: Iterator[ImageFrame]
    provenance: ImageProvenance | None
    colorizer: Colorizer
    exemplar: Exemplar | None
    edit: Edit
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ColoredFile:
    """File whose first image is colorized but not written.

    Attributes:
        task: The file.
        image: First image of the file.
        colored: The colorized image.
        provenance: Provenance record of the result; None if the result contains no record.
        notes: Notes for the user on the source file and on the format of the result.
    """

    task: FileTask
    image: RasterImage
    colored: ColorizedImage
    provenance: ImageProvenance | None
    notes: tuple[str, ...]


@dataclass(kw_only=True)
class FileColorizer:
    """Model, guidance and settings with which files are colorized.

    Examples:
        >>> files = FileColorizer(model="zhang2017_local_small")
        >>> task = FileTask(Path("photo.png"), Path("colored.png"), "photo.png")
        >>> [result.status for result in files.run([task])]
        ['colored']

    Attributes:
        model: Registered name; None selects a model for each image, see `choose_model`.
        weights: Weights of the model; see `create_model`.
        colorizer: Colorizer with the loaded model; None to load the model when it is needed.
        reference: Reference images, which each model encodes; None uses the references of the recipe.
        guidance: Recipe (guidance and settings as in a JSON file), or guidance as tensors.
        folder: Folder to which the paths of references in the recipe are relative; None ignores these
            references.
        settings: Settings of the command line; the recipe contains ``--alpha`` and ``--class``, see
            `with_settings`.
        embed_provenance: Whether to store a provenance record in the results.
        overwrite: Whether existing files are replaced; sources are never replaced. ``"results"`` replaces
            only files with a provenance record.
        max_pixels: Maximum number of pixels of an image.
        needs_all_frames: Whether a file fails if the format of its output does not support several frames or
            pages.
        bucket: Object store to which results are uploaded; None keeps the local files.
        skip_colored: Whether to skip images that are already in color. If only some pages or frames of a file
            are in color, they are kept.
        skip_done: Whether to skip files that have a result with the same source and settings.
        same_characters: Whether the regions of drawings copy the colors of similar regions of the references
            and of earlier drawings; see `RegionMemory`.
        name: Name of the model, which the default model for drawings can replace.
    """

    model: str | None = None
    weights: str | Path | None = "default"
    colorizer: Colorizer | None = None
    reference: ReferenceLike | None = None
    guidance: Guidance | Recipe = field(default_factory=Recipe)
    folder: Path | None = None
    settings: ColorSettings = field(default_factory=ColorSettings)
    embed_provenance: bool = True
    overwrite: bool | Literal["results"] = False
    max_pixels: int = MAX_PIXELS
    needs_all_frames: bool = False
    bucket: ResultBucket | None = None
    skip_colored: bool = False
    skip_done: bool = False
    same_characters: bool = False
    name: str = field(init=False)
    _references: tuple[object, ...] = field(init=False)
    _drawing_model: str | None = field(init=False)  # replaces the default model if an image is line art
    _loaded: dict[str, tuple[Colorizer, Exemplar | None]] = field(default_factory=dict, init=False)
    _memory: RegionMemory | None = field(default=None, init=False)
    _loading: threading.Lock = field(default_factory=threading.Lock, init=False)
    _records: dict[tuple[int | None, str], ImageProvenance] = field(default_factory=dict, init=False)
    _cleaned_folders: set[Path] = field(default_factory=set, init=False)
    _disk_full: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        """Select the model for photos.

        Raises:
            ColorzooError: The name of the model, its weight file or a reference is invalid.
        """
        if self.colorizer is not None:
            self.weights = self.colorizer.weights
        # raises an error for unsuitable references before a download
        self._references = used_references(self.reference, self.guidance, self.folder)
        default = choose_model(
            self.guidance, name=self.model, weights=self.weights, references=self._references
        )
        self.name = default if self.colorizer is None else self.colorizer.name
        is_requested = requested_model(self.model, self.guidance, self.weights) is not None
        is_replaceable = not is_requested and self.weights == "default" and self.name == default
        self._drawing_model = DEFAULT_MODELS["sketch"] if is_replaceable else None

    def run(self, tasks: Iterable[FileTask], *, threads: int = 1) -> Generator[FileResult, None, None]:
        """Colorize files and yield the outcome of each file, in the order of ``tasks``.

        Failed files do not stop the run. If the disk is full, the remaining files fail without being read.

        Args:
            tasks: Files to colorize; an iterator can create them on demand.
            threads: Number of threads for reading and writing files; 1 processes one file at a time.
        """
        read, color, write = (
            partial(self._run_guarded, step) for step in (self.read, self.color, self.write)
        )
        is_single = isinstance(tasks, list) and len(tasks) == 1  # the network then uses all cores
        if threads > 1 and not is_single:
            yield from overlapped(tasks, read, color, write, _pixels, threads=threads, max_size=_MAX_PIXELS)
            return
        for task in tasks:
            yield write(color(read(task)))

    def _run_guarded(self, step: Callable[[Any], Any], file: Any) -> Any:
        """Run a step of a file; an error gives a `FileResult` with the status ``"failed"``.

        If the disk is full, all further steps fail without running.

        Args:
            step: `read`, `color` or `write`.
            file: Argument of the step. A `FileResult` of an earlier step is returned unchanged.
        """
        if isinstance(file, FileResult):
            return file
        task: FileTask = file if isinstance(file, FileTask) else file.task
        if self._disk_full.is_set():
            return task.result("failed", NOT_TRIED)
        try:
            return step(file)
        except DiskFullError as error:  # all remaining files would fail too
            self._disk_full.set()
            return task.result("failed", f"{error}. Free disk space, then run the command again to resume.")
        except Exception as error:  # one damaged image must not stop the run
            return task.result("failed", failure_message(error, task.name, str(task.target)))

    def process(self, task: FileTask) -> FileResult:
        """Read, colorize and write a file.

        Raises:
            ColorzooError: The image, the model or a reference cannot be read, or the result cannot be
                written.
        """
        opened = self.read(task)
        colored = opened if isinstance(opened, FileResult) else self.color(opened)
        return colored if isinstance(colored, FileResult) else self.write(colored)

    def load(self, name: str | None = None) -> tuple[Colorizer, Exemplar | None]:
        """Return the model and the references that it encoded; thread-safe.

        Models and references are loaded on first use.

        Args:
            name: Name of the model; None selects the model of this object.

        Raises:
            ColorzooError: The model, the device, the weights or a reference cannot be used.
        """
        name = name or self.name
        with self._loading:
            if name not in self._loaded:
                colorizer = self.colorizer if name == self.name else None
                if colorizer is None:
                    colorizer = load_colorizer(name, self.weights, self.settings)
                exemplar = None
                if self.reference is not None or self.folder is not None:
                    weights = self.settings.reference_weights
                    exemplar = colorizer.exemplar_of(self.reference, self.guidance, self.folder, weights)
                self._loaded[name] = colorizer, exemplar
            return self._loaded[name]

    def guidance_of(self, hints: Mapping[str, Any] | None) -> Guidance | Recipe:
        """Return the guidance of an image with its own hints; see `FileTask`."""
        if not hints:
            return self.guidance
        recipe = self.guidance if isinstance(self.guidance, Recipe) else Recipe()
        return replace(recipe, more={**recipe.more, **hints})

    def provenance(
        self,
        size: int | None = None,
        name: str | None = None,
        hints: Mapping[str, Any] | None = None,
    ) -> ImageProvenance:
        """Return the provenance record of the results, without their source.

        The record is computed once for each size and model, unless the images have their own hints.

        Args:
            size: Shorter side of the network input in pixels; None if the model is not loaded.
            name: Name of the model; None selects the model of this object.
            hints: Hints of an image, see `FileTask`; None for no hints.

        Raises:
            ColorzooError: The model does not exist, or its weights cannot be downloaded.
        """
        name = name or self.name
        if not hints and (size, name) in self._records:
            return self._records[size, name]
        loaded = self.colorizer if name == self.name else None
        guidance = self.guidance_of(hints)
        recipe = guidance if isinstance(guidance, Recipe) else Recipe()
        names_files = not {"exemplar", "classes"}.isdisjoint(recipe.kinds())
        record = result_provenance(
            loaded if loaded is not None and not loaded.is_registered else name,
            recipe,
            self.settings,
            self._used_files if names_files else [],
            weights=self.weights,
            replacement=self._drawing_model,
            loaded=loaded,
            size=size,
        )
        # the results of other pages, and the network that matches regions, influence a result
        decisive = ["same characters"] if self.same_characters else []
        is_drawing = (loaded is None or loaded.is_registered) and model_card(name).input == "sketch"
        if is_drawing and (self.same_characters or len(self._references) > 1):
            from colorzoo.inference.region_memory import RegionMemory

            decisive.append(RegionMemory.weights_hash())
        if decisive:
            digest = hashlib.sha256(" ".join([*decisive, record.settings]).encode()).hexdigest()
            record = replace(record, settings=digest)
        if not hints:
            self._records[size, name] = record
        return record

    @cached_property  # hashed once, so that all records of a run contain the same hashes
    def _used_files(self) -> list[UsedFile]:
        return used_files(self.guidance, self.folder) if isinstance(self.guidance, Recipe) else []

    @cached_property  # a run hashes the references once
    def _reference_notes(self) -> tuple[str, ...]:
        if isinstance(self.guidance, Guidance) or listed_references(self.reference):
            return ()
        return reference_notes(self.guidance, self.folder)

    @property
    def input_files(self) -> list[Path]:
        """Paths of the references and the label images of the recipe.

        Raises:
            ColorzooError: The field ``exemplar`` of the recipe is malformed, or a reference is not a regular
                file.
        """
        if not isinstance(self.guidance, Recipe):
            return []
        return [path for _, path in input_files(self.guidance, self.folder)]

    def read(self, task: FileTask) -> OpenedFile | FileResult:
        """Read a file and preprocess its first image, without running the network.

        Returns:
            The opened file, or a `FileResult` if the file is skipped or its target must not be replaced.

        Raises:
            ColorzooError: The image, the model or a reference cannot be read, or the format of the result
                does not support the image.
        """
        colorizer, exemplar = self.load()
        folder = task.target.parent
        if folder not in self._cleaned_folders:  # it may contain incomplete files of earlier runs
            self._cleaned_folders.add(folder)
            remove_leftovers(folder)
        later: Iterator[ImageFrame] = iter(())
        try:
            content = task.source if isinstance(task.source, Path) else task.source()
            with open_source(content) as (file, file_name):
                # the record of the result; an earlier result with this record is kept
                provenance = None
                if self.embed_provenance:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
                    file.seek(0)
                    record = self.provenance(colorizer.size, hints=task.hints)
                    provenance = with_source(record, digest, Path(task.name).name)
                if self.skip_done and provenance is not None:
                    read = self.bucket.read_provenance if self.bucket else read_provenance
                    state = result_state(read(task.target), provenance)
                    if state == "done" or (not self.overwrite and os.path.lexists(task.target)):
                        return task.existing_result(state)
                    if self.overwrite == "results" and state == "unknown" and os.path.lexists(task.target):
                        problem = f"{task.target} already exists and does not record its source image"
                        return task.result("failed", f"{problem}. Choose another --output.")
                frames = self._written_frames(task, file, file_name)
                if frames is None:
                    file.seek(0)
                    first = ImageFrame(read_file(file, file_name, self.max_pixels))
                else:
                    later = read_frames(content, frames, max_pixels=self.max_pixels)
                    first = next(later)
        except OSError as error:
            raise ImageError(f"{task.name} cannot be read: {error.strerror or error}") from error
        image = first.image

        def images() -> Iterator[RasterImage]:
            """Yield the images of the file; images after the first image are read a second time."""
            yield image
            if frames is not None:
                rest = islice(read_frames(content, frames, max_pixels=self.max_pixels), 1, None)
                yield from (frame.image for frame in rest)

        color_note = chroma_note(image)
        if self.skip_colored and all(chroma_note(each) == IN_COLOR for each in images()):
            return replace(task.result("skipped", f"{IN_COLOR}; skipped"), output="")
        # pages are separate images, but an animation would flicker if its frames had different models
        is_animation = frames is not None and frames.kind == "frames"
        name = self._choose(images() if is_animation else [image])
        if name != self.name:  # the image is a drawing
            colorizer, exemplar = self.load(name)
            provenance = self._with_model(provenance, name, colorizer.size)
        strength = self.settings.strength
        guidance = self.guidance_of(task.hints)
        edit = colorizer.resolve(image, guidance, strength=strength, reference=exemplar)
        # pages in color are kept if `skip_colored` is set
        ignored_colors = None if self.skip_colored else _ignored_color_note(color_note, "the input")
        notes = (*self._reference_notes, *write_notes(task.target, image))
        if ignored_colors:
            notes = (ignored_colors, *notes)
        return OpenedFile(task, first, frames, later, provenance, colorizer, exemplar, edit, notes)

    def _choose(self, images: Iterable[RasterImage]) -> str:
        """Return the name of the model for one or more images; see `choose_model`.

        Several images get the model for drawings if most images that are not blank are drawings and no image
        has the midtones of a photo, because this model replaces photos by their lines.
        """
        if self._drawing_model is None:
            return self.name
        names = []
        for image in images:
            levels = composite_on_paper(image).levels
            if levels.min() == levels.max():  # blank
                continue
            name = choose_model(self.guidance, image, references=self._references)
            if name == self.name and has_midtones(LineArt.read(shrink(levels, PROBE))):
                return self.name
            names.append(name)
        drawings = [name for name in names if name != self.name]
        return drawings[0] if 2 * len(drawings) > len(names) else self.name

    def _written_frames(self, task: FileTask, file: IO[bytes], name: str) -> Frames | None:
        """Return the description of the frames or pages of a file; None if only its first image is colorized.

        Args:
            task: File to colorize.
            file: Opened source file.
            name: Name of the source file.

        Raises:
            ImageError: There are too many frames, or the format of the target does not support several frames
                and all of them are required.
        """
        may_write_frames = self.needs_all_frames or output_format(task.target) in ANIMATED_FORMATS
        if not may_write_frames or self.settings.frames != "all":
            return None
        frames = describe_frames(file, name)
        if frames is None:
            return None
        if not supports_frames(task.target, frames):
            if self.needs_all_frames:
                raise ImageError(
                    f"a result with the extension {task.target.suffix} cannot contain {frames.count} "
                    f"{frames.kind}. Change the extension of the source file to .tif, or set "
                    "--frames first to colorize only the first frame or page."
                )
            return None
        if frames.count > MOST_FRAMES:
            raise ImageError(
                f"a file must have at most {MOST_FRAMES:,} {frames.kind}, got {frames.count:,}. "
                "Set --frames first to colorize only the first frame or page."
            )
        return frames

    def _with_model(self, own: ImageProvenance | None, name: str, size: int) -> ImageProvenance | None:
        """Return the provenance record of a file with another model.

        The hash of the settings covers both models, so it does not change.
        """
        if own is None:
            return None
        return replace(with_source(self.provenance(size, name), own.source, own.name), settings=own.settings)

    def color(self, opened: OpenedFile) -> ColoredFile | FileResult:
        """Run the network on the first image of a file.

        A file with several frames or pages is colorized, written one frame at a time, and uploaded.
        """
        if opened.frames is not None:
            return self._color_frames(opened, opened.frames)
        colored = self._colorize(opened.edit, opened.colorizer)
        if opened.task.is_done:
            return opened.task.existing_result("done")
        record = None if opened.provenance is None else with_prediction(opened.provenance, colored)
        colored = replace(colored, prediction=None)  # frees the output of the network
        return ColoredFile(opened.task, opened.first.image, colored, record, opened.notes)

    def _color_frames(self, opened: OpenedFile, frames: Frames) -> FileResult:
        """Read, colorize and write one frame or page at a time, so that only one is in memory."""
        task, first = opened.task, opened.first.image
        first_like, not_embedded = embed_provenance(first, task.target, opened.provenance)
        models = [opened.edit.network.name]
        notes = [*opened.notes, *frames_notes(task.target, frames)]
        one_of = f"one of the {frames.kind}"
        starts_in_color = chroma_note(first) == IN_COLOR

        def colored_frames() -> Iterator[ColoredFrame]:
            """Colorize each frame when it is requested; add its notes and its model."""
            for frame in chain([opened.first], opened.later):
                is_first = frame is opened.first
                like = first_like if is_first else frame.image
                color_note = chroma_note(like)
                if self.skip_colored and color_note == IN_COLOR:  # the other frames are not all in color
                    notes.append(f"{one_of} was {IN_COLOR} and was kept")
                    yield ColoredFrame(as_rgb(like.levels), like, frame.milliseconds)
                    continue
                edit, colorizer = opened.edit, opened.colorizer
                if not is_first:
                    if not starts_in_color:  # otherwise, the notes of the file contain the note
                        note = _ignored_color_note(color_note, one_of)
                        notes.extend([note] if note else [])
                    exemplar = opened.exemplar
                    if frames.kind == "pages":  # each page is a separate image
                        name = self._choose([like])
                        colorizer, exemplar = self.load(name)
                        if colorizer is not opened.colorizer:
                            record = self._with_model(opened.provenance, name, colorizer.size)
                            like, _ = embed_provenance(like, task.target, record)
                    models.append(colorizer.name)
                    strength = self.settings.strength
                    guidance = self.guidance_of(task.hints)
                    edit = colorizer.resolve(like, guidance, strength=strength, reference=exemplar)
                colored = self._colorize(edit, colorizer)
                levels, source = colored.levels(output_bit_depth(task.target, like)), colored.source(like)
                notes.extend((*frame.image.notes, *write_notes(task.target, source), *colored.notes))
                yield ColoredFrame(levels, source, frame.milliseconds)

        if task.is_done:
            for _ in colored_frames():
                pass
            return task.existing_result("done")
        quality, overwrite = self.settings.quality, bool(self.overwrite)
        has_consent = self.overwrite is True  # to replace files that contain no record
        with sidecar_written(task.target, first.metadata, not_embedded, overwrite=has_consent) as written:
            write_frames(task.target, colored_frames(), frames, quality=quality, overwrite=overwrite)
        result = task.result(
            "colored", *dict.fromkeys(notes), *written, model=", ".join(dict.fromkeys(models))
        )
        if self.bucket:
            self.bucket.upload(task.target)
        return result

    def _colorize(self, edit: Edit, colorizer: Colorizer) -> ColorizedImage:
        """Colorize an image, with the colors of earlier drawings if `same_characters` is set."""
        if not (self.same_characters and isinstance(colorizer.model, DrawingModel)):
            return colorize_edit(edit)
        if self._memory is None:
            from colorzoo.inference.region_memory import RegionMemory  # most runs do not need it

            self._memory = RegionMemory(colorizer)
            for reference in colorizer.read_references(self.reference, self.guidance, self.folder):
                self._memory.add_sheet(reference.source, reference.name)
        edit = replace(edit, sheets=Sheets(self._memory))
        # the strength applies to copied colors, too, so the colors are stored without it
        plain = replace(edit, recipe=replace(edit.recipe, strength=1.0))
        colored = colorize_edit(edit)
        self._memory.add(colored if plain.recipe == edit.recipe else colorize_edit(plain), is_automatic=True)
        return colored

    def write(self, file: ColoredFile) -> FileResult:
        """Write an image and upload it; skip it if another process has written the same result meanwhile.

        Raises:
            ImageError: The result cannot be written.
        """
        task, image, colored = file.task, file.image, file.colored
        overwrite = bool(self.overwrite)
        source = colored.source(image)
        like, not_embedded = embed_provenance(source, task.target, file.provenance)
        has_consent = self.overwrite is True
        try:
            with sidecar_written(
                task.target, source.metadata, not_embedded, overwrite=has_consent
            ) as written:
                if output_format(task.target) in LAYERED_FORMATS:
                    layers = colored.layers(source)
                    write_layers(task.target, layers, like, colored.ink(), overwrite=overwrite)
                else:
                    levels = colored.levels(output_bit_depth(task.target, image))
                    quality = self.settings.quality
                    write_image(task.target, levels, like, quality=quality, overwrite=overwrite)
        except ImageError:
            if overwrite or file.provenance is None:
                raise
            existing_provenance = read_provenance(task.target)
            if result_state(existing_provenance, file.provenance) != "done":
                raise
            return task.result("skipped", ALREADY_DONE)
        # a crop can drop more metadata than the notes of the file name
        notes = (*file.notes, *write_notes(task.target, source), *image.notes, *colored.notes, *written)
        if self.bucket:
            self.bucket.upload(task.target)
        network = colored.edit.network.name
        return task.result("colored", *dict.fromkeys(notes), model=network, stages=colored.edit.log)


def _ignored_color_note(note: str | None, subject: str) -> str | None:
    """Return the note of `chroma_note` for the user, with the name of the image that is in color."""
    return f"{subject} was {IN_COLOR}; its colors were not used" if note == IN_COLOR else note


def _pixels(task: FileTask) -> int:
    """Return the number of pixels from the header of a file; 0 if unknown."""
    if isinstance(task.source, Path):
        # a damaged header can raise any error, which is reported when the file is read
        with suppress(Exception), open_source(task.source) as (file, name):
            width, height = stored_size(file, name)
            return width * height
    return 0


def load_colorizer(name: str, weights: str | Path | None, settings: ColorSettings, **more: Any) -> Colorizer:
    """Return a cached colorizer; load its model if it is not cached or its weights changed.

    Args:
        name: Name of the model.
        weights: Weights of the model; see `create_model`.
        settings: Settings, of which some are arguments of `Colorizer`, such as the device.
        **more: Other keyword arguments of `Colorizer`, which override the settings.
    """
    arguments = {name: getattr(settings, name) for name in _OF_COLORIZER} | more
    path = None if weights == "default" else existing_file(weights)
    changed = None if path is None else (path.stat().st_mtime_ns, path.stat().st_size)
    return _load_colorizer(name, weights, changed, tuple(sorted(arguments.items())))


@lru_cache(maxsize=4)
def _load_colorizer(
    name: str,
    weights: str | Path | None,
    changed: tuple[int, int] | None,
    arguments: tuple[tuple[str, Any], ...],
) -> Colorizer:
    """Load a model; ``changed`` is the time and the size of its weight file."""
    del changed
    return Colorizer(name, weights=weights, **dict(arguments))


def failure_message(error: Exception, image: str, result: str) -> str:
    """Return a one-line message about an image that could not be colorized.

    Args:
        error: Error that occurred.
        image: Name of the image, prepended unless the message already contains ``image`` or ``result``.
        result: Path of the result; empty if there is none.

    Raises:
        Exception: ``error`` itself, if ``COLORZOO_DEBUG`` is set and ``error`` is neither a `ColorzooError`
            nor a `MemoryError`.
    """
    if isinstance(error, MemoryError):
        return f"{image} does not fit into memory. Set a smaller --size, or downscale the image."
    is_expected = isinstance(error, ColorzooError)
    if not is_expected and is_on("COLORZOO_DEBUG"):
        raise error
    text = str(error) if is_expected else unexpected_message(error)
    names_file = image in text or (result and result in text)
    return text if names_file else f"{image}: {text}"
