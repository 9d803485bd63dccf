"""``colorzoo studio``: the drawing pad in the browser."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.cli._options import add_device_argument, add_fast_argument
from colorzoo.errors import ColorzooError, PictureError
from colorzoo.registry import model_card

if TYPE_CHECKING:
    from colorzoo.batch.report import ServedReport
    from colorzoo.studio.studio import Studio

NAME = "studio"
HELP = "color a picture by hand, in the browser"
EXAMPLE = """
colorzoo studio old.jpg
colorzoo studio old.jpg --recipe hints.json
colorzoo studio report.html
colorzoo studio --host 0.0.0.0 --port 9000 --no-browser
colorzoo studio --static page && python -m http.server --directory page
"""

_PAGE_MODEL = "colorzoo2026"
_REQUIRED = ("starlette", "uvicorn", "websockets", "segno")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PHOTO",
        help="photo to open, or page of `colorzoo colorize --report`, which then links to the pad; more can "
        "be dropped onto the page (with --static: several, by ?photo=NAME)",
    )
    parser.add_argument("--recipe", metavar="R.json", help="initial color points and settings")
    parser.add_argument(
        "--model", help="registered name of the model (default: the best one on this machine)"
    )
    parser.add_argument(
        "--weights",
        default="default",
        help="weights of this model: default, another tag of `colorzoo weights list`, or the path of a file",
    )
    parser.add_argument("--port", type=int, help="port (default: the first free one from 8765)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    add_device_argument(parser)
    add_fast_argument(parser)

    network = parser.add_argument_group("access from other machines")
    network.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on, such as 0.0.0.0 for all; other machines need the token that is printed",
    )
    network.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name of this server, such as that of a proxy; may be repeated",
    )

    static = parser.add_argument_group("page without a server")
    static.add_argument(
        "--static",
        metavar="FOLDER",
        help="write a page of plain files that colors with points in the browser, and exit",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl+C, or write the page.

    Raises:
        ColorzooError: The extra is missing, or folder, photo, recipe, model or address cannot be used.
    """
    if args.static is not None:
        return _write_static(args)
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        raise ColorzooError(
            f'the studio needs {", ".join(missing)}: python -m pip install "colorzoo[studio]"'
        )
    if args.model:
        model_card(args.model)  # raises on an unknown name
    if args.port is not None and not 0 <= args.port <= 65535:
        raise ColorzooError(f"--port must be from 0 to 65535, got {args.port}")
    if len(args.pictures) > 1:
        raise ColorzooError("several photos belong to --static; name one, and drop the others onto the pad")
    if args.pictures and not Path(args.pictures[0]).exists():
        raise ColorzooError(f"{args.pictures[0]}: no such file")
    # nothing up to here imports torch: the address is printed first
    from colorzoo.studio.server import Address, serve

    names = tuple(name.lower() for name in args.allow_host)
    photo = Path(args.pictures[0]) if args.pictures else None
    report = None
    if photo is not None and photo.suffix.lower() == ".html":
        report, photo, args.pictures = _read_report(args, photo), None, []
    address = Address(args.host, args.port, names)
    serve(lambda: _make_studio(args), address, browser=not args.no_browser, photo=photo, report=report)
    return 0


def _read_report(args: argparse.Namespace, path: Path) -> ServedReport:
    from colorzoo.batch.report import serve_report
    from colorzoo.studio.access import is_loopback

    if args.recipe:
        raise ColorzooError("--recipe belongs to a photo; load it in the pad")
    if not is_loopback(args.host):
        raise ColorzooError("a report and its photos are for this machine alone; leave out --host")
    return serve_report(path)


def _make_studio(args: argparse.Namespace) -> tuple[Studio, dict[str, Any] | None]:
    """Return the studio with the photo of the command line, and the initial recipe."""
    from colorzoo.engines.device import choose_device
    from colorzoo.guidance import Recipe
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.pictures.read import examine_picture
    from colorzoo.studio.access import is_loopback
    from colorzoo.studio.photo import without_options
    from colorzoo.studio.studio import Studio
    from colorzoo.studio.works import Works, works_folder
    from colorzoo.weights.choice import choose_model

    choose_device(args.device)  # raises on an unknown device
    recipe = Recipe.from_json(Path(args.recipe)).to_dict() if args.recipe else None
    name = args.model or (recipe or {}).get("model")
    choice = choose_model(name, "points", args.weights, fast=args.fast)
    own = None if args.weights == "default" else Colorizer(choice, device=args.device)
    works = Works(works_folder()) if is_loopback(args.host) else None  # else several users share the pad
    studio = Studio(own, model=choice.name, device=args.device, works=works, tune=True)
    for path in map(Path, args.pictures):
        try:
            examine_picture(path, max_pixels=studio.limits.pixels)  # raises here, not in the page
        except PictureError as error:
            raise without_options(error) from error
        studio.offer(path.read_bytes(), path.name)
    return studio, recipe


def _write_static(args: argparse.Namespace) -> int:
    from colorzoo.engines.export import require_onnx
    from colorzoo.studio.static_page import write_page

    if args.recipe or args.weights != "default":
        raise ColorzooError("--static takes neither --recipe nor --weights")
    require_onnx()
    folder = Path(args.static)
    photos = [Path(picture) for picture in args.pictures]
    size = write_page(folder, model_card(args.model or _PAGE_MODEL), photos)
    print(f"{folder}: {size / 1e6:.1f} MB")
    print(f"try it: python -m http.server --directory {folder}")
    return 0
