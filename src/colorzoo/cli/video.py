"""``colorzoo video``: color a video file or a folder of frames."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

from colorzoo.batch.settings import VideoOptions
from colorzoo.cli._options import Command
from colorzoo.cli.colorize import share_cores
from colorzoo.environment import reuse_memory
from colorzoo.errors import GuidanceError
from colorzoo.registry import model_card

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


def run(args: VideoOptions) -> int:
    """Color the video.

    Returns:
        0 on success or if a frame was written, 1 if frames were broken or are missing at the end.

    Raises:
        ColorzooError: The video cannot be read or written, or an option does not fit.
    """
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


COMMANDS = {"": Command(HELP, EXAMPLE, VideoOptions, run)}
