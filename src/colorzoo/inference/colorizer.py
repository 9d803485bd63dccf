"""`Colorizer`: colors a picture of any kind at its full size.

The network runs on a small copy and predicts only ab. Lightness stays the picture's own, in float at full
size; files then round it to their bits, and JPEG compresses it.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from colorzoo.capabilities import ComparesPlaces, GivesLooks, ProposesRegions
from colorzoo.color import rgb_to_lab
from colorzoo.engines.device import Engine, Precision, choose_device
from colorzoo.errors import ColorzooError, GuidanceError, PictureError
from colorzoo.guidance import Exemplar, Guidance, PointHint, Recipe, Regions
from colorzoo.guidance.frame import FrameSetting, Rectangle, read_frame
from colorzoo.inference.answer import ColoredPicture, NetworkAnswer
from colorzoo.inference.full_size import FullLightness, working_size
from colorzoo.inference.guidance_maps import (
    DrawnGuidance,
    GuidanceLike,
    add_model_guidance,
    fit_points,
    has_object_areas,
    keep_points,
    prepare_guidance,
    read_guidance,
)
from colorzoo.inference.inside import (
    Surroundings,
    crop_guidance,
    crop_picture,
    crop_recipe,
    find_inside,
)
from colorzoo.inference.models import load_model
from colorzoo.inference.network import NetworkRunner
from colorzoo.inference.references import (
    Look,
    ReadReference,
    make_exemplar,
    read_reference,
    recipe_references,
)
from colorzoo.networks.answers import AnswerCache
from colorzoo.pictures.picture import Picture
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.write import to_pil
from colorzoo.prediction import Prediction, RgbPrediction
from colorzoo.weights.choice import ModelChoice

if TYPE_CHECKING:
    from colorzoo.inference.area_answers import AreaColorizer
    from colorzoo.inference.points import Base, Extent, Likeness

ImageLike = str | Path | Image.Image | NDArray[Any] | Tensor | Picture
ReferenceLike = ImageLike | Look | Exemplar
_PLURALS = {"exemplar": "references"}
_EXTENTS = 4  # cached: those of an edit and of its suggestions, at two sizes
_INK = 0.5  # darker pixels are lines of a sketch
MIN_SIZE, MAX_SIZE = 16, 4096


@dataclass(frozen=True)
class PreparedPicture:
    """The part of a picture that a model sees.

    Attributes:
        picture: The part within the frame, or the whole picture.
        lightness: ``(1, 1, h, w)`` its lightness at the network's size.
        inside: Where it lies in the whole picture; None if it is all of it.
    """

    picture: Picture
    lightness: Tensor
    inside: Rectangle | None = None


@dataclass
class _Kept:
    """Results that an edit leaves unchanged, so that they are not computed again.

    Attributes:
        proposals: Regions that the model proposes.
        without_limited: Colors without the points of limited reach.
        without_weak: Colors without the points of a strength below 1.
        without_areas: Colors without the boxes around areas.
        looks: Looks of references.
        extents: Places and lightness of points, and where their colors go.
    """

    proposals: AnswerCache[Regions] = field(default_factory=AnswerCache)
    without_limited: AnswerCache[Base] = field(default_factory=AnswerCache)
    without_weak: AnswerCache[Tensor] = field(default_factory=AnswerCache)
    without_areas: AnswerCache[Tensor] = field(default_factory=AnswerCache)
    looks: AnswerCache[Tensor] = field(default_factory=AnswerCache)
    extents: deque[tuple[tuple[object, ...], Tensor, Extent]] = field(
        default_factory=lambda: deque(maxlen=_EXTENTS)
    )


class Colorizer:
    """A model ready to color any number of pictures, from any thread.

    Examples:
        >>> colorizer = Colorizer("zhang2017_local_small", device="cpu")
        >>> colorizer("photo.png").size
        (48, 32)

    Attributes:
        size: Shorter side in pixels of a picture for the network.
        requested_size: The same if the user chose it, else None.
        choice: Registered model and weights; None for a module of your own.
        settings: Settings of the model that the user chose.
        precision: Precision as it was asked for.
        engine: Engine that runs the model.

    Args:
        model: Registered name, a `ModelChoice`, a module of your own (it is moved to the device, and must not
            be trained while in use here), or None for the best model whose weights are on this machine.
        weights: See `create_model`; only for a name.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        precision: ``"auto"`` takes bfloat16 if the hardware multiplies it; ``"int8"`` is for coloring without
            guidance by the engine ``"onnxruntime"``.
        size: Shorter side in pixels of a picture for the network, 16 .. 4096; None takes the model's own
            (`ColoringModel.working_size`).
        allow_untrained: Color with random weights.
        fast: Take the default only from models whose weights ship with the package.
        engine: ``"torch"``, or ``"onnxruntime"``: in float32 on the CPU, from a graph that is made on first
            use and kept in the user's cache; it requires the extra ``export``.
        **settings: Settings of a named model, such as ``temperature`` of one that predicts a distribution (1
            decodes its mean, safe and pale; towards 0 its most likely color, vivid and blotchy) or
            ``render_factor`` of `antic2019`. None takes the model's own.

    Raises:
        ColorzooError: An unknown model or device, a setting that the model does not have, missing weights, an
            untrained model, or one that the engine cannot run.
    """

    def __init__(
        self,
        model: str | ModelChoice | nn.Module | None = None,
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
            if device not in ("auto", "cpu") or precision == "bfloat16":
                raise ColorzooError(
                    "the engine onnxruntime runs on the CPU in float32 or int8; leave out other devices and "
                    "precisions."
                )
            device, precision = "cpu", "int8" if precision == "int8" else "float32"
        elif precision == "int8":
            raise ColorzooError("the precision int8 needs the engine onnxruntime (--engine onnxruntime).")
        chosen = {setting: value for setting, value in settings.items() if value is not None}
        loaded = load_model(model, weights, chosen, fast=fast, allow_untrained=allow_untrained)
        self.name, self.choice = loaded.name, loaded.choice
        self.requested_size = size
        self.settings, self.precision, self.engine = chosen, precision, engine
        self.size = size or loaded.model.working_size
        self._network = NetworkRunner(loaded.model, self.name, choose_device(device), precision, engine)
        self.model = loaded.model
        self._kept = _Kept()
        self._areas: AreaColorizer | None = None

    def __call__(
        self,
        image: ImageLike,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        frame: FrameSetting | None = None,
    ) -> Image.Image:
        """Color one picture and return it as Pillow image of the same size, alpha included.

        Remarks for the user (`ColoredPicture.notes`) are issued as Python warnings.

        Args:
            image: Path, Pillow image, `Picture`, array ``(H, W[, C])`` or tensor ``(C, H, W)`` of uint8,
                uint16 or float in [0, 1].
            guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
            strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.
            reference: Picture whose colors to use, for models that take an exemplar; also a `Look` or the
                path of one, or a result of `exemplar`. By default the reference named in a recipe file, which
                is relative to it.
            frame: The part of the picture to color, see `FrameSetting`; None takes the recipe's, or finds
                the frame of a scan.

        Raises:
            ColorzooError: The picture or the guidance cannot be used, or the prediction is not finite.
        """
        picture = _as_picture(image)
        colored = self.colorize(picture, guidance, strength=strength, reference=reference, frame=frame)
        for note in colored.notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        return to_pil(colored.levels(), picture)

    def colorize(
        self,
        image: ImageLike,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        frame: FrameSetting | None = None,
        prepared: PreparedPicture | None = None,
    ) -> ColoredPicture:
        """Color one picture and return the colors at the network's size, with the notes; see `__call__`.

        Args:
            image: See `__call__`.
            guidance: See `__call__`.
            strength: See `__call__`.
            reference: See `__call__`; also a tensor ``(1, 3, h, w)`` of `as_reference`.
            frame: See `__call__`.
            prepared: Result of `prepare` for the picture, if it is known already.

        Raises:
            GuidanceError: The guidance is broken or belongs to another picture.
            ColorzooError: The prediction is not finite.
        """
        picture, read = _as_picture(image), read_guidance(guidance)
        given = read.guidance
        prepared = self.prepare(picture, given, frame) if prepared is None else prepared
        part, lightness, inside = prepared.picture, prepared.lightness, prepared.inside
        surroundings: Surroundings | None = None
        notes: tuple[str, ...] = ()
        if not (isinstance(reference, Tensor) and reference.ndim == 4):
            reference = self.exemplar_of(reference, read)
        if inside is not None:
            surroundings = Surroundings(FullLightness(picture.levels), inside)
            notes = ("colored within the frame {},{},{},{}".format(*inside),)
            if isinstance(given, Recipe):
                given, lost = crop_recipe(given, picture.size, inside)
                notes += lost
            else:
                given = crop_guidance(given, inside, picture.size)
        drawn = prepare_guidance(given, part, (lightness.shape[2], lightness.shape[3]), strength)
        answer = self.color_lightness(lightness, drawn, reference)
        answer = replace(answer, notes=(*notes, *answer.notes))
        return answer.over(FullLightness(part.levels), self.name, surroundings)

    def prepare(
        self, picture: Picture, guidance: GuidanceLike = None, frame: FrameSetting | None = None
    ) -> PreparedPicture:
        """Find the part of a picture within its frame, and shrink it to the network's size.

        Drawings have no frame: their margin is paper.

        Args:
            picture: The picture.
            guidance: Guidance, whose recipe may set the frame.
            frame: See `__call__`.

        Raises:
            GuidanceError: The frame does not lie within the picture.
        """
        if frame is None:
            given = read_guidance(guidance).guidance
            frame = given.frame if isinstance(given, Recipe) else "automatic"
            if frame == "automatic" and isinstance(given, Recipe) and _covers_all(given):
                frame = "none"
        inside = None if self.paints else find_inside(picture, read_frame(frame, "frame"))
        part = picture if inside is None else crop_picture(picture, inside)
        return PreparedPicture(part, self.working_lightness(part), inside)

    def forget(self) -> None:
        """Drop what is kept of earlier pictures and edits, so that they cannot change the next result.

        An edit is computed from the answer before it, which may change the last digits.
        """
        self._network.forget()
        self._kept, self._areas = _Kept(), None

    def working_lightness(self, picture: Picture) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` of a picture at the network's size."""
        width, height = picture.size
        return FullLightness(picture.levels).shrunk(working_size(height, width, self.size))

    def exemplar(self, references: Sequence[ReadReference]) -> Exemplar:
        """Convert references to what the model takes, once for any number of pictures.

        Args:
            references: One; or several, if the model gives looks.

        A model that takes none gets a placeholder, which `color_lightness` remarks upon.

        Raises:
            GuidanceError: The model cannot use them.
        """
        if "exemplar" not in self.model.accepts:
            return Exemplar(torch.zeros(1, 3, 1, 1))
        with self._network.lock:
            return make_exemplar(self.model, references, self.size)

    def color_lightness(
        self, lightness: Tensor, drawn: DrawnGuidance, reference: Tensor | Exemplar | None = None
    ) -> NetworkAnswer:
        """Color a lightness at the network's size: predict, then apply points, areas and strength.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100], at the network's size.
            drawn: Guidance drawn at the same size.
            reference: See `colorize`; None for none.

        Raises:
            GuidanceError: The recipe names regions or statistics that do not exist.
            ColorzooError: The prediction is not finite.
        """
        recipe = drawn.recipe or Recipe()
        guidance = drawn.guidance if self.paints else fit_points(drawn.guidance, lightness)
        notes = (*drawn.notes, *self._ignored(drawn, has_reference=reference is not None))
        if "exemplar" not in self.model.accepts:
            reference = None
        if drawn.recipe is not None or reference is not None:
            exemplar = self._with_look(reference) if isinstance(reference, Tensor) else reference
            if has_object_areas(drawn):
                from colorzoo.inference.area_answers import add_object_areas

                guidance = add_object_areas(guidance, drawn, self.model.accepts, lightness)
            guidance = add_model_guidance(guidance, recipe, self.model, lightness, exemplar)
        if "regions" in self.model.accepts:
            from colorzoo.inference.regions import proposal_hash, region_notes

            guidance = self._with_regions(guidance, recipe, lightness)
            assert guidance.regions is not None
            proposed = (
                self.propose(lightness) if isinstance(self.model, ProposesRegions) else guidance.regions
            )
            notes = (*notes, *region_notes(guidance.regions, recipe, proposal_hash(proposed)))
        prediction = self.predict(lightness, guidance)
        ab = prediction.to_ab()
        answer = NetworkAnswer(
            ab[0],
            prediction.extras,
            hints=drawn.hints,
            strength=drawn.strength,
            picture_size=drawn.picture_size,
            above=recipe,
        )
        if isinstance(prediction, RgbPrediction):
            from colorzoo.inference.sketches import draw_sketch

            answer = replace(
                answer, painted_lightness=rgb_to_lab(prediction.rgb)[:, :1], sketch_lightness=lightness
            )
            notes = (*notes, *draw_sketch(lightness).notes)
        elif guidance.points is not None:
            answer = replace(answer, ab=self._apply_points(ab, lightness, guidance, drawn)[0])
        answer = replace(answer, notes=(*notes, *self._network.notes, *prediction.notes))
        if recipe.areas and drawn.picture_size is not None:
            if self._areas is None:
                from colorzoo.inference.area_answers import AreaColorizer

                self._areas = AreaColorizer(
                    self.model.accepts, self.predict, self._without_colors, self.likeness
                )
            return self._areas.apply(answer, lightness, guidance, drawn)
        return replace(answer, ab=answer.ab * drawn.strength)

    def _apply_points(
        self, ab: Tensor, lightness: Tensor, guidance: Guidance, drawn: DrawnGuidance
    ) -> Tensor:
        """Apply the points, each to the degree of its strength."""
        strong = self._apply_in_full(ab, lightness, guidance, drawn)
        weak = [hint for hint in drawn.hints if hint.strength < 1]
        if not weak or drawn.picture_size is None:
            return strong
        from colorzoo.inference.points import point_strength

        others = fit_points(keep_points(drawn, guidance, lambda hint: hint.strength == 1), lightness)
        if "points" in self.model.accepts:
            ab = self._kept.without_weak.get(lightness, others, self.predict_ab)
        kept = tuple(hint for hint in drawn.hints if hint.strength == 1)
        if kept:
            ab = self._apply_in_full(ab, lightness, others, replace(drawn, hints=kept))
        share = point_strength(lightness, weak, self._extent(lightness, weak, drawn.picture_size))
        return ab + share * (strong - ab)

    def _apply_in_full(
        self, ab: Tensor, lightness: Tensor, guidance: Guidance, drawn: DrawnGuidance
    ) -> Tensor:
        """Enforce the points exactly, and restrict each to its reach."""
        from colorzoo.inference.points import Base, enforce_points, is_limited, limit_reach

        assert guidance.points is not None
        enforced = enforce_points(ab, lightness, guidance.points)
        limited = [hint for hint in drawn.hints if is_limited(hint)]
        if not limited or drawn.picture_size is None:
            return enforced
        others = fit_points(keep_points(drawn, guidance, lambda hint: hint.reach == "everywhere"), lightness)

        def enforced_on(ab: Tensor) -> Base:
            ab = ab if others.points is None else enforce_points(ab, lightness, others.points)
            return Base.of(ab, lightness)

        if "points" in self.model.accepts:
            base = self._kept.without_limited.get(
                lightness, others, lambda *given: enforced_on(self.predict_ab(*given))
            )
        else:
            base = enforced_on(ab)
        extent = self._extent(lightness, limited, drawn.picture_size)
        return limit_reach(enforced, base, lightness, guidance.points, extent)

    def _extent(self, lightness: Tensor, hints: Sequence[PointHint], picture_size: tuple[int, int]) -> Extent:
        """Return `find_extent`. The last ones are cached, because another color does not change them."""
        from colorzoo.inference.points import find_extent

        places = (picture_size, *((hint.x, hint.y, hint.radius, hint.reach) for hint in hints))
        extents = self._kept.extents
        for known, of, extent in tuple(extents):  # threads share a colorizer
            if known == places and torch.equal(of, lightness):
                return extent
        extent = find_extent(lightness, hints, picture_size, self.likeness(lightness))
        extents.append((places, lightness, extent))
        return extent

    def likeness(self, lightness: Tensor) -> Likeness | None:
        """Return the model's likeness of places, for the reach of points; None if it compares none.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100], at the network's size.
        """
        if not isinstance(self.model, ComparesPlaces):
            return None

        def compare(mask: Tensor) -> Tensor:
            return self._network.likeness(lightness, mask)

        return compare

    def propose(self, lightness: Tensor) -> Regions:
        """Return the regions that the model proposes; the last proposals are cached.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100], at the network's size.

        Raises:
            GuidanceError: The model proposes no regions.
        """
        model = self.model
        if not isinstance(model, ProposesRegions):
            raise GuidanceError(f"{self.name} proposes no regions")

        def compute(sketch: Tensor, _: Guidance) -> Regions:
            with torch.inference_mode():
                return model.propose(sketch.to(self.device)).to("cpu")

        return self._kept.proposals.get(self.network_input(lightness), Guidance(), compute)

    def regions(self, lightness: Tensor, recipe: Recipe) -> Regions:
        """Return the regions of `propose` with the recipe's edits (``divisions``) applied.

        Args:
            lightness: See `propose`.
            recipe: Its divisions are in pixels of the picture size that it states.

        Raises:
            GuidanceError: See `propose`; or the divisions are broken, or the recipe states no size.
        """
        from colorzoo.inference.regions import divide_regions

        proposed, divisions = self.propose(lightness), recipe.divisions
        if not divisions:
            return proposed
        if recipe.width is None or recipe.height is None:
            raise GuidanceError(
                "recipe.divisions needs recipe.image.width and height, whose pixels it counts in."
            )
        ink = self.network_input(lightness)[0, 0] < _INK
        return divide_regions(proposed, divisions, (recipe.width, recipe.height), ink)

    def _without_colors(self, guidance: Guidance, lightness: Tensor) -> Guidance:
        """Return guidance with the model's regions uncolored, if it proposes regions."""
        return self._with_regions(replace(guidance, regions=None), Recipe(), lightness)

    def _with_regions(self, guidance: Guidance, recipe: Recipe, lightness: Tensor) -> Guidance:
        """Add the model's own regions in the colors of the recipe, so that it need not divide again."""
        if guidance.regions is not None or not isinstance(self.model, ProposesRegions):
            return guidance
        from colorzoo.inference.regions import color_regions

        return replace(guidance, regions=color_regions(self.regions(lightness, recipe), recipe.regions))

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self._network.device

    @property
    def paints(self) -> bool:
        """True if the model paints sketches, with a lightness of its own."""
        return self.model.input_kind == "sketch"

    def network_input(self, lightness: Tensor) -> Tensor:
        """Return the input of the model: the lightness ``(1, 1, h, w)`` itself, or a sketch of it."""
        if not self.paints:
            return lightness
        from colorzoo.inference.sketches import draw_sketch

        return draw_sketch(lightness).lines

    def predict_ab(self, lightness: Tensor, guidance: Guidance) -> Tensor:
        """Return the ``(B, 2, h, w)`` ab of `predict`."""
        return self.predict(lightness, guidance).to_ab()

    def predict(self, lightness: Tensor, guidance: Guidance) -> Prediction:
        """Run the model as fast as the device allows; if its memory is too small, on the CPU from then on.

        Args:
            lightness: ``(B, 1, h, w)`` in [0, 100].
            guidance: Guidance of the same size.

        Returns:
            The prediction: its colors in float32 on the CPU, its extras on the model's device.

        Raises:
            ColorzooError: The prediction is not finite, in float32 either.
        """
        prediction, boxes = self._run(lightness, guidance), guidance.boxes
        if boxes is None:
            return prediction
        from colorzoo.inference.area_answers import AreaBoxes, restrict_to_areas

        if not isinstance(boxes, AreaBoxes):
            return prediction
        others = replace(guidance, boxes=boxes.plain)
        plain = self._kept.without_areas.get(lightness, others, lambda *args: self._run(*args).colors)
        return prediction.with_colors(restrict_to_areas(prediction.colors, plain, boxes))

    def _run(self, lightness: Tensor, guidance: Guidance) -> Prediction:
        """Run the network once; see `predict`."""
        return self._network.predict(self.network_input(lightness), guidance)

    def exemplar_of(self, reference: ReferenceLike | None, guidance: GuidanceLike) -> Exemplar | None:
        """Return the exemplar of a reference, or of the one named in a recipe file; None if there is none."""
        if isinstance(reference, Exemplar):
            return reference
        if reference is None:
            found = _beside_recipe(guidance)
        elif isinstance(reference, str | Path):
            found = [read_reference(Path(reference))]
        elif isinstance(reference, Look):
            found = [ReadReference(reference)]
        else:
            found = [ReadReference(_as_picture(reference))]
        return self.exemplar(found) if found else None

    def _with_look(self, rgb: Tensor) -> Exemplar:
        """Return a reference with its look; the last looks are cached for the pad."""
        model = self.model
        if not isinstance(model, GivesLooks):
            return Exemplar(rgb)

        def compute(rgb: Tensor, _: Guidance) -> Tensor:
            with self._network.lock, torch.inference_mode():
                return model.look(rgb.to(self.device)).float().cpu()

        return Exemplar(rgb, self._kept.looks.get(rgb, Guidance(), compute))

    def _ignored(self, drawn: DrawnGuidance, *, has_reference: bool) -> tuple[str, ...]:
        """Return a note on each kind of guidance that was given and that the model does not accept."""
        accepts = self.model.accepts
        given = dict.fromkeys((*drawn.given, *(["exemplar"] if has_reference else ())))
        ignored = [_PLURALS.get(kind, kind) for kind in given if kind not in accepts]
        if drawn.recipe is not None and "classes" in given and "classes" in accepts:
            from colorzoo.inference.classes import lacks_classes

            if lacks_classes(self.model, drawn.recipe):
                ignored.append("classes without label images")
        if has_object_areas(drawn) and not {"boxes", "scribbles"} & set(accepts):
            ignored.append("areas that are things")
        notes = [
            f"{self.name} does not use {kind}; they were ignored" for kind in ignored if kind != "points"
        ]
        if "points" in ignored:
            where = "were ignored" if self.paints else "color their own place only"
            notes.append(f"{self.name} does not use points; they {where}")
        return tuple(notes)


def _beside_recipe(guidance: GuidanceLike) -> list[ReadReference]:
    """Return the references of a recipe file; other recipes have no folder to find them in."""
    given = read_guidance(guidance)
    if given.folder is None or not isinstance(given.guidance, Recipe):
        return []
    return recipe_references(given.guidance, given.folder)


def _covers_all(recipe: Recipe) -> bool:
    """Return whether a recipe has a label image, which belongs to the whole picture."""
    return bool(recipe.classes.file)


def _as_picture(image: ImageLike) -> Picture:
    if isinstance(image, Tensor):
        return read_picture(_as_array(image))
    return image if isinstance(image, Picture) else read_picture(image)


def _as_array(image: Tensor) -> NDArray[Any]:
    """Return a tensor ``(C, H, W)`` of one, three or four channels as array ``(H, W, C)``.

    Raises:
        PictureError: It is of another shape.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        shape = tuple(image.shape)
        raise PictureError(f"a tensor (3, H, W) or (1, H, W) was expected, this one is {shape}")
    if image.is_floating_point():
        image = image.float()
    return image.detach().permute(1, 2, 0).contiguous().cpu().numpy()
