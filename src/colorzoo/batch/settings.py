"""Settings of colorized files, and options of ``colorize`` and ``video``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from colorzoo.environment import core_count
from colorzoo.settings import (
    COLORS,
    FILES,
    MODEL,
    REFERENCES,
    RUN,
    Engine,
    Fraction,
    Precision,
    Range,
    argument,
    option,
)

Strength = Annotated[float, Range(0, 1.5)]
Temperature = Annotated[float, Range(0.01, 10)]
NetworkSize = Annotated[int, Range(16, 4096, unit="pixels")]


@dataclass(frozen=True)
class ModelSettings:
    """Model settings shared by images and videos."""

    strength: Strength | None = option(None, "factor on the chroma, 0 to 1.5 (default: 1)", COLORS)
    temperature: Temperature | None = option(None, "lower values give more vivid, blotchy colors", COLORS)
    size: NetworkSize | None = option(None, "shorter side of the network input in pixels", MODEL)
    device: str = option("auto", "auto, cpu, cuda or mps (default: auto)", MODEL)
    precision: Precision = option("auto", "numeric precision of the network (default: auto)", MODEL)


@dataclass(frozen=True)
class ColorSettings(ModelSettings):
    """Settings of colors and output file of an image."""

    render_factor: int | None = option(None, "DeOldify: network input in units of 16 pixels", COLORS)
    reference_weights: list[float] | None = option(
        None, "weights of the references", REFERENCES, metavar="W,W"
    )
    alpha: Fraction | None = option(None, "strength of the reference, 0 to 1 (default: 1)", REFERENCES)
    reassigned: list[str] = option(
        [], "treat class OLD as class NEW", REFERENCES, "--class", metavar="OLD=NEW"
    )
    engine: Engine = option("torch", "torch (default), or onnxruntime on the CPU", MODEL)
    allow_untrained: bool = option(False, "allow random weights, for tests", MODEL)
    quality: Annotated[int, Range(1, 100)] = option(95, "quality of JPEG, WebP and AVIF (default: 95)", FILES)
    frames: Literal["all", "first"] = option("all", "frames or pages to colorize (default: all)", FILES)

    def colorizer_arguments(self) -> dict[str, Any]:
        """Return the corresponding arguments of `Colorizer`."""
        names = ("device", "precision", "size", "temperature", "render_factor", "engine", "allow_untrained")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class GuidanceOptions(ColorSettings):
    """Options that determine the colors of an image."""

    point: list[str] = option(
        [], "color (#rrggbb or a name) of a pixel, radius R; may be repeated", metavar="X,Y[,R]=COLOR[@REACH]"
    )
    recipe: str | None = option(None, "color points and settings as JSON", metavar="R.json")
    reference: list[str] = option([], "reference image for the colors; may be repeated", metavar="IMG")
    reach: str | None = option(
        None, "how far --point spreads: automatic (default), everywhere, or a factor from 0 to 10", COLORS
    )
    box: list[str] = option(
        [], "bounding box X,Y,WIDTH,HEIGHT of an object, or none; may be repeated", COLORS
    )
    histogram_of: str | None = option(None, "image whose color histogram is matched", COLORS, metavar="IMG")
    finish: str | None = option(
        None,
        "temperature, tint, vibrance, shadows, highlights; each from -100 to 100",
        COLORS,
        metavar="NAME=N,...",
    )
    saturation: Fraction | None = option(None, "target mean saturation, 0 to 1", COLORS)
    border: str | None = option(
        None,
        "part to colorize: automatic (default; scan borders stay gray), none, or X,Y,WIDTH,HEIGHT",
        COLORS,
    )
    crop: str | None = option(None, "crop of the result: X,Y,WIDTH,HEIGHT[,ANGLE]", COLORS)
    classes: str | None = option(None, "image of the class number of each pixel", REFERENCES, metavar="IMG")
    reference_classes: str | None = option(None, "class numbers of the reference", REFERENCES, metavar="IMG")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options that choose a model."""

    model: str | None = option(None, "registered name (default: the best locally available model)", MODEL)
    fast: bool = option(False, "without --model: use a small model included in the package", MODEL)
    weights: str = option("default", "model weights: default, published, or the path of a weight file", MODEL)


@dataclass(frozen=True, kw_only=True)
class ColorizeOptions(ModelOptions, GuidanceOptions):
    """Options of ``colorzoo colorize``."""

    images: list[str] = argument(
        "files, folders (searched recursively) or globs", "IMAGE", default=[], nargs="*"
    )
    output: str | None = option(
        None, "output file for one image, or folder", "", "-o", "--output", metavar="OUT"
    )
    overwrite: bool = option(False, "replace existing results", FILES)
    format: Literal["png", "tif", "jpg", "webp", "avif"] | None = option(
        None, "format of results (default: unchanged)", FILES
    )
    max_pixels: Annotated[float, Range(0, 1e6, open=True)] = option(
        200, "maximum image size in million pixels (default: 200)", FILES
    )
    skip_colored: bool = option(False, "skip color images", FILES)
    provenance: Literal["embed", "none"] = option(
        "embed", "store source, model and recipe in results (default: embed)", FILES
    )
    from_list: str | None = option(None, "file with one image name per line", RUN, "--from", metavar="LIST")
    failed: str | None = option(None, "write failed images to a .txt file for --from", RUN, metavar="LIST")
    report: list[str] = option([], "write a report (.html or .csv); may be repeated", RUN, metavar="FILE")
    sign: str | None = option(None, "sign results (C2PA) with the key of a PEM file", RUN, metavar="PEM")
    jobs: Annotated[int, Range(1, 64)] = option(
        min(core_count(), 8), "threads that read and write files", RUN
    )
    explain: bool = option(False, "print the processing stages of each image with their durations", RUN)
    dry_run: bool = option(False, "print the planned output files without writing them", RUN)
    json: bool = option(False, "print a report as JSON on standard output", RUN)


@dataclass(frozen=True, kw_only=True)
class VideoOptions(ModelSettings):
    """Options of ``colorzoo video``."""

    source: str = argument("video file or folder of frames", "IN")
    output: str = argument("output file (.mp4 .mov .mkv .webm) or folder", "OUT")
    model: str | None = option(None, "registered name (default: an embedded model)")
    reference: str | None = option(None, "reference image for the colors", metavar="IMG")
    key: list[str] = option([], "colored image of frame N, counted from 0; may be repeated", metavar="N=FILE")
    steady: Fraction = option(0.97, "weight of the propagated color, 0 to 1 (default: 0.97)", COLORS)
    border: str = option("automatic", "part to colorize: automatic, none, or X,Y,WIDTH,HEIGHT", COLORS)
    weights: str = option("default", "model weights: default, published, or the path of a weight file", MODEL)
    overwrite: bool = option(False, "replace existing results", FILES)
    codec: Literal["h264", "hevc", "vp9", "ffv1"] | None = option(
        None, "video codec; ffv1 is lossless", FILES
    )
    crf: Annotated[int, Range(0, 51)] | None = option(None, "quality, 0 (best) to 51", FILES)
    provenance: Literal["embed", "none"] = option(
        "embed", "write the record to OUT.xmp (default: embed)", FILES
    )
    dry_run: bool = option(False, "print the planned output without writing it", FILES)
    json: bool = option(False, "print a summary as JSON on standard output", FILES)
    report: list[str] = option([], "write a report (.html or .csv); may be repeated", FILES, metavar="FILE")
    frame: Annotated[int, Range(0)] | None = option(
        None, "write the frame of this number, counted from 0, as image OUT", FILES
    )
