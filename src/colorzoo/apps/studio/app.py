"""Starlette application of the studio: page, uploads, downloads and websocket."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from colorzoo.apps.studio.access import Access, AccessMiddleware
from colorzoo.apps.studio.protocol import (
    Limits,
    Message,
    StudioError,
    describe_error,
    error_message,
    pack,
    unpack,
)
from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from colorzoo.apps.studio.film import Film
    from colorzoo.apps.studio.sessions import Session
    from colorzoo.apps.studio.studio import Studio
    from colorzoo.batch import ServedReport

STATIC = Path(__file__).parent / "static"
mimetypes.add_type("text/javascript", ".js")  # the Windows registry can contain another type

_STATUS = {"too_large": 413, "expired": 404, "busy": 429, "bad_image": 400, "timeout": 408}
_MAX_UNREAD = 256  # maximum number of queued messages before a client is disconnected
MAX_UNREAD_BYTES = 64 * 2**20  # maximum size of the queued messages of a client
_TRY_LATER = 1013  # websocket close code "try again later"


class StudioLoader:
    """Container of a `Studio` that is loaded in the background.

    The server can respond before the studio is loaded, because the import of torch takes seconds.

    Args:
        limits: Limits of the studio.
        report: Report of a batch run to serve. Drawing pads can open the photos in the report.
    """

    def __init__(self, limits: Limits, report: ServedReport | None = None) -> None:
        self.limits, self.report = limits, report
        self._future: Future[Studio] = Future()

    @classmethod
    def loaded(cls, studio: Studio) -> StudioLoader:
        """Return a loader for a studio that is already loaded."""
        loader = cls(studio.limits)
        loader.finish(studio)
        return loader

    @property
    def studio(self) -> Studio | None:
        """Studio, or None before it is loaded."""
        done = self._future.done() and self._future.exception() is None
        return self._future.result() if done else None

    def photo_path(self, query: QueryParams) -> Path | None:
        """Return the path of the photo in the URL of a drawing pad; None if the URL contains no photo.

        Args:
            query: Query of the URL; the parameter ``photo`` is the path.

        Raises:
            StudioError: The photo does not exist or is not in the report.
        """
        name = query.get("photo")
        if name is None:
            return None
        if self.report is None or name not in self.report.sources:
            raise StudioError(
                "expired",
                f"the photo {name} was not found on this server. Open the photo from your computer.",
            )
        if not Path(name).is_file():
            raise StudioError("expired", f"{name}: no such file")
        return Path(name)

    def finish(self, studio: Studio) -> None:
        """Set the loaded studio."""
        self._future.set_result(studio)

    def fail(self, error: BaseException) -> None:
        """Record that loading failed, with the error that `wait` raises."""
        self._future.set_exception(error)

    async def wait(self) -> Studio:
        """Wait until the studio is loaded and return it.

        Raises:
            Exception: The error passed to `fail`.
        """
        # shielded, because a client that disconnects must not cancel loading for other clients
        return await asyncio.shield(asyncio.wrap_future(self._future))


def build_app(loader: StudioLoader, access: Access) -> Starlette:
    """Build the Starlette application of the studio.

    Args:
        loader: Loader of the studio. The studio is closed when the server stops.
        access: Access rules.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        expiring = asyncio.create_task(_expire_sessions(loader))
        yield
        expiring.cancel()
        if loader.studio is not None:
            await asyncio.to_thread(loader.studio.close)

    routes = [
        Route("/", _page),
        Route("/report/{name}", _report),
        Mount("/static", _Static(directory=STATIC, follow_symlink=True)),  # some installers link files
        Route("/api/health", _health),
        Route("/api/upload", _upload, methods=["POST"]),
        Route("/api/download/{key}", _download),
        Route("/api/film/thumbnail/{number:int}", _film_thumbnail),
        Route("/api/film/play/{number:int}", _play_film),
        Route("/api/film/result", _film_result),
        WebSocketRoute("/api/ws", _websocket),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(AccessMiddleware, access=access)],
        exception_handlers={StudioError: _error_response},
    )
    app.state.loader = loader
    return app


async def _expire_sessions(loader: StudioLoader) -> None:
    """Remove expired sessions at least once a minute, until the task is cancelled."""
    try:
        studio = await loader.wait()
    except Exception:  # the caller of the loader reports the error
        return
    while True:
        await asyncio.sleep(min(60.0, studio.limits.idle_seconds))
        await asyncio.to_thread(studio.sessions.remove_expired)


async def _page(request: Request) -> Response:
    request.app.state.loader.photo_path(request.query_params)  # raises an error for an unknown photo
    return FileResponse(STATIC / "index.html")


async def _report(request: Request) -> Response:
    report = request.app.state.loader.report
    page = report and report.pages.get(request.path_params["name"])
    if not page:
        raise StudioError("expired", "this page was not found. Go back to the start page.")
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": report.policy})


