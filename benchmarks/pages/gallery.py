"""Color pictures with some models and lay them out on one page, to look at.

``python -m benchmarks.pages.gallery PICTURES... -o gallery.html --models
zhang2016_small,zhang2017_local_small`` writes one HTML file that holds all pictures. Photos that may not be
passed on stay out of the repository, and so does the page.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
from pathlib import Path

from PIL import Image

from benchmarks._command import run_command
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.picture_io import find_pictures, read_picture, to_pil

SIDE = 300
STYLE = (
    "body{font:14px system-ui;margin:2em;background:#fafafa;color:#222}table{border-spacing:8px}"
    "img{display:block;max-width:300px}th{text-align:left;font-weight:600}td{vertical-align:top}"
)


def main() -> None:
    """Color and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", help="files, folders or globs")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--models", default="zhang2016_small", help="names, with commas between them")
    parser.add_argument("--most", type=int, default=40, help="how many pictures, evenly chosen")
    args = parser.parse_args()
    found = [each.path for each in find_pictures(args.pictures)]
    chosen = found[:: max(1, len(found) // args.most)][: args.most]
    models = args.models.split(",")
    colorizers = [Colorizer(name) for name in models]
    rows = [_row(path, colorizers) for path in chosen]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("before", *models))
    page = f"<!doctype html><meta charset=utf-8><title>Gallery</title><style>{STYLE}</style>"
    args.output.write_text(f"{page}<table><tr>{head}</tr>{''.join(rows)}</table>\n", encoding="utf-8")
    print(f"{args.output} ({len(chosen)} pictures)")


def _row(path: Path, colorizers: list[Colorizer]) -> str:
    picture = read_picture(path)
    gray = to_pil(picture.rgb, picture).convert("L")
    colored = [to_pil(colorizer.colorize(picture).rgb, picture) for colorizer in colorizers]
    return "<tr>" + "".join(f"<td>{_tag(each, path.name)}</td>" for each in (gray, *colored)) + "</tr>"


def _tag(image: Image.Image, name: str) -> str:
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=85)
    data = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/jpeg;base64,{data}">'


if __name__ == "__main__":
    run_command(main)
