"""A running HTTP service and its clients, for tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from starlette.testclient import TestClient

from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.server import run_app
from colorzoo.apps.studio.service import ColorService, ServiceLimits, build_service
from colorzoo.batch import FileColorizer
from colorzoo.inference import Colorizer
from tiny_model import gray_image, tiny_model

TOKEN = "secret"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LIMITS = ServiceLimits(request_bytes=200_000, pixels=20_000)


def tiny_colorizer() -> Colorizer:
    model = tiny_model()
    model.network.unet.class_head.weight.data *= 30  # a flat distribution would count as untrained
    return Colorizer(model, device="cpu", size=64)


def write_photo(folder: Path) -> Path:
    path = folder / "Größe 1.png"
    Image.fromarray(gray_image(80, 96)).save(path, dpi=(300, 300))
    return path


@contextmanager
def client_of(service: ColorService) -> Iterator[TestClient]:
    app = build_service(service, Access("127.0.0.1", TOKEN))
    with TestClient(app, base_url="http://127.0.0.1:8000", headers=HEADERS) as client:
        yield client


def post(client: TestClient, photo: Path | bytes, name: str = "old.png", **fields: Any) -> Any:
    data = photo if isinstance(photo, bytes) else photo.read_bytes()
    return client.post("/colorize", files={"image": (name, data)}, data=fields)


def error_of(response: Any) -> tuple[int, str]:
    """Return the status and the code of an error, whose message is one line without paths."""
    error = response.json()["error"]
    assert "\n" not in error["message"]
    assert "/tmp" not in error["message"]
    assert "Traceback" not in error["message"]
    assert len(error["message"]) > 10
    return response.status_code, error["code"]


def raw_post(url: str, body: bytes, length: int | None = None, token: str = TOKEN) -> socket.socket:
    """Send the head and the beginning of a request and return the connection."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = socket.create_connection((address.hostname, address.port or 80), timeout=60)
    head = (
        f"POST /colorize HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length or len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    """Return the status of the response and close the connection."""
    with connection, connection.makefile("rb") as file:
        return int(file.readline().split()[1])


def form_of(photo: Path) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    return head + photo.read_bytes() + b"\r\n--b--\r\n"


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class BlockedNetwork:
    """Blocks `FileColorizer.color` until `release` is set.

    Attributes:
        started: Whether a request has reached the network.
        colored: Number of images that the network colorized.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started, self.release, self.colored = threading.Event(), threading.Event(), 0
        original = FileColorizer.color

        def blocked(files: FileColorizer, opened: Any) -> Any:
            self.started.set()
            self.release.wait(60)
            result = original(files, opened)  # stops before the first layer if the request is cancelled
            self.colored += 1
            return result

        monkeypatch.setattr(FileColorizer, "color", blocked)


@contextmanager
def running(service: ColorService) -> Iterator[str]:
    with run_app(partial(build_service, service), port=0, token=TOKEN) as (url, _):
        yield url.partition("?")[0]
