"""Methods to evaluate: models, ground truth, gray images, and folders of results."""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from colorzoo.abilities import DetectionModel, DrawingModel, RegionModel
from colorzoo.card import ModelCard
from colorzoo.color import rgb_to_lab
from colorzoo.data.sources import walk_files
from colorzoo.errors import DataError, ImageError, UnknownModelError, WeightsError
from colorzoo.evaluation.images import BOXES_FILE, Item, Truth, digest, read_result
from colorzoo.evaluation.protocol import Protocol
from colorzoo.factory import create_coloring_model
from colorzoo.files import sha256_of
from colorzoo.guidance import Guidance, Recipe
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.layers.points import predict_regions
from colorzoo.inference.palette import next_point
from colorzoo.inference.references import ReadReference
from colorzoo.metrics.psnr import to_8bit
from colorzoo.model import ColoringModel, coloring_model
from colorzoo.pixels.formats import READABLE
from colorzoo.prediction import clip_colors
from colorzoo.registry import card_of, model_card
from colorzoo.simulation import SessionResult, TargetImage
from colorzoo.simulation.session import ColorFunction
from colorzoo.weights.catalog import find_weights
from colorzoo.weights.load import Provenance, existing_file, model_of_file

TRUTH = "truth"
BASELINES = (TRUTH, "gray")
IN_MEMORY = "in memory"
"""Identity of all models that were passed as objects; see `Cache.delete`."""
MethodSource = str | Path | nn.Module | None
"""Source of a method: None for a registered name, a folder of results, weights, a model or a task."""


@dataclass(frozen=True)
class Method:
    """Colorization method to evaluate.

    Attributes:
        name: Row name in reports.
        identity: Text that identifies the method and its settings in the cache key.
        color_function: Function that is called with an image and its ground truth. It returns a function that
            colorizes the image.
        about: Properties of the method for the report, such as its training data.
        model: Model of the method; None for the ground truth and for folders of results.
        registered_name: Registered name of the model; empty for other methods.
    """

    name: str
    identity: str
    color_function: Callable[[Item, Truth], ColorFunction]
    about: Mapping[str, str]
    model: ColoringModel | None = None
    registered_name: str = ""

    @property
    def accepts(self) -> frozenset[str]:
        """Accepted kinds of guidance."""
        return frozenset() if self.model is None else self.model.accepts

    @property
    def key(self) -> str:
        """Name of the method's cache folder."""
        name = re.sub(r"[^\w.-]", "_", self.name)  # row names can contain path separators
        return f"{name}-{digest(self.name, self.identity)[:12]}"


def parse_methods(
    models: Mapping[str, MethodSource] | Sequence[str],
    compare: Sequence[tuple[str, str]] = (),
    baseline: str | None = None,
) -> tuple[dict[str, MethodSource], tuple[tuple[str, str], ...]]:
    """Return the sources of methods by row name, from a dict or the entries of ``--models``.

    The row of a weight file is named ``NAME=FILE`` if ``NAME`` is a registered model, without the folder of
    the file unless another row has the same name. All other rows are named ``NAME``.

    Args:
        models: Sources by row name, or entries ``NAME``, ``NAME=FOLDER`` or ``NAME=FILE``; see `evaluate`.
        compare: Pairs of entries or row names; entries that ``models`` does not contain are added.
        baseline: Entry or row name with which all models are compared; added like the entries of ``compare``.

    Returns:
        The sources by row name, and the row names of the compared methods.

    Raises:
        DataError: An entry is repeated, or ``compare`` or ``baseline`` does not name rows.
    """
    named = [*compare, *([(baseline, baseline)] if baseline else [])]
    sources: dict[str, MethodSource] = {}
    if isinstance(models, Mapping):
        sources = dict(models)
    else:
        entries = [registered_name(entry) for entry in models]
        _require_unique(entries, "list each method once")
        named = [(registered_name(first), registered_name(second)) for first, second in named]
        listed = {*entries, *_row_names(entries).values()}
        added = [name for name in dict.fromkeys(chain(*named)) if name not in listed]
        row_names = _row_names([*entries, *added])
        _require_unique(row_names.values(), "list different names")
        for entry, row in row_names.items():
            _, _, path = entry.partition("=")
            sources[row] = Path(path) if path else None
        named = [(row_names.get(first, first), row_names.get(second, second)) for first, second in named]
    if missing := [name for name in chain(*named) if name not in sources]:
        option = "--compare" if missing[0] in chain(*named[: len(compare)]) else "--baseline"
        raise DataError(f"{option} must list rows of the report ({', '.join(sources)}), got {missing[0]!r}")
    pairs = named[: len(compare)]
    if repeated := next((first for first, second in pairs if first == second), ""):
        raise DataError(f"--compare must list two different methods, got {repeated!r} twice")
    if baseline:
        reference = named[-1][0]
        pairs += [(name, reference) for name in sources if name not in (reference, *BASELINES)]
    return sources, tuple(dict.fromkeys(pairs))


