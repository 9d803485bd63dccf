"""``colorzoo segment``: show the classes that a model finds in a photo."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from colorzoo.cli._options import Command, ModelOptions, check_output
from colorzoo.errors import ColorzooError
from colorzoo.settings import MODEL, argument, option

HELP = "show the classes of a photo with a legend, for --class and --classes of colorize"
EXAMPLE = """
colorzoo segment old.jpg
colorzoo segment old.jpg --labels old.labels.png
colorzoo colorize old.jpg --model chen2023_small --reference new.jpg --class 3=7
"""


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(ModelOptions):
    """Options of ``colorzoo segment``."""

    photo: Path = argument("image whose classes to find", "IMAGE")
    output: Path | None = option(
        None, "image to write (default: IMAGE.classes.png)", "", "-o", "--output", metavar="OUT"
    )
    labels: Path | None = option(None, "also write the class numbers as a gray PNG", metavar="OUT")
    overwrite: bool = option(False, "replace existing files")
    size: int | None = option(None, "shorter side of the network input (default: the model's)", MODEL)
    device: str = option("auto", "auto, cpu, cuda or mps (default: auto)", MODEL)


def run(args: SegmentOptions) -> int:
    """Write the picture of the classes, and print their shares.

    Raises:
        ColorzooError: The photo cannot be read, a result cannot be written, or the model finds no classes.
    """
    photo = args.photo
    out = args.output or photo.parent / f"{photo.stem}.classes.png"
    targets = [out, *([args.labels] if args.labels else [])]
    for target in targets:
        if target.suffix.lower() != ".png":
            raise ColorzooError(f"{target} must end in .png: other formats would change the numbers")
        check_output(target, photo, overwrite=args.overwrite)
    from PIL import Image

    from colorzoo.capabilities import FindsClasses
    from colorzoo.inference.classes import draw_classes, segment_picture
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.pictures.read import read_picture
    from colorzoo.pictures.write import write_whole

    choice = args.choose("classes", FindsClasses)
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


COMMANDS = {"": Command(HELP, EXAMPLE, SegmentOptions, run)}
