"""``colorzoo serve``: colorize images for other programs over HTTP."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from typing import Annotated

from colorzoo.apps.cli._options import Command
from colorzoo.errors import ColorzooError
from colorzoo.options import MODEL, option
from colorzoo.registry import model_card
from colorzoo.settings import Range

HELP = "colorize images for other programs over HTTP"
EXAMPLE = """
colorzoo serve
colorzoo serve --port 9000 --token SECRET
colorzoo serve --host 0.0.0.0 --allow-host colors.example --max-pixels 24
"""

_LIMITS, _NETWORK = "limits", "access from other machines"
_REQUIRED = ("starlette", "uvicorn", "python_multipart", "prometheus_client")


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Options of ``colorzoo serve``."""

    port: Annotated[int, Range(0, 65535)] = option(8000, "port of the server (default: 8000)")
    token: str | None = option(
        None,
        "secret that each request must contain (default: the environment variable COLORZOO_TOKEN, or a "
        "random token, which is printed)",
    )
    host: str = option(
        "127.0.0.1", "address to listen on; 0.0.0.0 allows access from other machines", _NETWORK
    )
    log: str | None = option(
        None, "append a line for each request to this file; - writes to standard output", metavar="FILE"
    )
    allow_host: list[str] = option(
        [],
        "additional host name of this server, such as the name of a proxy; may be repeated",
        _NETWORK,
        metavar="NAME",
    )
    model: str | None = option(
        None,
        "name of a registered model, which overrides recipes (default: selected by the image and the recipe)",
        MODEL,
    )
    weights: str = option("default", "model weights: default, published, or the path of a weight file", MODEL)
    device: str = option("auto", "auto, cpu, cuda or mps (default: auto)", MODEL)
    max_pixels: Annotated[float, Range(0, 1e6, open=True)] = option(
        100, "maximum image size in megapixels (default: 100)", _LIMITS
    )
    max_size: Annotated[float, Range(0, 4096, open=True)] = option(
        64, "maximum size of a request in MB (default: 64)", _LIMITS
    )
    max_requests: Annotated[int, Range(1, 256)] = option(
        16, "maximum number of simultaneous requests, including waiting requests (default: 16)", _LIMITS
    )
    timeout: Annotated[float, Range(0, 86_400, open=True)] = option(
        300, "maximum time in seconds to wait for and colorize an image (default: 300)", _LIMITS
    )
    drain: Annotated[float, Range(0, 86_400)] = option(
        30, "maximum time in seconds for accepted requests to end after SIGTERM (default: 30)", _LIMITS
    )


def run(args: ServeOptions) -> int:
    """Serve requests until Ctrl+C or SIGTERM.

    Raises:
        ColorzooError: A package is missing, or the model, the token or the address cannot be used.
    """
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        raise ColorzooError(
            f'`colorzoo serve` requires {", ".join(missing)}. Run `python -m pip install "colorzoo[studio]"`.'
        )
    # other users of the machine can read the arguments of a process, but not its environment
    token = os.environ.get("COLORZOO_TOKEN") or None if args.token is None else args.token
    if token is not None and re.fullmatch(r"[\w.~+/=-]+", token, re.ASCII) is None:
        name = "COLORZOO_TOKEN" if args.token is None else "--token"
        raise ColorzooError(f"{name} must consist of ASCII letters, digits and the characters -._~+/=")
    if args.model:
        model_card(args.model)  # raises an error for an unknown name before torch is imported

    from colorzoo.apps.cli.colorize import import_torch
    from colorzoo.apps.studio.monitor import access_log
    from colorzoo.apps.studio.server import bound_socket

    bound_socket(args.host, args.port).close()  # raises an error for a used port before torch is imported
    log = None if args.log is None else access_log(args.log)
    import_torch()
    from colorzoo.apps.studio.service import ColorService, ServiceLimits, serve_requests

    service = ColorService(
        model=args.model,
        weights=args.weights,
        device=args.device,
        limits=ServiceLimits(
            request_bytes=int(args.max_size * 2**20),
            pixels=int(args.max_pixels * 1e6),
            requests=args.max_requests,
            color_seconds=args.timeout,
        ),
    )
    service.load()
    names = tuple(name.lower() for name in args.allow_host)
    serve_requests(
        service, host=args.host, port=args.port, names=names, token=token, drain=args.drain, log=log
    )
    return 0


COMMANDS = {"": Command(HELP, EXAMPLE, ServeOptions, run)}
