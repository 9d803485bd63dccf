"""`Colorizer`: any picture in, the same picture in color out.

The network sees a small copy; only ab comes back. Lightness stays the original's, in float at full size.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.factory import create_inference_model
from colorzoo.guidance import Exemplar, Guidance, Recipe, Regions
from colorzoo.inference.area_answers import AreaAnswers
from colorzoo.inference.defaults import choose_default
from colorzoo.inference.device import Precision, choose_device, choose_dtype
from colorzoo.inference.divisions import divide_regions, read_divisions
from colorzoo.inference.engine import Engine, OnnxModel, require_cpu
from colorzoo.inference.fast import fast_module
from colorzoo.inference.full_size import FullLuma, join, join_levels
from colorzoo.inference.guide import DrawnRequest, GuidanceLike, fit_points, prepare, without_limited
from colorzoo.inference.honor import honor_points
from colorzoo.inference.int8 import Int8Model
from colorzoo.inference.kinds import add_kinds
from colorzoo.inference.looks import GivesLooks, Look
from colorzoo.inference.picture_io import Picture, read_picture, to_pil
from colorzoo.inference.pins import Pin, fit_pins
from colorzoo.inference.reach import Bases, find_extent, is_limited, limit_reach
from colorzoo.inference.redraw import OpenedPicture
from colorzoo.inference.references import (
    Reference,
    make_exemplar,
    read_reference,
    recipe_references,
    require_color,
)
from colorzoo.inference.regions import Proposals, ProposesRegions, color_regions, proposal_hash, region_notes
from colorzoo.inference.resample import working_size
from colorzoo.inference.sketches import draw_sketch, model_input
from colorzoo.inference.solved import Solved
from colorzoo.inference.things import AreaBoxes, has_things, keep_inside, tell_things
from colorzoo.registry import list_models, load_class, load_inference_class, model_card
from colorzoo.settings import known_settings
from colorzoo.tasks import ColoringModel, Prediction, RgbPrediction

ImageLike = str | Path | Image.Image | NDArray[Any] | Picture
ReferenceLike = ImageLike | Look | Exemplar
_UNTRAINED = (
    "{} is untrained, its weights are random; "
    "it is not used for coloring unless you pass allow_untrained=True."
)
_INK = 0.5  # darker is a line of a sketch
MIN_SIZE, MAX_SIZE = 16, 4096


@dataclass(frozen=True)
class Colored:
    """One colored picture; its pixels are made when they are asked for, each time anew.

    Attributes:
        ab: ``(2, h, w)`` prediction at the network's size, CIE units, strength and points applied.
        model: Registered name or class of the model.
        lightness: That of the result, at full size.
        pins: Colors to add at full size, where the prediction is too coarse.
        notes: What the user should know, such as ignored guidance.
    """

    ab: Tensor
    model: str
    lightness: FullLuma | Tensor
    pins: tuple[Pin, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rgb(self) -> NDArray[np.float32]:
        """``(H, W, 3)`` float32 in [0, 1], full size."""
        return join(self.lightness, self.ab, self.pins)

    def levels(self, depth: int = 8) -> NDArray[Any]:
        """Return ``(H, W, 3)`` uint8 or uint16, full size; a fraction of the memory and time of `rgb`."""
        return join_levels(self.lightness, self.ab, self.pins, depth=depth)


class Colorizer:
    """A model ready to color pictures; keep one and use it for many, from any thread.

    Attributes:
        size: Shorter side in pixels at which the network sees a picture.
        asked_size: The same if the user named it, else None.

    Args:
        model: Registered name, a module of your own (it is moved to the device, and not to be
            trained on while in use here), or None for the default: the best one whose weights are on this
            machine.
        weights: See `create_model`; only for a name.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        precision: ``"auto"`` takes bfloat16 where the hardware multiplies it; ``"int8"`` is for coloring
            without guidance by the engine ``"onnxruntime"``.
        size: Shorter side in pixels at which the network sees a picture, 16 .. 4096; None takes the model's
            own (`ColoringModel.working_size`).
        allow_untrained: Color although the weights are random.
        fast: Take the default only among models whose weights ship with the package.
        engine: ``"torch"``, or ``"onnxruntime"``: in float32 on the CPU, from a graph that is made on first
            use and kept below the user's cache; it needs the extra ``export``.
        **settings: Settings of a named model, by name, such as ``temperature`` of one that answers a
            distribution (1 decodes it to its mean, safe and pale; towards 0 to its most likely color, vivid
            and blotchy) or ``render_factor`` of `antic2019`. None takes the model's own.

    Raises:
        ColorzooError: Unknown model or device, a setting that the model does not have, weights that cannot
            be had, an untrained model, or one that the engine cannot run.
    """

    def __init__(
        self,
        model: str | ColoringModel | None = None,
        *,
        weights: str | Path | None = "default",
        device: str = "auto",
        precision: Precision = "auto",
        size: int | None = None,
        allow_untrained: bool = False,
        fast: bool = False,
        engine: Engine = "torch",
        **settings: Any,
    ) -> None:
        if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
            raise ColorzooError(f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, got {size}.")
        if engine == "onnxruntime":
            device, precision = "cpu", require_cpu(device, precision)
        elif precision == "int8":
            raise ColorzooError("the precision int8 needs the engine onnxruntime (--engine onnxruntime).")
        self.device = choose_device(device)
        chosen = {setting: value for setting, value in settings.items() if value is not None}
        if isinstance(model, ColoringModel):
            self.name = type(model).__name__
            if chosen:
                raise ColorzooError(
                    f"{self.name} is built already; {', '.join(chosen)} is for a model by name."
                )
            reason = _UNTRAINED.format(self.name)
        else:
            self.name = model or choose_default(fast=fast)
            model, reason = _create(self.name, weights, _known(self.name, chosen))
        if not (model.trained or allow_untrained):
            raise ColorzooError(reason)
        self.asked_size = size
        self.size, self._precision = size or model.working_size, precision
        self.model = model.to(self.device).eval()
        self._fast: ColoringModel | None = None
        self._graph = _graph_of(self.model, self.name, precision) if engine == "onnxruntime" else None
        self._notes: tuple[str, ...] = ()
        self._proposals = Proposals()
        self._opened = OpenedPicture()
        self._bases, self._plain = Bases(), Bases()
        self._areas = AreaAnswers(self.model.accepts, self.predict, self._without_colors)
        self._last_look: tuple[weakref.ref[Tensor] | None, Tensor | None] = (None, None)
        self._lock = threading.Lock()  # around the network: it may move to another device

    def __call__(
        self,
        image: ImageLike,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
    ) -> Image.Image:
        """Color one picture and return it as Pillow image of the same size, alpha included.

        What the user should know (`Colored.notes`) is given as Python warnings.

        Args:
            image: Path, Pillow image, `Picture`, or array ``(H, W[, C])`` of uint8, uint16 or float in
                [0, 1].
            guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
            strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.
            reference: The picture whose colors to use, for models that take an exemplar; also a `Look` or the
                path of one, or what `exemplar` answers. By default what a recipe's file names, beside it.

        Raises:
            ColorzooError: The picture or the guidance cannot be used, or the model answers no numbers.
        """
        picture = _as_picture(image)
        exemplar = self.exemplar_of(reference, guidance)
        colored = self.colorize(picture, guidance, strength=strength, reference=exemplar)
        for note in colored.notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        return to_pil(colored.levels(), picture)

    def colorize(
        self,
        picture: Picture,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: Picture | Tensor | Exemplar | None = None,
        seen: Tensor | None = None,
    ) -> Colored:
        """Color one picture; see `__call__`.

        Args:
            picture: The picture.
            guidance: As of `__call__`.
            strength: As of `__call__`.
            reference: May be a tensor as `as_reference` makes it.
            seen: What `see` returns of the picture, from whoever has it already.

        Raises:
            GuidanceError: The guidance is broken or belongs to another picture.
            ColorzooError: The model answers values that are no numbers.
        """
        width, height = picture.size
        size = working_size(height, width, self.size)
        request = prepare(guidance, picture, size, strength)
        if isinstance(reference, Picture):
            require_color(reference, "picture")
            reference = self.exemplar([Reference(reference)])
        full = FullLuma(picture.levels)
        seen = self.see(picture) if seen is None else seen
        solved = self.solve(seen, request, reference)
        if solved.painted is not None:
            return Colored(solved.ab, self.name, solved.luma(full.whole(), seen)[0, 0], notes=solved.notes)
        if solved.shift.parts:
            full = FullLuma(picture.levels, solved.shift.enlarged(full.shape))
        pins = fit_pins(request.hints, solved.ab, full, strength=request.strength, held=solved.held)
        return Colored(solved.ab, self.name, full, tuple(pins), solved.notes)

    def see(self, picture: Picture) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` of a picture at the network's size."""
        width, height = picture.size
        return FullLuma(picture.levels).shrunk(working_size(height, width, self.size))

    def exemplar(self, references: Sequence[Reference]) -> Exemplar:
        """Return what the model takes of references, computed once for any number of pictures.

        Args:
            references: One; or several, if the model gives looks.

        Raises:
            GuidanceError: The model cannot use them.
        """
        with self._lock:
            return make_exemplar(self.model, references, self.size)

    def solve(
        self, luma: Tensor, request: DrawnRequest, reference: Tensor | Exemplar | None = None
    ) -> Solved:
        """Do all that happens at the network's size: predict, hold the points, apply the strength.

        Args:
            luma: ``(1, 1, h, w)`` in [0, 100], at the network's size.
            request: What the user wants, drawn at the same size.
            reference: See `colorize`; None where there is none.

        Raises:
            GuidanceError: The recipe speaks of regions or statistics that do not exist.
            ColorzooError: The model answers values that are no numbers.
        """
        recipe = request.recipe or Recipe()
        given = request.guidance if self.paints else fit_points(request.guidance, luma)
        notes = (*request.notes, *self._ignored(request))
        if request.recipe is not None or reference is not None:
            exemplar = self._with_look(reference) if isinstance(reference, Tensor) else reference
            told = tell_things(given, request, self.model.accepts, luma)
            given = add_kinds(told, recipe, self.model, luma, exemplar)
        if "regions" in self.model.accepts:
            given = self._with_regions(given, recipe, luma)
            assert given.regions is not None
            proposed = self.propose(luma) if isinstance(self.model, ProposesRegions) else given.regions
            notes = (*notes, *region_notes(given.regions, recipe, proposal_hash(proposed)))
        prediction = self.predict(luma, given)
        ab, painted = prediction.to_ab(), None
        if isinstance(prediction, RgbPrediction):
            painted = rgb_to_lab(prediction.rgb)[:, :1]
            notes = (*notes, *draw_sketch(luma).notes)
        elif given.points is not None:
            ab = self._held(ab, luma, given, request)
        notes = (*notes, *self._notes, *prediction.notes)
        solved = Solved(ab[0], prediction.extras, notes, painted)
        if recipe.areas and request.whole is not None:
            return self._areas.apply(solved, luma, given, request)
        return replace(solved, ab=solved.ab * request.strength)

    def _held(self, ab: Tensor, luma: Tensor, given: Guidance, request: DrawnRequest) -> Tensor:
        """Hold the points exactly, and keep each within its reach."""
        assert given.points is not None
        held = honor_points(ab, luma, given.points)
        limited = [hint for hint in request.hints if is_limited(hint)]
        if not limited or request.whole is None:
            return held
        others = fit_points(without_limited(request, given), luma)
        if "points" in self.model.accepts:
            ab = self._bases.of(luma, others, self.predict_ab)
        base = ab if others.points is None else honor_points(ab, luma, others.points)
        return limit_reach(held, base, given.points, find_extent(luma, limited, request.whole))

    def propose(self, luma: Tensor) -> Regions:
        """Return the regions whose colors the model asks for; asked again for the same picture, at once.

        Args:
            luma: ``(1, 1, h, w)`` in [0, 100], at the network's size.

        Raises:
            GuidanceError: The model asks for no regions.
        """
        if not isinstance(self.model, ProposesRegions):
            raise GuidanceError(f"{self.name} does not ask for regions")
        return self._proposals.of(self.model, model_input(self.model, luma), self.device)

    def regions(self, luma: Tensor, recipe: Recipe) -> Regions:
        """Return the regions of `propose` after what the recipe draws into them (``divisions``).

        Args:
            luma: As of `propose`.
            recipe: Its divisions count, in pixels of the picture whose size it states.

        Raises:
            GuidanceError: As `propose`; or the divisions are broken, or the recipe states no size.
        """
        proposed, divisions = self.propose(luma), read_divisions(recipe.extra.get("divisions"))
        if not divisions:
            return proposed
        if recipe.width is None or recipe.height is None:
            raise GuidanceError(
                "recipe.divisions needs recipe.image.width and height, whose pixels it counts in."
            )
        ink = model_input(self.model, luma)[0, 0] < _INK
        return divide_regions(proposed, divisions, (recipe.width, recipe.height), ink)

    def _without_colors(self, given: Guidance, luma: Tensor) -> Guidance:
        """Return guidance with the model's regions, none of them colored, if it asks for regions."""
        return self._with_regions(replace(given, regions=None), Recipe(), luma)

    def _with_regions(self, given: Guidance, recipe: Recipe, luma: Tensor) -> Guidance:
        """Give the model back its own regions in the colors of the recipe: it need not divide again."""
        if given.regions is not None or not isinstance(self.model, ProposesRegions):
            return given
        return replace(given, regions=color_regions(self.regions(luma, recipe), recipe.regions))

    @property
    def paints(self) -> bool:
        """Whether the model paints sketches: lightness too is its own."""
        return self.model.input_kind == "sketch"

    def predict_ab(self, luma: Tensor, guidance: Guidance) -> Tensor:
        """Return the ``(B, 2, h, w)`` ab of `predict`."""
        return self.predict(luma, guidance).to_ab()

    def predict(self, luma: Tensor, guidance: Guidance) -> Prediction:
        """Run the model as fast as the device allows; if its memory is too small, on the CPU from then on.

        Args:
            luma: ``(B, 1, h, w)`` in [0, 100].
            guidance: What the user gives, of the same size.

        Returns:
            The model's answer: its colors in float32 on the CPU, its extras on its device.

        Raises:
            ColorzooError: The model answers no numbers, in float32 either.
        """
        prediction, boxes = self._predict(luma, guidance), guidance.boxes
        if not isinstance(boxes, AreaBoxes):
            return prediction
        others = replace(guidance, boxes=boxes.plain)
        plain = self._plain.of(luma, others, lambda seen, given: self._predict(seen, given).colors)
        return prediction.with_colors(keep_inside(prediction.colors, plain, boxes))

    def _predict(self, luma: Tensor, guidance: Guidance) -> Prediction:
        """Run the model once; see `predict`."""
        with self._lock:
            try:
                return self._predict_finite(luma, guidance)
            except RuntimeError as error:  # MPS has no error class of its own for this
                lacking = isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)
                if not lacking or self.device.type == "cpu":
                    raise
            # outside the handler, whose traceback would keep the tensors on the device alive
            self._notes = (f"{self.device.type} ran out of memory; colored on the CPU",)
            self.device = torch.device("cpu")
            self.model.to(self.device)
            self._opened = OpenedPicture()  # its maps lie on the full device
            return self._predict_finite(luma, guidance)

    def _predict_finite(self, luma: Tensor, guidance: Guidance) -> Prediction:
        """Run the model; falls back to float32 if a low precision gives no numbers."""
        wanted = choose_dtype(self._precision, self.device)
        for dtype in dict.fromkeys((wanted, torch.float32)):
            low = torch.autocast(self.device.type, dtype) if dtype != torch.float32 else nullcontext()
            with torch.inference_mode(), low:
                seen = model_input(self.model, luma).to(self.device)
                given = guidance.to(self.device)
                if self._graph is None:
                    prediction = self._opened.predict(self._model_for(dtype), seen, given)
                else:
                    prediction = self._graph(seen, given)
            if torch.isfinite(prediction.colors).all():
                return prediction.with_colors(prediction.colors.float().cpu())
        raise ColorzooError(
            f"{self.name} answered values that are no numbers, in float32 too; check its weights."
        )

    def _model_for(self, dtype: torch.dtype) -> ColoringModel:
        """Return the model, or on a CPU its faster copy, which is made on first use."""
        if self.device.type != "cpu" or dtype != choose_dtype(self._precision, self.device):
            return self.model  # also where the copy's precision was too low
        if self._fast is None:
            self._fast = fast_module(self.model, dtype)
        return self._fast

    def exemplar_of(self, reference: ReferenceLike | None, guidance: GuidanceLike) -> Exemplar | None:
        """Return what a user gave as reference, or names in the file of a recipe; None if there is none."""
        if isinstance(reference, Exemplar):
            return reference
        if reference is None:
            found = _beside_recipe(guidance)
        elif isinstance(reference, str | Path):
            found = [read_reference(Path(reference))]
        elif isinstance(reference, Look):
            found = [Reference(reference)]
        else:
            picture = _as_picture(reference)
            require_color(picture, "picture")
            found = [Reference(picture)]
        return self.exemplar(found) if found else None

    def _with_look(self, rgb: Tensor) -> Exemplar:
        """Return a reference with its look; that of the last one is kept, as a pad asks again and again."""
        if not isinstance(self.model, GivesLooks):
            return Exemplar(rgb)
        with self._lock:
            kept, look = self._last_look
            if kept is None or kept() is not rgb:
                with torch.inference_mode():
                    look = self.model.look(rgb.to(self.device)).float().cpu()
                self._last_look = (weakref.ref(rgb), look)
        return Exemplar(rgb, look)

    def _ignored(self, request: DrawnRequest) -> tuple[str, ...]:
        accepts = self.model.accepts
        ignored = [kind for kind in request.kinds if kind not in accepts]
        if has_things(request) and not {"boxes", "scribbles"} & set(accepts):
            ignored.append("areas that are things")
        return tuple(f"{self.name} does not use {kind}; they were ignored" for kind in ignored)


