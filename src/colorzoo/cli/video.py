"""``colorzoo video``: color a video file or a folder of frames."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path

from colorzoo.cli._options import add_device_argument
from colorzoo.cli.colorize import share_cores
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.registry import model_card

NAME = "video"
HELP = "color a video or a folder of frames, with temporally stable colors"
EXAMPLE = """
colorzoo video old.mp4 new.mp4
colorzoo video old.mkv new.mkv --key 0=first.png --key 240=later.png
colorzoo video old.mov new.mkv --reference sunset.jpg --codec hevc
colorzoo video frames/ colored/
colorzoo video old.mp4 frame.png --frame 240
colorzoo video old.mp4 new.mp4 --key 240=frame.recipe.json
"""

_KEY = re.compile(r"(\d+)=(.+)")
_RANGES = {
    "steady": (0, 1),
    "strength": (0, 1.5),
    "temperature": (0.01, 10),
    "size": (16, 4096),
    "crf": (0, 51),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("source", metavar="IN", help="a video file, or a folder of frames")
    parser.add_argument(
        "output", metavar="OUT", help="the file to write (.mp4 .m4v .mov .mkv .webm), or a folder"
    )
    parser.add_argument(
        "--model", help="registered name (default: the embedded model, or with a reference the one for video)"
    )
    parser.add_argument("--reference", metavar="IMG", help="picture or look whose colors to use")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="FRAME=FILE",
        help="a frame colored by hand, by its number from 0: a picture, or a recipe of the pad (.json); it "
        "is the reference from there on; may be repeated",
    )
    parser.add_argument(
        "--strength", type=float, metavar="S", help="factor on the chroma, 0 to 1.5 (default 1)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing result")

    coloring = parser.add_argument_group("coloring")
    coloring.add_argument(
        "--steady",
        type=float,
        default=0.97,
        metavar="S",
        help="stability of the colors within a shot, from 0 (frames are independent) to 1 (default 0.97)",
    )
    coloring.add_argument(
        "--border",
        metavar="BORDER",
        default="automatic",
        help="part of the frames to color, found once for each shot: automatic (default; black or white "
        "bars and film borders stay gray; not with --key), none (all of it), or X,Y,WIDTH,HEIGHT",
    )
    coloring.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="for models that predict a distribution: 1 is safe and pale, values near 0 vivid and blotchy",
    )
    coloring.add_argument(
        "--size", type=int, help="shorter side that the network sees (default: the model's)"
    )
    coloring.add_argument("--weights", default="default", help="default, published, or the path of a file")
    add_device_argument(coloring)
    coloring.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")

    output = parser.add_argument_group("output")
    output.add_argument(
        "--codec",
        choices=("h264", "hevc", "vp9", "ffv1"),
        help="default: h264, for .webm vp9; ffv1 is lossless",
    )
    output.add_argument(
        "--crf", type=int, metavar="N", help="quality, 0 to 51, lower is better (default: visually lossless)"
    )
    output.add_argument(
        "--provenance",
        choices=("embed", "none"),
        default="embed",
        help="record next to the result (OUT.xmp) how it was made (default), or not",
    )
    output.add_argument("--dry-run", action="store_true", help="only print what would be written")
    output.add_argument("--json", action="store_true", help="print a summary as JSON on standard output")
    output.add_argument(
        "--frame",
        type=int,
        metavar="N",
        help="write frame N, from 0, to the picture OUT, to be colored in the pad; nothing is colored",
    )


def run(args: argparse.Namespace) -> int:
    """Color the video.

    Returns:
        0 on success or if a frame was written, 1 if frames were broken or are missing at the end.

    Raises:
        ColorzooError: The video cannot be read or written, or an option does not fit.
    """
    if args.frame is not None and args.frame < 0:
        raise ColorzooError(f"--frame counts from 0, got {args.frame}")
    for name, (low, high) in _RANGES.items():
        given = getattr(args, name)
        if given is not None and not low <= given <= high:
            raise ColorzooError(f"--{name} must be from {low:g} to {high:g}, got {given:g}")
    if args.frame is not None:
        from colorzoo.cli._video import write_frame

        write_frame(args)
        return 0
    share_cores()
    keys = _parse_keys(args.key)
    if args.model:
        model_card(args.model)  # raises on an unknown name, before anything heavy is imported
    from colorzoo.cli._video import color

    summary = color(args, keys)
    if args.json:
        print(json.dumps(asdict(summary), indent=1))
    return 1 if summary.broken or summary.incomplete else 0


def _parse_keys(texts: list[str]) -> dict[int, Path]:
    """Return the files of the key frames by number."""
    found: dict[int, Path] = {}
    for text in texts:
        match = _KEY.fullmatch(text)
        if match is None:
            raise GuidanceError(f"--key {text!r} is not FRAME=FILE, for example 0=first.png")
        if int(match[1]) in found:
            raise GuidanceError(f"--key names frame {match[1]} twice")
        found[int(match[1])] = Path(match[2])
    return found
