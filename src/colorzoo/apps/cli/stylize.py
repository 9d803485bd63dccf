"""``colorzoo stylize``: transfer the colors of one image to another color image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from colorzoo.apps.cli._file_options import ModelOptions
from colorzoo.apps.cli._options import Command
from colorzoo.errors import ColorzooError
from colorzoo.options import MODEL, argument, option
from colorzoo.settings import Fraction, Range

HELP = "transfer the colors of a style image to a color photograph"
EXAMPLE = """
colorzoo stylize street.jpg sunset.jpg
colorzoo stylize street.jpg sunset.jpg --transform wct --alpha 0.7 -o evening.jpg
colorzoo stylize street.jpg sunset.jpg --labels street_labels.png sunset_labels.png
"""


@dataclass(frozen=True, kw_only=True)
class StylizeOptions(ModelOptions):
    """Options of ``colorzoo stylize``."""

    content: Path = argument("color image to change", "CONTENT")
    style: Path = argument("image whose colors are transferred", "STYLE")
    output: Path | None = option(
        None,
        "file to write (default: CONTENT.styled.EXT)",
        "",
        "-o",
        "--output",
        metavar="OUT",
        writes="file",
    )
    alpha: Fraction = option(1.0, "strength of the style, 0 to 1 (default: 1)", metavar="A")
    transform: Literal["adain", "wct"] | None = option(
        None,
        "adain matches mean and standard deviation of the features; wct matches mean and covariance "
        "(default: set by the model)",
    )
    labels: list[Path] | None = option(
        None,
        "label maps of the same size as CONTENT and STYLE; colors are transferred between equal labels",
        metavar=("CONTENT_PNG", "STYLE_PNG"),
        nargs=2,
    )
    overwrite: bool = option(False, "replace an existing file")
    quality: Annotated[int, Range(1, 100)] = option(
        95, "quality of JPEG, WebP and AVIF, 1 to 100 (default: 95)", metavar="N"
    )
    size: int = option(512, "shorter side of the network input in pixels (default: 512)", MODEL)
    device: str = option("auto", "auto, cpu, cuda or mps (default: auto)", MODEL)


def _writes(args: StylizeOptions) -> list[Path]:
    """Return the output file."""
    return [args.output or args.content.parent / f"{args.content.stem}.styled{args.content.suffix}"]


def run(args: StylizeOptions) -> int:
    """Transfer the colors of the style image to the content image and write the result.

    Raises:
        ColorzooError: An image, a label map or the model cannot be used.
    """
    from colorzoo.guidance import Recipe
    from colorzoo.image_io import is_gray, read_image, write_image, write_notes
    from colorzoo.inference import Colorizer, read_labels, requested_model, require_color, stylize
    from colorzoo.registry import DEFAULT_MODELS

    requested = requested_model(args.model, Recipe(), args.weights)
    name = requested or DEFAULT_MODELS["stylize"]
    (out,) = _writes(args)
    content, style = read_image(args.content), read_image(args.style)
    require_color(style, str(args.style))
    if is_gray(content):
        raise ColorzooError(
            f"{args.content} must be a color image; to colorize a gray image, run `colorzoo colorize "
            f"{args.content} --reference {args.style}`"
        )
    # called before the model is loaded, because unsupported formats raise an error here
    notes = (*content.notes, *write_notes(out, content))
    colorizer = Colorizer(name, weights=args.weights, device=args.device, size=args.size)
    labels = None
    if args.labels:
        content_path, style_path = args.labels
        labels = read_labels(content_path, content.size), read_labels(style_path, style.size)
    result = stylize(
        colorizer.model,
        content,
        style,
        transform=args.transform,
        alpha=args.alpha,
        labels=labels,
        size=args.size,
    )
    write_image(out, result, content, quality=args.quality, overwrite=args.overwrite)
    if requested is None:
        notes = (name, *notes)
    print(f"{out} ({'; '.join(notes)})" if notes else out)
    return 0


COMMANDS = {"": Command(HELP, EXAMPLE, StylizeOptions, run, writes=_writes)}