class _Static(StaticFiles):
    """Static files that browsers cache, but check for changes before each use."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _upload(request: Request) -> Response:
    studio: Studio = await request.app.state.loader.wait()
    session = studio.sessions.require(request.query_params.get("session"))
    if session.uploads >= studio.limits.uploads:
        raise StudioError("busy", "uploads of this page are still in progress. Try again in a moment.")
    limits = studio.limits
    content_length = request.headers.get("content-length", "")
    if content_length.isdigit():
        limits.check_bytes(int(content_length))
    max_uploading_bytes = limits.memory_bytes // 4  # for the uploads of all clients together
    body = bytearray()
    session.uploads += 1
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for chunk in request.stream():
                body += chunk
                studio.uploading_bytes += len(chunk)
                limits.check_bytes(len(body))
                if studio.uploading_bytes > max_uploading_bytes:
                    raise StudioError("busy", "too many uploads are in progress. Try again in a moment.")
    except TimeoutError:
        raise StudioError("timeout", "the upload was too slow. Try again.") from None
    except ClientDisconnect:
        raise StudioError("cancelled", "the upload was cancelled") from None
    finally:
        session.uploads -= 1
        studio.uploading_bytes -= len(body)
    return JSONResponse({"upload": session.add_file(bytes(body), "upload"), "bytes": len(body)})


async def _download(request: Request) -> Response:
    studio: Studio = await request.app.state.loader.wait()
    session = studio.sessions.require(request.query_params.get("session"))
    file = session.file(request.path_params["key"])
    disposition = f"attachment; filename*=UTF-8''{quote(file.name)}"
    headers = {"Content-Disposition": disposition}
    return Response(file.data, media_type="application/octet-stream", headers=headers)


async def _film_of(request: Request) -> Film:
    studio: Studio = await request.app.state.loader.wait()
    if studio.film is None:
        raise StudioError("expired", "no film is open on this server")
    return studio.film


async def _film_thumbnail(request: Request) -> Response:
    film = await _film_of(request)
    try:
        data = await asyncio.to_thread(film.thumbnail, request.path_params["number"])
    except ColorzooError as error:
        raise StudioError("expired", str(error)) from None
    return Response(data, media_type="image/jpeg")


async def _play_film(request: Request) -> Response:
    """Send the frames of a shot in color, each of which replaces the previous frame in an ``img`` element."""
    film = await _film_of(request)
    try:
        frames = await asyncio.to_thread(film.play, request.path_params["number"])
    except ColorzooError as error:
        raise StudioError("expired", str(error)) from None
    parts = (b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + data + b"\r\n" for data in frames)
    return StreamingResponse(parts, media_type="multipart/x-mixed-replace; boundary=frame")


async def _film_result(request: Request) -> Response:
    film = await _film_of(request)
    if not film.out.is_file():
        raise StudioError("expired", f"{film.out.name} was not found. Choose “Apply to film” first.")
    return FileResponse(film.out, filename=film.out.name)


def _error_response(_: Request, error: Exception) -> Response:
    code, text = describe_error(error)
    return JSONResponse({"error": {"code": code, "message": text}}, _STATUS.get(code, 400))


async def _websocket(socket: WebSocket) -> None:
    """Serve the websocket of one drawing pad until the pad disconnects."""
    await socket.accept()
    loader: StudioLoader = socket.app.state.loader
    outgoing = Outgoing(lambda message: _send(socket, message))
    session_id = socket.query_params.get("session")
    try:
        studio = await loader.wait()
        photo_path = loader.photo_path(socket.query_params)
        session = studio.connect(session_id, outgoing.reply, photo_path)
    except Exception as error:  # loading failed, or there are too many sessions; the client reconnects later
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await _send(socket, error_message(error, re=None))  # not an answer to a request
        await _close(socket, outgoing)
        return
    receiving = asyncio.create_task(_handle_frames(socket, studio, session, outgoing))
    try:
        # the task `sending` ends if the client does not read its messages
        await asyncio.wait({receiving, outgoing.sending}, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done():
            receiving.result()  # raises an unexpected error
    finally:
        receiving.cancel()
        studio.disconnect(session)
        await _close(socket, outgoing)


async def _close(socket: WebSocket, outgoing: Outgoing) -> None:
    """Drop the queued messages, and close the websocket unless it is already closed."""
    outgoing.sending.cancel()
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the websocket is already closed
        await socket.close(_TRY_LATER)


async def _handle_frames(socket: WebSocket, studio: Studio, session: Session, outgoing: Outgoing) -> None:
    """Process the messages of a drawing pad until the pad disconnects."""
    while (event := await socket.receive())["type"] == "websocket.receive":
        frame: str | bytes = event.get("text") or event.get("bytes") or ""
        try:
            studio.handle(session, unpack(frame), outgoing.reply)
        except StudioError as error:  # after an invalid frame, the connection stays open
            outgoing.reply(error_message(error, None))


class Outgoing:
    """Queue of outgoing messages of a client, limited in number and size.

    Args:
        send: Coroutine function that sends a message to the client.
    """

    def __init__(self, send: Callable[[Message], Awaitable[None]]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._bytes = 0
        # the coroutine ends when the client disconnects or exceeds a limit
        self.sending = asyncio.create_task(self._send_all())

    def reply(self, message: Message) -> None:
        """Queue a message without blocking; thread-safe."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(self._put, message)

    def _put(self, message: Message) -> None:
        self._bytes += sum(map(len, message.buffers))
        if self._messages.qsize() >= _MAX_UNREAD or self._bytes > MAX_UNREAD_BYTES:
            self.sending.cancel()
        if not self.sending.done():
            self._messages.put_nowait(message)

    async def _send_all(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                message = await self._messages.get()
                await self._send(message)
                self._bytes -= sum(map(len, message.buffers))


async def _send(socket: WebSocket, message: Message) -> None:
    frame = pack(message)
    if isinstance(frame, str):
        await socket.send_text(frame)
    else:
        await socket.send_bytes(frame)
