"""One websocket: frames in, requests to the studio; answers out, in the order in which they come."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from colorzoo.studio.coming import Coming
from colorzoo.studio.errors import StudioError
from colorzoo.studio.messages import Message, Reply, failure, pack, unpack

if TYPE_CHECKING:
    from colorzoo.studio.desk import Studio
    from colorzoo.studio.session import Session

_MOST_UNREAD = 256  # messages to a pad that reads none; then it has gone
_TRY_LATER = 1013


async def serve_socket(socket: WebSocket) -> None:
    """Serve one pad until it goes."""
    await socket.accept()
    coming: Coming = socket.app.state.coming
    outgoing: asyncio.Queue[Message | None] = asyncio.Queue(_MOST_UNREAD)
    reply = _reply_to(outgoing)
    try:
        studio = await coming.wait()
        session = studio.greet(socket.query_params.get("session"), reply, coming.recipe)
    except Exception as error:  # no studio, or no room for another pad: told, and the pad tries again
        await _turn_away(socket, error)
        return
    await _serve_pad(socket, studio, session, reply, outgoing)


async def _turn_away(socket: WebSocket, error: Exception) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        frame = pack(failure(error, None))
        assert isinstance(frame, str)
        await socket.send_text(frame)
        await socket.close(_TRY_LATER)


async def _serve_pad(
    socket: WebSocket, studio: Studio, session: Session, reply: Reply, outgoing: asyncio.Queue[Message | None]
) -> None:
    sending = asyncio.create_task(_send_all(socket, outgoing))
    try:
        while True:
            frame = await _next_frame(socket, sending)
            if frame is None:
                break
            try:
                studio.handle(session, unpack(frame), reply)
            except StudioError as error:  # no message at all: the next may be one
                reply(failure(error, None))
    finally:
        studio.leave(session)
        sending.cancel()
        if socket.client_state == WebSocketState.CONNECTED == socket.application_state:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(_TRY_LATER)


def _reply_to(outgoing: asyncio.Queue[Message | None]) -> Reply:
    """Return a function for other threads that never blocks them."""
    loop = asyncio.get_running_loop()

    def put(message: Message) -> None:
        if outgoing.qsize() < _MOST_UNREAD - 1:
            outgoing.put_nowait(message)
        elif outgoing.qsize() < _MOST_UNREAD:
            outgoing.put_nowait(None)  # the end: this pad does not read

    def reply(message: Message) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is there to be answered
            loop.call_soon_threadsafe(put, message)

    return reply


async def _send_all(socket: WebSocket, outgoing: asyncio.Queue[Message | None]) -> None:
    while (message := await outgoing.get()) is not None:
        frame = pack(message)
        send = (
            partial(socket.send_text, frame) if isinstance(frame, str) else partial(socket.send_bytes, frame)
        )
        try:
            await send()
        except (WebSocketDisconnect, RuntimeError):
            return


async def _next_frame(socket: WebSocket, sending: asyncio.Task[None]) -> str | bytes | None:
    """Return the next frame, or None when the pad has gone or stopped reading."""
    receiving = asyncio.ensure_future(socket.receive())
    await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
    if not receiving.done():
        receiving.cancel()
        return None
    event = receiving.result()
    if event["type"] == "websocket.disconnect":
        return None
    frame: str | bytes | None = event.get("text")
    return event.get("bytes", b"") if frame is None else frame
