"""Draw the images of a corrected film for the page about video: ``python -m docs.images.film FOLDER``.

FOLDER contains the scans of the gallery. The film is a pan over a photograph. Its first frame, colorized with
a recipe of the gallery, is the key frame, and three points of the recipe are the points.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks._common import single_thread
from docs.images.draw import SOURCES, save_rows
from PIL import Image

import colorzoo
from colorzoo.apps.video.run import colorize_video

SCAN = "LC-USF33-006507"
FRAMES, SHOWN = 33, (0, 16, 32)
WIDTH, HEIGHT = 400, 290  # of a frame in pixels
LEFT, TOP, STEP = 176, 62, 5  # corner of the first frame in the scan, and motion to the left in each frame
POINTS = ((447, 150), (209, 105), (314, 266))  # both cars and the bench


def main() -> None:
    """Colorize the film automatically, with a key frame and with points, and write the sheet of frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="historic/ of the data")
    path = parser.parse_args().folder / f"{SCAN}.jpg"
    single_thread()
    recipe = json.loads((SOURCES / "historic" / f"{SCAN}.recipe.json").read_text(encoding="utf-8"))
    boxes = [
        (LEFT - STEP * number, TOP, LEFT - STEP * number + WIDTH, TOP + HEIGHT) for number in range(FRAMES)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "gray"
        source.mkdir()
        scan = Image.open(path).convert("L")
        for number, box in enumerate(boxes):
            scan.crop(box).save(source / f"{number:02}.png")
        key, points = folder / "key.png", folder / "points.json"
        colorzoo.colorize(path, guidance=recipe).convert("RGB").crop(boxes[0]).save(key)
        chosen = [
            each | {"x": each["x"] - LEFT, "y": each["y"] - TOP}
            for each in recipe["points"]
            if (each["x"], each["y"]) in POINTS
        ]
        points.write_text(json.dumps({"version": 2, "points": chosen}), encoding="utf-8")
        colored = {"automatic": {}, "key": {0: key}, "points": {0: points}}
        for result, keys in colored.items():
            colorize_video(source, folder / result, keys=keys, border="none", device="cpu")
        rows = [
            [Image.open(folder / result / f"{number:02}.png").convert("RGB") for number in SHOWN]
            for result in ("gray", *colored)
        ]
    save_rows(rows, 1200, "film_corrections")


if __name__ == "__main__":
    main()
