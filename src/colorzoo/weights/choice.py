"""Choice of a model and its weights, made once a run.

Cards rank their models for each use (`colorzoo.card.Quality`). Unless a model is named, the one of the
highest rank is chosen whose weights ship with the package, or lie in the cache with the hash on the card or
of their first use. Importing this module imports no torch, and nothing here opens a connection except
`ModelChoice.file`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from colorzoo import registry
from colorzoo.atomic import write_atomic
from colorzoo.card import GuidanceKind, ModelCard, Quality, Use
from colorzoo.environment import is_on
from colorzoo.errors import UnknownModelError
from colorzoo.registry import load_model_class, model_card
from colorzoo.weights.catalog import (
    FileState,
    WeightFile,
    cache_home,
    default_tags,
    inspect_file,
    weight_file,
)
from colorzoo.weights.files import megabytes, sha256_of
from colorzoo.weights.load import model_of_file
from colorzoo.weights.resolve import ResolvedWeights, find_weights

USES: tuple[Use, ...] = ("automatic", "sketch", "frames", *get_args(GuidanceKind))

_REMARK_SHOWN = "told-of-better-weights"  # file in the cache folder

SHIPPED: Mapping[Use, str] = {
    "automatic": "colorzoo2026",
    "sketch": "cho2023_small",
    "frames": "zhang2019_small",
    "points": "colorzoo2026",
    "scribbles": "kim2021_small",
    "regions": "cho2023_small",
    "exemplar": "colorzoo2026",
    "statistics": "colorzoo2026",
    "classes": "chen2023_small",
    "boxes": "su2020_small",
}
"""Defaults where no weights were downloaded: what the ranks of all cards give, without reading these."""


@dataclass(frozen=True)
class RankedModel:
    """A model's rank for one use.

    Attributes:
        card: The model.
        quality: Entry of its card for this use.
        file: File of its default weights, present or not; None if its card has none.
        state: State of that file; ``"embedded"`` for a model that needs none.
    """

    card: ModelCard
    quality: Quality
    file: WeightFile | None
    state: FileState

    @property
    def embedded(self) -> bool:
        """True if the weights ship with the package."""
        return self.file is not None and self.file.weights.file is not None

    @property
    def fetchable(self) -> bool:
        """True if the weights are to be downloaded from their authors."""
        return self.file is not None and self.file.weights.file is None


@dataclass(frozen=True)
class ModelChoice:
    """The model and weights of a run.

    Attributes:
        name: Registered name or alias of the model.
        weights: What the user passed as weights; see `resolve_weights`.
        ranked: The model's rank, if it was chosen as default; None if the user, a recipe or a file named it.
        use: The use for which the user may want to know a better model; None if not.
    """

    name: str
    weights: str | Path | None
    ranked: RankedModel | None = None
    use: Use | None = None

    @property
    def named(self) -> bool:
        """True if the user, a recipe or a weight file named the model."""
        return self.ranked is None

    @cached_property
    def remark(self) -> str:
        """One line for the user about better weights, or an empty string; see `remark_once`."""
        order = rank_models(self.use) if self.use else []
        names = [row.card.name for row in order]
        above = order[: names.index(self.name)] if self.name in names else []
        better = next((row for row in above if row.fetchable), None)
        if better is None or better.file is None:
            return ""
        size = megabytes(better.file.weights.size)
        return (
            f"{self.name}, a small model that ships with colorzoo, does this; {better.card.name} is "
            f"better: `colorzoo weights fetch {self.use}` downloads it ({size}; said once)"
        )

    @property
    def file(self) -> ResolvedWeights | None:
        """The weight file, downloaded if necessary; None for a model that has none.

        Raises:
            WeightsError: As `resolve_weights`.
        """
        return self._found[0]

    @property
    def untrained(self) -> str:
        """Reason why a model that needs weights has none, empty otherwise.

        Raises:
            WeightsError: As `resolve_weights`.
        """
        return self._found[1]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the weight file, empty if there is none.

        Raises:
            WeightsError: As `file`.
        """
        return "" if self.file is None else self.file.sha256 or sha256_of(self.file.path)

    @cached_property
    def _found(self) -> tuple[ResolvedWeights | None, str]:
        return find_weights(model_card(self.name), self.weights)


