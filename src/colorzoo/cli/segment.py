"""``colorzoo segment``: show the classes that a model finds in a photo."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from colorzoo.cli._options import add_device_argument, add_model_group, choose_from_options, keep_inputs
from colorzoo.errors import ColorzooError

NAME = "segment"
HELP = "show the classes of a photo with a legend, for --class and --classes of colorize"
EXAMPLE = """
colorzoo segment old.jpg
colorzoo segment old.jpg --labels old.labels.png
colorzoo colorize old.jpg --model chen2023_small --reference new.jpg --class 3=7
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("photo", metavar="PHOTO")
    parser.add_argument("-o", "--output", metavar="OUT", help="picture to write (default: PHOTO.classes.png)")
    parser.add_argument("--labels", metavar="OUT", help="also write the class numbers as a gray PNG")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    group = add_model_group(parser, "the best one for class maps")
    group.add_argument("--size", type=int, help="shorter side that the network sees (default: the model's)")
    add_device_argument(group)


def run(args: argparse.Namespace) -> int:
    """Write the picture of the classes, and print their shares.

    Raises:
        ColorzooError: The photo cannot be read, a result cannot be written, or the model finds no classes.
    """
    photo = Path(args.photo)
    out = Path(args.output) if args.output else photo.parent / f"{photo.stem}.classes.png"
    targets = [out, *([Path(args.labels)] if args.labels else [])]
    for target in targets:
        if target.suffix.lower() != ".png":
            raise ColorzooError(f"{target} must end in .png: other formats would change the numbers")
        keep_inputs(target, photo)
        if target.exists() and not args.overwrite:
            raise ColorzooError(f"{target} exists already; --overwrite replaces it, -o names another file")
    from PIL import Image

    from colorzoo.capabilities import FindsClasses
    from colorzoo.inference.classes import draw_classes, segment_picture
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.pictures.read import read_picture
    from colorzoo.pictures.write import write_whole

    choice = choose_from_options(args, "classes", FindsClasses)
    picture = read_picture(photo)
    colorizer = Colorizer(choice, device=args.device, size=args.size)
    if not isinstance(colorizer.model, FindsClasses):
        raise ColorzooError(
            f"{choice.name} finds no classes; use a model that accepts the guidance 'classes', see "
            "`colorzoo models --guidance classes`"
        )
    found = segment_picture(colorizer.model, picture, colorizer.size)
    images = [draw_classes(picture, found), Image.fromarray(found.labels.astype("uint8"))]
    for target, image in zip(targets, images, strict=False):
        stream = io.BytesIO()
        image.save(stream, "PNG")
        write_whole(target, stream.getvalue())
    for number, share in found.shares.items():
        print(f"class {number:2d}  {share:6.1%}")
    print(out)
    return 0
