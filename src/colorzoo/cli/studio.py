"""``colorzoo studio``: the drawing pad in the browser."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.cli._references import add_fast_argument
from colorzoo.errors import ColorzooError
from colorzoo.registry import model_card

if TYPE_CHECKING:
    from colorzoo.studio.serve import Made

NAME = "studio"
HELP = "color a picture by hand, in the browser"
EXAMPLE = """
colorzoo studio old.jpg
colorzoo studio old.jpg --recipe hints.json
colorzoo studio --host 0.0.0.0 --port 9000 --no-browser
colorzoo studio --static page && python -m http.server --directory page
"""

_NEEDED = ("starlette", "uvicorn", "websockets", "segno")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PHOTO",
        help="opened at once; others by drop or button (several: of --static, by ?photo=NAME)",
    )
    parser.add_argument("--recipe", metavar="R.json", help="color points and settings to begin with")
    parser.add_argument(
        "--model", help="registered name to begin with (default: the best one on this machine)"
    )
    add_fast_argument(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--host", default="127.0.0.1", help="where to listen; beyond this machine the address holds a token"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name under which it may be opened, as that of a proxy before it; repeatable",
    )
    parser.add_argument("--port", type=int, help="port (default: the first free one from 8765)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--static", metavar="FOLDER", help="write the pad as plain files that color in the browser, and end"
    )
    parser.add_argument("--models", metavar="A,B", help="models of --static, the first is the default one")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl+C, or write the page.

    Raises:
        ColorzooError: The extra is missing, or folder, photo, recipe, model or address cannot be used.
    """
    if args.static is not None:
        from colorzoo.cli._static_page import write_static

        return write_static(args)
    if args.models is not None:
        raise ColorzooError("--models belongs to --static; --model names the one to begin with")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ColorzooError(
            f'the studio needs {", ".join(missing)}: python -m pip install "colorzoo[studio]"'
        )
    if args.model:
        model_card(args.model)
    if args.port is not None and not 0 <= args.port <= 65535:
        raise ColorzooError(f"--port must be from 0 to 65535, got {args.port}")
    if len(args.pictures) > 1:
        raise ColorzooError("several photos belong to --static; name one, and drop the others onto the pad")
    if args.pictures and not Path(args.pictures[0]).exists():
        raise ColorzooError(f"{args.pictures[0]}: no such file")
    # nothing here may import torch before the address is printed
    from colorzoo.studio.listen import Address
    from colorzoo.studio.serve import serve

    names = tuple(name.lower() for name in args.allow_host)
    serve(lambda: _make(args), Address(args.host, args.port, names), browser=not args.no_browser)
    return 0


def _make(args: argparse.Namespace) -> Made:
    from colorzoo.cli._studio import make_studio

    return make_studio(args)
