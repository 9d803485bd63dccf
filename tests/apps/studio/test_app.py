"""Routes, limits of uploads, and access control of the web server."""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from pads import ADDRESS, client_of, photo_file, socket_pad, tiny_studio, web_client
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from colorzoo.apps.studio.access import Access
from colorzoo.apps.studio.app import STATIC, StudioLoader, build_app
from colorzoo.apps.studio.protocol import Limits, Message, StudioError
from colorzoo.apps.studio.server import qr_code, run_server, url_of
from colorzoo.apps.studio.studio import Studio

FILES = [path for path in sorted(STATIC.rglob("*.*")) if path.suffix in (".js", ".css", ".svg")]
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
SMALL = Limits(file_bytes=200_000, pixels=40_000)


@pytest.fixture(scope="module")
def small_studio() -> Iterator[Studio]:
    made = tiny_studio(SMALL)
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(small_studio: Studio) -> Iterator[TestClient]:
    with web_client(small_studio) as made:
        yield made


def test_index_page_allows_only_its_own_files(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?! type=\"module\" src)|<style|\sstyle=|\son\w+=", page.text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_app_serves_static_files_that_load_nothing_from_other_hosts(client: TestClient, path: Path) -> None:
    address = f"/static/{path.relative_to(STATIC).as_posix()}"
    reply = client.get(address)
    assert reply.headers["content-type"].partition(";")[0] == TYPES[path.suffix]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", reply.text)) <= {
        "http://www.w3.org/2000/svg"
    }
    assert "@import" not in reply.text
    assert reply.headers["cache-control"] == "no-cache"
    again = client.get(address, headers={"if-none-match": reply.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")


def test_app_serves_no_other_files(client: TestClient) -> None:
    for path in [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/js/..%2f..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/js",
        "/static/js/%00",
        "/js/pad.js",
        "/api/download/..%2f..%2fapp.py",
        "/report/none.html",
    ]:
        reply = client.get(path)
        assert reply.status_code in (404, 400)
        assert "import" not in reply.text
        assert "root:" not in reply.text


def test_app_uploads_colorizes_and_downloads_an_image(client: TestClient) -> None:
    with socket_pad(client) as pad:
        photo = pad.open(photo_file(), "old.png")
        recipe = {"image": photo.body["image"], "points": [{"x": 5, "y": 6, "color": "#c04020"}]}
        assert pad.call("color", recipe=recipe).type == "colored"
        exported = pad.call("export", recipe=recipe, format="png").body
        file = client.get("/" + exported["url"])
        assert file.content.startswith(b"\x89PNG")
        assert "old.color.png" in file.headers["content-disposition"]
        stolen = exported["url"].replace(pad.hello["session"], "someone-else")
        assert client.get("/" + stolen).status_code == 404


def test_upload_rejects_large_bodies_and_unknown_sessions(client: TestClient) -> None:
    with socket_pad(client) as pad:
        address = f"/api/upload?session={pad.hello['session']}"
        assert client.post(address, content=b"x" * 200_001).status_code == 413
        assert client.post("/api/upload?session=guess", content=b"x").status_code == 404
        reply = client.post(address, content=iter([b"x" * 100_000] * 1000))  # 100 MB without a length
        assert reply.status_code == 413
        assert "limit" in reply.json()["error"]["message"]


def test_uploads_are_limited_to_a_quarter_of_the_memory() -> None:
    studio = tiny_studio(Limits(memory_bytes=400_000))
    with web_client(studio) as client, socket_pad(client) as pad:
        assert pad.upload(bytes(100_000)).status_code == 200
        reply = pad.upload(bytes(100_001))
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "busy")
        assert "Too many uploads" in reply.json()["error"]["message"]
        assert pad.upload(bytes(100_000)).status_code == 200  # earlier uploads are finished
    studio.close()


def test_app_rejects_unknown_host_names_on_loopback(client: TestClient) -> None:
    for host in ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "10.0.0.1", ""]:
        assert client.get("/", headers={"host": host}).status_code == 403


def test_app_rejects_other_origins(client: TestClient) -> None:
    for origin in ["http://evil.example", "null", "https://127.0.0.1:9999", "http://127.0.0.1"]:
        assert client.post("/api/upload?session=x", headers={"origin": origin}).status_code == 403
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/api/ws", headers={"origin": origin, "host": "127.0.0.1:8765"}),
        ):
            pass


def test_app_rejects_unknown_host_names_on_other_addresses(small_studio: Studio) -> None:
    for host, status in [
        ("192.168.1.7:8765", 200),
        ("[2001:db8::7]:8765", 200),
        ("studio.example", 200),
        ("evil.example:8765", 403),
    ]:
        app = build_app(StudioLoader.loaded(small_studio), Access("0.0.0.0", "secret", ("studio.example",)))
        assert TestClient(app, base_url=ADDRESS).get("/", headers={"host": host}).status_code == status


