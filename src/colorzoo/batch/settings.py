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

    strength: Strength | None = option(
        None, "factor on the chroma, 0 to 1.5 (default: 1)", COLORS, metavar="S"
    )
    temperature: Temperature | None = option(
        None,
        "for models that predict a distribution: 1 gives pale colors, lower values more vivid, blotchy ones",
        COLORS,
        metavar="T",
    )
    size: NetworkSize | None = option(
        None, "shorter side of the network input in pixels (default: the model's)", MODEL, metavar="N"
    )
    device: str = option("auto", "auto, cpu, cuda or mps (default: auto)", MODEL)
    precision: Precision = option("auto", "numeric precision of the network (default: auto)", MODEL)


@dataclass(frozen=True)
class ColorSettings(ModelSettings):
    """Settings of colors and output file of an image."""

    render_factor: int | None = option(
        None,
        "for DeOldify: side of the network input in units of 16 pixels; lower values are more vivid",
        COLORS,
        metavar="N",
    )
    reference_weights: list[float] | None = option(
        None, "weights of several references (default: equal)", REFERENCES, metavar="W,W"
    )
    alpha: Fraction | None = option(
        None, "strength of the reference, 0 to 1 (default: 1)", REFERENCES, metavar="A"
    )
    reassigned: list[str] = option(
        [],
        "treat class OLD of the image as class NEW; may be repeated",
        REFERENCES,
        "--class",
        metavar="OLD=NEW",
    )
    engine: Engine = option(
        "torch", "library that runs the model (default: torch); onnxruntime runs on the CPU", MODEL
    )
    allow_untrained: bool = option(False, "allow random weights, for tests", MODEL)
    quality: Annotated[int, Range(1, 100)] = option(
        95, "quality of JPEG, WebP and AVIF, 1 to 100 (default: 95)", FILES, metavar="N"
    )
    frames: Literal["all", "first"] = option(
        "all", "colorize all frames or pages (default) or only the first one", FILES
    )

    def colorizer_arguments(self) -> dict[str, Any]:
        """Return the corresponding arguments of `Colorizer`."""
        names = ("device", "precision", "size", "temperature", "render_factor", "engine", "allow_untrained")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class GuidanceOptions(ColorSettings):
    """Options that determine the colors of an image."""

    point: list[str] = option(
        [],
        "color (#rrggbb, #rgb or a name) of a pixel of the image, with radius R; may be repeated",
        metavar="X,Y[,R]=COLOR[@REACH]",
    )
    recipe: str | None = option(None, "color points and settings as JSON", metavar="R.json")
    reference: list[str] = option(
        [], "reference image for the colors (default: from the recipe); may be repeated", metavar="IMG"
    )
    reach: str | None = option(
        None,
        "how far the colors of --point spread: automatic (over the object; default), everywhere (as far as "
        "the network propagates them), or a factor on the automatic reach, 0 to 10",
        COLORS,
    )
    box: list[str] = option(
        [],
        "bounding box of an object, for models that color objects separately; may be repeated; none: the "
        "image contains no object",
        COLORS,
        metavar="X,Y,WIDTH,HEIGHT",
    )
    histogram_of: str | None = option(
        None, "image whose color histogram the result should match", COLORS, metavar="IMG"
    )
    finish: str | None = option(
        None,
        "adjust all colors of the result: temperature, tint, vibrance, shadows and highlights (chroma), each "
        "from -100 to 100",
        COLORS,
        metavar="NAME=N,...",
    )
    saturation: Fraction | None = option(None, "target mean saturation, 0 to 1", COLORS, metavar="S")
    border: str | None = option(
        None,
        "part of the image to colorize: automatic (default; film rebates, print margins and mounts of scans "
        "stay gray), none (the whole image), or X,Y,WIDTH,HEIGHT",
        COLORS,
    )
    crop: str | None = option(
        None,
        "crop of the result; ANGLE is the clockwise rotation of the crop rectangle in degrees",
        COLORS,
        metavar="X,Y,WIDTH,HEIGHT[,ANGLE]",
    )
    classes: str | None = option(
        None,
        "image with the class number of each pixel, for models that transfer colors within classes",
        REFERENCES,
        metavar="LABELS",
    )
    reference_classes: str | None = option(
        None, "image with the class number of each pixel of the reference", REFERENCES, metavar="LABELS"
    )


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
        "files, folders (searched recursively) or globs",
        "IMAGE",
        default=[],
        nargs="*",
    )
    output: str | None = option(
        None,
        "output file for one image, or folder",
        "",
        "-o",
        "--output",
        metavar="OUT",
    )
    overwrite: bool = option(False, "replace existing results", FILES)
    format: Literal["png", "tif", "jpg", "webp", "avif"] | None = option(
        None, "format of results (default: that of the image, or of -o); png and tif are lossless", FILES
    )
    max_pixels: Annotated[float, Range(0, 1e6, open=True)] = option(
        200,
        "maximum image size in million pixels, which limits the memory (default: 200)",
        FILES,
        metavar="MILLIONS",
    )
    skip_colored: bool = option(False, "skip color images", FILES)
    provenance: Literal["embed", "none"] = option(
        "embed", "store source, model, weights and recipe in results (embed, default) or not (none)", FILES
    )
    from_list: str | None = option(
        None,
        "file with one image name per line, or separated by zero bytes; - is standard input",
        RUN,
        "--from",
        metavar="LIST",
    )
    failed: str | None = option(
        None, "write the names of failed images to a .txt file for --from", RUN, metavar="LIST"
    )
    report: list[str] = option(
        [],
        "write a page (.html) or table (.csv) of the results by decreasing uncertainty; may be repeated",
        RUN,
        metavar="FILE",
    )
    sign: str | None = option(
        None, "sign results (C2PA) with the certificate chain and key of a PEM file", RUN, metavar="PEM"
    )
    jobs: Annotated[int, Range(1, 64)] = option(
        min(core_count(), 8),
        "threads that read and write files during inference (default: one per core, at most 8)",
        RUN,
        metavar="N",
    )
    explain: bool = option(False, "print the processing stages of each image with their durations", RUN)
    dry_run: bool = option(False, "print the planned output files without writing them", RUN)
    json: bool = option(False, "print a report as JSON on standard output", RUN)


