"""``colorzoo segment``: show the classes that a model finds in a photo."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.errors import ColorzooError
from colorzoo.registry import default_model

if TYPE_CHECKING:
    from PIL import Image

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
    parser.add_argument("--labels", metavar="OUT", help="also write the numbers themselves as a gray PNG")
    parser.add_argument("--model", help="registered name (default: the one for class maps)")
    parser.add_argument("--weights", default="default", help="default, published, or the path of a file")
    parser.add_argument("--size", type=int, help="shorter side that the network sees (default: the model's)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--overwrite", action="store_true", help="replace what is already there")


def run(args: argparse.Namespace) -> int:
    """Write the picture of the classes, and print their shares."""
    from PIL import Image

    from colorzoo.inference.classes import FindsClasses
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.inference.picture_io import read_picture
    from colorzoo.inference.segmenting import draw_classes, segment_picture
    from colorzoo.inference.write import write_whole

    photo = Path(args.photo)
    out = Path(args.output) if args.output else photo.with_name(f"{photo.stem}.classes.png")
    targets = [out, *([Path(args.labels)] if args.labels else [])]
    for target in targets:
        _check_target(target, overwrite=args.overwrite)
    picture = read_picture(photo)
    name = args.model or default_model("classes")
    colorizer = Colorizer(name, weights=args.weights, device=args.device, size=args.size)
    if not isinstance(colorizer.model, FindsClasses):
        raise ColorzooError(f"{name} finds no classes; models that do take the guidance 'classes'.")
    found = segment_picture(colorizer.model, picture, colorizer.size)
    images = [draw_classes(picture, found)]
    if args.labels:
        images.append(Image.fromarray(found.labels.astype("uint8")))
    for target, image in zip(targets, images, strict=True):
        write_whole(target, _as_png(image))
    for number, share in found.shares.items():
        print(f"class {number:2d}  {share:6.1%}")
    print(out)
    return 0


def _check_target(path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".png":
        raise ColorzooError(f"{path} must end in .png: other formats would change the numbers")
    if path.exists() and not overwrite:
        raise ColorzooError(f"{path} exists already; --overwrite replaces it, -o names another file")


def _as_png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
