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
import shutil
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TypeVar
from urllib.parse import unquote_to_bytes
from weakref import WeakSet

import torch
from filelock import FileLock, Timeout
from PIL import Image, ImageDraw
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, ProcessCollector, generate_latest
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
from colorzoo._files import text_encoding
from colorzoo.apps.studio.access import Access, AccessMiddleware, is_loopback
from colorzoo.apps.studio.models import make_cancellable
from colorzoo.apps.studio.monitor import RequestMonitor
from colorzoo.apps.studio.protocol import ERRORS, StudioError
from colorzoo.apps.studio.server import NOT_ENCRYPTED, recorded_stops, run_app
from colorzoo.apps.studio.worker_pool import cancellable, stop_if_cancelled
from colorzoo.batch import ColorSettings, FileColorizer, FileResult, FileTask, with_references
from colorzoo.environment import core_count
from colorzoo.errors import ColorzooError, GuidanceError, ImageError
from colorzoo.guidance import Recipe
from colorzoo.guidance.recipe import is_recipe_text
from colorzoo.image_io import check_image, stored_format
from colorzoo.inference import Colorizer, read_recipe
from colorzoo.pixels.find import result_name
from colorzoo.pixels.formats import WRITABLE
from colorzoo.registry import card_entry, list_models, model_card
from colorzoo.weights.catalog import cache_home

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_GUARDED = ("/colorize", "/models", "/metrics")  # paths that require the token
_DESCRIPTION = Path(__file__).with_name("openapi.json")
_FIELDS = ("image", "recipe", "reference", "format")
_FORMATS = ("png", "jpg", "webp", "avif", "tif")
_M_ARENA_MAX = -8  # option of mallopt, see malloc.h of glibc
_MAX_REFERENCES = 8
_PREFIX = "colorzoo-serve-"  # of the working folders
_STOP_SECONDS = 30.0  # maximum time in which a cancelled step stops
_EXTENDED_NAME = re.compile(
    rb"""filename\*\s*=\s*"?(?:[\w-]*'[^']*')?([^;"]*)"?""", re.IGNORECASE
)  # RFC 5987
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
    "stuck": 503,
    "time_limit": 503,
}
_FOLDERS = re.compile(r"""(?<![\w.:/])(?:/[^/\s'":;,()]+)+/""")  # of an absolute path, but not of a URL
_BUSY = StudioError("busy", "the server has too many requests, is loading or is stopping; try again later")
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>colorzoo</title>
<h1>colorzoo serve</h1>
<p>This server colorizes images for other programs:</p>
<pre>curl --fail-with-body -H "Authorization: Bearer TOKEN" \\
  -F image=@old.jpg -o colored.jpg ADDRESS/colorize</pre>
