"""Model cards: what the zoo knows of a paper without importing torch.

Every folder of the zoo has a ``card.py`` that defines ``CARDS``, a tuple of `ModelCard`. Listing models,
``colorzoo models`` and the documentation read nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

GuidanceKind = Literal["points", "scribbles", "regions", "exemplar", "statistics", "classes", "boxes"]
InputKind = Literal["gray", "sketch"]
OutputKind = Literal["ab", "rgb"]
Limit = Literal["training", "export", "gradient"]
Use = Literal["automatic", "sketch", "frames"] | GuidanceKind
"""What a model is chosen for: coloring without help, sketches, video by reference, or a kind of guidance."""


@dataclass(frozen=True)
class Weights:
    """One weight file of a model.

    Attributes:
        sha256: Hash of the whole file. None where its authors state none: then the file is accepted by its
            size and a strict check of its keys and shapes, and its hash is recorded on first use.
        size: Bytes; of a file that others host about as many as they state, or as its tensors take. With a
            hash only the hash decides.
        size_stated: Whether ``size`` is to the byte; then a file of another size is refused.
        license: Licence of the weights.
        file: Name of a file embedded in ``colorzoo/weights/embedded``; exclusive with ``urls``.
        urls: Where the file can be fetched, mirrors in order of preference.
        published: True when the keys are those of the authors and must be translated.
        hparams: Constructor arguments that these weights need (for instance the mask center).
        trained_on: Data, steps and protocol in a sentence.
        code_license: Licence of the code that the weights come from; empty for colorzoo's own.
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
    size_stated: bool = False


@dataclass(frozen=True)
class Score:
    """One number that says how good a model is.

    Attributes:
        measure: What it is, with its unit, as ``"PSNR at 10 points [dB]"``.
        value: The number.
        better: Whether higher or lower is better.
        protocol: Pictures, size and what was given. Only scores of one protocol and measure may be compared.
        source: Where it stands: a page of ours, or paper and table.
    """

    measure: str
    value: float
    better: Literal["higher", "lower"]
    protocol: str
    source: str


@dataclass(frozen=True)
class Quality:
    """How good a model is for one use, by the weights that it takes by default.

    Attributes:
        use: What for.
        rank: Place among the models for this use; the greatest on the machine is the default. How ranks are
            given is documented in ``docs/weights.md``, and a test holds them against the scores.
        why: What the rank rests on, in a sentence.
        measured: Numbers of our own, by ``colorzoo evaluate`` or a benchmark.
        stated: Numbers that papers state. Never compared with ours.
    """

    use: Use
    rank: int
    why: str
    measured: tuple[Score, ...] = ()
    stated: tuple[Score, ...] = ()


@dataclass(frozen=True)
class Smoke:
    """Arguments with which the contract suite can try a model in seconds on a CPU.

    Attributes:
        hparams: Overrides of the constructor arguments (a narrow network).
        size: Side in pixels of the square training crops.
        without_gradient: Shell-style patterns of trainable weights that a training step leaves alone.
        scales: Factors, by name, on the weights that the suite draws: a head that ends in a saturating
            function must begin small, or rounding decides between its two ends.
    """

    hparams: Mapping[str, Any] = field(default_factory=dict)
    size: int = 32
    without_gradient: tuple[str, ...] = ()
    scales: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """Everything the registry, the command line and the documentation say of a model.

    Attributes:
        name: Registered name, author + year (+ variant).
        title: Title of the paper.
        paper: Address of the paper.
        year: Year of publication.
        summary: One line: what goes in, what comes out, what it is good for.
        task: Import path of the `ColorizationModule`, as ``package.module:Class``.
        parameters: Number of parameters, frozen ones too.
        inference: Import path of an `InferenceModel` that answers as the task does from the same weights,
            without Lightning, whose import takes longer than coloring a picture; None where the task is all
            there is.
        aliases: Other names under which the registry finds the model.
        guidance: Kinds of guidance the model accepts.
        input: What the network reads.
        output: What the network answers.
        hparams: Constructor arguments of this variant.
        weights: Known weight files by tag; ``"default"`` is embedded, ``"published"`` the authors'.
        config: Training configuration below ``configs/``.
        smoke: How the contract suite tries this model.
        quality: The uses that it serves, and how well; `colorzoo.tiers` chooses defaults by it.
        limits: What this model cannot do; the contract suite asserts the failure. ``"training"``: it is an
            algorithm, has no weights and needs none; ``"export"``: no graph can be made of it;
            ``"gradient"``: its answer is not differentiable in the input.
        int8_loss: PSNR in dB that its default weights lose on photos where it runs in int8, by
            `python -m benchmarks int8`; None where that was not measured.
    """

    name: str
    title: str
    paper: str
    year: int
    summary: str
    task: str
    parameters: int
    inference: str | None = None
    aliases: tuple[str, ...] = ()
    guidance: tuple[GuidanceKind, ...] = ()
    input: InputKind = "gray"
    output: OutputKind = "ab"
    hparams: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    config: str | None = None
    smoke: Smoke = Smoke()
    quality: tuple[Quality, ...] = ()
    limits: tuple[Limit, ...] = ()
    int8_loss: float | None = None

    @property
    def trainable(self) -> bool:
        """Whether the model has weights at all."""
        return "training" not in self.limits

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON types, as ``colorzoo models --json`` prints it."""
        return asdict(self)