def test_session_limit_rejects_new_pads_and_keeps_connected_pads() -> None:
    studio = tiny_studio(Limits(sessions=1))
    with web_client(studio) as client, socket_pad(client) as pad:
        with client.websocket_connect("/api/ws", headers={"host": "127.0.0.1:8765"}) as pipe:
            assert "(at most 1)" in pipe.receive_text()
            with pytest.raises(WebSocketDisconnect) as ended:
                pipe.receive_text()
        assert ended.value.code == 1013
        assert pad.call("check", recipe={}).type == "checked"


def test_refused_photos_do_not_occupy_sessions(tmp_path: Path) -> None:
    studio = tiny_studio(Limits(sessions=1, file_bytes=10))
    large = tmp_path / "large.png"
    large.write_bytes(bytes(11))
    messages: list[Message] = []
    for _ in range(2):
        with pytest.raises(StudioError, match="exceeds the limit"):
            studio.connect(None, messages.append, large)
    studio.connect(None, messages.append)
    assert [message.type for message in messages] == ["hello"]
    studio.close()


def test_app_serves_the_page_while_the_studio_loads() -> None:
    loader = StudioLoader(SMALL)
    with client_of(loader) as client:
        assert client.get("/").status_code == 200
        with client.websocket_connect("/api/ws", headers={"host": "127.0.0.1:8765"}) as pipe:
            studio = tiny_studio(SMALL)
            studio.recipe = {"version": 1}
            loader.finish(studio)
            assert '"recipe":{"version":1}' in pipe.receive_text()


def test_app_reports_loading_errors_to_the_pad() -> None:
    loader = StudioLoader(SMALL)
    with client_of(loader) as client:
        loader.fail(StudioError("no_model", "there is no such model"))
        with client.websocket_connect("/api/ws", headers={"host": "127.0.0.1:8765"}) as pipe:
            assert "There is no such model" in pipe.receive_text()


def test_url_of_returns_an_address_for_other_devices() -> None:
    shown = url_of("0.0.0.0", 8765, "secret")
    host = urlsplit(shown).hostname or ""
    assert re.fullmatch(r"[\d.]+", host) or host == socket.gethostname().lower()
    assert shown.endswith(":8765/?token=secret")
    assert "0.0.0.0" not in shown
    assert url_of("::1", 80, "a") == "http://[::1]:80/?token=a"
    assert "▄" in qr_code(shown)


def test_websocket_replies_to_invalid_frames_and_stays_open(client: TestClient) -> None:
    with socket_pad(client) as pad:
        for frame in ("{", "[]", "\x00"):
            pad.socket.send_text(frame)
            assert pad.next().body["code"] == "bad_message"
        pad.socket.send_bytes(b"\xff" * 9)
        assert pad.next().body["code"] == "bad_message"
        assert pad.call("check", recipe={}).type == "checked"


def test_unfinished_uploads_time_out_and_are_limited_per_session() -> None:
    studio = tiny_studio(replace(SMALL, upload_seconds=2.0))
    with run_server(StudioLoader.loaded(studio), port=0) as (url, _):
        slow, other = (studio.connect(None, lambda _: None).id for _ in range(2))
        parts = urlsplit(url)
        links = [socket.create_connection((parts.hostname, parts.port), timeout=30) for _ in range(3)]
        for link in links:  # the body never arrives
            first = f"POST /api/upload?session={slow}&{parts.query} HTTP/1.1"
            link.sendall(f"{first}\r\nHost: {parts.netloc}\r\nContent-Length: 1000\r\n\r\n".encode())
        with urlopen(url.replace("/?", "/api/upload?") + f"&session={other}", b"x" * 100) as reply:
            assert reply.status == 200  # another session
        replies = sorted(link.recv(4096).split(b" ")[1] for link in links)
        assert replies == [b"408", b"408", b"429"]
        for link in links:
            link.close()


def test_server_sends_responses_without_delay() -> None:
    with run_server(StudioLoader.loaded(tiny_studio(SMALL)), port=0) as (url, _):
        link, seconds = HTTPConnection(urlsplit(url).netloc, timeout=30), []
        for _ in range(30):
            start = time.perf_counter()
            link.request("GET", "/static/js/pad.js")
            link.getresponse().read()
            seconds.append(time.perf_counter() - start)
        link.close()
    # with Nagle's algorithm, the second packet of each response waits at least 40 ms for an acknowledgment
    assert min(seconds[10:]) < 0.03