def _graph_of(model: ColoringModel, name: str, precision: Precision) -> OnnxModel:
    return Int8Model(model, name) if precision == "int8" else OnnxModel(model, name)


def _beside_recipe(guidance: GuidanceLike) -> list[Reference]:
    """Return the references that a recipe file names; other recipes have no place to look beside."""
    is_text = isinstance(guidance, str) and guidance.lstrip().startswith("{")
    if is_text or not isinstance(guidance, str | Path):
        return []
    return recipe_references(Recipe.from_json(guidance), Path(guidance).parent)


def _as_picture(image: ImageLike) -> Picture:
    return image if isinstance(image, Picture) else read_picture(image)


def _known(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings that the user chose, if the model has all of them."""
    card = model_card(name)
    unknown = settings.keys() - known_settings(load_inference_class(card))
    for setting in unknown and unknown - known_settings(load_class(card)):
        having = [
            other for other in list_models() if setting in known_settings(load_class(model_card(other)))
        ]
        raise ColorzooError(f"{name} has no {setting}; models that do: {', '.join(having) or 'none'}.")
    return settings


def _create(name: str, weights: str | Path | None, settings: dict[str, Any]) -> tuple[ColoringModel, str]:
    """Return a registered model and, if it is untrained, why: for the error, not as a warning before it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = create_inference_model(name, weights, **settings)
    others = [w for w in caught if "untrained" not in str(w.message)]
    for other in others:
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    reasons = [str(w.message) for w in caught if w not in others]
    # where weights cannot be had, how to get them is the one thing to say
    told = [reason.replace(", its weights are random: ", " here: ") for reason in reasons]
    return model, "; ".join(told) or _UNTRAINED.format(name)
