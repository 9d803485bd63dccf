"""Methods to evaluate: models, ground truth, gray images, and folders of results."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from colorzoo.capabilities import ColorsRegions, FindsBoxes, ProposesPoints, ProposesRegions
from colorzoo.card import GuidanceKind, InputKind, ModelCard
from colorzoo.color import rgb_to_lab
from colorzoo.data.sources import walk_files
from colorzoo.errors import DataError, UnknownModelError, WeightsError
from colorzoo.evaluation.images import Item, Truth, digest, read_result
from colorzoo.evaluation.protocol import Protocol
from colorzoo.factory import create_coloring_model
from colorzoo.files import sha256_of
from colorzoo.guidance import Guidance, Recipe
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.palette import Distribution, next_point
from colorzoo.inference.pipeline import drawing_of, network_input
from colorzoo.inference.references import ReadReference
from colorzoo.inference.steps.drawing import region_votes
from colorzoo.model import ColoringModel
from colorzoo.prediction import clip_colors
from colorzoo.registry import model_card
from colorzoo.simulation import SessionResult, TargetImage
from colorzoo.simulation.session import ColorFunction
from colorzoo.weights import ResolvedWeights, read_weights, resolve_weights

TRUTH = "truth"
BASELINES = (TRUTH, "gray")


@dataclass(frozen=True)
class Method:
    """Colorization method to evaluate.

    Attributes:
        name: Name in reports.
        identity: Text that identifies the method and its settings in the cache key.
        color_function: Function that is called with an image and its ground truth. It returns a function that
            colorizes the image.
        accepts: Accepted kinds of guidance.
        input_kind: ``"gray"`` or ``"sketch"``.
        module: Function that returns the object whose method ``propose_points`` or ``propose`` simulated
            users call. The function returns None if no such object exists.
        detector: Function that returns the model if it detects boxes, otherwise None.
        about: Properties of the method for the report, such as its training data.
    """

    name: str
    identity: str
    color_function: Callable[[Item, Truth], ColorFunction]
    accepts: frozenset[GuidanceKind] = frozenset()
    input_kind: InputKind = "gray"
    module: Callable[[], object] = lambda: None
    detector: Callable[[], FindsBoxes | None] = lambda: None
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of the method's cache folder."""
        return f"{self.name}-{digest(self.identity)[:12]}"


def open_methods(
    names: Sequence[str],
    weights: Mapping[str, str],
    protocol: Protocol,
    device: torch.device,
) -> list[Method]:
    """Create methods by name; networks are built when the first image is colorized.

    Args:
        names: Registered names, ``truth``, ``gray``, or ``NAME=FOLDER`` for a folder of existing results.
        weights: Weight files by registered name; the other models use their default weights.
        protocol: Protocol; existing results are resized to its size.
        device: Device of the models.

    Raises:
        ColorzooError: A model has no weights.
    """
    return [_open(name, weights.get(name, "default"), protocol, device) for name in names]


def check_methods(names: Sequence[str], weights: Mapping[str, str]) -> None:
    """Validate the names of methods; nothing is downloaded.

    Args:
        names: See `open_methods`.
        weights: See `open_methods`.

    Raises:
        ColorzooError: A name is unknown or repeated, or a folder or weight file does not exist.
    """
    listed = []
    for name, _, folder in (each.partition("=") for each in names):
        if folder and not Path(folder).is_dir():
            raise DataError(f"--models {name}=FOLDER requires an existing folder, got {folder!r}")
        listed.append(name if folder or name == TRUTH else model_card(name).name)
    if repeated := [name for name in listed if listed.count(name) > 1]:
        raise DataError(f"--models must list each method once, got {repeated[0]!r} twice")
    if unknown := weights.keys() - set(listed):
        raise DataError(f"--weights must name a model in --models or --compare, got {min(unknown)!r}")


def registered_name(name: str) -> str:
    """Replace an alias with the registered model name; return other names unchanged."""
    try:
        return model_card(name).name
    except UnknownModelError:
        return name


def _open(name: str, weights: str, protocol: Protocol, device: torch.device) -> Method:
    name, _, folder = name.partition("=")
    if folder:
        return _folder_method(name, Path(folder), protocol)
    if name == TRUTH:
        return truth_method()
    return _model_method(model_card(name), weights, protocol, device)


def truth_method() -> Method:
    """Return a method that outputs the ground truth, to show the best possible metric values."""

    def colorize(scene: TargetImage, guidance: Guidance) -> SessionResult:
        del guidance
        return SessionResult(scene.rgb, scene.ab)

    return Method(TRUTH, TRUTH, lambda _item, _truth: colorize, about={"weights": "none (ground truth)"})


def _folder_method(name: str, folder: Path, protocol: Protocol) -> Method:
    files = {Path(path).relative_to(folder).with_suffix(""): Path(path) for path in walk_files(str(folder))}

    def color_function(item: Item, truth: Truth) -> ColorFunction:
        stem = Path(item.name).with_suffix("")
        rgb = read_result(files.get(stem, folder / item.name), truth, protocol, item.name)
        result = SessionResult(rgb, rgb_to_lab(rgb)[:, 1:])
        return lambda _scene, _guidance: result

    hashes = (f"{stem} {sha256_of(path)}" for stem, path in sorted(files.items()))
    identity = digest(*hashes)
    about = {"weights": f"{len(files)} results in {folder.name}", "sha256": identity}
    return Method(name, identity, color_function, about=about)


