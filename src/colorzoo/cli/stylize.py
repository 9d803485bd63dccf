"""``colorzoo stylize``: give a picture in color the colors of another one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.cli._references import add_fast_argument, check_alpha
from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from torch import Tensor

NAME = "stylize"
HELP = "give a picture in color the colors of another one, like a photograph"
EXAMPLE = """
colorzoo stylize street.jpg sunset.jpg
colorzoo stylize street.jpg sunset.jpg --transform wct --alpha 0.7 -o evening.jpg
colorzoo stylize street.jpg sunset.jpg --labels street_labels.png sunset_labels.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("content", metavar="CONTENT", help="the picture to change")
    parser.add_argument("style", metavar="STYLE", help="the picture whose colors to use")
    parser.add_argument("-o", "--output", metavar="OUT", help="file to write (default: CONTENT.styled.EXT)")
    parser.add_argument("--model", help="registered name (default: the best one on this machine)")
    add_fast_argument(parser)
    parser.add_argument("--weights", default="default", help="default, published, or the path of a file")
    parser.add_argument(
        "--transform",
        choices=("adain", "wct"),
        default="adain",
        help="adain matches means and deviations of features, wct covariances too, slower (default adain)",
    )
    parser.add_argument(
        "--alpha", type=float, default=1.0, metavar="A", help="how far to go, 0 to 1 (default 1)"
    )
    parser.add_argument(
        "--labels",
        nargs=2,
        metavar=("CONTENT_PNG", "STYLE_PNG"),
        help="label maps of the same sizes as the pictures; colors go from each label to the same label",
    )
    parser.add_argument(
        "--size", type=int, default=512, help="shorter side that the network sees (default 512)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--quality", type=int, default=95, help="of JPEG, WebP and AVIF, 1 to 100 (default 95)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a result that is already there")


def run(args: argparse.Namespace) -> int:
    """Stylize one picture.

    Raises:
        ColorzooError: A picture, the labels or the model cannot be used.
    """
    check_alpha(args.alpha)
    if not 1 <= args.quality <= 100:
        raise ColorzooError(f"--quality must be from 1 to 100, got {args.quality}")
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.inference.defaults import choose_default
    from colorzoo.inference.picture_io import is_gray, read_picture, write_notes, write_picture
    from colorzoo.inference.references import require_color
    from colorzoo.inference.stylize import Stylization, Stylizes, stylize

    source = Path(args.content)
    out = Path(args.output or source.with_name(f"{source.stem}.styled{source.suffix}"))
    content, style = read_picture(source), read_picture(Path(args.style))
    require_color(style, args.style)
    if is_gray(content):
        raise ColorzooError(
            f"{source} has no colors to change; "
            f"`colorzoo colorize {source} --reference {args.style}` gives it some"
        )
    notes = write_notes(out, content)  # before the work, as it refuses formats that cannot be written
    name = args.model or choose_default("exemplar", fast=args.fast, able=Stylizes)
    colorizer = Colorizer(name, weights=args.weights, device=args.device, size=args.size)
    how = Stylization(args.transform, args.alpha, _labels(args, content.size, style.size), args.size)
    result = stylize(colorizer.model, content, style, how)
    write_picture(out, result, content, quality=args.quality, overwrite=args.overwrite)
    said = notes if args.model else (name, *notes)
    print(f"{out} ({'; '.join(said)})" if said else out)
    return 0


def _labels(
    args: argparse.Namespace, content: tuple[int, int], style: tuple[int, int]
) -> tuple[Tensor, Tensor] | None:
    if args.labels is None:
        return None
    from colorzoo.inference.stylize import read_labels

    return read_labels(Path(args.labels[0]), content), read_labels(Path(args.labels[1]), style)