@dataclass(frozen=True, kw_only=True)
class VideoOptions(ModelSettings):
    """Options of ``colorzoo video``."""

    source: str = argument("video file or folder of frames", "IN")
    output: str = argument("output file (.mp4 .mov .mkv .webm) or folder", "OUT")
    model: str | None = option(
        None, "registered name (default: an embedded model; with a reference, an embedded model for video)"
    )
    reference: str | None = option(None, "reference image for the colors", metavar="IMG")
    key: list[str] = option(
        [],
        "colored image of the frame with this number, counted from 0; it is the reference for later frames; "
        "may be repeated",
        metavar="FRAME=FILE",
    )
    steady: Fraction = option(
        0.97,
        "weight of the color propagated from the previous frame, 0 to 1 (default: 0.97); 0 colorizes each "
        "frame independently",
        COLORS,
        metavar="S",
    )
    border: str = option(
        "automatic",
        "part of the frames to colorize: automatic (default; black or white bars and film borders stay gray; "
        "not with --key), none (the whole frame), or X,Y,WIDTH,HEIGHT",
        COLORS,
    )
    weights: str = option("default", "model weights: default, published, or the path of a weight file", MODEL)
    overwrite: bool = option(False, "replace existing results", FILES)
    codec: Literal["h264", "hevc", "vp9", "ffv1"] | None = option(
        None, "video codec (default: h264, for .webm vp9); ffv1 is lossless", FILES
    )
    crf: Annotated[int, Range(0, 51)] | None = option(
        None, "quality, 0 to 51, lower is better (default: visually lossless)", FILES, metavar="N"
    )
    provenance: Literal["embed", "none"] = option(
        "embed",
        "store the provenance record beside the result in OUT.xmp (embed, default) or not (none)",
        FILES,
    )
    dry_run: bool = option(False, "print the planned output without writing it", FILES)
    json: bool = option(False, "print a summary as JSON on standard output", FILES)
    report: list[str] = option(
        [],
        "write a page (.html) or table (.csv) of the shots; may be repeated",
        FILES,
        metavar="FILE",
    )
    frame: Annotated[int, Range(0)] | None = option(
        None, "write frame N, counted from 0, as image OUT, to colorize it in the pad", FILES, metavar="N"
    )
