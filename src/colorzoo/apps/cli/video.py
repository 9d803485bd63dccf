"""``colorzoo video``: colorize a video file or a folder of frames."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from colorzoo.apps.cli._file_options import VideoOptions
from colorzoo.apps.cli._options import Command
from colorzoo.apps.cli.colorize import import_torch
from colorzoo.console import print_line, resumable
from colorzoo.errors import GuidanceError
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.registry import model_card

HELP = "colorize a video or a folder of frames with temporally stable colors"
EXAMPLE = """
colorzoo video old.mp4 new.mp4
colorzoo video old.mkv new.mkv --key 0=first.png --key 240=later.png
colorzoo video old.mov new.mkv --reference sunset.jpg --codec hevc
colorzoo video frames/ colored/
colorzoo video old.mp4 new.mp4 --text "red car, blue sky"
colorzoo video old.mp4 new.mp4 --recipe film.json
colorzoo video old.mp4 part.mp4 --frames 100:200
colorzoo video old.mp4 frame.png --frame 240
colorzoo video old.mp4 --shots
"""

_KEY = re.compile(r"(\d+)=(.+)")
_FRAMES = re.compile(r"(\d*):(\d*)")


def run(args: VideoOptions) -> int:
    """Colorize a video, or write one of its frames as an image (``--frame``).

    Returns:
        0 on success, 1 if frames are damaged or the end of the video is missing.

    Raises:
        ColorzooError: The video cannot be read or written, or an option is invalid.
    """
    if args.shots:
        return _print_shots(args)
    if not args.output:
        raise GuidanceError(
            f"OUT is required, such as new.mp4 in `colorzoo video {args.source} new.mp4`. "
            "See `colorzoo video --help`."
        )
    source, out = Path(args.source), Path(args.output)
    keys: dict[int, Path] = {}  # image file of each key frame, by frame number
    for text in args.key:
        match = _KEY.fullmatch(text)
        if match is None:
            raise GuidanceError(f"--key must be FRAME=FILE such as 0=first.png, got {text!r}")
        if int(match[1]) in keys:
            raise GuidanceError(f"--key contains frame {int(match[1])} twice. Remove one of the two.")
        keys[int(match[1])] = Path(match[2])
    match = _FRAMES.fullmatch(args.frames or ":")
    frames = range(int(match[1] or 0), int(match[2] or sys.maxsize)) if match else range(0)
    if not frames:
        raise GuidanceError(f"--frames must be A:B with A below B, such as 100:200, got {args.frames!r}")
    of_film = {
        "--frames": args.frames is not None,
        "--codec": args.codec is not None,
        "--crf": args.crf is not None,
        "--no-sound": args.no_sound,
        "--dry-run": args.dry_run,
        "--json": args.json,
        "--match-sheet": args.match_sheet is not None,
    }
    for name, is_set in of_film.items():
        if args.frame is not None and is_set:
            raise GuidanceError(f"{name} cannot be combined with --frame, which writes one image")
    if args.model:
        model_card(args.model)  # raises an error for an unknown name, before torch is imported
    import_torch()
    from colorzoo.apps.video.run import colorize_video, write_frame

    colors: dict[str, Any] = {
        "keys": keys,
        "references": [Path(path) for path in args.reference],
        "recipe": Path(args.recipe) if args.recipe else None,
        "model": args.model,
        "weights": args.weights,
        "device": args.device,
        "precision": args.precision,
        "size": args.size,
        "strength": args.strength,
        "temperature": args.temperature,
        "steady": args.steady,
        "border": args.border,
        "apply_matches": args.apply_matches,
        "recolor": args.recolor,
        "hints": {kind: guidance_kind(kind).parse(text, f"--{kind}") for kind, text in args.hints.items()},
        "overwrite": args.overwrite,
    }
    if args.frame is not None:
        recipe, notes = write_frame(source, out, args.frame, **colors)
        noted = f" ({'; '.join(notes)})" if notes else ""
        print(
            f"{out}: frame {args.frame}{noted}. To change its colors, run `colorzoo studio {out} --recipe "
            f"{recipe}` and pass the recipe that you save as --key {args.frame}=FILE."
        )
        return 0
    with resumable(not (args.overwrite or args.dry_run)):
        summary = {"source": args.source, "output": args.output} | colorize_video(
            source,
            out,
            **colors,
            frames=frames,
            match_sheet=Path(args.match_sheet) if args.match_sheet else None,
            codec=args.codec,
            crf=args.crf,
            sound=not args.no_sound,
            embed_provenance=args.provenance == "embed",
            dry_run=args.dry_run,
        )
    # print the summary
    line, film = args.output, summary["description"]
    if summary["status"] == "planned":
        line += f": {film['width']}x{film['height']}, {film['from']} to {film['to']}, {summary['model']}"
    elif summary["status"] == "colored":
        shots = len(summary["shots"])
        line += f": {summary['frames']} frames in {shots} shot{'s' * (shots != 1)} by {summary['model']}"
        line += f", {summary['resumed']} from an earlier run" if summary["resumed"] else ""
    line += f" ({'; '.join(summary['notes'])})" if summary["notes"] else ""
    print_line(line, sys.stderr if args.json else sys.stdout)
    if args.json:
        print(json.dumps(summary, indent=1))
    if summary.get("broken") or summary.get("incomplete"):
        print_line(f"colorzoo: error: {args.source} is damaged; only readable frames were used", sys.stderr)
        return 1
    return 0


def _print_shots(args: VideoOptions) -> int:
    """Print the frame numbers of each shot."""
    import_torch()
    from colorzoo.apps.video.run import list_shots

    shots = list_shots(Path(args.source), Path(args.recipe) if args.recipe else None)
    if args.json:
        rows = [
            {
                "first": shot.frames.start,
                "count": len(shot.frames),
                "dissolve": shot.mixed,
                "doubtful": shot.is_doubtful,
            }
            for shot in shots
        ]
        print(json.dumps(rows, indent=1))
        return 0
    for number, shot in enumerate(shots, 1):
        first, last = shot.frames.start, shot.frames.stop - 1
        notes = f" (dissolve until frame {first + shot.mixed - 1})" if shot.mixed else ""
        notes += " (doubtful; `join` continues the previous shot)" if shot.is_doubtful else ""
        print(f"shot {number}: frames {first} to {last}{notes}")
    return 0


COMMANDS = {"": Command(HELP, EXAMPLE, VideoOptions, run)}
