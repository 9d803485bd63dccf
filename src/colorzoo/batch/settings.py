"""Settings of models and result files, which are also command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from colorzoo.options import COLORS, FILES, MODEL, REFERENCES, option
from colorzoo.settings import Engine, Fraction, Precision, Range

Strength = Annotated[float, Range(0, 1.5)]
Temperature = Annotated[float, Range(0.01, 10)]
NetworkSize = Annotated[int, Range(16, 4096, unit="pixels")]


@dataclass(frozen=True)
class ModelSettings:
    """Model settings shared by images and videos."""

    strength: Strength | None = option(None, "multiplier for the chroma, 0 to 1.5 (default: 1)", COLORS)
    temperature: Temperature | None = option(
        None, "softmax temperature; lower values give more vivid but blotchier colors", COLORS
    )
    size: NetworkSize | None = option(
        None, "shorter side of the network input in pixels (default: set by the model)", MODEL
    )
    device: str = option("auto", "auto, cpu, cuda or mps (default: auto)", MODEL)
    precision: Precision = option("auto", "numeric precision of the network (default: auto)", MODEL)


@dataclass(frozen=True)
class ColorSettings(ModelSettings):
    """Settings for the colors and the output file of an image.

    Examples:
        >>> ColorSettings(device="cpu", size=128).size
        128
    """

    render_factor: int | None = option(
        None, "DeOldify models only: size of the network input in units of 16 pixels", COLORS
    )
    reference_weights: list[float] | None = option(
        None, "relative weights of the references (default: equal)", REFERENCES, metavar="W,W"
    )
    alpha: Fraction | None = option(None, "strength of the reference colors, 0 to 1 (default: 1)", REFERENCES)
    reassigned: list[str] = option(
        [],
        "color objects of class OLD like class NEW; may be repeated",
        REFERENCES,
        "--class",
        metavar="OLD=NEW",
    )
    engine: Engine = option("torch", "inference engine: torch (default), or onnxruntime on the CPU", MODEL)
    allow_untrained: bool = option(False, "allow models with random weights (for testing)", MODEL)
    quality: Annotated[int, Range(1, 100)] = option(
        95, "quality of JPEG, WebP and AVIF files, 1 to 100 (default: 95)", FILES
    )
    frames: Literal["all", "first"] = option(
        "all", "colorize all frames or pages of a file, or only the first (default: all)", FILES
    )
