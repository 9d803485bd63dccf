"""Settings of a coloring besides its recipe, of which the command line makes options; without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from colorzoo.settings import Engine, Precision, Range, Share

Strength = Annotated[float, Range(0, 1.5)]
Temperature = Annotated[float, Range(0.01, 10)]
NetworkSize = Annotated[int, Range(16, 4096, unit="pixels")]

# groups of the options in the help of the command line
COLORS, REFERENCES = {"group": "colors"}, {"group": "references and classes"}
MODEL, FILES, RUN = {"group": "model and engine"}, {"group": "files"}, {"group": "many pictures and reports"}


@dataclass(frozen=True)
class ModelSettings:
    """Settings of a model that pictures and videos share.

    The documentation of a field is the help of its option.

    Attributes:
        strength: Factor on the chroma, 0 to 1.5 (default 1).
        temperature: For models that predict a distribution: 1 is safe and pale, towards 0 vivid and blotchy.
        size: Shorter side that the network sees (default: the model's).
        device: Where the model runs: auto, cpu, cuda or mps (default: auto).
        precision: Of the network's numbers (default: auto).
    """

    strength: Strength | None = field(default=None, metadata=COLORS | {"metavar": "S"})
    temperature: Temperature | None = field(default=None, metadata=COLORS | {"metavar": "T"})
    size: NetworkSize | None = field(default=None, metadata=MODEL)
    device: str = field(default="auto", metadata=MODEL)
    precision: Precision = field(default="auto", metadata=MODEL)


@dataclass(frozen=True)
class ColorSettings(ModelSettings):
    """Settings that decide the colors of a picture, or the file that holds them.

    Attributes:
        render_factor: For DeOldify: the network sees 16 N pixels; lower is more vivid, higher has more
            detail.
        reference_weights: Weights of the references in the mix (default: equal).
        alpha: How far to go towards the reference, 0 to 1 (default 1).
        reassigned: Treat one class of the picture as another (`colorzoo segment` shows them); may be
            repeated.
        engine: Library that runs the model (default torch); onnxruntime exports a graph of it once, for the
            CPU.
        allow_untrained: Color with random weights, to try a model.
        quality: Of JPEG, WebP and AVIF, 1 to 100 (default 95).
        frames: Of animations and files of several pages: color all (default), or the first alone.
    """

    render_factor: int | None = field(default=None, metadata=COLORS | {"metavar": "N"})
    reference_weights: list[float] | None = field(default=None, metadata=REFERENCES | {"metavar": "W,W"})
    alpha: Share | None = field(default=None, metadata=REFERENCES | {"metavar": "A"})
    reassigned: list[str] = field(
        default_factory=list, metadata=REFERENCES | {"metavar": "OLD=NEW", "option": "--class"}
    )
    engine: Engine = field(default="torch", metadata=MODEL)
    allow_untrained: bool = field(default=False, metadata=MODEL)
    quality: Annotated[int, Range(1, 100)] = field(default=95, metadata=FILES)
    frames: Literal["all", "first"] = field(default="all", metadata=FILES)