def _require_unique(names: Iterable[str], rule: str) -> None:
    repeated = next((name for name, count in Counter(names).items() if count > 1), "")
    if repeated:
        raise DataError(f"--models must {rule}, got {repeated!r} twice")


def _row_names(entries: Sequence[str]) -> dict[str, str]:
    """Return the row name of each entry; see `parse_methods`."""
    rows = {}
    for entry in entries:
        name, _, path = entry.partition("=")
        is_file = _is_registered(name) and path and not Path(path).is_dir()
        rows[entry] = f"{name}={Path(path).name}" if is_file else name
    counts = Counter(rows.values())
    for entry, row in rows.items():
        if counts[row] > 1 and "=" in row:  # equal file names in different folders
            rows[entry] = entry
    return rows


def check_methods(sources: Mapping[str, MethodSource]) -> None:
    """Validate the names of methods and the existence of files.

    Only the files of ``hf-hub:`` repositories are downloaded.

    Args:
        sources: Sources by row name; see `evaluate`.

    Raises:
        ColorzooError: There is no method, a name is unknown or reserved, or a folder or weight file does not
            exist.
    """
    if not sources:
        raise DataError("'models' must contain at least one method")
    for row, source in sources.items():
        if source is None:
            if row != TRUTH:
                model_card(row)  # raises an error if the model is unknown
            continue
        if row in BASELINES:
            raise DataError(f"{row!r} is the name of a baseline. Select another name for this method.")
        if isinstance(source, nn.Module):
            continue
        if not isinstance(source, str | Path):
            raise DataError(
                f"the method {row!r} must be None, a path, a ColoringModel or a ColorizationModule, got "
                f"{type(source).__name__}"
            )
        if existing_file(source) is None and not Path(source).exists():
            raise DataError(f"the folder or weight file of {row!r} does not exist: {str(source)!r}")
        if existing_file(source) is not None:
            _card_of_file(row, Path(source))  # raises an error if the model is unknown


def open_methods(
    sources: Mapping[str, MethodSource], protocol: Protocol, device: torch.device
) -> tuple[Method, ...]:
    """Create the methods with their models.

    Args:
        sources: Sources by row name; see `evaluate`.
        protocol: Protocol; existing results are resized to its size.
        device: Device of the models.

    Raises:
        ColorzooError: A model has no weights, or a weight file does not fit its model.
    """
    methods = []
    for row, source in sources.items():
        if isinstance(source, nn.Module):
            model = copy.deepcopy(coloring_model(source)).to(device).eval()
            card = card_of(type(model), model.hparams)
            sha256 = model.provenance.sha256
            weights = f"{type(model).__name__} in memory"
            # results are never reused, because the code of the model can change
            methods.append(_model_method(row, IN_MEMORY, model, card, protocol, weights, sha256))
        elif source is None and row == TRUTH:
            methods.append(truth_method())
        elif source is None:
            methods.append(_registered_method(row, model_card(row), None, protocol, device))
        elif existing_file(source) is None:
            methods.append(_folder_method(row, Path(source), protocol))
        else:
            path = Path(source)
            methods.append(_registered_method(row, _card_of_file(row, path), path, protocol, device))
    return tuple(methods)


def missing_guidance(
    protocol: Protocol, data: Path, methods: Sequence[Method], items: Sequence[Item]
) -> list[str]:
    """Return a note for each kind of guidance that a method accepts and that some images lack.

    Raises:
        DataError: The protocol requires boxes.
    """
    notes = []
    for method in methods:
        model = method.model
        if model is None or "boxes" not in model.accepts or any(item.boxes is not None for item in items):
            continue
        if isinstance(model, DetectionModel) and model.detects:
            continue
        if protocol.boxes == "required":
            raise DataError(
                f"protocol {protocol.name} requires boxes for {method.name}. Create {BOXES_FILE} in "
                f"{str(data)!r} with the columns 'image', 'left', 'top', 'right' and 'bottom' (in "
                "pixels; images without rows have no objects)."
            )
        notes.append(f"{method.name} ran without boxes, because {BOXES_FILE} is missing")
    names = {item.name for item in items}
    for kind in guidance_kinds():
        if kind.optional or not (kind.help or kind.table):
            continue
        given = {item.name for item in items if kind.name in item.guidance}
        for method in methods:
            if kind.name not in method.accepts or given == names:
                continue
            reason = f" for {len(names - given)} of {len(names)} images"
            if not given:
                reason = f", because {kind.table or f'{kind.name}.csv'} is missing"
            notes.append(f"{method.name} ran without {kind.name}{reason}")
    return notes


