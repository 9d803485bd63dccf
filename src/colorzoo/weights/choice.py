"""Selection of a model and its weights.

Model cards rank the models for each use case, such as ``"automatic"`` (`colorzoo.card.Quality`). The default
is the highest-ranked model whose weights are in the package or in the cache. This module does not import
torch. Only `ModelChoice.found` opens network connections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from colorzoo import registry
from colorzoo.card import ModelCard, Quality, Use
from colorzoo.errors import UnknownModelError
from colorzoo.files import sha256_of
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.registry import load_model_class, model_card
from colorzoo.weights.catalog import ResolvedWeights, WeightFile, cache_home, default_files, find_weights
from colorzoo.weights.load import model_of_file, untrained_parts

USES: tuple[Use, ...] = ("automatic", "sketch", *(kind.name for kind in guidance_kinds()))

SHIPPED: Mapping[Use, str] = {
    "automatic": "colorzoo2026",
    "sketch": "colorzoo2026_drawing",
    "points": "colorzoo2026",
    "scribbles": "kim2021_small",
    "regions": "cho2023_small",
    "exemplar": "colorzoo2026",
    "statistics": "colorzoo2026",
    "classes": "chen2023_small",
    "boxes": "su2020_small",
}
"""Default model for each use case if no weights were downloaded; use cases without a model are omitted.

The table makes loading all model cards unnecessary.
"""


@dataclass(frozen=True)
class RankedModel:
    """A model with its rank for one use case, such as automatic colorization.

    Attributes:
        card: Card of the model.
        quality: Rank of the model for this use case, from its card.
        file: File of the default weights, even if it was not downloaded. None if the card has no weights.
    """

    card: ModelCard
    quality: Quality
    file: WeightFile | None

    @property
    def available(self) -> bool:
        """Whether the model can run without a download: the weights are local, or no weights are needed."""
        return not self.card.trainable if self.file is None else self.file.where != "missing"

    @property
    def embedded(self) -> bool:
        """Whether the weights are part of the package."""
        return self.file is not None and self.file.weights.file is not None

    @property
    def state(self) -> str:
        """State of the weights, such as ``"embedded"`` or ``"not downloaded"``."""
        if self.file is None:
            return "no weights to download" if self.card.trainable else "no weights needed"
        states = {"embedded": "embedded", "cached": "downloaded", "missing": "not downloaded"}
        return states[self.file.where]


@dataclass(frozen=True)
class ModelChoice:
    """Model and weights that were selected for a command.

    Attributes:
        name: Registered name or alias of the model.
        weights: The user's ``weights`` argument; see `resolve_weights`.
        is_default: Whether the model is the default model. If False, the user, a recipe or a weight file
            selected the model.
        fast: Whether only models with weights in the package can replace the default model.
    """

    name: str
    weights: str | Path | None
    is_default: bool = False
    fast: bool = False

    @property
    def is_replaceable(self) -> bool:
        """Return whether an image can select another default model.

        This requires that the user chose neither a model nor weights.
        """
        return self.is_default and self.weights == "default"

    @cached_property
    def found(self) -> tuple[ResolvedWeights | None, str]:
        """Weight file, and the reason if the default weights are not available.

        The file is downloaded if necessary. The file is None for a model without weights and for weights that
        are not available. The reason is an empty string if the weights are available.

        Raises:
            WeightsError: The requested weights do not exist or are not available.
        """
        return find_weights(model_card(self.name), self.weights)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the weight file, or an empty string if there is no file.

        Raises:
            WeightsError: The requested weights do not exist or are not available.
        """
        file, _ = self.found
        return "" if file is None else file.sha256 or sha256_of(file.path)

    @cached_property
    def backbone_sha256(self) -> tuple[str, ...]:
        """SHA-256 of the weights of other registered models that the settings of the model card name.

        The model loads these weights besides its own, for example those of the setting ``backbone``. The
        hashes include the backbones of a backbone.
        """
        settings = [value for value in model_card(self.name).hparams.values() if isinstance(value, str)]
        registered_names = registry.list_models() if settings else []
        hashes: list[str] = []
        for name in settings:
            if name in registered_names:
                backbone = ModelChoice(name, "default")
                hashes += [backbone.sha256, *backbone.backbone_sha256]
        return tuple(hashes)

    @cached_property
    def is_trained(self) -> bool:
        """Whether all parts of the weight file are trained; False if there is no file.

        Raises:
            WeightsError: The requested weights do not exist, are not available or cannot be read.
        """
        file, _ = self.found
        # all weights that model cards list are trained
        return file is not None and (file.entry is not None or not untrained_parts(file.path))


