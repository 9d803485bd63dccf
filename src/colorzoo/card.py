"""Model cards: the description of a model that is read without importing torch.

Every folder of the zoo has a ``card.py`` that defines ``CARDS``, a tuple of `ModelCard`. `list_models`,
``colorzoo models`` and the documentation read only these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "ContractTestConfig",
    "GuidanceKind",
    "InputKind",
    "Limit",
    "ModelCard",
    "OutputKind",
    "Quality",
    "Use",
    "Weights",
]

GuidanceKind = Literal["points", "scribbles", "regions", "exemplar", "statistics", "classes", "boxes"]
InputKind = Literal["gray", "sketch"]
OutputKind = Literal["ab", "rgb"]
Limit = Literal["training", "export", "gradient"]
Use = Literal["automatic", "sketch", "frames"] | GuidanceKind
"""Purpose of a model: coloring without help, sketches, video by reference, or a kind of guidance."""


@dataclass(frozen=True)
class Weights:
    """Weight file of a model.

    Attributes:
        sha256: Hash of the whole file. None if its authors publish none; the hash is then recorded at the
            first use of the file.
        size: Bytes; an estimate for a file that others host.
        license: License of the weights.
        file: Name of a file embedded in ``colorzoo/weights/embedded``; exclusive with ``urls``.
        urls: Addresses of the file, mirrors in order of preference.
        published: Whether the keys are from the authors' files and must be translated.
        hparams: Settings that these weights need (for instance the mask center).
        trained_on: Data, steps and protocol in a sentence.
        code_license: License of the code that the weights come from; empty for colorzoo's own.
    """

    sha256: str | None
    size: int
    license: str
    file: str | None = None
    urls: tuple[str, ...] = ()
    published: bool = False
    hparams: Mapping[str, Any] = field(default_factory=dict)
    trained_on: str = ""
    code_license: str = ""


@dataclass(frozen=True)
class Quality:
    """Quality of a model for one use, with its default weights.

    Attributes:
        use: The use.
        rank: Rank among the models for this use; the model of the greatest rank on the machine is the
            default. ``docs/weights.md`` documents how ranks are given.
        why: Reason for the rank, in a sentence.
    """

    use: Use
    rank: int
    why: str


@dataclass(frozen=True)
class ContractTestConfig:
    """Arguments with which the contract suite tests a model in seconds on a CPU.

    Attributes:
        hparams: Overrides of the settings (a narrow network).
        size: Side in pixels of the square training crops.
        without_gradient: Shell-style patterns of trainable weights that get no gradient in a training step,
            by their names in the task (``model.network.*``).
        scales: Factors on the random weights that the suite draws, by their names in the task. A head that
            ends in a saturating function needs small weights, or rounding errors are amplified.
    """

    hparams: Mapping[str, Any] = field(default_factory=dict)
    size: int = 32
    without_gradient: tuple[str, ...] = ()
    scales: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """Description of a registered model.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local")
        >>> card.year, card.guidance
        (2017, ('points',))

    Attributes:
        name: Registered name, author + year (+ variant).
        title: Title of the paper.
        paper: Address of the paper; empty for a model without one.
        year: Year of publication.
        summary: One line: what goes in, what comes out, what it is good for.
        task: Import path of the task, a `ColorizationModule`, as ``package.module:Class``.
        parameters: Number of parameters of the `ColoringModel`, including frozen parameters, without the
            parameters of a discriminator.
        model: Import path of the `ColoringModel` that the task holds.
        aliases: Other names under which the registry finds the model.
        guidance: Kinds of guidance that the model accepts.
        input: Input of the network: a gray image or a sketch.
        output: Output of the network: ab or RGB.
        hparams: Settings of this variant.
        weights: Known weight files by tag; ``"default"`` is embedded, ``"published"`` the authors'.
        config: Training configuration below ``configs/``.
        contract_test: Arguments of the contract suite.
        quality: The uses that it serves, with ranks; `colorzoo.weights.choice` chooses defaults by them.
        limits: Known limits; the contract suite asserts the failure. ``"training"``: an algorithm without
            weights; ``"export"``: cannot be exported; ``"gradient"``: its output is not differentiable in its
            input.
    """

    name: str
    title: str
    paper: str
    year: int
    summary: str
    task: str
    parameters: int
    model: str = ""
    aliases: tuple[str, ...] = ()
    guidance: tuple[GuidanceKind, ...] = ()
    input: InputKind = "gray"
    output: OutputKind = "ab"
    hparams: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    config: str | None = None
    contract_test: ContractTestConfig = ContractTestConfig()
    quality: tuple[Quality, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def trainable(self) -> bool:
        """True if the model has weights."""
        return "training" not in self.limits

    @property
    def plain_guidance(self) -> tuple[GuidanceKind, ...]:
        """Guidance without reference and classes, for a model ranked for photos without help; else all."""
        if not any(quality.use == "automatic" for quality in self.quality):
            return self.guidance
        return tuple(kind for kind in self.guidance if kind not in ("exemplar", "classes"))

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON types, as ``colorzoo models --json`` prints it."""
        return asdict(self)
