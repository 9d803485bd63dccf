"""Model cards: descriptions of models that can be read without importing torch.

Each folder of the zoo has a ``card.py`` that defines ``CARDS``, a tuple of `ModelCard`. `list_models`,
``colorzoo models`` and the documentation read only these cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "DRAWING_LICENSES",
    "PHOTO_LICENSES",
    "ContractTestConfig",
    "InputKind",
    "Limit",
    "ModelCard",
    "OutputKind",
    "Use",
    "Weights",
]

_FORMAT_VERSION = 1  # of `ModelCard.to_dict`
InputKind = Literal["gray", "sketch"]
OutputKind = Literal["ab", "rgb"]
Limit = Literal["training", "export", "gradient"]
PHOTO_LICENSES = "in part unknown or research only (NOTICE, section 5)"
DRAWING_LICENSES = "CC0, CC BY, CC BY-SA, MIT, Apache-2.0, GPL or public domain (NOTICE, section 6)"
"""Licenses of the training images of the weights in the package."""
Use = str
"""Use case of a model.

A use case is automatic colorization (``"automatic"``), sketches (``"sketch"``), the name of a kind of
guidance, boxes together with scribbles (``"objects"``), or the transfer of colors between two color images
(``"stylize"``).
"""


@dataclass(frozen=True)
class Weights:
    """Weight file of a model.

    Attributes:
        sha256: SHA-256 of the file. None if no hash is known; the hash is then recorded after the download.
        size: File size in bytes; an estimate for a file without a hash.
        license: License of the weights.
        file: Name of a file in ``colorzoo/weights/embedded``; mutually exclusive with ``urls``.
        urls: URLs of the file and its mirrors, in order of preference.
        published: Whether the state dict has the authors' keys, which must be renamed.
        hparams: Model settings that these weights require.
        trained_on: Training data, number of steps and protocol, in one sentence.
        data_license: Licenses of the training data; empty if they are unknown.
        code_license: License of the code that the weights come from; empty for weights trained by colorzoo.
        seen: Name of a table in ``colorzoo/data/subsets`` that lists images of evaluation data sets among the
            training images; empty if none are known.
        no_hash: Reason for a missing hash of a file with ``urls``, in one sentence.
    """

    sha256: str | None
    size: int
    license: str
    file: str | None = None
    urls: tuple[str, ...] = ()
    published: bool = False
    hparams: Mapping[str, Any] = field(default_factory=dict)
    trained_on: str = ""
    data_license: str = ""
    code_license: str = ""
    seen: str = ""
    no_hash: str = ""


@dataclass(frozen=True)
class ContractTestConfig:
    """Arguments that make the model contract tests run in seconds on a CPU.

    Every registered model must pass these tests; see `docs/paper.md`.

    Attributes:
        hparams: Settings to override, for example to make the network narrow.
        size: Height and width of the training crops in pixels.
        without_gradient: Names of trainable parameters of the task that receive no gradient in a training
            step. Shell-style patterns, such as ``model.network.*``, are also accepted.
        scales: Factors for the random weights of the tests, by parameter name of the task, such as
            ``model.network.head.weight``. The tests initialize weights with random values and multiply them
            by these factors. A network that ends in a saturating function, such as tanh, needs small factors,
            because large weights would amplify rounding errors. Shell-style patterns are also accepted.
        error_scale: Factor for the tolerances of rounding errors. A diffusion model multiplies an error of
            its network by ``noise / signal`` of the first step, 158 for the default `NoiseSchedule`.
        discrete: Whether the colors are sampled from discrete symbols, which rounding errors can change. The
            tests then compare the logits of the symbols. A prediction has the extras ``symbols``, in
            sampling order when flattened ``(B, N)``, and finite ``logits``, flattened ``(B, Q, N)``.
    """

    hparams: Mapping[str, Any] = field(default_factory=dict)
    size: int = 32
    without_gradient: tuple[str, ...] = ()
    scales: Mapping[str, float] = field(default_factory=dict)
    error_scale: float = 1.0
    discrete: bool = False


@dataclass(frozen=True)
class ModelCard:
    """Description of a registered model.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local")
        >>> card.year, card.guidance
        (2017, ('points',))

    Attributes:
        name: Registered name: author, year, and optionally a variant.
        title: Title of the paper.
        paper: URL of the paper; empty for a model without a paper.
        year: Year of publication.
        summary: Input, output and purpose of the model, in one line.
        task: Import path of the task, a `ColorizationModule`, as ``package.module:Class``.
        parameters: Number of parameters of the `ColoringModel`, including frozen parameters and excluding a
            discriminator. ``colorzoo models NAME --update`` writes it.
        model: Import path of the `ColoringModel` of the task.
        aliases: Other names of the model in the registry.
        guidance: Names of the kinds of guidance that the model accepts; see `colorzoo.guidance.GuidanceKind`.
        input: Input of the network: a gray image or a sketch.
        output: Output of the network: ab or RGB.
        hparams: Settings of this variant.
        weights: Known weight files by tag. ``"default"`` is included in the package, and ``"published"``
            contains the weights of the authors.
        config: Training configuration, as a path relative to ``configs/``.
        contract_test: Arguments for the model contract tests.
        uses: Use cases for which the model is suitable, each with an assessment of its default weights in one
            sentence. `colorzoo.registry.DEFAULT_MODELS` lists the default models. A model of another package
            is the default model for a use case that this table lacks, such as a kind of the package.
        limits: Known limitations, which the contract tests verify. ``"training"``: the model has no weights.
            ``"export"``: the model cannot be exported. ``"gradient"``: the output is not differentiable with
            respect to the input.
    """

    name: str
    title: str
    paper: str
    year: int
    summary: str
    task: str
    parameters: int = 0
    model: str = ""
    aliases: tuple[str, ...] = ()
    guidance: tuple[str, ...] = ()
    input: InputKind = "gray"
    output: OutputKind = "ab"
    hparams: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    config: str | None = None
    contract_test: ContractTestConfig = ContractTestConfig()
    uses: Mapping[Use, str] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()

    @property
    def trainable(self) -> bool:
        """Whether the model has trainable weights."""
        return "training" not in self.limits

    @property
    def plain_guidance(self) -> tuple[str, ...]:
        """Accepted kinds of guidance, excluding optional references and classes.

        References and classes are optional if the model also colorizes automatically. They are also
        optional for sketch models that accept points.
        """
        if "automatic" not in self.uses and not (self.input == "sketch" and "points" in self.guidance):
            return self.guidance
        return tuple(kind for kind in self.guidance if kind not in ("exemplar", "classes"))

    def to_dict(self) -> dict[str, Any]:
        """Return the card as a dictionary of JSON types, as in ``colorzoo models --json``.

        The key ``format_version`` contains the version of the format.
        """
        return {"format_version": _FORMAT_VERSION, **asdict(self)}
