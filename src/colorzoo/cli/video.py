"""``colorzoo video``: color a video file or a folder of frames."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from colorzoo.batch.settings import COLORS, FILES, ModelSettings
from colorzoo.cli._options import SharedOptions, add_options, check_ranges
from colorzoo.cli.colorize import share_cores
from colorzoo.environment import reuse_memory
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.registry import model_card
from colorzoo.settings import Range, Share

NAME = "video"
HELP = "color a video or a folder of frames, with temporally stable colors"
EXAMPLE = """
colorzoo video old.mp4 new.mp4
colorzoo video old.mkv new.mkv --key 0=first.png --key 240=later.png
colorzoo video old.mov new.mkv --reference sunset.jpg --codec hevc
colorzoo video frames/ colored/
colorzoo video old.mp4 new.mp4 --report shots.html
colorzoo video old.mp4 frame.png --frame 240
colorzoo video old.mp4 new.mp4 --key 240=frame.recipe.json
"""

_KEY = re.compile(r"(\d+)=(.+)")


@dataclass(frozen=True)
class VideoOptions(SharedOptions, ModelSettings):
    """Options of a video run.

    Attributes:
        model: Registered name (default: the embedded model, or with a reference the one for video).
        reference: Picture or look whose colors to use.
        key: A frame colored by hand, by its number from 0: a picture, or a recipe of the pad (.json); it is
            the reference from there on; may be repeated.
        steady: Share of its color that a thing keeps within a shot where the model gives it another, 0 to 1
            (default 0.97); 0 colors each frame alone.
        border: Part of the frames to color, found once for each shot: automatic (default; black or white bars
            and film borders stay gray; not with --key), none (all of it), or X,Y,WIDTH,HEIGHT[,TILT].
        codec: Default: h264, for .webm vp9; ffv1 is lossless.
        crf: Quality, 0 to 51, lower is better (default: visually lossless).
        provenance: Record next to the result (OUT.xmp) how it was made (default), or not.
        dry_run: Only print what would be written.
        json: Print a summary as JSON on standard output.
        report: Write a report of the shots: a page (.html) or a table (.csv), the most doubtful first; may be
            repeated.
        frame: Write frame N, from 0, to the picture OUT, to be colored in the pad; nothing is colored.
    """

    model: str | None = None
    reference: str | None = field(default=None, metadata={"metavar": "IMG"})
    key: list[str] = field(default_factory=list, metadata={"metavar": "FRAME=FILE"})
    steady: Share = field(default=0.97, metadata=COLORS | {"metavar": "S"})
    border: str = field(default="automatic", metadata=COLORS)
    codec: Literal["h264", "hevc", "vp9", "ffv1"] | None = field(default=None, metadata=FILES)
    crf: Annotated[int, Range(0, 51)] | None = field(default=None, metadata=FILES | {"metavar": "N"})
    provenance: Literal["embed", "none"] = field(default="embed", metadata=FILES)
    dry_run: bool = field(default=False, metadata=FILES)
    json: bool = field(default=False, metadata=FILES)
    report: list[str] = field(default_factory=list, metadata=FILES | {"metavar": "FILE"})
    frame: int | None = field(default=None, metadata=FILES | {"metavar": "N"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("source", metavar="IN", help="a video file, or a folder of frames")
    parser.add_argument(
        "output", metavar="OUT", help="the file to write (.mp4 .m4v .mov .mkv .webm), or a folder"
    )
    add_options(parser, VideoOptions)


def run(args: argparse.Namespace) -> int:
    """Color the video.

    Returns:
        0 on success or if a frame was written, 1 if frames were broken or are missing at the end.

    Raises:
        ColorzooError: The video cannot be read or written, or an option does not fit.
    """
    if args.frame is not None and args.frame < 0:
        raise ColorzooError(f"--frame counts from 0, got {args.frame}")
    check_ranges(args, VideoOptions)
    if args.frame is not None:
        from colorzoo.cli._video import write_frame

        write_frame(args)
        return 0
    share_cores()
    reuse_memory()
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
