"""Invalid uploads are refused in one line, and the server goes on."""

import json
import socket
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from bad_files import BAD_FILES
from pads import DirectPad, SocketPad, look_file, photo_file, socket_pad, tiny_studio, web_client
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from colorzoo.studio.app import StudioLoader
from colorzoo.studio.protocol import Limits
from colorzoo.studio.server import Address, run_server


@pytest.fixture(scope="module")
def web() -> Iterator[SocketPad]:
    studio = tiny_studio(Limits(pixels=4_000_000))
    with web_client(studio) as client, socket_pad(client) as pad:
        yield pad


def test_a_bad_upload_is_refused_in_one_line(web: SocketPad) -> None:
    for name in BAD_FILES:
        answer = web.open(BAD_FILES[name](), f"{name}.jpg")
        assert answer.type == "error"
        assert answer.body["code"] == "bad_image"
        text = answer.body["message"]
        assert 20 < len(text) < 300
        assert "\n" not in text
        assert "/" not in text.replace("and/or", "")  # no path of the server
        assert web.open(photo_file(), "good.png").type == "photo"  # and the server is still up


def test_a_bad_reference_leaves_the_old_one(pad: DirectPad) -> None:
    pad.open()
    assert pad.ask("attach", look_file(50, 40), slot="exemplar", name="look.png").body["width"] == 50
    kept = pad.session.reference
    assert pad.ask("attach", b"nothing", slot="exemplar").body["code"] == "bad_image"
    assert pad.session.reference is kept


def test_a_failed_open_leaves_the_photo(pad: DirectPad) -> None:
    photo = pad.open()
    assert pad.ask("open", b"nothing").type == "error"
    assert pad.ask("color", recipe={"image": photo["image"]}).type == "colored"


BOMBS = {"png": ("PNG", 20_000, 20_000), "gif": ("GIF", 60_000, 60_000), "webp": ("WEBP", 16_000, 16_000)}


def bomb_head(kind: str) -> bytes:
    """Return a small image whose header claims huge sides."""
    name, width, height = BOMBS[kind]
    data = bytearray(photo_file(kind=name))
    if kind == "png":
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    elif kind == "gif":
        data[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    else:
        at = data.index(b"\x9d\x01\x2a") + 3
        data[at : at + 4] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return bytes(data)


def test_a_bomb_is_refused(pad: DirectPad) -> None:
    for kind in BOMBS:
        answer = pad.ask("open", bomb_head(kind), name="bomb.png").body
        assert (answer["type"], answer["code"]) == ("error", "bad_image")
        assert answer["message"].startswith("bomb.png has")
        assert "--max-pixels" not in answer["message"]


def test_errors_name_the_file_and_recommend_no_option_of_another_command(pad: DirectPad) -> None:
    cut = photo_file(400, 300, kind="JPEG")[:2000]
    for data, name in ((b"nothing", "notes.txt"), (cut, "cut.jpg"), (b"", "empty.png")):
        text = pad.ask("open", data, name=name).body["message"]
        assert text.startswith(name)
        assert "--" not in text
        assert "image is not an image" not in text


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with run_server(StudioLoader.loaded(tiny_studio(Limits(file_bytes=100_000))), Address(port=0)) as (
        url,
        _,
    ):
        yield url


def begin_upload(url: str, length: int) -> tuple[socket.socket, str]:
    """Return a connection that has sent the head of an upload, and the session."""
    place = urlsplit(url)
    with connect(f"ws://{place.netloc}/api/ws?{place.query}") as pad:
        session = json.loads(pad.recv())["session"]
    link = socket.create_connection((place.hostname, place.port), timeout=30)
    head = f"POST /api/upload?session={session}&{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\n"
    link.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
    return link, session


def test_a_message_that_is_far_too_large_ends_the_connection() -> None:
    loader = StudioLoader.loaded(tiny_studio(Limits(message_bytes=10_000)))
    with (
        run_server(loader, Address(port=0)) as (url, _),
        connect(f"ws://{urlsplit(url).netloc}/api/ws?{urlsplit(url).query}") as pad,
    ):
        assert pad.response.headers.get("Sec-WebSocket-Extensions") is None  # images are compressed already
        assert pad.response.headers.get("Server") is None
        pad.recv()
        pad.send(" " * 10_001)
        with pytest.raises(ConnectionClosedError) as found:
            pad.recv()
    assert found.value.sent.code == 1009


def test_an_upload_that_is_far_too_large_gets_its_answer(served: str) -> None:
    link, _ = begin_upload(served, 100_001)
    assert link.recv(12) == b"HTTP/1.1 413"  # before anything of it is sent
    link.close()
    length = 20_000_000
    link, _ = begin_upload(served, length)
    for _ in range(length // 100_000):
        link.sendall(bytes(100_000))
    assert link.recv(12) == b"HTTP/1.1 413"
    link.close()


def test_the_upload_of_another_session_cannot_be_opened(web: SocketPad) -> None:
    with socket_pad(web.client) as other:
        key = web.upload(photo_file()).json()["upload"]
        assert other.ask("open", name="old.png", upload=key).body["code"] == "expired"
        assert web.ask("open", name="old.png", upload=key).type == "photo"
