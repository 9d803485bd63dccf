"""``colorzoo stylize``: give a picture in color the colors of another one."""

from __future__ import annotations

import argparse
from pathlib import Path

from colorzoo.cli._options import (
    add_device_argument,
    add_model_group,
    check_alpha,
    choose_from_options,
    keep_inputs,
)
from colorzoo.errors import ColorzooError

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
    parser.add_argument(
        "--alpha", type=float, default=1.0, metavar="A", help="strength of the style, 0 to 1 (default 1)"
    )
    parser.add_argument(
        "--transform",
        choices=("adain", "wct"),
        help="adain matches means and deviations of features, wct covariances too, slower (default: the "
        "model's, adain of xu2020 and wct of li2018)",
    )
    parser.add_argument(
        "--labels",
        nargs=2,
        metavar=("CONTENT_PNG", "STYLE_PNG"),
        help="label maps of the same sizes as the pictures; colors go from each label to the same label",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing result")
    parser.add_argument(
        "--quality", type=int, default=95, help="of JPEG, WebP and AVIF, 1 to 100 (default 95)"
    )
    group = add_model_group(parser)
    group.add_argument(
        "--size", type=int, default=512, help="shorter side that the network sees (default 512)"
    )
    add_device_argument(group)


def run(args: argparse.Namespace) -> int:
    """Stylize one picture.

    Raises:
        ColorzooError: A picture, the labels or the model cannot be used.
    """
    check_alpha(args.alpha)
    if not 1 <= args.quality <= 100:
        raise ColorzooError(f"--quality must be from 1 to 100, got {args.quality}")
    from colorzoo.capabilities import Stylizes
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.inference.references import require_color
    from colorzoo.inference.stylize import read_labels, stylize
    from colorzoo.pictures.picture import is_gray
    from colorzoo.pictures.read import read_picture
    from colorzoo.pictures.write import write_notes, write_picture

    choice = choose_from_options(args, "exemplar", Stylizes)
    source = Path(args.content)
    out = Path(args.output or source.parent / f"{source.stem}.styled{source.suffix}")
    keep_inputs(out, source, args.style, *(args.labels or ()))
    content, style = read_picture(source), read_picture(Path(args.style))
    require_color(style, args.style)
    if is_gray(content):
        raise ColorzooError(
            f"{source} has no colors to change; "
            f"`colorzoo colorize {source} --reference {args.style}` colors it"
        )
    notes = write_notes(out, content)  # before the work, as it rejects formats that cannot be written
    colorizer = Colorizer(choice, device=args.device, size=args.size)
    labels = None
    if args.labels:
        first, second = map(Path, args.labels)
        labels = read_labels(first, content.size), read_labels(second, style.size)
    result = stylize(
        colorizer.model,
        content,
        style,
        transform=args.transform,
        alpha=args.alpha,
        labels=labels,
        size=args.size,
    )
    write_picture(out, result, content, quality=args.quality, overwrite=args.overwrite)
    shown = notes if choice.named else (choice.name, *notes)
    print(f"{out} ({'; '.join(shown)})" if shown else out)
    return 0
