"""Pads for tests, with and without a websocket, and generated images."""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.app import StudioLoader, build_app
from colorzoo.apps.studio.protocol import Limits, Message, pack, unpack
from colorzoo.apps.studio.studio import Studio
from colorzoo.inference.colorizer import Colorizer
from tiny_model import gray_image, tiny_model

ADDRESS = "http://127.0.0.1:8765"
SIDE_MESSAGES = {"model", "dropped"}


def tiny_studio(limits: Limits | None = None, **options: Any) -> Studio:
    model = tiny_model()
    model.network.unet.class_head.weight.data *= 30  # a flat distribution would count as untrained
    return Studio(Colorizer(model, device="cpu", size=64), limits=limits, **options)


def image_file(levels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(levels).save(memory, kind, **options)
    return memory.getvalue()


def photo_file(width: int = 96, height: int = 80, kind: str = "PNG", **options: Any) -> bytes:
    return image_file(gray_image(height, width), kind, **options)


def exemplar_file(width: int = 60, height: int = 50) -> bytes:
    """Return a reference image in color, because gray references are rejected."""
    gray = np.asarray(gray_image(height, width))
    return image_file(np.stack([gray, gray // 2, gray // 3], axis=-1).astype(np.uint8))


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


class DirectPad:
    """Sends requests to a studio and waits for their replies."""

    def __init__(self, studio: Studio, session: str | None = None) -> None:
        self.studio, self.count = studio, 0
        self.inbox: queue.Queue[Message] = queue.Queue()
        self.session = studio.connect(session, self.inbox.put)
        self.hello = self.inbox.get(timeout=30).body

    def send(self, kind: str, *buffers: bytes, **fields: Any) -> int:
        self.count += 1
        self.studio.handle(
            self.session, Message({"type": kind, "id": self.count, **fields}, buffers), self.inbox.put
        )
        return self.count

    def next(self) -> Message:
        while (message := self.inbox.get(timeout=60)).type in SIDE_MESSAGES and message.body.get(
            "re"
        ) is None:
            pass
        return message

    def call(self, kind: str, *buffers: bytes, **fields: Any) -> Message:
        number = self.send(kind, *buffers, **fields)
        while (message := self.next()).body.get("re") != number:
            pass
        return message

    def open(self, data: bytes | None = None, name: str = "old.png") -> dict[str, Any]:
        reply = self.call("open", data or photo_file(), name=name)
        assert reply.type == "photo", reply.body
        return reply.body

    def export(self, recipe: dict[str, Any], kind: str = "png", **options: Any) -> bytes:
        """Return an exported file."""
        body = self.call("export", recipe=recipe, format=kind, **options).body
        assert body["type"] == "exported", body
        return self.session.file(body["url"].removeprefix("api/download/").partition("?")[0]).data


class SocketPad:
    """Sends requests over the websocket of a test client."""

    def __init__(self, socket: Any, client: TestClient) -> None:
        self.socket, self.client, self.count = socket, client, 0
        self.hello = json.loads(socket.receive_text())

    def send(self, kind: str, *buffers: bytes, **fields: Any) -> int:
        self.count += 1
        frame = pack(Message({"type": kind, "id": self.count, **fields}, buffers))
        self.socket.send_text(frame) if isinstance(frame, str) else self.socket.send_bytes(frame)
        return self.count

    def next(self) -> Message:
        event = self.socket.receive()
        return unpack(event.get("text") or event["bytes"])

    def call(self, kind: str, *buffers: bytes, **fields: Any) -> Message:
        number = self.send(kind, *buffers, **fields)
        while (message := self.next()).body.get("re") != number:
            pass
        return message

    def upload(self, data: bytes) -> Any:
        return self.client.post(f"/api/upload?session={self.hello['session']}", content=data)

    def open(self, data: bytes, name: str = "old.png") -> Message:
        reply = self.upload(data)
        if reply.status_code != 200:
            return Message({"type": "error", **reply.json()["error"]})
        return self.call("open", name=name, upload=reply.json()["upload"])


def client_of(loader: StudioLoader) -> TestClient:
    """Return a client that sends the token."""
    app = build_app(loader, Access("127.0.0.1", "secret"))
    return TestClient(app, base_url=ADDRESS, headers={"Authorization": "Bearer secret"})


@contextmanager
def web_client(studio: Studio) -> Iterator[TestClient]:
    with client_of(StudioLoader.loaded(studio)) as client:
        yield client


@contextmanager
def socket_pad(client: TestClient, query: str = "") -> Iterator[SocketPad]:
    with client.websocket_connect(f"/api/ws{query}", headers={"host": "127.0.0.1:8765"}) as socket:
        yield SocketPad(socket, client)