def _model_method(card: ModelCard, weights: str, protocol: Protocol, device: torch.device) -> Method:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the error below replaces the warning
        found = resolve_weights(card, weights)
    sha = (found.sha256 or sha256_of(found.path)) if found else "none"

    @cache
    def model() -> ColoringModel:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            created = create_coloring_model(card.name, weights)
        if not created.trained:
            raise WeightsError(
                f"{card.name} has no weights on this machine. Set --weights {card.name}=FILE. "
                "`colorzoo weights list` shows where to get the file."
            )
        return created.to(device).eval()

    @cache
    def color_function() -> ColorFunction:
        return model_function(model()) if protocol.coloring == "network" else colorizer_function(model())

    if found is None:
        model()  # raises an error if the model needs weights
    size = "the images'" if protocol.coloring == "network" else f"{model().working_size} pixels"
    identity = digest(card.name, sha, repr(sorted(card.hparams.items())), size)
    about = {
        "weights": found.path.name if found else "none (not required)",
        "sha256": sha if found else "",
        "trained_on": _training(found),
        "parameters": str(card.parameters),
        "size": size,
        "guidance": ", ".join(card.guidance) or "none",
        "paper": card.paper,
    }
    return Method(
        card.name,
        identity,
        lambda _item, _truth: color_function(),
        frozenset(card.guidance),
        card.input,
        lambda: proposer_of(model()),
        lambda: detector_of(model()),
        about,
    )


def _training(weights: ResolvedWeights | None) -> str:
    """Return the training data from the model card or the weight file's metadata."""
    if weights is None:
        return "nothing"
    if weights.entry is not None and weights.entry.trained_on:
        return weights.entry.trained_on
    recorded = read_weights(weights.path).provenance
    return "unknown (no record in the file)" if recorded is None else json.dumps(recorded, sort_keys=True)


def model_function(model: ColoringModel) -> ColorFunction:
    """Return a function that colorizes an image with the network at the size of the image."""

    def colorize(scene: TargetImage, guidance: Guidance) -> SessionResult:
        with torch.inference_mode():
            prediction = model(scene.lightness, guidance)
            rgb, ab = clip_colors(prediction, scene.lightness)
        return SessionResult(rgb.clone(), ab.clone())

    return colorize


def colorizer_function(model: ColoringModel) -> ColorFunction:
    """Return a function that colorizes an image with `Colorizer` at the working size.

    The working size is the shorter side of the network input. The function computes in float32, so
    measurements are reproducible.
    """
    device = str(model.device)
    colorizer = Colorizer(model, device=device, precision="float32")

    def colorize(scene: TargetImage, guidance: Guidance) -> SessionResult:
        image = scene.rgb if model.input_kind == "gray" else scene.lightness.expand(-1, 3, -1, -1)
        exemplar = None
        if guidance.exemplar is not None:
            exemplar = colorizer.exemplar([ReadReference(_image(guidance.exemplar.rgb))])
        rest = replace(guidance, exemplar=None).to("cpu")
        colored = colorizer.colorize(_image(image), rest if rest.kinds() else None, reference=exemplar)
        # a model without weights has no device, but the truth is on the device that the user selected
        rgb = torch.from_numpy(colored.rgb).permute(2, 0, 1)[None].to(scene.rgb.device)
        return SessionResult(rgb, rgb_to_lab(rgb)[:, 1:])

    return colorize


def _image(rgb: Tensor) -> RasterImage:
    return RasterImage(rgb[0].permute(1, 2, 0).contiguous().cpu().numpy())


@dataclass(frozen=True)
class Proposer:
    """Object that proposes points where the predicted color distribution is most uncertain."""

    model: ColoringModel

    def propose_points(self, lightness: Tensor, guidance: Guidance) -> Tensor:
        """Return the row and column of the next point, ``(1, 2)``; see `ProposesPoints`."""
        with torch.inference_mode():
            distribution = Distribution.of(self.model(lightness, guidance))
        if distribution is None:  # without a trained distribution, propose the center
            return torch.tensor([[lightness.shape[-2] // 2, lightness.shape[-1] // 2]])
        existing: list[tuple[float, float]] = []
        if guidance.points is not None:
            existing = [(column, row) for row, column in guidance.points.mask[0, 0].nonzero().tolist()]
        x, y = next_point(distribution, existing)
        return torch.tensor([[int(y), int(x)]])


@dataclass(frozen=True)
class RegionRanker:
    """Object that orders the regions of a drawing by the prediction of a model.

    Attributes:
        colorizer: Colorizer of a model that `ColorsRegions`.
    """

    colorizer: Colorizer

    def ranked_regions(self, sketch: Tensor) -> list[int]:
        """Return the regions of a sketch ``(1, 1, H, W)``; see `RanksRegions`."""
        model = self.colorizer.model
        assert isinstance(model, ColorsRegions), "proposer_of tests this"
        task = self.colorizer.prepare(_image(sketch.expand(-1, 3, -1, -1)), Recipe())
        drawing, network_sketch = drawing_of(task), network_input(task)
        prediction = self.colorizer.predict(network_sketch, Guidance())
        votes = region_votes(prediction, drawing, network_sketch)
        return model.rank_regions(prediction, votes, torch.from_numpy(drawing.areas))


def proposer_of(model: ColoringModel) -> object:
    """Return the object that proposes points or regions to simulated users.

    The object is a `RegionRanker` if the model predicts the colors of regions. The object is a `Proposer` if
    the model accepts points but proposes neither points nor regions. Otherwise, the object is the model.
    """
    if isinstance(model, ColorsRegions):
        return RegionRanker(Colorizer(model, device=str(model.device), precision="float32"))
    proposes = isinstance(model, ProposesPoints | ProposesRegions)
    return model if proposes or "points" not in model.accepts else Proposer(model)


def detector_of(model: ColoringModel) -> FindsBoxes | None:
    """Return the model if it accepts boxes and has a detector, otherwise None."""
    return model if isinstance(model, FindsBoxes) and "boxes" in model.accepts and model.detects else None
