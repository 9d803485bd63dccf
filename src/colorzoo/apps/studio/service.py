"""HTTP service that colorizes images for other programs: the server of the drawing pad without the pad.

``POST /colorize`` gives the same pixels and metadata as ``colorzoo colorize``. `docs/serve.md` documents the
requests, and ``openapi.json`` beside this module describes them for programs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from weakref import WeakSet

import torch
from PIL import Image, ImageDraw
from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from colorzoo import __version__
from colorzoo.apps.studio.access import Access, AccessMiddleware, is_loopback
from colorzoo.apps.studio.models import make_cancellable
from colorzoo.apps.studio.protocol import StudioError
from colorzoo.apps.studio.server import NOT_ENCRYPTED, recorded_stops, run_app
from colorzoo.apps.studio.worker_pool import cancellable, stop_if_cancelled
from colorzoo.batch import ColorSettings, FileColorizer, FileResult, FileTask, with_references
from colorzoo.environment import core_count
from colorzoo.errors import ColorzooError, GuidanceError, ImageError, UnknownModelError, WeightsError
from colorzoo.guidance import Recipe
from colorzoo.image_io import check_image
from colorzoo.inference import Colorizer, read_recipe
from colorzoo.pixels.find import result_name
from colorzoo.pixels.formats import WRITABLE
from colorzoo.registry import card_entry, list_models, model_card
from colorzoo.weights.catalog import cache_home

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_GUARDED = ("/colorize", "/models")  # paths that require the token
_DESCRIPTION = Path(__file__).with_name("openapi.json")
_FIELDS = ("image", "recipe", "reference", "format")
_FORMATS = ("png", "jpg", "webp", "avif", "tif")
_M_ARENA_MAX = -8  # option of mallopt, see malloc.h of glibc
_MAX_REFERENCES = 8
_MAX_NOTES = 20  # of the response header, which clients limit to a few kB
_TEXT_BYTES = 4 * 2**20  # maximum size of a form field that is not a file
_STATUS = {
    "not_found": 404,
    "method": 405,
    "timeout": 408,
    "too_large": 413,
    "not_form": 415,
    "internal": 500,
    "busy": 503,
    "time_limit": 503,
}
_FOLDERS = re.compile(r"""(?<![\w.:/])(?:/[^/\s'":;,()]+)+/""")  # of an absolute path, but not of a URL
_CODES: tuple[tuple[type[ColorzooError], str], ...] = (
    (GuidanceError, "bad_recipe"),
    (UnknownModelError, "no_model"),
    (WeightsError, "no_model"),
    (ColorzooError, "unsupported"),
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>colorzoo</title>
<h1>colorzoo serve</h1>
<p>This server colorizes images for other programs:</p>
<pre>curl --fail-with-body -H "Authorization: Bearer TOKEN" \\
  -F image=@old.jpg -o colored.jpg ADDRESS/colorize</pre>
<ul>
<li><code>POST /colorize</code>: colorize an image</li>
<li><a href="models"><code>GET /models</code></a>: the models</li>
<li><a href="health"><code>GET /health</code></a>: state of the server</li>
<li><a href="openapi.json"><code>GET /openapi.json</code></a>: description of all requests (OpenAPI 3.1)</li>
</ul>
<p>Replace TOKEN and ADDRESS by the values that <code>colorzoo serve</code> printed.</p>
</html>
"""


@dataclass(frozen=True)
class ServiceLimits:
    """Limits on the resources that requests can consume.

    Attributes:
        request_bytes: Maximum size of the body of a request.
        pixels: Maximum number of pixels of an image, checked before decoding.
        requests: Maximum number of simultaneous ``POST /colorize`` requests, including waiting requests.
        transfer_seconds: Maximum duration of an upload or of the transfer of a result.
        color_seconds: Maximum time until the image of a complete request is colorized, including the time in
            the queue.
    """

    request_bytes: int = 64 * 2**20
    pixels: int = 100_000_000
    requests: int = 16
    transfer_seconds: float = 300.0
    color_seconds: float = 300.0


class ColorService:
    """ASGI application of ``POST /colorize``.

    Images are read and written in a thread pool, and one thread runs the network, as in `FileColorizer.run`.
    Uploads wait in temporary files, so that only a few images are in memory at the same time.

    Args:
        model: Registered name, which overrides the models of recipes; None selects a model for each image.
        weights: Weights of the model; see `create_model`.
        colorizer: Colorizer with the loaded model; None to load the model.
        device: Device of the models.
        limits: Limits of the service.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        weights: str = "default",
        colorizer: Colorizer | None = None,
        device: str = "auto",
        limits: ServiceLimits | None = None,
    ) -> None:
        self.limits = limits or ServiceLimits()
        self.requests = 0  # number of requests in progress
        self._selects_model = model is None and weights == "default" and colorizer is None
        self._files = partial(
            FileColorizer,
            model=model,
            weights=weights,
            colorizer=colorizer,
            settings=ColorSettings(device=device),
            max_pixels=self.limits.pixels,
        )
        threads = max(2, min(core_count() // 2, 8))
        self._active = asyncio.Semaphore(threads + 1)  # images in memory
        # the network uses the cores that the pool does not use, see `colorzoo.batch.overlap`
        torch_threads = torch.get_num_threads()
        network_threads = max(torch_threads - threads, (torch_threads + 1) // 2)
        set_threads = torch.set_num_threads
        self._pool = ThreadPoolExecutor(threads, "service-files", set_threads, (1,))
        self._network = ThreadPoolExecutor(1, "service-network", set_threads, (network_threads,))
        self._cancellable: WeakSet[Colorizer] = WeakSet()

    def load(self) -> None:
        """Load the models and libraries for photos and drawings, which then need no more memory.

        Raises:
            ColorzooError: The model, its weights or the device cannot be used.
        """
        # two heaps instead of one per thread, because freed images fragment each heap of glibc
        with contextlib.suppress(OSError, AttributeError, TypeError):  # other C libraries
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
        files = self._files()
        files.load()
        if not self._selects_model:
            return
        # colorize a small drawing
        drawing = Image.new("L", (256, 256), 255)
        ImageDraw.Draw(drawing).ellipse((40, 40, 200, 200), outline=0, width=3)
        data = io.BytesIO()
        drawing.save(data, "PNG")
        with TemporaryDirectory(prefix="colorzoo-serve-") as folder:
            files.process(FileTask(data.getvalue, Path(folder, "drawing.png"), "drawing.png"))

    def close(self) -> None:
        """Wait for the running steps of cancelled requests."""
        for pool in (self._pool, self._network):
            pool.shutdown(wait=True, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ``POST /colorize`` request; nothing is sent if the client has disconnected."""
        if self.requests >= self.limits.requests:
            busy = StudioError("busy", "too many requests are in progress; try again in a few seconds")
            await _error_response(busy)(scope, receive, send)
            return
        self.requests += 1
        try:
            with TemporaryDirectory(prefix="colorzoo-serve-", ignore_cleanup_errors=True) as folder:
                try:
                    response = await self._respond(Request(scope, receive), receive, Path(folder))
                except ClientDisconnect:
                    return
                except asyncio.CancelledError:  # uvicorn cancels the requests that outlast its grace period
                    stopping = StudioError("busy", "the server is stopping; try again in a few seconds")
                    response = _error_response(stopping)
                except Exception as error:
                    response = _error_response(error, hidden=f"{folder}/")
                # the server then closes the connection
                with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                    async with asyncio.timeout(self.limits.transfer_seconds):
                        await response(scope, receive, send)
        finally:
            self.requests -= 1

    async def _respond(self, request: Request, receive: Receive, folder: Path) -> Response:
        """Receive the form of a request, colorize its image and return the response.

        Args:
            request: Request.
            receive: ASGI function that returns when the client disconnects, after the request was received.
            folder: Folder for the references and the result.

        Raises:
            ClientDisconnect: The client has disconnected.
            ColorzooError: The request is invalid, or a limit is exceeded.
        """
        form = await self._receive_form(request)
        work = asyncio.create_task(self._color(form, folder))
        disconnected = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            seconds = self.limits.color_seconds
            await asyncio.wait({work, disconnected}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if disconnected.done():
                raise ClientDisconnect
            raise StudioError("time_limit", f"the image was not colorized within {seconds:g} seconds")
        finally:
            disconnected.cancel()
            work.cancel()
            await asyncio.wait({work})  # its threads must not use the folder afterwards
            await form.close()

    async def _receive_form(self, request: Request) -> FormData:
        """Receive the body of a request and check the names of the form fields.

        Raises:
            ClientDisconnect: The client has disconnected.
            StudioError: The body is too large, too slow or not a form, or a field is unknown.
        """
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "multipart/form-data":
            raise StudioError(
                "not_form", f"the body must have the type multipart/form-data, got {content_type or 'none'}"
            )
        limit = self.limits.request_bytes
        too_large = StudioError("too_large", f"a request must have at most {limit / 2**20:g} MB")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise too_large

        async def limited_stream() -> AsyncGenerator[bytes, None]:
            count = 0
            async for chunk in request.stream():
                count += len(chunk)
                if count > limit:
                    raise too_large
                yield chunk

        parser = MultiPartParser(
            request.headers,
            limited_stream(),
            max_files=_MAX_REFERENCES + 2,
            max_fields=_MAX_REFERENCES + 2,
            max_part_size=_TEXT_BYTES,
        )
        try:
            async with asyncio.timeout(self.limits.transfer_seconds):
                form = await parser.parse()
        except TimeoutError:
            raise StudioError("timeout", "the upload was too slow") from None
        except (MultiPartException, FormParserError) as error:
            raise StudioError("bad_request", f"the form is invalid: {error}") from None
        for name in form:
            if name not in _FIELDS:
                raise StudioError("bad_request", f"unknown form field {name!r}; known: {', '.join(_FIELDS)}")
            if name != "reference" and len(form.getlist(name)) > 1:
                raise StudioError("bad_request", f"the form field {name} must not be repeated")
        if not isinstance(form.get("image"), UploadFile):
            raise StudioError("bad_request", "the form field image must be a file, got none")
        if not all(isinstance(reference, UploadFile) for reference in form.getlist("reference")):
            raise StudioError("bad_request", "the form field reference must be a file")
        return form

    async def _color(self, form: FormData, folder: Path) -> Response:
        """Colorize the image of a form.

        The steps stop when the coroutine is cancelled.

        Raises:
            ColorzooError: The image or the recipe cannot be used.
        """
        async with self._active:
            files, task = await self._run(self._pool, partial(self._prepare, form, folder))
            opened = await self._run(self._pool, partial(files.read, task))
            if isinstance(opened, FileResult):
                result = opened
            else:
                if opened.colorizer not in self._cancellable:
                    self._cancellable.add(opened.colorizer)
                    make_cancellable(opened.colorizer)  # stops between two layers
                colored = await self._run(self._network, partial(files.color, opened))
                del opened  # frees the memory of the image
                if isinstance(colored, FileResult):  # the file has several frames or pages
                    result = colored
                else:
                    result = await self._run(self._pool, partial(files.write, colored))
        if result.status != "colored":
            raise ImageError("; ".join(result.notes))
        # the response has no sidecar file, in which formats without XMP store the provenance record
        notes = [note for note in result.notes if task.target.name not in note]
        return FileResponse(
            task.target,
            media_type=Image.MIME.get(WRITABLE[task.target.suffix.lower()], "application/octet-stream"),
            filename=result_name(Path(task.name), ".color", _extension(form)),
            headers={"Colorzoo-Model": result.model, "Colorzoo-Notes": json.dumps(notes[:_MAX_NOTES])},
        )

    async def _run(self, pool: ThreadPoolExecutor, step: Callable[[], _Result]) -> _Result:
        """Run a step in a thread; if the coroutine is cancelled, stop the step and wait for its end."""
        is_cancelled = threading.Event()

        def run() -> _Result:
            with cancellable(is_cancelled.is_set):
                stop_if_cancelled()
                return step()

        job = pool.submit(run)
        future = asyncio.wrap_future(job)
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            is_cancelled.set()
            job.cancel()  # has an effect if the step has not started
            await asyncio.wait({future})
            if not future.cancelled():
                future.exception()  # not reported, because the step was stopped
            raise
        return future.result()

    def _prepare(self, form: FormData, folder: Path) -> tuple[FileColorizer, FileTask]:
        """Read the form fields, and return the image to colorize and its recipe.

        Raises:
            ColorzooError: A field is invalid, or the model cannot be loaded.
        """
        image = form["image"]
        assert isinstance(image, UploadFile)
        data = image.file.read()
        name = _file_name(image)
        kind = form.get("format")
        if kind is not None and kind not in _FORMATS:
            raise StudioError("bad_request", f"format must be one of {', '.join(_FORMATS)}, got {kind!r}")
        recipe = _read_recipe(form.get("recipe"))
        references = []
        for index, reference in enumerate(form.getlist("reference")):
            assert isinstance(reference, UploadFile)
            path = folder / str(index) / _file_name(reference)
            path.parent.mkdir()
            path.write_bytes(reference.file.read())
            check_image(path, max_pixels=self.limits.pixels)
            references.append(str(path))
        if references:
            recipe = with_references(recipe, references)
        elif recipe.exemplar.files:
            raise GuidanceError(
                "recipe.exemplar must not contain paths. Send the reference in the form field reference."
            )
        if recipe.classes.label_files:
            raise GuidanceError("recipe.classes must not contain the paths of label images")
        files = self._files(guidance=recipe, folder=folder if references else None)
        target = folder / ("result" + Path(result_name(Path(name), extension=_extension(form))).suffix)
        return files, FileTask(lambda: data, target, name)


def _file_name(file: UploadFile) -> str:
    """Return the name of an uploaded file without folders, leading dots and control characters."""
    name = re.split(r"[/\\]", file.filename or "")[-1].lstrip(".").encode("utf-8", "replace").decode()
    return result_name(
        Path(re.sub(r"[\x00-\x1f\x7f]", "_", name) or "image"), extension=Path(name).suffix[:16]
    )


def _extension(form: FormData) -> str | None:
    """Return the extension that the form field ``format`` selects; None for the extension of the image."""
    return f".{form['format']}" if "format" in form else None


def _read_recipe(field: UploadFile | str | None) -> Recipe:
    """Read the recipe of a form, as text or as a file.

    Raises:
        GuidanceError: The field is not a recipe.
    """
    if field is None:
        return Recipe()
    text = (
        field.file.read(_TEXT_BYTES + 1).decode("utf-8", "replace")
        if isinstance(field, UploadFile)
        else field
    )
    if len(text) > _TEXT_BYTES:
        raise GuidanceError(f"recipe must have at most {_TEXT_BYTES:,} characters")
    if not text.lstrip().startswith("{"):  # otherwise, `read_recipe` reads a file of the server
        raise GuidanceError("recipe must be a JSON object")
    return read_recipe(text)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _error_response(error: Exception, hidden: str = "") -> Response:
    """Return the JSON response for an error, without folders of the server; log unexpected errors and paths.

    Args:
        error: Error.
        hidden: Path of the folder of the request, which is removed from the message.
    """
    if isinstance(error, StudioError):
        code, message = error.code, str(error)
    elif isinstance(error, MemoryError):
        code, message = "too_large", "the server ran out of memory; send a smaller image"
    elif isinstance(error, ImageError):
        code, message = "bad_image", error.problem  # without the command-line option
    elif isinstance(error, ColorzooError):
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        message = str(error)
    else:
        _log.error("a request failed", exc_info=error)
        code, message = "internal", f"unexpected {type(error).__name__}; see the messages of the server"
    if hidden:
        message = message.replace(hidden, "")
    message = " ".join(message.split())
    # first the cache folder, because its path can contain spaces
    public = _FOLDERS.sub("", message.replace(f"{cache_home()}{os.sep}", ""))
    if public != message:
        _log.warning("a request failed: %s", message)
    headers = {"Retry-After": "5"} if code == "busy" else None
    return JSONResponse({"error": {"code": code, "message": public}}, _STATUS.get(code, 400), headers)


def build_service(service: ColorService, access: Access) -> Starlette:
    """Build the Starlette application of the service.

    Args:
        service: Service, which is closed when the server stops.
        access: Access rules.
    """
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it prints a line for each invalid form
    description = json.loads(_DESCRIPTION.read_text(encoding="utf-8"))
    description["info"]["version"] = __version__

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__, "requests": service.requests})

    async def models(_: Request) -> Response:
        return JSONResponse([card_entry(model_card(name)) for name in list_models()])

    async def openapi(_: Request) -> Response:
        return JSONResponse(description)

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            return _error_response(
                StudioError("method", "this path does not accept the method of the request")
            )
        return _error_response(StudioError("not_found", "this path does not exist; see /openapi.json"))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/health", health),
            Route("/models", models),
            Route("/openapi.json", openapi),
            Route("/colorize", service, methods=["POST"]),
        ],
        lifespan=lifespan,
        middleware=[Middleware(AccessMiddleware, access=replace(access, guarded=_GUARDED))],
        exception_handlers={HTTPException: http_error},
    )


def serve_requests(
    service: ColorService,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    names: Sequence[str] = (),
    token: str | None = None,
) -> None:
    """Serve requests until Ctrl+C or SIGTERM.

    Args:
        service: Service.
        host: Host name or IP address on which to listen.
        port: Port; None uses the first free port; see `run_app`.
        names: Additional host names of the server, such as the name of a proxy.
        token: Secret that requests must contain; None generates and prints a random token.

    Raises:
        ColorzooError: The address cannot be used.
    """
    with (
        recorded_stops() as stops,
        run_app(partial(build_service, service), host=host, port=port, names=names, token=token) as (
            url,
            server,
        ),
    ):
        base, _, printed_token = url.partition("/?token=")
        print(f"colorzoo serve: {base}  (Ctrl+C stops the server)", flush=True)
        if token is None:
            print(f"token: {printed_token}", flush=True)
        if not is_loopback(host):  # other machines can access the server
            print(NOT_ENCRYPTED, flush=True)
        while not (stops or server.should_exit):
            time.sleep(0.5)