@dataclass(frozen=True)
class DefaultModel:
    """Default model for a use case, such as automatic colorization, on this machine.

    Attributes:
        model: Registered name.
        why: Reason for the choice: rank, state of the weights, and higher-ranked models whose weights are not
            available.
    """

    model: str
    why: str


def choose_model(
    name: str | None,
    uses: Use | Sequence[Use] = "automatic",
    weights: str | Path | None = "default",
    *,
    fast: bool = False,
    able: type | None = None,
) -> ModelChoice:
    """Select a model by name, by the metadata of a weight file, or by rank.

    If neither a name nor metadata selects a model, the default model is selected: the highest-ranked model
    with local weights.

    Args:
        name: Registered name or alias from the user or a recipe. None selects the model in the metadata
            of the weight file, else the default model.
        uses: Use cases, the most important first. Models that support more of these use cases are preferred.
            If the list is empty, or no model supports any of these use cases, the use case ``"automatic"``
            applies.
        weights: ``"default"``, another tag of the model card, a path, or None; see `resolve_weights`.
        fast: Whether to select the default model only among models with weights in the package.
        able: Base class of the default model, such as `ExemplarModel` (`colorzoo.abilities`). None accepts
            all models.

    Raises:
        UnknownModelError: ``name`` is not text, or no model for these use cases has weights on this machine.
        WeightsError: ``weights`` is a damaged file.
    """
    if name is not None and not isinstance(name, str):
        raise UnknownModelError(
            f"the model must be a registered name, got {type(name).__name__}. Pass hints and recipes as "
            "guidance=..., and a module to Colorizer."
        )
    if not name and weights != "default":  # a file with the name "default" does not select a model
        name = model_of_file(weights)
    if name:
        return ModelChoice(name, weights)
    requested: tuple[Use, ...] = (uses,) if isinstance(uses, str) else tuple(uses)
    wanted = requested or ("automatic",)
    default_name = None
    # the default model of the package, without reading every model card, unless another local model could
    # rank higher: downloaded weights or plugins exist
    downloaded = not fast and any((cache_home() / "weights").glob("*"))
    if not (downloaded or registry.plugins()) and wanted[0] in SHIPPED:
        card = model_card(SHIPPED[wanted[0]])
        supports_all = len(wanted) == 1 or {*wanted} <= {*card.guidance}
        if supports_all and (able is None or issubclass(load_model_class(card), able)):
            default_name = card.name
    # else the highest-ranked model among the models that support the most use cases
    if default_name is None:
        usable = _usable_models(wanted, fast) or _usable_models(("automatic",), fast)
        # the sort is stable: models that support equally many use cases stay in the order of their rank
        usable.sort(key=lambda row: len({*row.card.guidance} & {*wanted}), reverse=True)
        suitable = (row for row in usable if able is None or issubclass(load_model_class(row.card), able))
        default_name = next((row.card.name for row in suitable), None)
    if default_name is not None:
        return ModelChoice(default_name, weights, is_default=True, fast=fast)
    names = ", ".join(wanted)
    if fast:
        raise UnknownModelError(f"no model for {names} is included in the package. Omit --fast.")
    raise UnknownModelError(
        f"no model for {names} has weights on this machine. Run `colorzoo weights fetch {wanted[0]}`, or "
        "set --model to download the weights of a model (`colorzoo models` lists all models)."
    )


def _usable_models(uses: Sequence[Use], fast: bool) -> list[RankedModel]:
    """Return the models with local weights for any of the use cases, by use case and rank."""
    rows = [row for use in dict.fromkeys(uses) for row in rank_models(use)]
    return [row for row in rows if row.available and (row.embedded or not fast)]


def rank_models(use: Use) -> list[RankedModel]:
    """Return the models for a use case by descending rank, with their weight files."""
    found = [
        RankedModel(card, quality, next(iter(default_files(card)), None))
        for card in registry.all_cards().values()
        for quality in card.quality
        if quality.use == use
    ]
    return sorted(found, key=lambda row: (-row.quality.rank, row.card.name))


def all_defaults() -> dict[Use, DefaultModel]:
    """Return a dict that maps use cases to default models, with the reason for each choice.

    Use cases without a local model are omitted.
    """
    found: dict[Use, DefaultModel] = {}
    for use in USES:
        order = rank_models(use)
        first = next((row for row in order if row.available), None)
        if first is not None:
            better = [f"{row.card.name} ({row.state})" for row in order[: order.index(first)]]
            rest = f"ranked higher: {', '.join(better)}" if better else "no model ranks higher"
            why = f"rank {first.quality.rank}, weights {first.state}; {rest}"
            found[use] = DefaultModel(first.card.name, why)
    return found
