"""``colorzoo studio``: colorize an image with hints in a drawing pad in the browser."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from colorzoo.apps.cli._options import Command
from colorzoo.errors import ColorzooError, ImageError
from colorzoo.options import argument, option
from colorzoo.registry import model_card
from colorzoo.settings import Range

if TYPE_CHECKING:
    from colorzoo.apps.studio.studio import Studio

HELP = "colorize an image manually in the browser"
EXAMPLE = """
colorzoo studio old.jpg
colorzoo studio old.jpg --recipe hints.json
colorzoo studio old.mp4
colorzoo studio report.html
colorzoo studio --host 0.0.0.0 --port 9000 --no-browser
colorzoo studio --static page && python -m http.server --directory page
"""

_PAGE_MODEL = "colorzoo2026"
_NETWORK, _STATIC = "access from other machines", "page without a server"
_REQUIRED = ("starlette", "uvicorn", "websockets", "segno")


@dataclass(frozen=True, kw_only=True)
class StudioOptions:
    """Options of ``colorzoo studio``."""

    images: list[Path] = argument(
        "image to open, film to edit (video file or folder of frames), or HTML report written by "
        "`colorzoo colorize --report`; with --static, images that the page includes",
        "IMAGE",
        default=[],
        nargs="*",
    )
    recipe: Path | None = option(
        None,
        "JSON file with initial color points and settings; for a film, the film recipe that stores the edits "
        "(default: NAME.film.json beside the film)",
        metavar="R.json",
    )
    model: str | None = option(None, "name of a registered model (default: the default model for points)")
    weights: str = option(
        "default",
        "model weights: default, a tag listed by `colorzoo weights list`, or the path of a weight file",
    )
    port: Annotated[int, Range(0, 65535)] | None = option(
        None, "port of the server (default: the first free port from 8765)"
    )
    no_browser: bool = option(False, "print the address without opening a browser")
    device: str = option("auto", "auto, cpu, cuda or mps (default: auto)")
    host: str = option(
        "127.0.0.1",
        "address to listen on; 0.0.0.0 allows access from other machines with the printed token",
        _NETWORK,
    )
    allow_host: list[str] = option(
        [],
        "additional host name of this server, such as the name of a proxy; may be repeated",
        _NETWORK,
        metavar="NAME",
    )
    static: Path | None = option(
        None,
        "write a web page that colorizes images without a server, then exit; files of an earlier page are "
        "replaced, and other files are kept",
        _STATIC,
        metavar="FOLDER",
        writes="path",
    )


def run(args: StudioOptions) -> int:
    """Serve the drawing pad until Ctrl+C; with ``--static``, write a web page instead.

    Raises:
        ColorzooError: A package is missing, or the folder, image, recipe, model or address cannot be used.
    """
    if args.static is not None:
        from colorzoo.apps.studio.static_page import write_page
        from colorzoo.engines import require_onnx

        if args.recipe or args.weights != "default":
            raise ColorzooError("--static cannot be combined with --recipe or --weights")
        require_onnx()
        size = write_page(args.static, model_card(args.model or _PAGE_MODEL), args.images)
        print(f"{args.static}: {size / 1e6:.1f} MB")
        print(f"try it: python -m http.server --directory {args.static}")
        return 0

    # check the options without an import of torch, so that the address is printed without delay
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        raise ColorzooError(
            f'the studio requires {", ".join(missing)}. Run `python -m pip install "colorzoo[studio]"`.'
        )
    if args.model:
        model_card(args.model)  # raises an error for an unknown name
    if len(args.images) > 1:
        raise ColorzooError(
            f"IMAGE must be a single file unless --static is set, got {len(args.images)} files. Open the "
            "other images in the drawing pad."
        )
    if args.images and not args.images[0].exists():
        raise ColorzooError(f"{args.images[0]}: no such file")

    from colorzoo.apps.studio.server import serve

    image_path = args.images[0] if args.images else None
    report = None
    if image_path is not None and image_path.suffix.lower() == ".html":
        from colorzoo.apps.studio.access import is_loopback
        from colorzoo.batch import serve_report

        if args.recipe:
            raise ColorzooError(
                f"--recipe cannot be combined with the report {image_path}. Omit --recipe, then load the "
                "recipe in the drawing pad."
            )
        if not is_loopback(args.host):
            raise ColorzooError(
                f"--host must be a loopback address such as 127.0.0.1 if IMAGE is a report, got {args.host}"
            )
        report, image_path = serve_report(image_path), None
    if image_path is not None and image_path.is_dir():
        print(
            f"{image_path} is opened as a film. To edit its images one by one, run `colorzoo colorize "
            f"{image_path} -o OUT --report report.html`, then `colorzoo studio report.html`.",
            flush=True,
        )
    serve(
        lambda: _make_studio(args, image_path),
        host=args.host,
        port=args.port,
        names=[name.lower() for name in args.allow_host],
        browser=not args.no_browser,
        report=report,
    )
    return 0


def _make_studio(args: StudioOptions, image_path: Path | None) -> Studio:
    """Return the studio with the image or film and the recipe passed on the command line."""
    import torch

    from colorzoo.apps.studio.studio import Studio
    from colorzoo.guidance import Recipe
    from colorzoo.image_io import check_image
    from colorzoo.inference import Colorizer, choose_device, read_recipe
    from colorzoo.pixels.formats import VIDEO_EXTENSIONS

    choose_device(args.device)  # raises an error for an unknown device
    # a parallel operation is as slow as its slowest thread, and threads that share a core are slow
    torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    is_film = image_path is not None and (
        image_path.is_dir() or image_path.suffix.lower() in VIDEO_EXTENSIONS
    )
    recipe = read_recipe(args.recipe) if args.recipe and not is_film else Recipe()
    if args.recipe and image_path is None and recipe.sha256 is None:  # the pad could not use the recipe
        raise ColorzooError(f"--recipe {args.recipe} requires IMAGE, because the recipe names no image")
    model_name = args.model or recipe.model
    # the studio loads registered weights itself, and only when they are used
    colorizer = None
    if args.weights != "default":
        colorizer = Colorizer(model_name, weights=args.weights, device=args.device)
    studio = Studio(colorizer, model=model_name, device=args.device)
    studio.recipe = recipe.to_dict() if args.recipe and not is_film else None
    if image_path is not None and is_film:
        from colorzoo.apps.studio.film import Film

        studio.film = Film(
            image_path, args.recipe, model=args.model, weights=args.weights, device=args.device
        )
    elif image_path is not None:
        try:
            check_image(image_path, max_pixels=studio.limits.pixels)  # raises here, not in the page
        except ImageError as error:
            raise ImageError(error.problem) from error  # the drawing pad has no options
        studio.offer(image_path.read_bytes(), image_path.name)
    return studio


COMMANDS = {"": Command(HELP, EXAMPLE, StudioOptions, run)}
