"""``colorzoo video``: color a video file or a folder of frames."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path

from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.registry import model_card

NAME = "video"
HELP = "color a video, or a folder of frames, in colors that stay steady"
EXAMPLE = """
colorzoo video old.mp4 new.mp4
colorzoo video old.mkv new.mkv --key 0=first.png --key 240=later.png
colorzoo video old.mov new.mkv --reference sunset.jpg --codec hevc
colorzoo video frames/ colored/
colorzoo video old.mp4 frame.png --frame 240
colorzoo video old.mp4 new.mp4 --key 240=frame.recipe.json
"""

_KEY = re.compile(r"(\d+)=(.+)")
_CRF_MOST = 51


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("source", metavar="IN", help="a video file, or a folder of frames")
    parser.add_argument(
        "output", metavar="OUT", help="the file to write (.mp4 .m4v .mov .mkv .webm), or a folder"
    )
    parser.add_argument(
        "--model", help="registered name (default: the embedded one, or with a reference that for frames)"
    )
    parser.add_argument("--weights", default="default", help="default, published, or the path of a file")
    parser.add_argument("--reference", metavar="IMG", help="picture or look whose colors to use")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="FRAME=FILE",
        help="a frame that you colored, by its number from 0: a picture, or the pad's recipe (.json); the "
        "reference from there on; may be repeated",
    )
    parser.add_argument(
        "--frame",
        type=int,
        metavar="N",
        help="color nothing: write frame N, from 0, to the picture OUT, to be colored in the pad",
    )
    parser.add_argument(
        "--steady",
        type=float,
        default=0.9,
        metavar="S",
        help="how much colors are held within a shot: 0 each frame by itself, to 1 (default 0.9)",
    )
    parser.add_argument(
        "--strength", type=float, metavar="S", help="factor on the chroma, 0 to 1.5 (default 1)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="of models that answer a distribution: 1 safe and pale, towards 0 vivid and blotchy",
    )
    parser.add_argument(
        "--size", type=int, default=256, help="shorter side that the network sees (default 256)"
    )
    parser.add_argument(
        "--codec",
        choices=("h264", "hevc", "vp9", "ffv1"),
        help="default: h264, in .webm vp9; ffv1 has no loss",
    )
    parser.add_argument(
        "--crf", type=int, metavar="N", help="quality, 0 to 51, lower is better (default: no loss to be seen)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--overwrite", action="store_true", help="replace a result that is already there")
    parser.add_argument(
        "--provenance",
        choices=("embed", "none"),
        default="embed",
        help="write beside the result (OUT.xmp) how it was made (default), or nothing",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be written")
    parser.add_argument("--json", action="store_true", help="print a report as JSON on standard output")


def run(args: argparse.Namespace) -> int:
    """Color the video.

    Returns:
        0 if all went well or a frame was written, 1 if some frames were broken.

    Raises:
        ColorzooError: The video cannot be read or written, or an option does not fit.
    """
    _check_numbers(args)
    if args.frame is not None:
        from colorzoo.cli._video import take_frame

        take_frame(args)
        return 0
    keys = parse_keys(args.key)
    if args.model:
        model_card(args.model)  # a wrong name is said before anything heavy is loaded
    from colorzoo.cli._video import color_one

    report = color_one(args, keys)
    if args.json:
        print(json.dumps(asdict(report), indent=1))
    return 1 if report.broken else 0


def parse_keys(texts: list[str]) -> dict[int, Path]:
    """Return the files of the colored frames by number.

    Raises:
        GuidanceError: No number and file, or one number twice.
    """
    found: dict[int, Path] = {}
    for text in texts:
        match = _KEY.fullmatch(text)
        if match is None:
            raise GuidanceError(f"--key {text!r} is not FRAME=FILE, for example 0=first.png")
        if int(match[1]) in found:
            raise GuidanceError(f"--key names frame {match[1]} twice")
        found[int(match[1])] = Path(match[2])
    return found


def _check_numbers(args: argparse.Namespace) -> None:
    if args.frame is not None and args.frame < 0:
        raise ColorzooError(f"--frame counts from 0, got {args.frame}")
    ranges = (
        ("steady", 0, 1),
        ("strength", 0, 1.5),
        ("temperature", 0.01, 10),
        ("size", 16, 4096),
        ("crf", 0, _CRF_MOST),
    )
    for name, low, high in ranges:
        given = getattr(args, name)
        if given is not None and not low <= given <= high:
            raise ColorzooError(f"--{name} must be from {low:g} to {high:g}, got {given:g}")