@dataclass(frozen=True)
class DefaultModel:
    """The default model of a use on this machine.

    Attributes:
        model: Registered name.
        why: Its rank, the state of its weights, and the models of higher rank that are not ready.
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
    """Choose the model of a run: the named one, else the one named in the weight file, else the default.

    The default is the best model whose weights are on this machine. A file whose authors state no hash counts
    after its first use, such as by ``colorzoo weights verify``.

    Args:
        name: Registered name or alias that the user or a recipe gives.
        uses: Uses of the model. Of several the first counts most, but a model that takes more of them as
            guidance goes first. Without any, or where no model serves them, it is ``"automatic"``.
        weights: As of `resolve_weights`.
        fast: Choose the default among the models whose weights ship with the package.
        able: Protocol that the class of the default must implement.

    Raises:
        UnknownModelError: No model for these uses has weights on this machine.
        WeightsError: ``weights`` is a damaged file.
    """
    if name := name or model_of_file(weights):
        return ModelChoice(name, weights)
    wanted: tuple[Use, ...] = ((uses,) if isinstance(uses, str) else tuple(uses)) or ("automatic",)
    chosen = _shipped_default(wanted, able, fast) or _ranked_default(wanted, able, fast)
    if chosen is None:
        raise UnknownModelError(f"no model for {', '.join(wanted)} has weights on this machine; name one.")
    told = chosen.embedded and weights == "default" and not fast
    return ModelChoice(chosen.card.name, weights, chosen, wanted[0] if told else None)


def _shipped_default(wanted: tuple[Use, ...], able: type | None, fast: bool) -> RankedModel | None:
    """Return the row of `SHIPPED`, if nothing on this machine can rank higher and it takes all guidance."""
    downloaded = not fast and any((cache_home() / "weights").glob("*"))
    if downloaded or registry.plugins():
        return None
    card = model_card(SHIPPED[wanted[0]])
    if not (len(wanted) == 1 or {*wanted} <= {*card.guidance}) or not _implements(card, able):
        return None
    row = next(_ranked(card, quality) for quality in card.quality if quality.use == wanted[0])
    return row if row.state.trusted else None


def _ranked_default(wanted: tuple[Use, ...], able: type | None, fast: bool) -> RankedModel | None:
    """Return the row of the default by all cards: the first of those that take the most uses as guidance.

    Args:
        wanted: See `choose_model`.
        able: See `choose_model`.
        fast: See `choose_model`.
    """
    usable: list[RankedModel] = []
    fallback: tuple[Use, ...] = ("automatic",)
    for uses in (wanted, fallback):
        for use in dict.fromkeys(uses):
            usable += [row for row in rank_models(use) if row.state.trusted and (row.embedded or not fast)]
        if usable:
            break
    order = sorted(usable, key=lambda row: -len({*row.card.guidance} & {*wanted}))
    return next((row for row in order if _implements(row.card, able)), None)


def _implements(card: ModelCard, able: type | None) -> bool:
    return able is None or issubclass(load_model_class(card), able)


def rank_models(use: Use) -> list[RankedModel]:
    """Return the models that serve a use, best first, with the state of their weights.

    A downloaded file that has no record yet is hashed here, once.
    """
    found = [
        (quality, card)
        for card in registry.all_cards().values()
        for quality in card.quality
        if quality.use == use
    ]
    found.sort(key=lambda pair: (-pair[0].rank, pair[1].name))
    return [_ranked(card, quality) for quality, card in found]


def _ranked(card: ModelCard, quality: Quality) -> RankedModel:
    if not card.trainable:
        return RankedModel(card, quality, None, FileState("embedded"))
    if not (tags := default_tags(card)):
        return RankedModel(card, quality, None, FileState("missing"))
    file = weight_file(card, tags[0])
    return RankedModel(card, quality, file, inspect_file(file.weights, file.path))


def remark_once(choice: ModelChoice) -> str:
    """Return the remark of a choice if none was shown on this machine before, else an empty string.

    ``COLORZOO_QUIET=1`` silences it. Where the cache cannot be written, it is returned every time.
    """
    if is_on("COLORZOO_QUIET"):
        return ""
    shown = cache_home() / _REMARK_SHOWN
    try:
        if shown.exists() or not choice.remark:
            return ""
        write_atomic(shown, b"")
    except OSError:
        pass
    return choice.remark


def all_defaults() -> dict[Use, DefaultModel]:
    """Return the default model of every use that a model on this machine serves, with the reason."""
    orders = {use: rank_models(use) for use in USES}
    firsts = {use: next((row for row in order if row.state.trusted), None) for use, order in orders.items()}
    return {
        use: DefaultModel(row.card.name, _why_default(orders[use], row)) for use, row in firsts.items() if row
    }


def _why_default(order: list[RankedModel], first: RankedModel) -> str:
    states = {
        "embedded": "its weights ship with colorzoo",
        "verified": "its weights are here and have the hash of the card",
        "recorded": "its weights are here and are those of the first use (no hash is stated)",
    }
    better = [f"{row.card.name} ({describe_state(row)})" for row in order[: order.index(first)]]
    rest = f"ranked higher: {', '.join(better)}" if better else "no model ranks higher"
    return f"rank {first.quality.rank}, {states[first.state.status]}; {rest}"


def describe_state(row: RankedModel) -> str:
    """Return the state of a model's weights in words."""
    words = {
        "embedded": "embedded",
        "verified": "here, verified",
        "recorded": "here, hash recorded on first use",
        "unchecked": "here, unchecked until first use",
        "missing": "not here",
    }
    if row.file is None:
        return "none to fetch"
    return words.get(row.state.status) or f"here, but not used: {row.state.reason}"
