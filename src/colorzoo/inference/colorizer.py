"""Colorization of images at full size with `Colorizer`.

The network predicts the ab channels of a downscaled image. The prediction is upsampled and combined with the
full-size lightness of the original. The lightness changes only by rounding to 8 or 16 bits and by JPEG
compression when the result is saved.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from colorzoo.abilities import DrawingModel
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.files import digest_of
from colorzoo.guidance import DrawingSettings, Exemplar, Guidance, Recipe
from colorzoo.guidance.border import BORDER_NAMES, BorderSetting, read_border
from colorzoo.guidance.hints import points_to_hints, resize_maps
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.guidance.recipe import MAX_STRENGTH
from colorzoo.image_io.raster_image import RasterImage, fill_hidden
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import to_pil
from colorzoo.inference.border import crop_recipe, select_part
from colorzoo.inference.choice import choose_model
from colorzoo.inference.edit import Edit, FullSize, GuidanceLike, read_guidance, recipe_folder
from colorzoo.inference.full_size import FullLightness, map_size, preprocess
from colorzoo.inference.load import load_model
from colorzoo.inference.network import NetworkRunner, States, choose_device
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.references import (
    ReadReference,
    SheetExemplar,
    equal_or_given,
    make_exemplar,
    recipe_reference_files,
    reference_notes,
)
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.stages import StageRun, timed
from colorzoo.inference.steps.points import MOST_CORRECTED
from colorzoo.pixels.raster import composite_on_paper
from colorzoo.prediction import Prediction
from colorzoo.settings import Engine, Precision

if TYPE_CHECKING:  # photos do not need these modules
    from colorzoo.inference.layers.sheets import Sheets
    from colorzoo.inference.steps.drawing import Drawing

ImageLike = str | Path | Image.Image | NDArray[Any] | Tensor | RasterImage
ReferenceLike = ImageLike | Exemplar | Sequence[ImageLike]
MIN_SIZE, MAX_SIZE = 16, 4096
_WHOLE_IMAGE = (
    "'border' must be 'none' if guidance is passed as tensors, because the tensors cover the whole image"
)
_UNREAD_REFERENCES = (
    "the references of the recipe were ignored, because their paths are relative to a recipe file. Set "
    "'guidance' to the path of this file, or set 'reference'."
)


class Colorizer:
    """Thread-safe model that colorizes images at full size.

    Examples:
        >>> colorizer = Colorizer("zhang2017_local_small", device="cpu")
        >>> colorizer("photo.png").size
        (48, 32)

    Copies and pickles of a colorizer include the weights.

    Attributes:
        size: Shorter side of the network input in pixels.
        requested_size: ``size`` as set by the user, or None.
        name: Registered name or alias, or the class name of a custom module.
        is_registered: Whether the model is a registered model.
        weights: Weights of a registered model as set by the user; None for a custom module.
        settings: Model settings set by the user.
        precision: Requested numeric precision.
        engine: Engine that runs the model.

    Args:
        model: Registered name, custom module or None. A custom module is not changed: the colorizer uses a
            copy unless the module is already in evaluation mode, in float32 and on the device. None selects
            the model of the weight file, or the default model; see `choose_model`.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
            Ignored for a custom module.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or another torch device.
        precision: ``"auto"`` selects bfloat16 if the hardware supports it.
        size: Shorter side of the network input in pixels, from 16 to 4096; None uses
            `ColoringModel.working_size`.
        allow_untrained: Whether to accept random weights.
        engine: ``"torch"`` or ``"onnxruntime"``. ONNX Runtime runs in float32 on the CPU and requires the
            extra ``export``. The ONNX graph is exported on first use and cached.
        **settings: Settings of a registered model, such as ``render_factor`` of `antic2019`. Models that
            predict a color distribution have the setting ``temperature``: 1 gives pale colors (the mean), and
            values near 0 give vivid but blotchy colors (the mode). None uses the default of the model.

    Raises:
        ColorzooError: The model, device, setting or kind of guidance is unknown, the weights are missing or
            untrained, or the engine does not support the model.
    """

    def __init__(
        self,
        model: str | nn.Module | None = None,
        *,
        weights: str | Path | None = "default",
        device: str = "auto",
        precision: Precision = "auto",
        size: int | None = None,
        allow_untrained: bool = False,
        engine: Engine = "torch",
        **settings: Any,
    ) -> None:
        if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
            raise ColorzooError(f"size must be between {MIN_SIZE} and {MAX_SIZE} pixels, got {size}")
        if engine not in get_args(Engine):
            raise ColorzooError(f"engine must be one of {', '.join(get_args(Engine))}, got {engine!r}")
        if engine == "onnxruntime":
            if device not in ("auto", "cpu") or precision == "bfloat16":
                raise ColorzooError("--engine onnxruntime requires --device cpu and --precision float32")
            device, precision = "cpu", "float32"
        self.requested_size = size
        self.settings = {name: value for name, value in settings.items() if value is not None}
        self.precision = precision
        self.engine = engine
        self.is_registered = not isinstance(model, nn.Module)
        self.weights = weights if self.is_registered else None
        if isinstance(model, nn.Module):
            self.name = type(model).__name__
        else:
            self.name = model = choose_model(name=model, weights=weights)
        loaded = load_model(model, weights, self.settings, allow_untrained=allow_untrained)
        for kind in loaded.accepts:
            guidance_kind(kind)  # raises an error for an unknown kind
        self.size = size or loaded.working_size
        torch_device = choose_device(device)
        if not self.is_registered:
            # copy a custom module that changes below, because the caller may continue to train it
            place = torch.empty(0, device=torch_device).device  # with the index of the default GPU
            is_converted = all(
                each.device == place and (each.dtype == torch.float32 or not each.is_floating_point())
                for each in (*loaded.parameters(), *loaded.buffers())
            )
            if not is_converted or any(module.training for module in loaded.modules()):
                loaded = deepcopy(loaded)
        self.model = loaded.float()
        self._network = NetworkRunner(self.model, self.name, torch_device, precision, engine)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickling, in which the device replaces the `NetworkRunner`."""
        return {**self.__dict__, "_network": self.device}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._network = NetworkRunner(self.model, self.name, state["_network"], self.precision, self.engine)

    def __call__(
        self,
        image: ImageLike,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        border: BorderSetting | None = None,
    ) -> Image.Image:
        """Colorize an image.

        Notes for the user, about the file and about the result, are issued as Python warnings.

        Args:
            image: Path, Pillow image, `RasterImage`, array ``(H, W[, C])`` or tensor ``([C,] H, W)`` of
                uint8, uint16 or float in [0, 1].
            guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
            strength: Factor on the chroma, 0 to 1.5; None uses the strength of the recipe, or 1.
            reference: Reference image, list of reference images, or the result of `exemplar`, for models that
                accept references. None uses the references of the recipe, whose paths are relative to the
                recipe file. If ``guidance`` is not a path, these references are ignored with a warning.
            border: Part of the image to colorize; see `BorderSetting`. None uses the recipe, or detects the
                border of a scan.

        Returns:
            Pillow image with the size and alpha channel of the input, cropped if the recipe has a crop.

        Raises:
            ColorzooError: The image or the guidance cannot be used, or the prediction is not finite.
        """
        raster = as_image(image)
        colored = self.colorize(raster, guidance, strength=strength, reference=reference, border=border)
        for note in (*raster.notes, *colored.notes):
            warnings.warn(note, UserWarning, stacklevel=2)
        return to_pil(colored.levels(), colored.source(raster))

    def colorize(
        self,
        image: ImageLike,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        border: BorderSetting | None = None,
        sheets: Sheets | None = None,
    ) -> ColorizedImage:
        """Colorize an image and return a `ColorizedImage`; see `__call__`.

        Args:
            image: Path, Pillow image, `RasterImage`, array or tensor.
            guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
            strength: Factor on the chroma, 0 to 1.5; None uses the strength of the recipe, or 1.
            reference: Reference image; None uses the reference of the recipe.
            border: Part of the image to colorize, see `BorderSetting`; None uses the setting of the recipe.
            sheets: Colored drawings whose region colors a drawing copies; None uses the references, if there
                are several.

        Raises:
            GuidanceError: The guidance is invalid or belongs to another image.
            ColorzooError: The prediction is not finite.
        """
        parsed = read_guidance(guidance)
        folder = recipe_folder(guidance)
        exemplar = self.exemplar_of(reference, parsed, folder)
        edit = self.resolve(
            as_image(image), parsed, strength=strength, reference=exemplar, border=border, sheets=sheets
        )
        if isinstance(parsed, Recipe) and not listed_references(reference):
            edit = replace(edit, notes=(*edit.notes, *reference_notes(parsed, folder)))
        return colorize_edit(edit)

    def resolve(
        self,
        image: RasterImage,
        guidance: Guidance | Recipe,
        *,
        strength: float | None = None,
        reference: Exemplar | None = None,
        border: BorderSetting | None = None,
        drawing: Drawing | None = None,
        sheets: Sheets | None = None,
    ) -> Edit:
        """Detect the border of a scan, inpaint marked damage, and return the edit for `colorize_edit`.

        This method does not run the model. A border is a print margin or mount around the image. The healing
        strokes of the recipe mark the damage. For sketch models, the border is not detected, and transparent
        parts are filled with paper. The parameters match the parameters of `colorize`. ``drawing`` contains
        the lines and regions of the healed image for sketch models, if they are known.

        Raises:
            GuidanceError: The guidance does not match the image, or the strength is outside [0, 1.5].
        """
        log: list[StageRun] = []
        is_sketch = self._network.is_sketch
        # guidance tensors cover the whole image
        recipe = guidance if isinstance(guidance, Recipe) else Recipe(border="none")
        # notes about parts of the recipe that have no effect or belong to another image
        notes = tuple(f"unknown recipe field {name!r} was ignored" for name in recipe.unknown())
        source, sha256 = image.metadata.source, recipe.sha256
        if sha256 is not None and source is not None and digest_of(source) != sha256.lower():
            notes += ("the recipe was made for another image file",)
        uses_references = "exemplar" in recipe.kinds() and "exemplar" in self.model.accepts
        if reference is None and uses_references and recipe.exemplar.files:
            notes += (_UNREAD_REFERENCES,)
        # find the part inside the border of a scan
        setting = recipe.border if border is None else border
        if is_sketch and setting not in BORDER_NAMES:
            notes += (f"{self.name} does not use borders; the whole image was colored",)
        if is_sketch or (border is None and setting == "automatic" and recipe.classes.file):
            setting = "none"  # drawings have no border, and label images require the whole image
        elif setting not in BORDER_NAMES:
            setting = read_border(setting, "border")
        if is_sketch and image.alpha is not None:
            image = composite_on_paper(image)
            notes += ("transparent parts were filled with paper",)
        filled = fill_hidden(image)  # the colors of visible pixels must not depend on hidden colors
        inside = timed(log, select_part, filled, setting)
        # inpaint marked damage, which does not change the border
        if recipe.healing:
            from colorzoo.inference.steps.healing import heal  # few images need it

            strokes = f"{len(recipe.healing)} strokes"
            healed = timed(log, heal, image.levels, recipe.healing, image.alpha, about=strokes)
            image = replace(image, levels=healed)
            filled = fill_hidden(image)
        # crop the image and the coordinates of the recipe to the part
        if inside is None:
            recipe.check_inside(*image.size)
            part_levels, part_size, part_guidance = filled.levels, image.size, guidance
        elif isinstance(guidance, Guidance):
            raise GuidanceError(_WHOLE_IMAGE)
        else:
            part_guidance, crop_notes = crop_recipe(guidance, image.size, inside)
            notes = (f"only the image inside the scan border was colored ({inside})", *crop_notes, *notes)
            part_levels, part_size = filled.levels[inside.slices], (inside.width, inside.height)
        # compute the network input, and find the lines and regions of a drawing
        about = f"{image.size[0]} x {image.size[1]} pixels"
        lightness = timed(log, preprocess, FullLightness(part_levels), self.size, about=about)
        if drawing is None and is_sketch:
            from colorzoo.inference.steps.drawing import read_drawing  # photos do not need it

            own = recipe.drawing or DrawingSettings()
            drawing = timed(
                log, read_drawing, image.levels, own.gap, recipe.divisions, own.specks, about=about
            )
        edit = self.resolve_lightness(
            lightness, part_size, part_guidance, reference, strength=strength, drawing=drawing, sheets=sheets
        )
        full_size = FullSize(FullLightness(image.levels), inside, recipe.crop, image.alpha)
        return replace(edit, notes=notes, full_size=full_size, log=log)

    def resolve_lightness(
        self,
        lightness: Tensor,
        image_size: tuple[int, int],
        guidance: Guidance | Recipe,
        reference: Exemplar | None = None,
        *,
        strength: float | None = None,
        drawing: Drawing | None = None,
        sheets: Sheets | None = None,
        detects_pages: bool = True,
    ) -> Edit:
        """Return the edit for the lightness of an image, or of its part inside a border, and its guidance.

        Args:
            lightness: ``(1, 1, h, w)`` at the size of the network input, see `preprocess`.
            image_size: Width and height at full size in pixels.
            guidance: Recipe with coordinates in pixels of the part, checked by `Recipe.check_inside` or
                converted by `crop_recipe`; or guidance tensors of any size.
            reference: Exemplar of the reference image, or None.
            strength: Factor applied to the chroma; None uses the strength of the recipe, or 1.
            drawing: Lines and regions for sketch models, at any size; None finds them in the lightness.
            sheets: Colored drawings whose region colors a drawing copies; None uses the references, if there
                are several.
            detects_pages: Whether a page without a scene stays gray; see `Edit`.

        Raises:
            GuidanceError: The guidance is for several images, or the strength is outside [0, 1.5].
        """
        if isinstance(guidance, Guidance):
            recipe, points = Recipe(), guidance.points
            if points is not None:
                if len(points.mask) != 1:
                    raise GuidanceError(
                        f"guidance must be for one image, got points for {len(points.mask)} images"
                    )
                hints = tuple(islice(points_to_hints(points), MOST_CORRECTED + 1))
                if 0 < len(hints) <= MOST_CORRECTED:  # the recipe replaces the tensors
                    x_scale = image_size[0] / points.mask.shape[-1]
                    y_scale = image_size[1] / points.mask.shape[-2]
                    recipe = Recipe(points=tuple(hint.scaled(x_scale, y_scale) for hint in hints))
                    guidance = replace(guidance, points=None)
            tensors = resize_maps(guidance, map_size(lightness))
        else:
            recipe, tensors = guidance, Guidance()
        if strength is None:
            strength = recipe.strength
        if not 0 <= strength <= MAX_STRENGTH:
            raise GuidanceError(f"'strength' must be between 0 and {MAX_STRENGTH:g}, got {strength:g}")
        width, height = image_size
        # healing is already applied, and the crop is applied to the result
        sized = replace(recipe.shown(), strength=strength, width=width, height=height, healing=(), crop=None)
        if drawing is None and self._network.is_sketch:
            drawing = _drawing_in(lightness)
        if drawing is not None and drawing.base is not None:
            from colorzoo.inference.steps.drawing import settle_points  # photos do not need it

            sized = replace(sized, points=settle_points(sized.points, drawing, sized.divisions, image_size))
        own_sheets = reference.sheets if isinstance(reference, SheetExemplar) else None
        return Edit(
            self._network,
            lightness,
            image_size,
            sized,
            tensors,
            reference,
            drawing=drawing,
            sheets=own_sheets if sheets is None else sheets,
            detects_pages=detects_pages,
        )

    def exemplar(self, references: Sequence[ReadReference]) -> Exemplar:
        """Encode reference images into an exemplar that can be reused for several images.

        If the model does not accept references, the result is a placeholder, which `colorize` ignores with a
        note.

        Args:
            references: One reference, or several if the model encodes references.

        Returns:
            The exemplar. Several references of a model for drawings are a `SheetExemplar`.

        Raises:
            GuidanceError: The model does not support several references, or a reference is gray.
        """
        if "exemplar" not in self.model.accepts:
            return Exemplar(torch.zeros(1, 3, 1, 1))
        with self._network.session() as model:
            exemplar = make_exemplar(model, references, self.size)
        if len(references) < 2 or not isinstance(self.model, DrawingModel):
            return exemplar
        # regions of drawings also copy the exact colors of similar regions of several references
        from colorzoo.inference.layers.sheets import Sheets
        from colorzoo.inference.region_memory import RegionMemory

        memory = RegionMemory(self)
        for reference in references:
            memory.add_sheet(reference.source, reference.name)
        return SheetExemplar(exemplar.rgb, exemplar.embedding, exemplar.alpha, sheets=Sheets(memory))

    def exemplar_of(
        self,
        reference: ReferenceLike | None,
        guidance: Guidance | Recipe,
        folder: Path | None,
        weights: Sequence[float] | None = None,
    ) -> Exemplar | None:
        """Encode references, or the references of a recipe, into an exemplar.

        The result is None if there is no reference.

        Args:
            reference: Reference image, list of reference images, or an exemplar, which is returned unchanged.
                None and an empty list use the references of the recipe.
            guidance: Guidance without references, or recipe.
            folder: Folder to which reference paths in the recipe are relative. None ignores these references,
                and `prepare` adds a note.
            weights: Relative weight of each reference image; None gives equal weights. References of the
                recipe have the weights of the recipe.

        Raises:
            ColorzooError: A reference cannot be read or used, or the number of weights is wrong.
        """
        if isinstance(reference, Exemplar):
            return reference
        references = self.read_references(reference, guidance, folder, weights)
        return self.exemplar(references) if references else None

    def read_references(
        self,
        reference: ReferenceLike | None,
        guidance: Guidance | Recipe,
        folder: Path | None,
        weights: Sequence[float] | None = None,
    ) -> list[ReadReference]:
        """Read references, or the references of a recipe; see `exemplar_of`. An `Exemplar` has no images."""
        if isinstance(reference, Exemplar):
            return []
        images = listed_references(reference)
        if not images:
            files = recipe_reference_files(guidance, folder)
            return [ReadReference(read_image(path), weight, str(path)) for path, weight in files]
        names = [str(image) if isinstance(image, str | Path) else "image" for image in images]
        image_weights = equal_or_given(weights, len(images))
        return [
            ReadReference(as_image(image), weight, name)
            for image, weight, name in zip(images, image_weights, names, strict=True)
        ]

    def match_features(self, lightness: Tensor, states: States | None = None) -> Tensor:
        """Return features of the cells of a video frame; see `MatchingModel.match_features`.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100].
            states: Encodings of the frame, see `States`; None for a new frame.
        """
        return self._network.compute_match_features(lightness, States() if states is None else states)

    def color_frames(self, frame: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Return the ab ``(1, 2, h, w)`` of a video frame; see `NetworkRunner.color_frames`."""
        return self._network.color_frames(frame, exemplar, previous)

    def predict(self, lightness: Tensor, guidance: Guidance, states: States | None = None) -> Prediction:
        """Run the model on lightness maps at the size of the network input.

        Args:
            lightness: ``(B, 1, h, w)`` in [0, 100]; B is 1 for a model that colorizes sketches.
            guidance: Guidance with maps of size ``(h, w)``.
            states: Encodings of this image that the model reuses after an edit, see `States`; updated in
                place. None reuses nothing.

        Returns:
            The prediction. `Prediction.colors` is float32 on the CPU; `Prediction.extras` are on the device
            of the model.

        Raises:
            ColorzooError: The prediction is not finite in float32.
        """
        if states is None:
            states = States()
        network_input = lightness
        if self._network.is_sketch:
            network_input = _drawing_in(lightness).sketch(map_size(lightness))
        return self._network.run_network(network_input, guidance, states)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights, the settings and the size of the network input."""
        return self.model.digest(self.size).hex()

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self._network.device

    @property
    def is_sketch_model(self) -> bool:
        """Whether the model colorizes sketches and predicts the lightness."""
        return self._network.is_sketch


def _drawing_in(lightness: Tensor) -> Drawing:
    """Return the lines and regions of a drawing with the lightness ``(1, 1, h, w)``."""
    from colorzoo.inference.steps.drawing import read_drawing  # photos do not need it

    return read_drawing(lightness[0, 0].mul(2.55).round().byte().numpy())


def listed_references(reference: ReferenceLike | None) -> tuple[Any, ...]:
    """Return references as a tuple: a single reference, the items of a list, or nothing for None."""
    if isinstance(reference, list | tuple):
        return tuple(reference)
    return () if reference is None else (reference,)


def used_references(
    reference: ReferenceLike | None, guidance: Guidance | Recipe, folder: Path | None
) -> tuple[Any, ...]:
    """Return the references of a call or, if there are none, the reference files of the recipe.

    Args:
        reference: Reference images, which replace the files of the recipe.
        guidance: Recipe, or guidance without references.
        folder: Base folder of the paths in the recipe; None ignores these files.

    Raises:
        GuidanceError: The references of the recipe are malformed, or a file is not a regular file.
    """
    return listed_references(reference) or tuple(recipe_reference_files(guidance, folder))


def as_image(image: ImageLike) -> RasterImage:
    """Convert an image to `RasterImage`.

    Tensors have the shape ``(H, W)``, or ``(C, H, W)`` with 1, 3 or 4 channels.
    """
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        if image.ndim == 3:
            image = image.movedim(0, -1)
        image = np.ascontiguousarray((image.float() if image.is_floating_point() else image).numpy())
    return image if isinstance(image, RasterImage) else read_image(image)
