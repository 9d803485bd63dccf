"""Options of the commands that colorize files: ``colorize``, ``stylize`` and ``video``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from colorzoo.batch import ColorSettings, ModelSettings
from colorzoo.environment import core_count
from colorzoo.options import COLORS, FILES, MODEL, REFERENCES, RUN, argument, option
from colorzoo.settings import Fraction, NonNegativeInt, Range


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options that select a model."""

    model: str | None = option(
        None, "name of a registered model (default: selected by the image and the guidance)", MODEL
    )
    weights: str = option("default", "model weights: default, published, or the path of a weight file", MODEL)


@dataclass(frozen=True, kw_only=True)
class ColorizeOptions(ModelOptions, ColorSettings):
    """Options of ``colorzoo colorize``."""

    point: list[str] = option(
        [],
        "color point at pixel X,Y with a radius of R pixels; COLOR is #rrggbb or an HTML name; REACH "
        "overrides --reach; may be repeated",
        metavar="X,Y[,R]=COLOR[@REACH]",
    )
    recipe: str | None = option(None, "JSON file with color points and settings", metavar="R.json")
    reference: list[str] = option(
        [], "color image whose colors are transferred; may be repeated", metavar="IMG"
    )
    reach: str | None = option(
        None,
        "how far the colors of points spread: automatic (default), everywhere, or a factor from 0 to 10",
        COLORS,
    )
    box: list[str] = option(
        [],
        "bounding box of an object as X,Y,WIDTH,HEIGHT; may be repeated; none disables object detection",
        COLORS,
    )
    histogram_of: str | None = option(
        None, "color image whose color histogram the result should match", COLORS, metavar="IMG"
    )
    finish: str | None = option(
        None,
        "adjustments of the result: temperature, tint, vibrance, shadows, highlights, each from -100 to 100",
        COLORS,
        metavar="NAME=N,...",
    )
    palette: str | None = option(
        None,
        "drawings only: colors to choose from, as #rrggbb,#rrggbb,... or an image with these colors",
        COLORS,
        metavar="COLORS",
    )
    variant: Annotated[int, Range(0, 1000)] | None = option(
        None, "drawings only: 0 for the most likely colors, 1 and more for other colorings", COLORS
    )
    gap: Annotated[float, Range(0, 100)] | None = option(
        None, "drawings only: width of the gaps in lines to close, at a shorter side of 1,000 pixels", COLORS
    )
    specks: Annotated[float, Range(0, 1)] | None = option(
        None, "drawings only: area in percent of the image below which regions join a neighbor", COLORS
    )
    shading: bool = option(False, "drawings only: multiply the colors by soft shading", COLORS)
    flats: bool = option(False, "drawings only: write the flat colors without the lines", COLORS)
    same_characters: bool = option(
        False, "drawings only: regions copy the colors of similar regions of earlier drawings", COLORS
    )
    saturation: Fraction | None = option(None, "target mean saturation of the result, 0 to 1", COLORS)
    border: str | None = option(
        None,
        "area to colorize: automatic (default; excludes scan borders), none (whole image), or "
        "X,Y,WIDTH,HEIGHT",
        COLORS,
    )
    crop: str | None = option(
        None,
        "crop of the result: X,Y,WIDTH,HEIGHT[,ANGLE] in pixels and degrees",
        COLORS,
    )
    label: NonNegativeInt | None = option(
        None, "class number of the whole image, for models with label guidance", COLORS, metavar="N"
    )
    samples: Annotated[int, Range(1, 1000)] = option(
        1,
        "number of results of a model that samples, with the seeds N, N+1, ... of --seed (default: 1)",
        COLORS,
    )
    sheet: bool = option(
        False, "write also the samples of each image side by side, to NAME.color-sheet.jpg", COLORS
    )
    hints: dict[str, str] = option({}, "other kinds of guidance by name, such as text", COLORS)
    classes: str | None = option(
        None,
        "label image for IMAGE; its pixel values are class numbers",
        REFERENCES,
        metavar="IMG",
    )
    reference_classes: str | None = option(
        None,
        "label image for the reference; its pixel values are class numbers",
        REFERENCES,
        metavar="IMG",
    )
    images: list[str] = argument(
        "files, folders (searched recursively) or globs", "IMAGE", default=[], nargs="*"
    )
    output: str | None = option(
        None,
        "output folder, or output file for a single image",
        "",
        "-o",
        "--output",
        metavar="OUT",
        writes="path",
    )
    overwrite: bool = option(False, "replace existing results, and the file of --failed", FILES)
    format: Literal["png", "tif", "jpg", "webp", "avif"] | None = option(
        None,
        "file format of the results (default: the format of the source; with --from, of the earlier result)",
        FILES,
    )
    max_pixels: Annotated[float, Range(0, 1e6, open=True)] = option(
        200, "maximum image size in megapixels (default: 200)", FILES
    )
    skip_colored: bool = option(
        False, "skip images that already have colors, and keep pages or frames in color unchanged", FILES
    )
    provenance: Literal["embed", "none"] = option(
        "embed",
        "embed (default) records source, model and recipe in each result; none disables the record",
        FILES,
    )
    from_list: str | None = option(
        None, "text file with one image path per line", RUN, "--from", metavar="LIST"
    )
    failed: str | None = option(
        None,
        "write the paths of failed images to a .txt file that can be passed to --from",
        RUN,
        metavar="LIST",
        writes="file",
    )
    report: list[str] = option(
        [], "write a report (.html or .csv); may be repeated", RUN, metavar="FILE", writes="path"
    )
    sign: str | None = option(
        None, "sign each result (C2PA) with the certificate and private key in a PEM file", RUN, metavar="PEM"
    )
    jobs: Annotated[int, Range(1, 64)] = option(
        max(1, min(core_count() // 2, 8)),
        "number of threads that read and write files (default: half of the cores, at most 8)",
        RUN,
    )
    explain: bool = option(False, "print the processing stages of each image with their durations", RUN)
    dry_run: bool = option(False, "print the planned output files without writing them", RUN)
    json: bool = option(False, "print a report as JSON on standard output", RUN)


@dataclass(frozen=True, kw_only=True)
class VideoOptions(ModelSettings):
    """Options of ``colorzoo video``."""

    source: str = argument("video file or folder of frames", "IN")
    output: str = argument(
        "output file (.mp4, .mov, .mkv or .webm), or folder if IN is a folder", "OUT", "", "?", writes="path"
    )
    model: str | None = option(None, "name of a registered model (default: the default model)")
    reference: list[str] = option(
        [], "color image whose colors are transferred; may be repeated", metavar="IMG"
    )
    key: list[str] = option(
        [],
        "colorized image, or recipe, of frame N (the first frame is 0); may be repeated",
        metavar="N=FILE",
    )
    recipe: str | None = option(
        None, "film recipe: JSON file with key frames, references and corrected shots", metavar="FILE"
    )
    frames: str | None = option(None, "colorize only frames A to B - 1; A or B can be omitted", metavar="A:B")
    steady: Fraction = option(
        0.97, "weight of colors propagated from other frames, 0 to 1 (default: 0.97)", COLORS
    )
    border: str = option(
        "automatic",
        "area to colorize: automatic (default; excludes scan borders), none (whole image), or "
        "X,Y,WIDTH,HEIGHT",
        COLORS,
    )
    hints: dict[str, str] = option({}, "other kinds of guidance by name, such as text", COLORS)
    apply_matches: bool = option(
        False, "apply recipes of frames also to other shots in which their objects are found", COLORS
    )
    match_sheet: str | None = option(
        None,
        "write thumbnails of the other shots in which objects of recipes are found to an image",
        FILES,
        metavar="FILE",
    )
    recolor: bool = option(False, "colorize shots that are already in color, too", COLORS)
    weights: str = option("default", "model weights: default, published, or the path of a weight file", MODEL)
    overwrite: bool = option(
        False,
        "replace an existing result, and finished shots with other settings that took more than a minute",
        FILES,
    )
    codec: Literal["h264", "hevc", "vp9", "ffv1"] | None = option(
        None, "video codec (default: set by the extension of OUT); ffv1 is lossless", FILES
    )
    crf: Annotated[int, Range(0, 51)] | None = option(
        None, "constant rate factor, 0 (best quality) to 51", FILES
    )
    no_sound: bool = option(False, "omit the sound of IN", FILES)
    provenance: Literal["embed", "none"] = option(
        "embed",
        "embed (default) writes a provenance record to OUT.colorzoo.xmp; none disables the record",
        FILES,
    )
    dry_run: bool = option(False, "print the planned output without writing it", FILES)
    json: bool = option(False, "print a summary as JSON on standard output", FILES)
    shots: bool = option(False, "print the frame numbers of each shot, and write nothing", FILES)
    frame: Annotated[int, Range(0)] | None = option(
        None,
        "write only frame FRAME (the first frame is 0) to the image OUT, in the colors of the film",
        FILES,
    )