def registered_name(name: str) -> str:
    """Replace the alias in ``NAME`` or ``NAME=PATH`` with the registered name."""
    name, equals, path = name.partition("=")
    return (model_card(name).name if _is_registered(name) else name) + equals + path


def _is_registered(name: str) -> bool:
    try:
        model_card(name)
    except UnknownModelError:
        return False
    return True


def _card_of_file(row: str, path: Path) -> ModelCard:
    """Return the card of the model in a row name, or of the model in the metadata of the weight file."""
    name = row.partition("=")[0]
    if _is_registered(name):
        return model_card(name)
    if (stored := model_of_file(path)) is None:
        raise DataError(
            f"{str(path)!r} does not name its model. Use the name of the model instead of {row!r}, or create "
            "the model with create_model(NAME, weights=FILE)."
        )
    return model_card(stored)


def truth_method() -> Method:
    """Return a method that outputs the ground truth, to show the best possible metric values."""

    def colorize(scene: TargetImage, _: Guidance) -> SessionResult:
        return SessionResult(scene.rgb, scene.ab)

    return Method(TRUTH, TRUTH, lambda _item, _truth: colorize, {"weights": "none (ground truth)"})


def _folder_method(name: str, folder: Path, protocol: Protocol) -> Method:
    """Return the method whose results are the images of a folder, with the names of the evaluated images."""
    by_stem = defaultdict[Path, list[Path]](list)  # results with the same name can have several extensions
    for path in map(Path, walk_files(str(folder))):
        if path.suffix.lower() in READABLE:  # other files can be provenance records
            by_stem[path.relative_to(folder).with_suffix("")].append(path)
    paths = [path for stem in sorted(by_stem) for path in by_stem[stem]]

    def color_function(item: Item, truth: Truth) -> ColorFunction:
        # several results are allowed only if one of them has the extension of the image
        candidates = by_stem.get(Path(item.name).with_suffix(""), [])
        path = candidates[0] if len(candidates) == 1 else folder / item.name
        if candidates and path not in candidates:
            names = ", ".join(each.name for each in candidates)
            raise ImageError(f"{folder} must contain one result for {item.name}, got {names}")
        result = saved_result(read_result(path, truth, protocol, item.name))
        return lambda _scene, _guidance: result

    identity = digest(*(f"{path.relative_to(folder)} {sha256_of(path)}" for path in paths))
    about = {"weights": f"{len(paths)} results in {folder.name}", "sha256": identity}
    return Method(name, identity, color_function, about)


