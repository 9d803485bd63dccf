"""Access, limits and invalid input of the web server."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from browser_pad import SIZE, watched_pad
from pads import SocketPad, photo_file, socket_pad, tiny_studio, web_client
from PIL import Image
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.sync.client import connect

from colorzoo.apps.studio import app, server
from colorzoo.apps.studio.app import StudioLoader
from colorzoo.apps.studio.protocol import Message, unpack
from colorzoo.apps.studio.server import run_server
from colorzoo.apps.studio.studio import Studio


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with run_server(StudioLoader.loaded(tiny_studio()), port=0) as (address, _):
        yield address


@pytest.fixture(scope="module")
def web(studio: Studio) -> Iterator[SocketPad]:
    with web_client(studio) as client, socket_pad(client) as pad:
        yield pad


def status(address: str, **headers: str) -> int:
    try:
        with urlopen(Request(address, headers=headers), timeout=20) as reply:
            return int(reply.status)
    except HTTPError as error:
        return error.code


def test_loopback_requires_the_token_of_the_printed_address(url: str) -> None:
    page, token = url.split("?token=")
    health = f"{page}api/health"
    assert status(page) == 200  # the page itself contains no data
    assert status(health) == status(f"{health}?token={token[:-1]}") == 403
    assert status(health, Authorization=f"Bearer {token[1:]}") == 403
    assert status(f"{page}report/any.html") == 403
    assert status(f"{health}?token={token}") == 200
    for header in (f"Bearer {token}", f"bearer {token}"):
        assert status(health, Authorization=header) == 200
    for header in (token, f"Basic {token}", f"Bearer{token}"):
        assert status(health, Authorization=header) == 403
    with urlopen(url) as reply:
        cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert status(health, Cookie=cookie.split(";")[0]) == 200
    assert status(health, Cookie=cookie.split("=")[0] + "=guess") == 403


def test_app_rejects_invalid_host_and_origin_headers(web: SocketPad) -> None:
    for header in [{"host": "[::1"}, {"origin": "http://[::1"}, {"host": "[zz]:80"}]:
        assert web.client.get("/api/health", headers={"host": "127.0.0.1:8765"} | header).status_code == 403


def test_export_accepts_names_with_lone_surrogates(web: SocketPad) -> None:
    recipe = {"image": web.open(photo_file(), "\ud800.png").body["image"]}
    exported = web.call("export", recipe=recipe, format="png").body
    assert web.client.get("/" + exported["url"]).status_code == 200


def test_incomplete_request_heads_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    with run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _):
        place = urlsplit(url)
        with connect(f"ws://{place.netloc}/api/ws?{place.query}") as pad:
            hello = json.loads(pad.recv())
            half = b"GET / HTTP/1.1\r\nHost:"
            for sent in (b"", half, half + b"x\r\n\r\n"):
                link = socket.create_connection((place.hostname, place.port), timeout=3)
                link.sendall(sent)
                reply = b"".join(iter(lambda link=link: link.recv(2**16), b""))  # until the server closes
                assert reply.startswith(b"HTTP/1.1 403") == (b"x" in sent)
                link.close()
            pad.send(json.dumps({"type": "check", "id": 1, "recipe": {}}))  # a websocket stays open
            assert hello["type"] == "hello"
            assert unpack(pad.recv()).type == "checked"


@pytest.mark.parametrize(
    ("count", "size", "reads", "ends"),
    [
        *((256, 0, False, False), (257, 0, False, True), (2, 500, False, False), (2, 501, False, True)),
        (300, 400, True, False),
    ],
)
def test_outgoing_disconnects_clients_that_do_not_read(
    monkeypatch: pytest.MonkeyPatch, count: int, size: int, reads: bool, ends: bool
) -> None:
    monkeypatch.setattr(app, "MAX_UNREAD_BYTES", 1000)

    async def run() -> None:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)
            if not reads:
                await asyncio.Event().wait()

        outgoing = app.Outgoing(send)
        for number in range(count):
            outgoing.reply(Message({"type": "colored", "id": number}, (bytes(size),)))
            if reads:
                await asyncio.sleep(0)
        await asyncio.wait({outgoing.sending}, timeout=0.05)
        assert (outgoing.sending.cancelled(), len(sent)) == (ends, count if reads else not ends)

    asyncio.run(run())


@pytest.mark.nightly
@pytest.mark.browser
def test_pad_works_behind_a_path_prefix(
    browser: Any, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like nginx and jupyter-server-proxy, the proxy removes the prefix from the request path."""

    def behind_prefix(*args: Any) -> ASGIApp:
        inner = app.build_app(*args)

        async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "lifespan":
                if not scope["path"].startswith("/pad/"):
                    await Response(status_code=404)(scope, receive, send)
                    return
                scope = {**scope, "path": scope["path"].removeprefix("/pad")}
            await inner(scope, receive, send)

        return proxy

    monkeypatch.setattr(server, "build_app", behind_prefix)
    with (
        run_server(StudioLoader.loaded(tiny_studio()), port=0) as (url, _),
        watched_pad(browser, url.replace("/?", "/pad/?")) as pad,
    ):
        pad.open_ready(photo)
        pad.click(60, 60)
        pad.settle()
        pad.page.click("[data-action=export]")
        pad.page.check("input[name=cz-format][value=png]")
        file = pad.download(lambda: pad.page.click("[data-action=export-now]"), tmp_path / "colored.png")
        with Image.open(file) as image:
            assert image.size == SIZE
