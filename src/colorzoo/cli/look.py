"""``colorzoo look``: store what a model needs of a reference in a small file."""

from __future__ import annotations

import argparse
from pathlib import Path

from colorzoo.cli._options import (
    add_model_group,
    add_reference_weights_argument,
    choose_from_options,
    keep_inputs,
)
from colorzoo.errors import ColorzooError

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
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_reference_weights_argument(parser)
    group = add_model_group(parser)
    group.add_argument(
        "--size", type=int, help="shorter side at which the network sees references (default: the model's)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the look.

    Raises:
        ColorzooError: A reference cannot be used, or the file exists already.
    """
    out = Path(args.output)
    keep_inputs(out, *args.references)
    if out.exists() and not args.overwrite:
        raise ColorzooError(f"{out} exists already; --overwrite replaces it, -o names another file")
    from colorzoo.capabilities import GivesLooks
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.inference.references import make_look, named_references

    choice = choose_from_options(args, "exemplar", GivesLooks)
    references = named_references(args.references, args.reference_weights)
    colorizer = Colorizer(choice, size=args.size)
    look = make_look(colorizer.model, colorizer.name, references, colorizer.size)
    try:
        look.save(out)
    except OSError as error:
        raise ColorzooError(f"{out} cannot be written: {error.strerror or error}") from error
    print(f"{out} ({out.stat().st_size} bytes, for {colorizer.name})")
    return 0