def _registered_method(
    row: str, card: ModelCard, file: Path | None, protocol: Protocol, device: torch.device
) -> Method:
    """Return the method of a registered model with a weight file, or with its default weights."""
    weights = "default" if file is None else file
    resolved, _ = find_weights(card, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the error below replaces the warning
        model = create_coloring_model(card.name, weights).to(device).eval()
    if not model.trained:
        raise WeightsError(
            f"{card.name} has no weights on this machine. Set --models {card.name}=FILE. "
            "`colorzoo weights list` shows where to get the file."
        )
    file_name, sha256 = "none (not required)", ""
    if resolved is not None:
        file_name = resolved.path.name
        sha256 = resolved.sha256 or sha256_of(resolved.path)
    identity = digest(card.name, sha256, repr(sorted(card.hparams.items())))
    return _model_method(row, identity, model, card, protocol, file_name, sha256)


def _model_method(
    row: str,
    identity: str,
    model: ColoringModel,
    card: ModelCard | None,
    protocol: Protocol,
    weights: str,
    sha256: str,
) -> Method:
    """Return the method of a model, with its properties for the report.

    Args:
        row: Row name in reports.
        identity: See `Method`.
        model: The model.
        card: Card of the model; None if the model is not registered.
        protocol: Protocol that determines the size of the network input.
        weights: Name of the weight file.
        sha256: SHA-256 of the weight file; empty if it is unknown.
    """
    function = model_function(model) if protocol.coloring == "network" else colorizer_function(model)
    parameter_count = sum(parameter.numel() for parameter in model.parameters())
    # text of the card for weights on the card, otherwise the training record as JSON
    record = model.provenance
    if next(model.parameters(), None) is None:
        trained_on = "nothing"
    elif record.trained_on and record.sha256 == sha256:
        trained_on = record.trained_on
    elif record == Provenance(model=record.model, stage=record.stage):
        trained_on = "unknown (no record)"
    else:
        trained_on = json.dumps(asdict(record), sort_keys=True, default=str)
    input_size = "the images'" if protocol.coloring == "network" else f"{model.working_size} pixels"
    about = {
        "weights": weights,
        "sha256": sha256,
        "trained_on": trained_on,
        "parameters": str(parameter_count),
        "size": input_size,
        "guidance": ", ".join(sorted(model.accepts)) or "none",
        "paper": card.paper if card else "",
    }
    name = card.name if card else ""
    return Method(row, identity, lambda _item, _truth: function, about, model, name)


def saved_result(rgb: Tensor) -> SessionResult:
    """Return a result as an 8-bit image file stores it, so that results of files and models are equal.

    Args:
        rgb: ``(1, 3, H, W)`` in [0, 1].
    """
    rgb = (to_8bit(rgb) / 255).contiguous()  # the memory layout changes rounding errors of sums
    return SessionResult(rgb, rgb_to_lab(rgb)[:, 1:])


def model_function(model: ColoringModel) -> ColorFunction:
    """Return a function that colorizes an image with the network at the size of the image."""

    def colorize(scene: TargetImage, guidance: Guidance) -> SessionResult:
        with torch.inference_mode():
            prediction = model(scene.lightness, guidance)
            rgb, _ = clip_colors(prediction, scene.lightness)
        return saved_result(rgb)

    return colorize


def colorizer_function(model: ColoringModel) -> ColorFunction:
    """Return a function that colorizes an image with `Colorizer` at the working size.

    The working size is the shorter side of the network input. The function computes in float32, so
    measurements are reproducible.
    """
    device = str(model.device)
    colorizer = Colorizer(model, device=device, precision="float32")

    def colorize(target: TargetImage, guidance: Guidance) -> SessionResult:
        # a sketch is stored as the lightness of the target
        input_rgb = target.rgb if model.input_kind == "gray" else target.lightness.expand(-1, 3, -1, -1)
        exemplar = None
        if guidance.exemplar is not None:
            exemplar = colorizer.exemplar([ReadReference(_image(guidance.exemplar.rgb))])
        hints = replace(guidance, exemplar=None).to("cpu")
        # None, unlike empty guidance, lets the colorizer detect the border of a scan
        given = hints if hints.kinds() else None
        colorized = colorizer.colorize(_image(input_rgb), given, reference=exemplar)
        # a model without weights has no device, but the target is on the device that the user selected
        rgb = torch.from_numpy(colorized.rgb).permute(2, 0, 1)[None].to(target.rgb.device)
        return saved_result(rgb)

    return colorize


def _image(rgb: Tensor) -> RasterImage:
    return RasterImage(rgb[0].permute(1, 2, 0).contiguous().cpu().numpy())


def proposer_of(model: ColoringModel) -> object:
    """Return the object that proposes points or regions to simulated users; see `SimulatedUser.begin`.

    For a model that colors the regions of drawings, the object orders the regions by the prediction. For
    another model that accepts points but does not propose regions, the object proposes points where the
    predicted color distribution is most uncertain. Otherwise, the object is the model.
    """
    if isinstance(model, DrawingModel):
        drawing_model: Any = model
        colorizer = Colorizer(model, device=str(model.device), precision="float32")

        def ranked_regions(sketch: Tensor) -> list[int]:
            """Return the regions of a sketch ``(1, 1, H, W)``; see `RanksRegions`."""
            edit = colorizer.resolve(_image(sketch.expand(-1, 3, -1, -1)), Recipe())
            assert edit.drawing is not None, "the model colorizes drawings"
            prediction, votes = predict_regions(edit)
            return drawing_model.rank_regions(prediction, votes, torch.from_numpy(edit.drawing.areas))

        return SimpleNamespace(ranked_regions=ranked_regions)
    if isinstance(model, RegionModel) or "points" not in model.accepts:
        return model

    def propose_points(lightness: Tensor, guidance: Guidance) -> Tensor:
        """Return the row and column of the next point, ``(1, 2)``; see `ProposedPoints`."""
        with torch.inference_mode():
            distribution = model(lightness, guidance).distribution()
        if distribution is None:  # without a trained distribution, propose the center
            return torch.tensor([[lightness.shape[-2] // 2, lightness.shape[-1] // 2]])
        existing: list[tuple[float, float]] = []
        if guidance.points is not None:
            existing = [(column, row) for row, column in guidance.points.mask[0, 0].nonzero().tolist()]
        x, y = next_point(distribution, existing)
        return torch.tensor([[int(y), int(x)]])

    return SimpleNamespace(propose_points=propose_points)
