"""`Edit`: a recipe resolved for one image and one model, and the predictions of the model for this edit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from colorzoo.abilities import (
    DetectionModel,
    ExemplarModel,
    RegionModel,
    SegmentationModel,
    SimilarityModel,
)
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Crop, Exemplar, Guidance, PointHint, Points, Recipe, Regions
from colorzoo.guidance.fields import Reach
from colorzoo.guidance.hints import boxes_of, rasterize_points
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.guidance.objects import Rectangle
from colorzoo.guidance.recipe import is_recipe_text
from colorzoo.inference.full_size import FullLightness, map_size
from colorzoo.inference.network import NetworkRunner, States
from colorzoo.inference.stages import StageRun, fingerprint, register_result, stage_name, timed
from colorzoo.inference.steps.areas import (
    DrawnArea,
    boxes_of_areas,
    draw_areas,
    restrict_to_areas,
    strokes_of_areas,
)
from colorzoo.inference.steps.points import fit_points
from colorzoo.inference.steps.reach import (
    Extent,
    Paths,
    PointPatches,
    find_paths,
    limit_extent,
    step_costs,
)
from colorzoo.pixels.raster import AlphaArray
from colorzoo.prediction import Prediction

if TYPE_CHECKING:  # photos do not need these modules
    from colorzoo.inference.steps.drawing import Drawing

T = TypeVar("T")


GuidanceLike = Guidance | Recipe | Mapping[str, Any] | str | Path | None


@dataclass(frozen=True, eq=False)
class FullSize:
    """Image at full size, with which the predicted colors are combined.

    Attributes:
        lightness: Lightness ``(H, W)`` of the image in [0, 100].
        inside: Part inside the border of a scan (print margin or mount), in pixels of the image. The border
            stays gray. None colors the whole image.
        crop: Crop rectangle in pixels of the image; None for no crop.
        alpha: Alpha channel ``(H, W)`` of the image, which weights the pixels of a rotated crop; None for an
            opaque image.
    """

    lightness: FullLightness | Tensor
    inside: Rectangle | None = None
    crop: Crop | None = None
    alpha: AlphaArray | None = None

    @property
    def part(self) -> FullLightness | Tensor:
        """Lightness of the colored part."""
        if self.inside is None:
            return self.lightness
        if isinstance(self.lightness, Tensor):
            return self.lightness[self.inside.slices]
        return FullLightness(self.lightness.levels[self.inside.slices])


@dataclass(frozen=True, eq=False)
class Edit:
    """A recipe resolved for one image and one model.

    All files are read and all coordinates are converted. `colorzoo.inference.pipeline.colorize_edit` predicts
    the colors and applies the layers.

    Examples:
        >>> colorizer = Colorizer("zhang2017_local_small", device="cpu")
        >>> lightness = torch.full((1, 1, 32, 48), 50.0)
        >>> colorizer.resolve_lightness(lightness, (48, 32), Recipe()).image_size
        (48, 32)

    Attributes:
        network: Runner of the model.
        lightness: Lightness ``(1, 1, h, w)`` at the size of the network input. If the image is a scan with a
            border, this attribute and the following attributes describe the part inside the border.
        image_size: Width and height at full size in pixels.
        recipe: Points, areas, paint and settings, in pixels of the part.
        tensors: Guidance as tensors; maps have the size of the network input.
        reference: Exemplar of the reference images, or None.
        notes: Notes for the user about the guidance.
        full_size: Image at full size. None if it is not available; pass its lightness to
            `ColorizedImage.over`.
        drawing: Lines and regions of a drawing, at any size; None for photos.
        sheets: Layer of colored drawings whose region colors a drawing copies (`layers.sheets.Sheets`); None
            without sheets.
        detects_pages: Whether a blank page or a page of text stays gray if the edit has no guidance. Video
            frames are always colorized.
        log: Record of each stage, in order.
        cache: Results of stages; see `run`. The drawing pad uses one cache for all its edits, so an edit
            computes only the stages whose inputs changed.
    """

    network: NetworkRunner
    lightness: Tensor
    image_size: tuple[int, int]
    recipe: Recipe = field(default_factory=Recipe)
    tensors: Guidance = field(default_factory=Guidance)
    reference: Exemplar | None = None
    notes: tuple[str, ...] = ()
    full_size: FullSize | None = None
    drawing: Drawing | None = None
    sheets: object | None = None
    detects_pages: bool = True
    log: list[StageRun] = field(default_factory=list)
    cache: MutableMapping[Hashable, Any] = field(default_factory=dict)

    def run(self, stage: Callable[..., T], *inputs: Any, **settings: Any) -> T:
        """Run a stage, or return its cached result for equal inputs; see `fingerprint`.

        Each call adds a record to `log`.

        Args:
            stage: Function to run.
            *inputs: Positional arguments of the function.
            **settings: Keyword arguments of the function.
        """
        owner = fingerprint(getattr(stage, "__self__", None))
        key = stage.__qualname__, owner, fingerprint(inputs), fingerprint(settings)
        try:
            result: T = self.cache[key]
        except KeyError:
            result = timed(self.log, stage, *inputs, **settings)
            register_result(result)
        else:
            self.log.append(StageRun(stage_name(stage), cached=True))
        self.cache[key] = result  # also after a hit, because the size of some results grows
        return result

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of the network input."""
        return map_size(self.lightness)

    @property
    def states(self) -> States:
        """Encodings of the image, which the model reuses after an edit; see `NetworkRunner.run_network`."""
        key = "states", fingerprint((self.network, self.lightness, self.drawing))
        states: States = self.cache.get(key, States())
        self.cache[key] = states  # also after a hit, because the size of the states grows
        return states

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of guidance in the edit, such as ``"points"``."""
        referred = () if self.reference is None else ("exemplar",)
        return tuple(dict.fromkeys((*self.recipe.kinds(), *self.tensors.kinds(), *referred)))

    @property
    def network_input(self) -> Tensor:
        """Network input: the lightness, or the line drawing for sketch models."""
        return self.lightness if self.drawing is None else self.drawing.sketch(self.map_size)

    def without_hints(self) -> Edit:
        """Return the edit without points, strokes, region colors and divisions of regions."""
        recipe = replace(self.recipe, points=(), scribbles=(), regions=(), divisions=())
        tensors = replace(self.tensors, points=None, scribbles=None, regions=None)
        return replace(self, recipe=recipe, tensors=tensors)

    def rasterize(self, hints: Sequence[PointHint]) -> Points | None:
        """Return points as maps at the size of the network input; None without points.

        Points as tensors replace ``hints``. The colors are fitted to the lightness of a photo.
        """
        points = self.tensors.points
        if points is None and hints:
            points = self.run(rasterize_points, rasterized_fields(hints), *self.image_size, self.map_size)
        if points is not None and self.drawing is None:  # drawings have no lightness to fit colors to
            points = self.run(fit_points, points, self.lightness)
        return points

    def predict(self, points: Points | None = None) -> Prediction:
        """Run the model with points and the other guidance of the edit.

        If the recipe contains object areas, a model that accepts boxes runs a second time, with boxes around
        the areas. Inside the areas, the second prediction replaces the first.

        Args:
            points: Points at the size of the network input, which other models ignore.
        """
        network, accepts = self.network, self.network.model.accepts
        guidance = self.guidance(points if "points" in accepts else None)
        prediction = self.run(network.run_network, self.network_input, guidance, self.states)
        objects = self.areas("thing")
        if "boxes" not in accepts or not objects:
            return prediction
        drawn = self.draw(objects)
        with_boxes = self.run(boxes_of_areas, guidance, drawn)
        boxed = self.run(network.run_network, self.network_input, with_boxes, self.states)
        return self.run(restrict_to_areas, boxed, prediction, drawn)

    def guidance(self, points: Points | None) -> Guidance:
        """Return the guidance of a prediction: points, and the other kinds that the model accepts."""
        recipe, model, given = self.recipe, self.network.model, self.tensors
        accepted = model.accepts
        # tensors of the caller, and hints of the recipe as tensors
        values = recipe.hints()
        hints: dict[str, Any] = {kind: given.get(kind) for kind in given.kinds() if kind in accepted}
        for kind, value in values.items():
            if kind in accepted and kind != "points":
                hints[kind] = self.run(guidance_kind(kind).tensors, value, self.lightness, self.image_size)
        hints["points"] = points
        # reference, with its embedding if the model encodes references
        if "exemplar" in accepted:
            exemplar = self.reference
            if exemplar is not None and exemplar.embedding is None and isinstance(model, ExemplarModel):
                exemplar = self.run(self.network.embed_exemplar, exemplar)
            if exemplar is not None and recipe.exemplar.alpha is not None:
                exemplar = replace(exemplar, alpha=recipe.exemplar.alpha)
            hints["exemplar"] = given.exemplar if exemplar is None else exemplar
        # classes of the image and of its reference
        if "classes" in accepted:
            hints["classes"] = given.classes
            if given.classes is None and "classes" in values and not self.lacks_classes:
                from colorzoo.inference.steps.classes import read_classes  # few recipes have classes

                reference = self.reference if "exemplar" in accepted else None
                labels = Recipe(width=recipe.width, height=recipe.height, classes=recipe.classes)
                hints["classes"] = self.run(read_classes, self.network, labels, self.lightness, reference)
        # proposed regions with the divisions and the colors of the recipe
        if "regions" in accepted:
            hints["regions"] = given.regions
            if given.regions is None and isinstance(model, RegionModel):
                from colorzoo.inference.steps.regions import color_regions

                hints["regions"] = self.run(color_regions, divided_regions(self), recipe.regions)
        # objects that the model detects, unless boxes or object areas disable the detection
        objects = self.areas("thing")
        if "boxes" in accepted and recipe.boxes is None:
            if objects:
                hints["boxes"] = self.run(boxes_of, (), *self.image_size)
            elif given.boxes is None and isinstance(model, DetectionModel):
                hints["boxes"] = self.run(self.network.find_objects, self.lightness)
        # boundaries of object areas
        if "scribbles" in accepted and objects:
            hints["scribbles"] = self.run(strokes_of_areas, hints.get("scribbles"), self.draw(objects))
        return Guidance().with_hints(**hints)

    @property
    def lacks_classes(self) -> bool:
        """Whether the recipe requires predicted classes that the model cannot provide."""
        return not isinstance(self.network.model, SegmentationModel) and not self.recipe.classes.file

    def areas(self, *actions: str) -> tuple[Area, ...]:
        """Return the areas of the recipe with one of the actions."""
        return tuple(area for area in self.recipe.areas if area.action in actions)

    def draw(self, areas: tuple[Area, ...]) -> tuple[DrawnArea, ...]:
        """Return areas with their soft masks; the masks do not depend on the opacity."""
        opaque = tuple(replace(area, opacity=1.0) for area in areas)
        drawn = self.run(draw_areas, self.lightness, opaque, image_size=self.image_size)
        pairs = zip(drawn, areas, strict=True)
        return tuple(replace(each, area=replace(each.area, opacity=area.opacity)) for each, area in pairs)


def rasterized_fields(hints: Sequence[PointHint]) -> tuple[PointHint, ...]:
    """Return points with only the fields on which their maps depend.

    Another reach or strength then gives the same input of a stage, so its cached result is used.
    """
    return tuple(PointHint(each.x, each.y, each.radius, color=each.color, ab=each.ab) for each in hints)


def extent_of(edit: Edit, hints: Sequence[PointHint]) -> Extent:
    """Compute the pixels to which the colors of points apply; see `limit_extent`."""
    groups: dict[Reach, list[int]] = {}  # numbers of the points with each reach
    for number, hint in enumerate(hints):
        groups.setdefault(hint.reach, []).append(number)
    parts = [PointPatches.of([hints[n] for n in numbers], edit.image_size) for numbers in groups.values()]
    return edit.run(
        limit_extent,
        [paths_from(edit, part) for part in parts],
        [similarity_to(edit, part) for part in parts],
        patches=PointPatches.of(hints, edit.image_size),
        groups=groups,
        size=edit.map_size,
    )


def paths_from(edit: Edit, patches: PointPatches) -> Paths:
    """Find the shortest paths from points to all cells of the search grid; see `find_paths`."""
    return edit.run(find_paths, edit.run(step_costs, edit.lightness), patches)


def similarity_to(edit: Edit, patches: PointPatches) -> Tensor | None:
    """Compute the similarity of all positions to the pixels that points cover.

    The result is None if the model does not compute similarity.
    """
    if not isinstance(edit.network.model, SimilarityModel):
        return None
    return edit.run(edit.network.compute_similarity, edit.lightness, patches, edit.states)


def proposed_regions(edit: Edit) -> Regions:
    """Return the regions that the model proposes.

    Raises:
        GuidanceError: The model does not propose regions.
    """
    if not isinstance(edit.network.model, RegionModel):
        raise GuidanceError(
            f"--model must support region guidance, got {edit.network.name}. Run `colorzoo models --guidance "
            "regions` to list such models."
        )
    return edit.run(edit.network.propose_regions, edit.network_input)


def divided_regions(edit: Edit) -> Regions:
    """Return the proposed regions with the edits of the recipe field ``divisions``."""
    proposed, divisions = proposed_regions(edit), edit.recipe.divisions
    if not divisions:
        return proposed
    from colorzoo.inference.steps.regions import edit_regions

    return edit.run(edit_regions, proposed, edit.network_input, divisions, image_size=edit.image_size)


def read_guidance(guidance: GuidanceLike) -> Guidance | Recipe:
    """Read guidance from JSON or a path; guidance objects are returned unchanged.

    Unlike `Recipe.from_json`, this function rejects unknown fields.

    Raises:
        GuidanceError: The text is not a recipe, or the recipe has an unknown field.
    """
    if guidance is None:
        return Recipe()
    if isinstance(guidance, Guidance | Recipe):
        return guidance
    return read_recipe(guidance)


def read_recipe(source: Mapping[str, Any] | str | Path) -> Recipe:
    """Read a recipe whose label images, if any, are relative to the recipe file.

    Examples:
        >>> read_recipe('{"version": 2, "points": [{"x": 20, "y": 10, "color": "#c04020"}]}').points[0].color
        '#c04020'

    Args:
        source: Parsed JSON, JSON text, or the path of a recipe.

    Raises:
        GuidanceError: The text is not a recipe, or the recipe has an unknown field.
    """
    recipe, folder = Recipe.from_json(source).check_known(), recipe_folder(source)
    if folder is None:
        return recipe
    return recipe.with_label_files(str(folder / file) for file in recipe.classes.label_files)


def recipe_folder(guidance: GuidanceLike) -> Path | None:
    """Return the folder of a recipe file; None for a recipe without a file.

    Paths of references in the recipe are relative to this folder.
    """
    is_path = isinstance(guidance, str | Path) and not is_recipe_text(guidance)
    return Path(str(guidance)).parent if is_path else None
