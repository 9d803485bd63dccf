"""``colorzoo video``: colorize a video file or a folder of frames."""

from __future__ import annotations

import re
from pathlib import Path

from colorzoo.apps.cli._file_options import VideoOptions
from colorzoo.apps.cli._options import Command
from colorzoo.apps.cli.colorize import import_torch
from colorzoo.errors import GuidanceError
from colorzoo.registry import model_card

HELP = "colorize a video or a folder of frames with temporally stable colors"
EXAMPLE = """
colorzoo video old.mp4 new.mp4
colorzoo video old.mkv new.mkv --key 0=first.png --key 240=later.png
colorzoo video old.mov new.mkv --reference sunset.jpg --codec hevc
colorzoo video frames/ colored/
colorzoo video old.mp4 frame.png --frame 240
"""

_KEY = re.compile(r"(\d+)=(.+)")


def run(args: VideoOptions) -> int:
    """Colorize a video, or write one of its frames as an image (``--frame``).

    Returns:
        0 on success, 1 if frames are damaged or the end of the video is missing.

    Raises:
        ColorzooError: The video cannot be read or written, or an option is invalid.
    """
    keys: dict[int, Path] = {}  # image file of each key frame, by frame number
    for text in args.key:
        match = _KEY.fullmatch(text)
        if match is None:
            raise GuidanceError(f"--key must be FRAME=FILE such as 0=first.png, got {text!r}")
        keys[int(match[1])] = Path(match[2])
    if args.model:
        model_card(args.model)  # raises an error for an unknown name, before torch is imported
    import_torch()
    from colorzoo.apps.cli import _video

    if args.frame is not None:
        _video.write_frame(args)
        return 0
    return _video.colorize(args, keys)


COMMANDS = {"": Command(HELP, EXAMPLE, VideoOptions, run)}
