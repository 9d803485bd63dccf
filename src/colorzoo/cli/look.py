"""``colorzoo look``: keep all that a model needs of a reference in a file of a few kilobytes."""

from __future__ import annotations

import argparse
from pathlib import Path

from colorzoo.cli._references import add_weights_argument
from colorzoo.errors import ColorzooError
from colorzoo.registry import default_model

NAME = "look"
HELP = "make a look file of one or several references, for --reference of colorize"
EXAMPLE = """
colorzoo look sunset.jpg -o sunset.look
colorzoo look sunset.jpg beach.jpg --reference-weights 2,1 -o warm.look
colorzoo colorize album/ --reference warm.look -o colored/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("references", nargs="+", metavar="IMG", help="pictures in color, or looks to mix")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the look file to write")
    add_weights_argument(parser)
    parser.add_argument("--model", help="registered name (default: the embedded exemplar model)")
    parser.add_argument("--weights", default="default", help="default, published, or the path of a file")
    parser.add_argument(
        "--size", type=int, help="shorter side at which references are seen (default: the model's)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is already there")


def run(args: argparse.Namespace) -> int:
    """Write the look.

    Raises:
        ColorzooError: A reference cannot be used, or the file is there already.
    """
    out = Path(args.output)
    if out.exists() and not args.overwrite:
        raise ColorzooError(f"{out} exists already; --overwrite replaces it, -o names another file")
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.inference.references import make_look, named_references

    references = named_references(args.references, args.reference_weights)
    name = args.model or default_model("exemplar")
    colorizer = Colorizer(name, weights=args.weights, size=args.size)
    look = make_look(colorizer.model, colorizer.name, references, colorizer.size)
    try:
        look.save(out)
    except OSError as error:
        raise ColorzooError(f"{out} cannot be written: {error.strerror or error}") from error
    print(f"{out} ({out.stat().st_size} bytes, for {colorizer.name})")
    return 0