<p><a href="openapi.json">Description of all requests</a> (OpenAPI 3.1)</p>
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
        self.requests = self.waiting = 0  # POST /colorize in progress, and images that are not yet read
        self.loaded, self.stopping = colorizer is not None, False
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
        self._device = torch.device("cpu")
        self._probe: Future[object] = self._network.submit(int)
        self._probed = time.monotonic()

    def load(self) -> None:
        """Load the models and libraries for photos and drawings, which then need no more memory.

        Raises:
            ColorzooError: The model, its weights or the device cannot be used.
        """
        # two heaps instead of one per thread, because freed images fragment each heap of glibc
        with contextlib.suppress(OSError, AttributeError, TypeError):  # other C libraries
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
        files = self._files()
        self._device = files.load()[0].device
        if self._selects_model:  # colorize a small drawing
            drawing = Image.new("L", (256, 256), 255)
            ImageDraw.Draw(drawing).ellipse((40, 40, 200, 200), outline=0, width=3)
            data = io.BytesIO()
            drawing.save(data, "PNG")
            with _work_folder() as folder:
                files.process(FileTask(data.getvalue, folder / "drawing.png", "drawing.png"))
        self.loaded = True

    def close(self) -> None:
        """Wait for the running steps of cancelled requests."""
        for pool in (self._pool, self._network):
            pool.shutdown(wait=True, cancel_futures=True)

    def network_answers(self) -> bool:
        """Return whether the network thread and its device work; each call starts the next test.

        Steps are stopped at the time limit, so a thread that runs a step for longer no longer answers.
        """
        failed = self._probe.done() and self._probe.exception() is not None
        if self._probe.done():
            self._probe = self._network.submit(lambda: torch.zeros(1, device=self._device))
            self._probed = time.monotonic()
        return not failed and time.monotonic() - self._probed < self.limits.color_seconds + _STOP_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ``POST /colorize`` request; nothing is sent if the client has disconnected."""
        if self.stopping or self.requests >= self.limits.requests:
            await _error_response(_BUSY)(scope, receive, send)
            return
        self.requests += 1
        try:
            with _work_folder() as folder:
                try:
                    response = await self._respond(Request(scope, receive), receive, folder)
                except ClientDisconnect:
                    return
                except asyncio.CancelledError:  # uvicorn cancels the requests that outlast its grace period
                    response = _error_response(_BUSY)
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

        parser = _FormParser(request.headers, limited_stream(), max_part_size=_TEXT_BYTES)
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
        given = [  # the user of a web page left the other fields empty
            (name, value)
            for name, value in form.multi_items()
            if (value.strip() if isinstance(value, str) else value.size or value.filename not in ("", "blob"))
        ]
        form = FormData(given)
        for name in form:
            if name != "reference" and len(form.getlist(name)) > 1:
                raise StudioError("bad_request", f"the form field {name} must not be repeated")
        if not isinstance(form.get("image"), UploadFile):
            raise StudioError("bad_request", "the form field image must be a file, got none")
        if not all(isinstance(reference, UploadFile) for reference in form.getlist("reference")):
            raise StudioError("bad_request", "the form field reference must be a file")
        if (count := len(form.getlist("reference"))) > _MAX_REFERENCES:
            raise StudioError(
                "bad_request", f"reference must have at most {_MAX_REFERENCES} files, got {count}"
            )
        return form

    async def _color(self, form: FormData, folder: Path) -> Response:
        """Colorize the image of a form.

        The steps stop when the coroutine is cancelled.

        Raises:
            ColorzooError: The image or the recipe cannot be used.
        """
        self.waiting += 1
        async with contextlib.AsyncExitStack() as turn:
            try:
                await turn.enter_async_context(self._active)
            finally:
                self.waiting -= 1
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
            filename=result_name(Path(task.name), ".color", task.target.name.removeprefix("result")),
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
        # the content determines the format, because clients upload images under any name
        suffix, stored = Path(name).suffix, stored_format(data)
        fitting = [extension for extension, known in WRITABLE.items() if known == stored]
        own = suffix if suffix.lower() in fitting else next(iter(fitting), f"{suffix}.png")
        return files, FileTask(lambda: data, folder / f"result{f'.{kind}' if kind else own}", name)


def _file_name(file: UploadFile) -> str:
    """Return the name of an uploaded file without folders, leading dots and control characters."""
    name = re.split(r"[/\\]", file.filename or "")[-1].lstrip(".").encode("utf-8", "replace").decode()
    return result_name(
        Path(re.sub(r"[\x00-\x1f\x7f]", "_", name) or "image"), extension=Path(name).suffix[:16]
    )


class _FormParser(MultiPartParser):
    """Form parser that also reads ``filename*``, which RFC 7578 forbids but older HTTP clients send."""

    _value = b""

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if found := _EXTENDED_NAME.search(self._value):
            self._value += b'; filename="%s"' % unquote_to_bytes(found[1]).replace(b'"', b"_")
        super().on_header_value(self._value, 0, len(self._value))
        self._value = b""
        super().on_header_end()


def _read_recipe(field: UploadFile | str | None) -> Recipe:
    """Read the recipe of a form, as text or as a file.

    Raises:
        GuidanceError: The field is not a recipe.
    """
    if field is None:
        return Recipe()
    if isinstance(field, UploadFile):
        data = field.file.read(_TEXT_BYTES + 1)
        field = data.decode(text_encoding(data), "replace")
    if len(field) > _TEXT_BYTES:
        raise GuidanceError(f"recipe must have at most {_TEXT_BYTES:,} characters")
    if not is_recipe_text(field):  # otherwise, `read_recipe` reads a file of the server
        raise GuidanceError("recipe must be a JSON object")
    return read_recipe(field)


@contextlib.contextmanager
def _work_folder() -> Iterator[Path]:
    """Create a temporary folder that contains a lock while it is in use; see `_remove_stale_folders`."""
    with TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name, FileLock(f"{name}/lock"):
        Path(name, "locked").touch()
        yield Path(name)


def _remove_stale_folders() -> None:
    """Remove the temporary folders of killed servers of the same user."""
    for marker in Path(gettempdir()).glob(f"{_PREFIX}*/locked"):
        folder = marker.parent
        with contextlib.suppress(OSError, Timeout):
            if folder.lstat().st_uid == getattr(os, "getuid", int)() and not folder.is_symlink():
                with FileLock(folder / "lock", blocking=False):
                    shutil.rmtree(folder, ignore_errors=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _error_response(error: Exception, hidden: str = "") -> Response:
    """Return the JSON response for an error, without folders of the server; log unexpected errors and paths.

    Args:
        error: Error.
        hidden: Path of the folder of the request, which is removed from the message.
    """
    if isinstance(error, ColorzooError):
        known = (code for kind, code, _ in ERRORS if isinstance(error, kind))
        code = error.code if isinstance(error, StudioError) else next(known)
        message = error.problem if isinstance(error, ImageError) else str(error)  # without the option
    elif isinstance(error, MemoryError):
        code, message = "too_large", "the server ran out of memory; send a smaller image"
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


def build_service(service: ColorService, access: Access, *, log: logging.Logger | None = None) -> Starlette:
    """Build the Starlette application of the service.

    Args:
        service: Service, which is closed when the server stops.
        access: Access rules.
        log: Access log.
    """
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it prints a line for each invalid form
    description = json.loads(_DESCRIPTION.read_text(encoding="utf-8"))
    description["info"]["version"] = __version__

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for name, text in (("requests", "in progress"), ("waiting", "whose image is not yet read")):
        gauge = Gauge(f"colorzoo_{name}_now", f"POST /colorize requests {text}.", registry=registry)
        gauge.set_function(partial(getattr, service, name))

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    async def health(_: Request) -> Response:
        if not service.network_answers():
            return _error_response(StudioError("stuck", "the network does not answer; restart the server"))
        status = "stopping" if service.stopping else "ok"
        return JSONResponse({"status": status, "version": __version__, "requests": service.requests})

    async def ready(_: Request) -> Response:
        is_ready = service.loaded and not service.stopping
        return JSONResponse({"status": "ready"}) if is_ready else _error_response(_BUSY)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def models(_: Request) -> Response:
        return JSONResponse([card_entry(model_card(name)) for name in list_models()])

    async def openapi(_: Request) -> Response:
        return JSONResponse(description)

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            return _error_response(StudioError("method", "this path does not accept this method"))
        return _error_response(StudioError("not_found", "this path does not exist; see /openapi.json"))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        _remove_stale_folders()
        yield
        await asyncio.to_thread(service.close)

    routes = [
        Route("/", page),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics),
        Route("/models", models),
        Route("/openapi.json", openapi),
        Route("/colorize", service, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(RequestMonitor, registry, {route.path for route in routes}, log),
            Middleware(AccessMiddleware, access=replace(access, guarded=_GUARDED)),
        ],
        exception_handlers={HTTPException: http_error},
    )


def serve_requests(
    service: ColorService,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    names: Sequence[str] = (),
    token: str | None = None,
    drain: float = 30.0,
    log: logging.Logger | None = None,
) -> None:
    """Serve requests until Ctrl+C or SIGTERM.

    Args:
        service: Service.
        host: Host name or IP address on which to listen.
        port: Port; None uses the first free port; see `run_app`.
        names: Additional host names of the server, such as the name of a proxy.
        token: Secret that requests must contain; None generates and prints a random token.
        drain: Maximum time in seconds in which accepted requests can end after the signal.
        log: Access log.

    Raises:
        ColorzooError: The address cannot be used.
    """
    build = partial(build_service, service, log=log)
    with (
        recorded_stops() as stops,
        run_app(build, host=host, port=port, names=names, token=token) as (url, server),
    ):
        base, _, printed_token = url.partition("/?token=")
        print(f"colorzoo serve: {base}  (Ctrl+C stops the server)", flush=True)
        if token is None:
            print(f"token: {printed_token}", flush=True)
        if not is_loopback(host):  # other machines can access the server
            print(NOT_ENCRYPTED, flush=True)
        while not (stops or server.should_exit):
            time.sleep(0.1)
        service.stopping, end = True, time.monotonic() + drain
        while service.requests and time.monotonic() < end:
            time.sleep(0.1)
