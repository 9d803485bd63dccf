"""The studio as a Starlette application: page, uploads, downloads, and the websocket with the messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from colorzoo.studio.bundle import pad_module
from colorzoo.studio.coming import Coming
from colorzoo.studio.errors import StudioError, describe
from colorzoo.studio.guard import Access, Guard
from colorzoo.studio.socket import serve_socket

if TYPE_CHECKING:
    from colorzoo.studio.desk import Studio

STATIC = {
    "pad.js": "text/javascript; charset=utf-8",
    "pad.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_STATUS = {"too_large": 413, "expired": 404, "busy": 429, "bad_picture": 400, "timeout": 408}
_UPLOADS_AT_ONCE = 8  # whose bytes are in memory before they count as a session's


def build_app(studio: Studio | Coming, access: Access) -> Starlette:
    """Return the application.

    Args:
        studio: What does the work, or will once it is loaded; it is closed when the server stops.
        access: Who is let in.
    """
    coming = studio if isinstance(studio, Coming) else Coming.of(studio)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(coming))
        yield
        sweeping.cancel()
        if coming.here is not None:
            await asyncio.to_thread(coming.here.close)

    routes = [
        Route("/", _page),
        Route("/static/{name}", _static),
        Route("/api/health", _health),
        Route("/api/upload", _upload, methods=["POST"]),
        Route("/api/download/{key}", _download),
        WebSocketRoute("/api/ws", serve_socket),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, access=access)])
    app.state.coming = coming
    app.state.uploading = asyncio.Semaphore(_UPLOADS_AT_ONCE)
    return app


def read_static(name: str) -> bytes:
    """Return a file of the page; only those of `STATIC` and ``index.html`` exist."""
    if name not in STATIC and name != "index.html":
        raise FileNotFoundError(name)
    if name == "pad.js":  # joined from static/js: in a notebook it is one blob, so it is one here too
        return pad_module().encode()
    return (files("colorzoo.studio") / "static" / name).read_bytes()


async def _sweep(coming: Coming) -> None:
    with suppress(Exception):  # who started the server says why there is no studio
        studio = await coming.wait()
    while coming.here is not None:
        await asyncio.sleep(min(60.0, studio.limits.idle_seconds))
        await asyncio.to_thread(studio.sessions.sweep)


async def _page(_: Request) -> Response:
    return Response(read_static("index.html"), media_type="text/html")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    try:
        return Response(read_static(name), media_type=STATIC.get(name))
    except FileNotFoundError:
        return _problem(StudioError("expired", "there is no such file"))


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _upload(request: Request) -> Response:
    studio: Studio = await request.app.state.coming.wait()
    waiting: asyncio.Semaphore = request.app.state.uploading
    try:
        session = studio.sessions.find(request.query_params.get("session"))
        if session is None:
            raise StudioError("expired", "this session was idle for too long; reload to go on")
        if waiting.locked():
            raise StudioError("busy", "too many files arrive at once; try again in a moment")
        async with waiting:
            data = await _receive(request, studio)
        key = studio.uploads.put(data, "upload", session.id)
    except (StudioError, ClientDisconnect) as error:
        return _problem(error)
    return JSONResponse({"upload": key, "bytes": len(data)})


async def _receive(request: Request, studio: Studio) -> bytes:
    """Collect a body; it is refused as soon as it is too long or takes too long."""
    most = studio.limits.file_bytes
    too_large = StudioError("too_large", f"the file is larger than {most / 2**20:.0f} MB, the limit here")
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(studio.limits.upload_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise StudioError("timeout", "the upload took too long; try again") from None
    return bytes(body)


async def _download(request: Request) -> Response:
    studio: Studio = await request.app.state.coming.wait()
    session = request.query_params.get("session", "")
    try:
        file = studio.downloads.take(request.path_params["key"], session, keep=True)
    except StudioError as error:
        return _problem(error)
    disposition = f"attachment; filename*=UTF-8''{quote(file.name)}"
    headers = {"Content-Disposition": disposition}
    return Response(file.data, media_type="application/octet-stream", headers=headers)


def _problem(error: Exception) -> Response:
    code, text = describe(error)
    return JSONResponse({"error": {"code": code, "message": text}}, _STATUS.get(code, 400))
